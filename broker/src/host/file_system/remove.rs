//! Names are removed from held directories, and only while they lead to what was judged.
//!
//! Between the look at a name and its removal somebody who may write to the directory can put something else there.
//! The permit is about the name, so what is removed then is what has the name that was permitted; whoever exchanged it
//! could have removed it as well.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, ResolveFlag};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use rex_ipc::action::file_system::Delete;
use rex_outside::kernel::statx;

use super::{openat2, walk};
use crate::gate::{Inode, Permit};
use crate::host::file_system::object::{DirAt, Directory, FileAt};
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
pub fn directory(permit: &Permit<'_, Delete, DirAt>, expected: Inode) -> io::Result<()> {
    let DirAt { parent, entry, .. } = permit.resource();
    remove(parent.fd.as_fd(), entry, expected, UnlinkatFlags::RemoveDir)
}

/// Removes an empty directory that is open, from where [`place_of`] found it.
///
/// # Errors
/// `ENOENT` also when something else has the name now.
pub fn open_directory(
    permit: &Permit<'_, Delete, Rc<Directory>>,
    (parent, entry): (&Directory, &EntryName),
) -> io::Result<()> {
    let directory = permit.resource();
    if parent.name.join(entry.as_bytes()) != directory.name {
        return Err(Errno::EINVAL.into());
    }
    remove(parent.fd.as_fd(), entry, directory.inode, UnlinkatFlags::RemoveDir)
}

/// The directory that an open one is in, and its name there, found from the root without following a link.
///
/// # Errors
/// `ENOENT` when it is not there any more; `EBUSY` when something is mounted there, for the root directory too.
pub fn place_of(
    permit: &Permit<'_, Delete, Rc<Directory>>,
    root: BorrowedFd<'_>,
) -> io::Result<(Directory, EntryName)> {
    let directory = permit.resource();
    let entry = directory.name.file_name().and_then(EntryName::parse).ok_or(Errno::EBUSY)?;
    let mounted = nix::libc::STATX_ATTR_MOUNT_ROOT as u64;
    if statx(directory.fd.as_fd(), 0)?.stx_attributes & mounted != 0 {
        return Err(Errno::EBUSY.into());
    }
    let name = directory.name.parent();
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let fd = openat2(root, &name.below_root(), flags, Mode::empty(), ResolveFlag::empty()).map_err(gone)?;
    let inode = walk::inode(&fstat(&fd)?);
    let found = walk::stat_entry(fd.as_fd(), &entry)?;
    if walk::inode(&found) != directory.inode {
        return Err(Errno::ENOENT.into());
    }
    Ok((Directory { fd, name, inode, listing: Default::default() }, entry))
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
