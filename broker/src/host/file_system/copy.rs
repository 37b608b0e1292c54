//! How one open file gets the content of another without the content passing through anybody's hands.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::copy_file_range;
use nix::sys::stat::{FileStat, fstat, futimens};
use nix::sys::time::TimeSpec;
use nix::unistd::{Whence, fdatasync, ftruncate, lseek};
use rex_ipc::action::file_system::{Read, Write};
use rex_outside::kernel::{clone_content, statx};

use super::object::File;
use super::staged::{Staged, offset, read_all_at, write_all_at};
use super::walk::inode;
use super::write::Step;
use crate::gate::Permit;
use crate::gate::error::Error;

/// Why content could not be copied.
#[derive(Debug)]
pub enum NotCopied {
    /// The source could not be read.
    Read(io::Error),
    /// The destination could not be written.
    Write(io::Error),
    /// The run is to end.
    Stopped(Error),
}

/// What the destination is like before the copy.
///
/// # Errors
/// Those of fstat(2).
pub fn describe(write: &Permit<'_, Write, Rc<File>>) -> io::Result<FileStat> {
    Ok(fstat(&write.resource().fd)?)
}

/// Whether another file can take the place of this one without anybody seeing a difference but in its content: it
/// has one name, which still leads to it, and nothing is mounted there.
pub fn is_replaceable(write: &Permit<'_, Write, Rc<File>>, stat: &FileStat) -> bool {
    let file = write.resource();
    let Some(place) = &file.origin.real else { return false };
    let at_name = super::walk::stat_entry(place.parent.fd.as_fd(), &place.entry);
    stat.st_nlink == 1
        && at_name.is_ok_and(|at_name| inode(&at_name) == inode(stat))
        && mount_of(file.fd.as_fd()) == mount_of(place.parent.fd.as_fd())
}

/// The mount that an object was reached through; nothing on kernels before 5.8.
fn mount_of(object: BorrowedFd<'_>) -> Option<u64> {
    let mask = nix::libc::STATX_MNT_ID;
    let attributes = statx(object, mask).ok()?;
    (attributes.stx_mask & mask != 0).then_some(attributes.stx_mnt_id)
}

/// Copies the whole source into staged content.
///
/// # Errors
/// Those of reading, of writing, and of `step`.
pub fn into_staged<R>(
    read: &Permit<'_, Read, Rc<File>>,
    staged: &Staged<'_, R>,
    step: Step<'_>,
) -> Result<u64, NotCopied> {
    let mut to = staged.content().borrow_mut();
    let length = content(read.resource().fd.as_fd(), to.sink().map_err(NotCopied::Write)?, step)?;
    to.set_length(length);
    Ok(length)
}

/// Gives staged content, or else the destination itself, the times that the source had.
///
/// # Errors
/// Those of futimens(3).
pub fn keep_times(
    write: &Permit<'_, Write, Rc<File>>,
    staged: Option<&Staged<'_, Rc<File>>>,
    like: &FileStat,
) -> io::Result<()> {
    let accessed = TimeSpec::new(like.st_atime, like.st_atime_nsec);
    let modified = TimeSpec::new(like.st_mtime, like.st_mtime_nsec);
    match staged {
        Some(staged) => Ok(futimens(staged.content().borrow().file()?, &accessed, &modified)?),
        None => Ok(futimens(&write.resource().fd, &accessed, &modified)?),
    }
}

/// Copies content to an empty file: at once where both can share it, else extent by extent, so that holes stay holes,
/// and in any case until reading says that there is no more.
pub(super) fn content(from: BorrowedFd<'_>, to: BorrowedFd<'_>, step: Step<'_>) -> Result<u64, NotCopied> {
    if clone_content(from, to).is_ok() {
        let cloned = fstat(to).map_err(|errno| NotCopied::Write(errno.into()))?;
        let length = u64::try_from(cloned.st_size).unwrap_or(0);
        let taken = u64::try_from(cloned.st_blocks).unwrap_or(0).saturating_mul(512);
        step(length.min(taken)).map_err(NotCopied::Stopped)?;
        return Ok(length);
    }
    let mut copying = Copying { from, to, by_kernel: true, unsynced_bytes: 0, buffer: Vec::new() };
    let mut at = 0;
    loop {
        match next_extent(from, at) {
            Extent::Data(start, end) => {
                at = copying.range(start, end, step)?;
                if at < end {
                    break;
                }
            }
            Extent::None => {
                // A hole at the end has no byte that could be copied.
                let size = fstat(from).map_err(|errno| NotCopied::Read(errno.into()))?.st_size;
                at = at.max(u64::try_from(size).unwrap_or(0));
                break;
            }
            Extent::Unknown => break,
        }
    }
    // Files of /proc say that they have no size, and others grow meanwhile: only a read tells the end.
    let length = copying.range(at, u64::MAX, step)?;
    let length_or_error = offset(length).and_then(|length| ftruncate(to, length));
    length_or_error.map_err(|errno| NotCopied::Write(errno.into()))?;
    Ok(length)
}

