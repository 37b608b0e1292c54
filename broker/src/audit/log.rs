//! How lines get into an open log: whole, and without waiting for ever.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::error::AuditError;

/// Where lines go.
pub trait Lines: Send {
    /// Writes whole lines.
    ///
    /// # Errors
    /// When it fails, or takes only a part.
    fn append(&mut self, lines: &[u8]) -> Result<(), AuditError>;

    /// Forces what was written to disk.
    ///
    /// # Errors
    /// When it cannot be done.
    fn sync(&mut self) -> Result<(), AuditError>;
}

/// An open audit log.
#[derive(Debug)]
pub struct Log {
    file: File,
    place: String,
    path: Option<PathBuf>,
    kind: Kind,
    /// Whether the last line in the file is not complete, so that ours must not continue it.
    torn: bool,
}

/// What the log is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A file: one write(2) appends all lines, and no other run's come between them.
    Regular,
    /// A pipe, socket or character device: somebody has to take the lines, in time.
    Stream {
        /// How long that may take.
        patience: Duration,
    },
}

impl Log {
    pub(super) fn regular(file: File, place: String, path: Option<PathBuf>, torn: bool) -> Self {
        Self { file, place, path, kind: Kind::Regular, torn }
    }

    pub(super) fn stream(file: File, place: String) -> Self {
        Self { file, place, path: None, kind: Kind::Stream { patience: PATIENCE }, torn: false }
    }

    /// How messages and the result document call it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Its path, when it has one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The open file, so that it can be closed to scripts by its identity.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// With less patience for a reader that does not read.
    #[cfg(test)]
    pub(super) fn impatient(mut self) -> Self {
        self.kind = Kind::Stream { patience: Duration::from_millis(50) };
        self
    }

    /// One write(2).
    fn write(&mut self, lines: &[u8]) -> Result<(), AuditError> {
        let before: &[u8] = if self.torn { b"\n" } else { b"" };
        let length = before.len() + lines.len();
        loop {
            match self.file.write_vectored(&[IoSlice::new(before), IoSlice::new(lines)]) {
                Ok(written) if written == length => {
                    self.torn = false;
                    return Ok(());
                }
                Ok(written) => {
                    self.torn |= written > before.len();
                    return Err(AuditError::Short { written, length });
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(AuditError::Write(error)),
            }
        }
    }
}

impl Lines for Log {
    fn append(&mut self, lines: &[u8]) -> Result<(), AuditError> {
        let Kind::Stream { patience } = self.kind else { return self.write(lines) };
        let mut rest = lines;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(piece_end(rest));
            wait(&self.file, patience).map_err(AuditError::Write)?;
            self.write(piece)?;
            rest = after;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), AuditError> {
        match self.kind {
            Kind::Regular => self.file.sync_data().map_err(AuditError::Sync),
            // There is nothing to force: fdatasync(2) answers EINVAL.
            Kind::Stream { .. } => Ok(()),
        }
    }
}

/// As many whole lines as a pipe takes in one piece, or a part of a line that is longer.
///
/// pipe(7): "POSIX.1 says that writes of less than PIPE_BUF bytes must be atomic". And a pipe that poll(2) calls
/// writable takes that much without blocking.
fn piece_end(lines: &[u8]) -> usize {
    if lines.len() <= PIPE_BUF_BYTES {
        return lines.len();
    }
    let window = lines.get(..PIPE_BUF_BYTES).unwrap_or(lines);
    window.iter().rposition(|byte| *byte == b'\n').map_or(window.len(), |last| last + 1)
}

/// Waits until the log can take something. A reader that went away is told by the write that follows.
fn wait(file: &File, patience: Duration) -> io::Result<()> {
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    let mut descriptors = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
    loop {
        match poll(&mut descriptors, timeout) {
            Ok(0) => return Err(io::Error::new(ErrorKind::TimedOut, "nobody reads it")),
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// How long a reader may leave a full pipe unread before the run is stopped.
const PATIENCE: Duration = Duration::from_secs(10);

/// `PIPE_BUF` of linux/limits.h.
const PIPE_BUF_BYTES: usize = 4096;
