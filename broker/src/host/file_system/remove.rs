//! Names are removed from held directories, and only while they lead to what was judged.
//!
//! Between the look at a name and its removal somebody who may write to the directory can put something else there.
//! The permit is about the name, so what is removed then is what has the name that was permitted; whoever exchanged it
//! could have removed it as well.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, ResolveFlag};
use nix::sys::stat::{Mode, SFlag};
use nix::unistd::{UnlinkatFlags, unlinkat};
use rex_ipc::action::file_system::Delete;
use rex_outside::kernel::statx;

use super::object::{Directory, FileAt};
use super::places::Entry;
use super::tools::Tools;
use super::{openat2, walk};
use crate::gate::{Bound, Inode, Permit};
use crate::policy::name::EntryName;

/// Removes a name that is not a directory's.
///
/// # Errors
/// `ENOENT` also when something else than `expected` has the name now.
pub fn file(permit: &Permit<'_, Delete, FileAt>, expected: Inode) -> io::Result<()> {
    let FileAt { parent, entry, .. } = permit.resource();
    remove(parent.fd.as_fd(), entry, expected, UnlinkatFlags::NoRemoveDir)
}

/// Removes an empty directory.
///
/// # Errors
/// `ENOENT` also when something else than `expected` has the name now.
pub fn directory<R: Entry>(permit: &Permit<'_, Delete, R>, expected: Inode) -> io::Result<()> {
    let place = permit.resource();
    remove(place.parent().fd.as_fd(), place.entry(), expected, UnlinkatFlags::RemoveDir)
}

/// Proof that an open directory, which may be deleted, was found in another one.
#[derive(Debug)]
pub struct Standing<'req> {
    directory: Rc<Directory>,
    parent: OwnedFd,
    entry: EntryName,
    bound: Bound<'req, Delete>,
}

impl<'req> Standing<'req> {
    /// Looks where the permit's directory is, from the root without following a link.
    ///
    /// # Errors
    /// `ENOENT` when it is not there any more; `EBUSY` when something is mounted there, for the root directory too.
    pub fn find(permit: &Permit<'req, Delete, Rc<Directory>>, tools: &Tools) -> io::Result<Self> {
        let directory = permit.resource();
        let entry = directory.name.file_name().and_then(EntryName::parse).ok_or(Errno::EBUSY)?;
        if is_mount(directory)? {
            return Err(Errno::EBUSY.into());
        }
        let (path, flags) = (directory.name.parent().below_root(), OFlag::O_PATH | OFlag::O_DIRECTORY);
        let parent =
            openat2(tools.root(), &path, flags, Mode::empty(), ResolveFlag::empty()).map_err(gone)?;
        if walk::inode(&walk::stat_entry(parent.as_fd(), &entry)?) != directory.inode {
            return Err(Errno::ENOENT.into());
        }
        Ok(Self { directory: Rc::clone(directory), parent, entry, bound: PhantomData })
    }

    /// Removes it, once it is empty, from where it was found.
    ///
    /// # Errors
    /// `ENOENT` also when something else has the name now.
    pub fn remove(self) -> io::Result<()> {
        remove(self.parent.as_fd(), &self.entry, self.directory.inode, UnlinkatFlags::RemoveDir)
    }
}

/// Whether something is mounted on a directory.
pub(super) fn is_mount(directory: &Directory) -> io::Result<bool> {
    let mounted = nix::libc::STATX_ATTR_MOUNT_ROOT as u64;
    Ok(statx(directory.fd.as_fd(), 0)?.stx_attributes & mounted != 0)
}

fn remove(parent: BorrowedFd<'_>, entry: &EntryName, expected: Inode, how: UnlinkatFlags) -> io::Result<()> {
    let found = walk::stat_entry(parent, entry)?;
    if walk::inode(&found) != expected {
        return Err(Errno::ENOENT.into());
    }
    // unlink(2) on some systems removes directories for root, so that it is not left to the kernel.
    let is_directory = walk::file_type(&found) == SFlag::S_IFDIR;
    match (how, is_directory) {
        (UnlinkatFlags::NoRemoveDir, true) => Err(Errno::EISDIR.into()),
        (UnlinkatFlags::RemoveDir, false) => Err(Errno::ENOTDIR.into()),
        (how, _) => Ok(unlinkat(parent, entry.as_c_str(), how)?),
    }
}

/// A directory that cannot be walked to any more has been moved or replaced.
fn gone(error: io::Error) -> io::Error {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ELOOP | Errno::ENOTDIR) => Errno::ENOENT.into(),
        _ => error,
    }
}
