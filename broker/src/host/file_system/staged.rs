//! New content before it has a place: in memory, in a file without a name, or under a name that nobody can guess.

use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::sys::uio::{pread, pwrite};
use rex_ipc::action::file_system::Write;

use super::copy::{Extent, next_extent};
use super::object::{Directory, File, FileAt};
use super::openat2;
use super::temporaries::TemporaryName;
use super::tools::Tools;
use super::writer::Writer;
use crate::gate::error::is;
use crate::gate::{Bound, Permit, Resource};

/// Content that nobody else sees. Dropped without a trace.
#[derive(Debug)]
pub struct Content {
    store: Store,
    length_bytes: u64,
    /// The mode that the system would give a new file here.
    pub(super) usual_mode: u32,
}

/// Proof that content may come to the resource inside, within one request; with the content.
#[derive(Debug)]
pub struct Staged<'req, R> {
    content: RefCell<Content>,
    target: R,
    bound: Bound<'req, Write>,
}

/// A resource that content comes to under a name in an open directory.
pub trait Placed: Resource + Clone {
    /// The name.
    ///
    /// # Errors
    /// `ENOENT` when the directory of a link's target could not be held.
    fn placed(&self) -> io::Result<&FileAt>;
}

impl Placed for FileAt {
    fn placed(&self) -> io::Result<&FileAt> {
        Ok(self)
    }
}

impl Placed for Rc<File> {
    fn placed(&self) -> io::Result<&FileAt> {
        self.origin.real.as_ref().ok_or_else(|| Errno::ENOENT.into())
    }
}

#[derive(Debug)]
enum Store {
    /// Small content that goes into a file that is there.
    Memory(Vec<u8>),
    /// Content that goes into a file that is there, and is too large for memory. This file has no name and can get
    /// none.
    Scratch(OwnedFd),
    /// A file that will take a name.
    File(OwnedFd, Option<TemporaryName>),
}

impl Content {
    /// For content that will be written into a file that is there.
    pub(super) fn in_memory() -> Self {
        Self { store: Store::Memory(Vec::new()), length_bytes: 0, usual_mode: 0 }
    }

    /// A new file in this directory.
    pub(super) fn beside(parent: &Rc<Directory>, tools: &Tools) -> io::Result<Self> {
        match nameless(parent.fd.as_fd(), OFlag::empty()) {
            Ok(fd) => {
                let usual_mode = fstat(&fd)?.st_mode & 0o7777;
                Ok(Self { store: Store::File(fd, None), length_bytes: 0, usual_mode })
            }
            // open(2), O_TMPFILE: "EOPNOTSUPP: The filesystem containing pathname does not support O_TMPFILE"; what does
            // not know the flag at all sees a directory opened for writing.
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL) => named(parent, tools),
            Err(errno) => Err(errno.into()),
        }
    }

    /// How much there is.
    pub(super) fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// The file that will take a name.
    pub(super) fn file(&self) -> io::Result<BorrowedFd<'_>> {
        match &self.store {
            Store::File(fd, _) => Ok(fd.as_fd()),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    /// What content can be copied to by the kernel.
    pub(super) fn sink(&self) -> io::Result<BorrowedFd<'_>> {
        match &self.store {
            Store::Scratch(fd) | Store::File(fd, _) => Ok(fd.as_fd()),
            Store::Memory(_) => Err(Errno::EINVAL.into()),
        }
    }

    /// The next range with data at or behind an offset; what is between them is zeros.
    pub(super) fn next_extent(&self, at: u64) -> Option<(u64, u64)> {
        let rest = (at < self.length_bytes).then_some((at, self.length_bytes));
        match &self.store {
            Store::Memory(_) => rest,
            Store::Scratch(fd) | Store::File(fd, _) => match next_extent(fd.as_fd(), at) {
                Extent::Data(start, end) => Some((start, end)),
                Extent::None => None,
                Extent::Unknown => rest,
            },
        }
    }

    /// Its name, if it has one already.
    pub(super) fn name(&self) -> Option<&TemporaryName> {
        match &self.store {
            Store::File(_, name) => name.as_ref(),
            _ => None,
        }
    }

    /// The file itself; its temporary name, if it still has one, is removed.
    pub(super) fn into_file(self) -> io::Result<OwnedFd> {
        match self.store {
            Store::File(fd, _) => Ok(fd),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    /// What was written to the file by way of its descriptor.
    pub(super) fn set_length(&mut self, length_bytes: u64) {
        self.length_bytes = length_bytes;
    }

    /// Fills `space` from an offset; gives the count, which is less only at the end.
    pub(super) fn read_at(&self, offset_bytes: u64, space: &mut [u8]) -> io::Result<usize> {
        match &self.store {
            Store::Memory(bytes) => {
                let from = usize::try_from(offset_bytes).unwrap_or(usize::MAX).min(bytes.len());
                let rest = bytes.get(from..).unwrap_or_default();
                let count = rest.len().min(space.len());
                space[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            }
            Store::Scratch(fd) | Store::File(fd, _) => read_all_at(fd.as_fd(), offset_bytes, space),
        }
    }

    fn push(&mut self, bytes: &[u8], beside: Option<&Directory>) -> io::Result<()> {
        if let Store::Memory(held) = &mut self.store {
            if held.len() + bytes.len() <= MEMORY_BYTES {
                held.extend_from_slice(bytes);
                self.length_bytes += bytes.len() as u64;
                return Ok(());
            }
            let scratch = scratch_file(beside)?;
            write_all_at(scratch.as_fd(), 0, held)?;
            self.store = Store::Scratch(scratch);
        }
        if let Store::Scratch(fd) | Store::File(fd, _) = &self.store {
            write_all_at(fd.as_fd(), self.length_bytes, bytes)?;
        }
        self.length_bytes += bytes.len() as u64;
        Ok(())
    }
}

/// Adds to the content of the permit's writer.
///
/// # Errors
/// Those of pwrite(2), and of open(2) when it has become too much for memory.
pub fn push(permit: &Permit<'_, Write, Writer>, bytes: &[u8]) -> io::Result<()> {
    let writer = permit.resource();
    let beside = writer.file().and_then(|file| file.origin.real.as_ref()).map(|place| &*place.parent);
    writer.content().borrow_mut().push(bytes, beside)
}

/// A new file beside the one that the permit is about, on the same file system, which has no name yet where the file
/// system can do without.
///
/// # Errors
/// Those of open(2).
pub fn beside<'req, R: Placed>(write: &Permit<'req, Write, R>, tools: &Tools) -> io::Result<Staged<'req, R>> {
    Ok(Staged::of(write, Content::beside(&write.resource().placed()?.parent, tools)?))
}