/// What lseek(2) says of a file behind an offset.
pub(super) enum Extent {
    /// The next data, from its first byte to the one behind its last.
    Data(u64, u64),
    /// There is no more data.
    None,
    /// The file does not say.
    Unknown,
}

pub(super) fn next_extent(from: BorrowedFd<'_>, at: u64) -> Extent {
    let found = offset(at).and_then(|at| {
        let start = lseek(from, at, Whence::SeekData)?;
        Ok((start, lseek(from, start, Whence::SeekHole)?))
    });
    match found {
        Ok((start, end)) if end > start => match (u64::try_from(start), u64::try_from(end)) {
            (Ok(start), Ok(end)) => Extent::Data(start, end),
            _ => Extent::Unknown,
        },
        Err(Errno::ENXIO) => Extent::None,
        _ => Extent::Unknown,
    }
}

/// A copy on its way.
struct Copying<'a> {
    from: BorrowedFd<'a>,
    to: BorrowedFd<'a>,
    /// Whether the kernel may still be asked to do it.
    by_kernel: bool,
    unsynced_bytes: u64,
    buffer: Vec<u8>,
}

impl Copying<'_> {
    /// Copies from one offset to another, or to the end of the source; gives how far it came.
    fn range(&mut self, mut at: u64, end: u64, step: Step<'_>) -> Result<u64, NotCopied> {
        while at < end {
            let wanted = end.saturating_sub(at).min(PIECE_BYTES as u64) as usize;
            let copied = if self.by_kernel { self.ask_kernel(at, wanted)? } else { 0 };
            let copied = if copied > 0 { copied } else { self.read_and_write(at, wanted)? };
            if copied == 0 {
                break;
            }
            at = at.saturating_add(copied as u64);
            self.sync_now_and_then(copied)?;
            step(copied as u64).map_err(NotCopied::Stopped)?;
        }
        Ok(at)
    }

    /// Nothing copied means nothing: some kernels say so of files of `/proc` that have content.
    fn ask_kernel(&mut self, at: u64, wanted: usize) -> Result<usize, NotCopied> {
        let Ok(from) = offset(at) else { return Ok(0) };
        let (mut read_at, mut write_at) = (from, from);
        match copy_file_range(self.from, Some(&mut read_at), self.to, Some(&mut write_at), wanted) {
            Ok(copied) => Ok(copied),
            Err(errno @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG)) => {
                Err(NotCopied::Write(errno.into()))
            }
            // Whatever it was, reading and writing either do without it or tell which of the two failed.
            Err(_) => {
                self.by_kernel = false;
                Ok(0)
            }
        }
    }

    fn read_and_write(&mut self, at: u64, wanted: usize) -> Result<usize, NotCopied> {
        self.buffer.resize(PIECE_BYTES, 0);
        let piece = self.buffer.get_mut(..wanted).unwrap_or_default();
        let count = read_all_at(self.from, at, piece).map_err(NotCopied::Read)?;
        let piece = self.buffer.get(..count).unwrap_or_default();
        write_all_at(self.to, at, piece).map_err(NotCopied::Write)?;
        Ok(count)
    }

    /// All of it at the end would be one call that nothing can interrupt.
    fn sync_now_and_then(&mut self, copied: usize) -> Result<(), NotCopied> {
        self.unsynced_bytes = self.unsynced_bytes.saturating_add(copied as u64);
        if self.unsynced_bytes < UNSYNCED_BYTES {
            return Ok(());
        }
        self.unsynced_bytes = 0;
        fdatasync(self.to).map_err(|errno| NotCopied::Write(errno.into()))
    }
}

const PIECE_BYTES: usize = 1024 * 1024;
const UNSYNCED_BYTES: u64 = 64 * 1024 * 1024;
