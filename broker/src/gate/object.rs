//! What an object is, whatever its name, and what the broker holds of it.

use std::os::fd::BorrowedFd;

use nix::sys::stat::{FileStat, SFlag};

use crate::policy::name::{EntryName, PathName};

/// Device and inode number: what an object is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Inode {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub number: u64,
}

impl Inode {
    /// What stat(2) found.
    pub fn of(stat: &FileStat) -> Self {
        Self { device: stat.st_dev, number: stat.st_ino }
    }
}

/// What type of object stat(2) found.
pub fn file_type(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// What an object is, so that no other is ever taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Device and number.
    pub inode: Inode,
    /// When it was made, in seconds and nanoseconds; nothing where the file system does not tell.
    pub born: Option<(i64, u32)>,
}

/// A directory that is held open.
#[derive(Clone, Copy, Debug)]
pub struct InDirectory<'a> {
    /// The descriptor.
    pub fd: BorrowedFd<'a>,
    /// What it is.
    pub inode: Inode,
    /// The name it was resolved to.
    pub name: &'a PathName,
}

/// What the broker holds of a resource, by which it is known whatever it is called.
#[derive(Clone, Copy, Debug)]
pub enum Held<'a> {
    /// Nothing: there is only a name.
    Nothing,
    /// The object, and the directory it is in where that is held, too.
    Object(BorrowedFd<'a>, Option<InDirectory<'a>>),
    /// The directory it is in.
    Entry(InDirectory<'a>, &'a EntryName),
}
