//! What goes to the client: one message a line, and nothing else.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Standard output, which several threads write to.
pub(crate) struct Output {
    stream: Mutex<Box<dyn Write + Send>>,
}

impl Output {
    /// Writes to this stream.
    pub(crate) fn new(stream: impl Write + Send + 'static) -> Self {
        Self { stream: Mutex::new(Box::new(stream)) }
    }

    /// Writes one message. It waits for a client that reads slowly.
    ///
    /// # Errors
    /// When it cannot be written: there is no client any more.
    pub(crate) fn send(&self, message: &Value) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(&line)?;
        stream.flush()
    }
}
