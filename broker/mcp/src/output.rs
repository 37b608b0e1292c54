//! What goes to the client: one message a line, and nothing else; a client that does not read holds up nobody but its own calls.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// Standard output. One thread writes; everybody else puts lines into a queue.
pub(crate) struct Output {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    /// Of the lines, and of the one that is being written.
    bytes: usize,
}

impl Output {
    /// Writes to this stream, and calls `gone` when it cannot be written any more.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(crate) fn start(
        mut stream: impl Write + Send + 'static,
        gone: impl FnOnce() + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let output = Arc::new(Self { queue: Mutex::default(), changed: Condvar::new() });
        let queued = Arc::clone(&output);
        thread::Builder::new().name("output".to_owned()).spawn(move || {
            loop {
                let line = queued.first();
                if stream.write_all(&line).and_then(|()| stream.flush()).is_err() {
                    return gone();
                }
                let mut queue = queued.queue();
                queue.bytes = queue.bytes.saturating_sub(line.len());
                drop(queue);
                queued.changed.notify_all();
            }
        })?;
        Ok(output)
    }

    /// Has one message written, and waits until there is room for it. `ready` is called when there is, before anybody can have
    /// read it.
    pub(crate) fn send_after(&self, message: &Value, ready: impl FnOnce()) {
        let is_full = |queue: &mut Queue| queue.bytes > MOST_WAITING_BYTES;
        let queue = self.changed.wait_while(self.queue(), is_full).unwrap_or_else(PoisonError::into_inner);
        ready();
        self.put(queue, message);
    }

    /// Has one message written, and waits for nothing.
    ///
    /// # Errors
    /// When the client has left so much unread that there is no room for more.
    pub(crate) fn send_at_once(&self, message: &Value) -> io::Result<()> {
        let queue = self.queue();
        if queue.bytes > MOST_WAITING_BYTES {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "the client does not read"));
        }
        self.put(queue, message);
        Ok(())
    }

    /// Waits until everything is written, but no longer than `most`.
    pub(crate) fn drain(&self, most: Duration) {
        let is_left = |queue: &mut Queue| queue.bytes > 0;
        drop(self.changed.wait_timeout_while(self.queue(), most, is_left));
    }

    fn put(&self, mut queue: MutexGuard<'_, Queue>, message: &Value) {
        let mut line = message.to_string().into_bytes();
        line.push(b'\n');
        queue.bytes = queue.bytes.saturating_add(line.len());
        queue.lines.push_back(line);
        drop(queue);
        self.changed.notify_all();
    }

    /// The line to be written next, as soon as there is one.
    fn first(&self) -> Vec<u8> {
        let mut queue = self.queue();
        loop {
            if let Some(line) = queue.lines.pop_front() {
                return line;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may lie unread before nothing more is put to it; the last message goes beyond it.
const MOST_WAITING_BYTES: usize = 16 * 1024 * 1024;
