//! Standard output, which nobody may ever read: a signal and the deadline still end the program.

use std::io::{self, StdoutLock, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::libc::PIPE_BUF;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::wait::{Event, Waiter};

/// Standard output, for as long as a result is written.
pub struct Outlet<'a> {
    stdout: StdoutLock<'a>,
    waiter: Waiter,
    deadline: Instant,
    patience: Duration,
    /// What came while nobody read: a signal, or the deadline.
    pub interruption: Option<Event>,
}

impl<'a> Outlet<'a> {
    /// Standard output, with the signals that end a run in view. It may stay unread until the deadline, and after that
    /// for as long as `patience`.
    ///
    /// # Errors
    /// Those of [`Waiter::new`].
    pub fn new(stdout: StdoutLock<'a>, deadline: Instant, patience: Duration) -> io::Result<Self> {
        Ok(Self { stdout, waiter: Waiter::new()?, deadline, patience, interruption: None })
    }

    /// Waits for a reader. What would end the run counts only while there is none: it must not cut a result that is
    /// being read.
    fn wait_for_room(&mut self) -> io::Result<()> {
        self.waiter.set_deadline(Some(self.deadline.max(Instant::now() + self.patience)));
        // A buffer that is dropped tries once more.
        while self.interruption.is_none() {
            let mut now = [PollFd::new(self.stdout.as_fd(), PollFlags::POLLOUT)];
            if poll(&mut now, PollTimeout::ZERO)? > 0 {
                return Ok(());
            }
            let event = self.waiter.writable(self.stdout.as_fd())?;
            if matches!(event, Event::Signal(_) | Event::Deadline) {
                self.interruption = Some(event);
            }
        }
        Err(io::Error::other("the run was ended before its result was read"))
    }
}

impl Write for Outlet<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait_for_room()?;
        // pipe(7): a pipe that poll(2) calls writable takes this much without blocking.
        let piece = bytes.get(..PIPE_BUF).unwrap_or(bytes);
        Ok(nix::unistd::write(&self.stdout, piece)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
