//! How an open file gets other content or another size without getting another inode.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, fallocate, fcntl};
use nix::sys::stat::fstat;
use nix::unistd::{Whence, fsync, ftruncate, lseek, write};
use rex_ipc::action::file_system::Write;

use super::object::File;
use super::staged::{Content, offset, read_all_at, write_all_at};
use super::succession::drop_set_id;
use super::writer::{FileWriter, Replacement};
use crate::gate::Permit;
use crate::gate::error::Error;

/// Called between two pieces of what may take long, with the bytes of the last one; the act ends when it fails.
pub type Step<'a> = &'a mut dyn FnMut(u64) -> Result<(), Error>;

/// Gives a file that is there new content and its length.
///
/// Space is taken before the first byte is changed, so that a full disk changes none. From the first byte on it goes to
/// its end, whatever signal comes and although the jail is gone: half of each content is worse than a late end, and
/// what takes too long the watchdog ends. When the system fails later all the same, what was there is written back if
/// it was at most a megabyte; a kill of the broker can leave part of each.
///
/// # Errors
/// Those of fallocate(2), pwrite(2), ftruncate(2) and fsync(2), and of reading what is staged.
pub fn overwrite(new: &impl Replacement) -> Result<(), Error> {
    let (file, staged) = (new.replaced(), &*new.content().borrow());
    let fd = file.fd.as_fd();
    let before = Before::look(file)?;
    drop_set_id(fd)?;
    reserve_all(fd, staged).inspect_err(|_| before.give_back_space(fd))?;
    overwrite_all(fd, staged, &before).inspect_err(|_| before.restore(fd))
}

fn overwrite_all(fd: BorrowedFd<'_>, staged: &Content, before: &Before) -> Result<(), Error> {
    let length = staged.length_bytes();
    let mut piece = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(PIECE_BYTES)];
    let mut at = 0;
    while let Some((start, end)) = staged.next_extent(at) {
        clear(fd, at, start.min(before.size_bytes))?;
        at = start;
        while at < end {
            let wanted = end.saturating_sub(at).min(piece.len() as u64) as usize;
            let count = staged.read_at(at, piece.get_mut(..wanted).unwrap_or_default())?;
            if count == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            // A file of /proc/sys takes its whole value in one call.
            write_all_at(fd, at, piece.get(..count).unwrap_or_default())?;
            at = at.saturating_add(count as u64);
        }
    }
    clear(fd, at, length.min(before.size_bytes))?;
    ftruncate(fd, offset(length)?)?;
    Ok(sync(fd)?)
}

/// Takes away old content where the new one has a hole.
fn clear(fd: BorrowedFd<'_>, from: u64, to: u64) -> Result<(), Error> {
    if from >= to {
        return Ok(());
    }
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    if take_space(fd, flags, offset(from)?, offset(to - from)?).is_ok() {
        return Ok(());
    }
    let zeros = vec![0; PIECE_BYTES];
    let mut at = from;
    while at < to {
        let count = (to - at).min(zeros.len() as u64) as usize;
        write_all_at(fd, at, zeros.get(..count).unwrap_or_default())?;
        at = at.saturating_add(count as u64);
    }
    Ok(())
}

/// What a file was like before it is written, as far as it is kept.
struct Before {
    size_bytes: u64,
    /// All of it, when it is little and may be read.
    content: Option<Vec<u8>>,
}

impl Before {
    fn look(file: &File) -> io::Result<Self> {
        let size_bytes = u64::try_from(fstat(&file.fd)?.st_size).unwrap_or(0);
        let little = usize::try_from(size_bytes).ok().filter(|size| *size <= PIECE_BYTES && file.readable);
        let content = little.map(|size| -> io::Result<_> {
            let mut content = vec![0; size];
            let count = read_all_at(file.fd.as_fd(), 0, &mut content)?;
            content.truncate(count);
            Ok(content)
        });
        Ok(Self { size_bytes, content: content.transpose()? })
    }

    /// Gives back the space that was taken for nothing.
    fn give_back_space(&self, fd: BorrowedFd<'_>) {
        let _ = offset(self.size_bytes).and_then(|size| ftruncate(fd, size));
    }

    /// Puts back what can be put back. There is nobody to tell if that fails too: the failure that led here is told.
    fn restore(&self, fd: BorrowedFd<'_>) {
        if let Some(content) = &self.content {
            drop(write_all_at(fd, 0, content));
        }
        self.give_back_space(fd);
    }
}

/// Puts the staged content behind the file's own, and behind what others append meanwhile.
///
/// Up to a megabyte goes in one call, which no other appending comes between. When the system fails in the middle,
/// the file is cut back, unless somebody else has appended to it.
///
/// # Errors
/// Those of write(2), fcntl(2) and fsync(2), of reading what is staged, and of `step`.
pub fn append(permit: &Permit<'_, Write, Rc<FileWriter>>, step: Step<'_>) -> Result<(), Error> {
    let staged = permit.resource().content.borrow();
    let fd = permit.resource().file.fd.as_fd();
    drop_set_id(fd)?;
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    // The open file description is the broker's alone, so nobody else's writes move because of this.
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_APPEND))?;
    let mut appended = Appended::default();
    let result = append_all(fd, &staged, &mut appended, step);
    fcntl(fd, FcntlArg::F_SETFL(flags))?;
    if result.is_err() {
        appended.take_back(fd);
    }
    result
}

/// Where our bytes are, as long as they are in one piece at the end.
#[derive(Default)]
struct Appended {
    start: Option<i64>,
    end: i64,
    apart: bool,
}

