//! What inodes say of themselves.

use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use nix::sys::stat::{FileStat, SFlag, fstat};
use rex_ipc::action::file_system::Stat;
use rex_ipc::file_system::EntryType;

use super::walk;
use crate::gate::Permit;
use crate::host::file_system::object::{Directory, File, FileAt};

/// The attributes of an open directory.
///
/// # Errors
/// Those of fstat(2).
pub fn directory(permit: &Permit<'_, Stat, Rc<Directory>>) -> io::Result<FileStat> {
    Ok(fstat(&permit.resource().fd)?)
}

/// The attributes of an open file or link.
///
/// # Errors
/// Those of fstat(2).
pub fn file(permit: &Permit<'_, Stat, Rc<File>>) -> io::Result<FileStat> {
    Ok(fstat(&permit.resource().fd)?)
}

/// The attributes of an entry, which is not opened and, if it is a link, not followed.
///
/// # Errors
/// Those of fstatat(2), among them `ENOENT` when it is gone.
pub fn entry(permit: &Permit<'_, Stat, FileAt>) -> io::Result<FileStat> {
    let place = permit.resource();
    walk::stat_entry(place.parent.fd.as_fd(), &place.entry)
}

/// The type in the terms of the wire.
pub fn entry_type(stat: &FileStat) -> EntryType {
    match walk::file_type(stat) {
        SFlag::S_IFREG => EntryType::File,
        SFlag::S_IFDIR => EntryType::Dir,
        SFlag::S_IFLNK => EntryType::Symlink,
        SFlag::S_IFIFO => EntryType::Fifo,
        SFlag::S_IFSOCK => EntryType::Socket,
        SFlag::S_IFCHR => EntryType::CharDevice,
        SFlag::S_IFBLK => EntryType::BlockDevice,
        _ => EntryType::Unknown,
    }
}
