//! An output that nobody may ever read: signals and the end of the time still end the program.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::libc::PIPE_BUF;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};

use crate::watch::wait::{Event, Waiter};

/// Standard output or standard error, for as long as something is written.
#[derive(Debug)]
pub struct Outlet<F: AsFd> {
    output: F,
    waiter: Waiter,
    deadline: Instant,
    patience: Duration,
    /// Whether it is a regular file, which never keeps a writer waiting.
    is_file: bool,
    /// What came while nobody read: a signal, or the deadline.
    pub interruption: Option<Event>,
}

impl<F: AsFd> Outlet<F> {
    /// The output, with the signals that end a run in view. It may stay unread until the deadline, and after that for
    /// as long as `patience`.
    ///
    /// # Errors
    /// Those of sigprocmask(2) and signalfd(2).
    pub fn new(output: F, deadline: Instant, patience: Duration) -> io::Result<Self> {
        let is_file =
            fstat(&output).is_ok_and(|stat| stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits());
        Ok(Self { output, waiter: Waiter::new()?, deadline, patience, is_file, interruption: None })
    }

    /// Whether something could be written at once.
    pub fn has_room(&self) -> bool {
        let mut now = [PollFd::new(self.output.as_fd(), PollFlags::POLLOUT)];
        poll(&mut now, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Waits for a reader. What would end the run counts only while there is none: it must not cut a result that is
    /// being read.
    fn wait_for_room(&mut self) -> io::Result<()> {
        self.waiter.set_deadline(Some(self.deadline.max(Instant::now() + self.patience)));
        // A buffer that is dropped tries once more.
        while self.interruption.is_none() {
            if self.has_room() {
                return Ok(());
            }
            let event = self.waiter.writable(self.output.as_fd())?;
            if matches!(event, Event::Signal(_) | Event::Deadline) {
                self.interruption = Some(event);
            }
        }
        Err(io::Error::other(match self.interruption {
            Some(Event::Deadline) => "nobody has read it in time",
            _ => "the run was ended before it was read",
        }))
    }
}

impl<F: AsFd> Write for Outlet<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait_for_room()?;
        // pipe(7): a pipe that poll(2) calls writable takes this much without blocking. A file takes all at once, so that
        // what several runs append to it does not mix.
        let piece = if self.is_file { bytes } else { bytes.get(..PIPE_BUF).unwrap_or(bytes) };
        Ok(nix::unistd::write(&self.output, piece)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