impl Appended {
    fn note(&mut self, fd: BorrowedFd<'_>, count: usize) -> nix::Result<()> {
        // write(2): with O_APPEND the offset is where this write has ended.
        let end = lseek(fd, 0, Whence::SeekCur)?;
        let start = end.saturating_sub(i64::try_from(count).unwrap_or(i64::MAX));
        self.apart |= self.start.is_some() && start != self.end;
        self.start.get_or_insert(start);
        self.end = end;
        Ok(())
    }

    fn take_back(&self, fd: BorrowedFd<'_>) {
        let Some(start) = self.start.filter(|_| !self.apart) else { return };
        if fstat(fd).is_ok_and(|stat| stat.st_size == self.end) {
            let _ = ftruncate(fd, start);
        }
    }
}

fn append_all(
    fd: BorrowedFd<'_>,
    staged: &Content,
    appended: &mut Appended,
    step: Step<'_>,
) -> Result<(), Error> {
    let length = staged.length_bytes();
    let mut piece = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(PIECE_BYTES)];
    let mut at = 0;
    while at < length {
        let count = staged.read_at(at, &mut piece)?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut left = piece.get(..count).unwrap_or_default();
        while !left.is_empty() {
            match write(fd, left) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(done) => {
                    appended.note(fd, done)?;
                    left = left.get(done..).unwrap_or_default();
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        at = at.saturating_add(count as u64);
        step(0)?;
    }
    Ok(sync(fd)?)
}

/// Cuts or extends a file; what is added is zeros without space of its own.
///
/// # Errors
/// `EFBIG` when no file can be so long; those of ftruncate(2), and of fchmod(2) where a set-user-ID or set-group-ID bit
/// has to go.
pub fn truncate(permit: &Permit<'_, Write, Rc<File>>, size_bytes: u64) -> io::Result<()> {
    let fd = &permit.resource().fd;
    let size = offset(size_bytes)?;
    drop_set_id(fd.as_fd())?;
    Ok(ftruncate(fd, size)?)
}

/// How much a file of at least `length_bytes` would have more than this one has.
///
/// # Errors
/// Those of fstat(2); `EFBIG` when no file can be so long.
pub fn missing(permit: &Permit<'_, Write, Rc<File>>, length_bytes: u64) -> io::Result<u64> {
    offset(length_bytes)?;
    let size = fstat(&permit.resource().fd)?.st_size;
    Ok(length_bytes.saturating_sub(u64::try_from(size).unwrap_or(0)))
}

/// Takes space for the first `length_bytes` of a file, which grows when it is shorter.
///
/// # Errors
/// `System` with those of fallocate(2), and with `EFBIG` when no file can be so long; `Stopped` when `step` says so.
pub fn allocate(
    permit: &Permit<'_, Write, Rc<File>>,
    length_bytes: u64,
    step: Step<'_>,
) -> Result<(), AllocateError> {
    let fd = permit.resource().fd.as_fd();
    let length = offset(length_bytes).map_err(|errno| AllocateError::System(errno.into()))?;
    let before = fstat(fd).map_err(|errno| AllocateError::System(errno.into()))?.st_size;
    let result = allocate_in_pieces(fd, length, step);
    if result.is_err() && fstat(fd).is_ok_and(|stat| stat.st_size == before) {
        // Space behind the end is given back; the content is not touched.
        let _ = ftruncate(fd, before);
    }
    result
}

/// Why space could not be taken.
#[derive(Debug)]
pub enum AllocateError {
    /// The system said no.
    System(io::Error),
    /// The run is to end.
    Stopped(Error),
}

fn allocate_in_pieces(fd: BorrowedFd<'_>, length: i64, step: Step<'_>) -> Result<(), AllocateError> {
    let system = |errno: Errno| AllocateError::System(errno.into());
    let mut at = 0;
    // The size changes last, so that a failure leaves it.
    while length.saturating_sub(at) > ALLOCATED_BYTES {
        take_space(fd, FallocateFlags::FALLOC_FL_KEEP_SIZE, at, ALLOCATED_BYTES).map_err(system)?;
        at = at.saturating_add(ALLOCATED_BYTES);
        step(0).map_err(AllocateError::Stopped)?;
    }
    take_space(fd, FallocateFlags::empty(), at, length.saturating_sub(at)).map_err(system)
}

fn take_space(fd: BorrowedFd<'_>, flags: FallocateFlags, at: i64, length: i64) -> nix::Result<()> {
    loop {
        match fallocate(fd, flags, at, length) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Takes space without a change that anybody sees, where the file system can.
fn reserve_all(fd: BorrowedFd<'_>, staged: &Content) -> io::Result<()> {
    let mut at = 0;
    while let Some((start, end)) = staged.next_extent(at) {
        let length = offset(end.saturating_sub(start))?;
        match take_space(fd, FallocateFlags::FALLOC_FL_KEEP_SIZE, offset(start)?, length) {
            Err(errno @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG | Errno::EIO | Errno::EPERM)) => {
                return Err(errno.into());
            }
            Ok(()) => {}
            // Files of /proc and many file systems have no space to be taken.
            Err(_) => return Ok(()),
        }
        at = end;
    }
    Ok(())
}

fn sync(fd: BorrowedFd<'_>) -> io::Result<()> {
    match fsync(fd) {
        // fsync(2): "EROFS, EINVAL fd is bound to a special file […] which does not support synchronization."
        Err(Errno::EINVAL | Errno::EROFS | Errno::EOPNOTSUPP) => Ok(()),
        result => Ok(result?),
    }
}

const PIECE_BYTES: usize = 1024 * 1024;
/// Zeroing that much takes some milliseconds where it has to be done, in memory.
const ALLOCATED_BYTES: i64 = 64 * 1024 * 1024;
