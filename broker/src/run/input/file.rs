//! How one input file is read: whole, as text, up to a limit, and without waiting for ever.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::statfs::{FsType, fstatfs};

/// The text of the file. Pipes and devices are read until their end, as `-p <(command)` needs it.
pub(in crate::run) fn read(path: &Path, limit_bytes: usize, deadline: Instant) -> io::Result<String> {
    // Without O_NONBLOCK, opening a FIFO waits for a writer, and no deadline would end that.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let metadata = file.metadata()?;
    read_opened(file, &metadata, limit_bytes, deadline)
}

/// The text of a file that is open and does not wait.
pub(super) fn read_opened(
    mut file: File,
    metadata: &Metadata,
    limit_bytes: usize,
    deadline: Instant,
) -> io::Result<String> {
    if metadata.is_dir() {
        return Err(Errno::EISDIR.into());
    }
    if metadata.file_type().is_fifo() && !is_anonymous(&file) {
        // A FIFO that nobody has opened for writing yet reads as if it were at its end.
        wait(&file, deadline)?;
    }
    text_of(&mut file, metadata, limit_bytes, deadline, false)
}

/// The text that standard input has, up to its end.
pub(super) fn read_standard_input(limit_bytes: usize, deadline: Instant) -> io::Result<String> {
    if rex_outside::streams::was_closed(0) {
        return Err(Errno::EBADF.into());
    }
    let mut file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(Errno::EISDIR.into());
    }
    text_of(&mut file, &metadata, limit_bytes, deadline, true)
}

/// The text of a descriptor that the caller has opened, which may wait.
pub(in crate::run) fn read_inherited(
    mut file: File,
    limit_bytes: usize,
    deadline: Instant,
) -> io::Result<String> {
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(Errno::EISDIR.into());
    }
    text_of(&mut file, &metadata, limit_bytes, deadline, true)
}

/// With `blocks`, a read may wait for ever, so there has to be something to read before each.
fn text_of(
    file: &mut File,
    metadata: &Metadata,
    limit_bytes: usize,
    deadline: Instant,
    blocks: bool,
) -> io::Result<String> {
    // Before a byte of it is read: a file that is too large is not to cost what it would take.
    if metadata.is_file() && metadata.len() > limit_bytes as u64 {
        return Err(too_large(limit_bytes));
    }
    let expected = usize::try_from(metadata.len()).unwrap_or(limit_bytes).min(limit_bytes);
    let mut bytes = Vec::with_capacity(expected);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        if Instant::now() >= deadline {
            return Err(late());
        }
        if blocks {
            wait(file, deadline)?;
        }
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(file, deadline)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if bytes.len() > limit_bytes {
            return Err(too_large(limit_bytes));
        }
    }
    // In the words of `std::fs::read_to_string`, which are Rex's.
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
}

/// Whether the pipe has no name. Its writer was there before us, so that its end is an end.
fn is_anonymous(file: &File) -> bool {
    fstatfs(file).is_ok_and(|statfs| statfs.filesystem_type() == PIPE_FILE_SYSTEM)
}

/// Waits until there is something to read, or an end.
fn wait(file: &File, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    // Rounded up, so that it does not wake just before the deadline and spin.
    let left_ms = i32::try_from(left.as_millis().saturating_add(1)).unwrap_or(i32::MAX);
    let timeout = PollTimeout::try_from(left_ms).unwrap_or(PollTimeout::MAX);
    let mut descriptors = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    match poll(&mut descriptors, timeout) {
        Ok(0) => Err(late()),
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn too_large(limit_bytes: usize) -> io::Error {
    io::Error::new(ErrorKind::FileTooLarge, format!("larger than {limit_bytes} bytes"))
}

fn late() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "has not come to its end in time")
}

const PIECE_BYTES: usize = 64 * 1024;

/// `PIPEFS_MAGIC` of linux/magic.h.
const PIPE_FILE_SYSTEM: FsType = FsType(0x5049_5045);