/// A file that never gets a name, for a copy that goes into the file of the permit.
///
/// # Errors
/// Those of open(2).
pub fn apart<'req>(write: &Permit<'req, Write, Rc<File>>) -> io::Result<Staged<'req, Rc<File>>> {
    let beside = write.resource().origin.real.as_ref().map(|place| &*place.parent);
    let store = Store::Scratch(scratch_file(beside)?);
    Ok(Staged::of(write, Content { store, length_bytes: 0, usual_mode: 0 }))
}

impl<'req, R: Clone> Staged<'req, R> {
    fn of(write: &Permit<'req, Write, R>, content: Content) -> Self {
        Self { content: content.into(), target: write.resource().clone(), bound: PhantomData }
    }
}

impl<R> Staged<'_, R> {
    /// What the content may come to.
    pub fn target(&self) -> &R {
        &self.target
    }

    /// Whether it is a file that can take a name.
    pub fn can_take_name(&self) -> bool {
        matches!(self.content.borrow().store, Store::File(..))
    }

    pub(super) fn content(&self) -> &RefCell<Content> {
        &self.content
    }

    pub(super) fn into_content(self) -> Content {
        self.content.into_inner()
    }
}

fn named(parent: &Rc<Directory>, tools: &Tools) -> io::Result<Content> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    for _ in 0..MAX_TRIES {
        let name = tools.name_in(parent)?;
        let mode = Mode::from_bits_truncate(0o666);
        match openat2(&parent.fd, name.entry().as_c_str(), flags, mode, ResolveFlag::RESOLVE_BENEATH) {
            Ok(fd) => {
                let usual_mode = fstat(&fd)?.st_mode & 0o7777;
                // Everybody can see the name; the content is nobody's business before it is complete.
                fchmod(&fd, Mode::from_bits_truncate(0o600))?;
                return Ok(Content { store: Store::File(fd, Some(name)), length_bytes: 0, usual_mode });
            }
            Err(error) => {
                // What has this name is not ours.
                name.release();
                if !is(&error, Errno::EEXIST) {
                    return Err(error);
                }
            }
        }
    }
    Err(Errno::EEXIST.into())
}

/// A file without a name, with the mode of any new file: whether it may be seen is asked when it gets a name.
fn nameless(directory: BorrowedFd<'_>, flags: OFlag) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC | flags)
        .mode(Mode::from_bits_truncate(0o666))
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
    nix::fcntl::openat2(directory, c".", how)
}

/// A file that never gets a name, for what is too large for memory: beside the file it is for, or where there is
/// usually room.
fn scratch_file(beside: Option<&Directory>) -> io::Result<OwnedFd> {
    let mut failure = Errno::EOPNOTSUPP;
    // open(2): with O_EXCL, a file without a name cannot get one.
    if let Some(beside) = beside {
        match nameless(beside.fd.as_fd(), OFlag::O_EXCL) {
            Ok(fd) => return Ok(fd),
            Err(errno) => failure = errno,
        }
    }
    for directory in ["/var/tmp", "/tmp"] {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let made = nix::fcntl::open(directory, flags, Mode::empty())
            .and_then(|directory| nameless(directory.as_fd(), OFlag::O_EXCL));
        if let Ok(fd) = made {
            return Ok(fd);
        }
    }
    Err(failure.into())
}

pub(super) fn write_all_at(fd: BorrowedFd<'_>, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match pwrite(fd, rest, offset(offset_bytes.saturating_add(done as u64))?) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(more) => done += more,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

pub(super) fn read_all_at(fd: BorrowedFd<'_>, offset_bytes: u64, space: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = space.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match pread(fd, rest, offset(offset_bytes.saturating_add(done as u64))?) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(done)
}

/// An offset or a length as the kernel takes it.
pub(super) fn offset(bytes: u64) -> nix::Result<i64> {
    i64::try_from(bytes).map_err(|_| Errno::EFBIG)
}

/// Content that goes into a file that is there is held in memory up to this size.
const MEMORY_BYTES: usize = 1024 * 1024;
const MAX_TRIES: usize = 16;
