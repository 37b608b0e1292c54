//! Directories are made beneath held ones, and what is there already is entered without following a link.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, mkdirat};
use nix::sys::time::TimeSpec;
use rex_ipc::action::file_system::{Chmod, Chown, Create};
use rex_ipc::file_system::{Instant, NewTime};

use super::attributes;
use super::walk::{self, Reached};
use crate::gate::Permit;
use crate::host::file_system::object::{DirPath, Directory};
use crate::policy::name::{EntryName, PathName};

/// The directory of the permit beneath the one that it is in, made when it is missing, with no more than these bits; and
/// whether it was.
///
/// # Errors
/// `EEXIST` when something else than a directory has its name, a link to one included.
pub fn directory(
    permit: &Permit<'_, Create, DirPath>,
    parent: &Directory,
    among: u16,
) -> io::Result<(Reached, bool)> {
    let path = &permit.resource().0;
    let entry = entry_beneath(path, parent)?;
    let made = match mkdirat(&parent.fd, entry.as_c_str(), Mode::from_bits_truncate(among.into())) {
        Ok(()) => true,
        Err(Errno::EEXIST) => false,
        Err(errno) => return Err(errno.into()),
    };
    let reached = walk::hold_entry(parent.fd.as_fd(), &entry, path)?;
    // What was exchanged for something else since it was made looks like what was there before.
    if walk::file_type(&reached.stat) != SFlag::S_IFDIR {
        return Err(Errno::EEXIST.into());
    }
    Ok((reached, made))
}

/// What has the name of the permit beneath the directory that it is in, if anything has. Who may make it may know.
pub fn present(permit: &Permit<'_, Create, DirPath>, parent: &Directory) -> io::Result<Option<Reached>> {
    let path = &permit.resource().0;
    let entry = entry_beneath(path, parent)?;
    match walk::hold_entry(parent.fd.as_fd(), &entry, path) {
        Ok(reached) => Ok(Some(reached)),
        Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sets the whole mode of the directory of the permit.
pub fn set_mode(
    permit: &Permit<'_, Chmod, DirPath>,
    directory: &Directory,
    own_fds: BorrowedFd<'_>,
    bits: u16,
) -> io::Result<()> {
    same(&permit.resource().0, directory)?;
    attributes::set_mode_of(directory.fd.as_fd(), own_fds, bits)
}

/// Sets user and group of the directory of the permit.
pub fn set_owner(
    permit: &Permit<'_, Chown, DirPath>,
    directory: &Directory,
    user: Option<u32>,
    group: Option<u32>,
) -> io::Result<()> {
    same(&permit.resource().0, directory)?;
    attributes::set_owner_of(directory.fd.as_fd(), user, group)
}

/// Sets the last modification of the directory of the permit. Who may make it may say when it was made.
pub fn set_modified(
    permit: &Permit<'_, Create, DirPath>,
    directory: &Directory,
    own_fds: BorrowedFd<'_>,
    modified: Instant,
) -> io::Result<()> {
    same(&permit.resource().0, directory)?;
    let modified = attributes::time(Some(NewTime::At(modified)))?;
    attributes::set_times_of(directory.fd.as_fd(), own_fds, TimeSpec::UTIME_OMIT, modified)
}

/// The last component of a path, which has to lie directly beneath `parent`.
fn entry_beneath(path: &PathName, parent: &Directory) -> io::Result<EntryName> {
    let entry = path.file_name().and_then(EntryName::parse);
    // Only a mistake of ours could ask for something beneath another directory than its own parent.
    entry.filter(|_| path.parent() == parent.name).ok_or_else(|| Errno::EINVAL.into())
}

fn same(path: &PathName, directory: &Directory) -> io::Result<()> {
    if *path == directory.name { Ok(()) } else { Err(Errno::EINVAL.into()) }
}
