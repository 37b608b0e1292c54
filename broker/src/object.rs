//! The objects that the broker holds open for a jail, and the names that stand for objects not yet opened.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use crate::path::{EntryName, PathName};

/// Device and inode number: what an object is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Inode {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub number: u64,
}

/// An open directory.
#[derive(Debug)]
pub struct Directory {
    /// Held with `O_PATH`.
    pub fd: OwnedFd,
    /// The name it was resolved to at open; later questions use it.
    pub name: PathName,
    /// What it is.
    pub inode: Inode,
    /// Where a listing in pages is.
    pub listing: RefCell<Option<Listing>>,
}

/// A listing in pages.
#[derive(Debug)]
pub struct Listing {
    /// The directory, open for reading.
    pub fd: OwnedFd,
    /// What the kernel gave and no page has taken yet.
    pub pending: Vec<u8>,
    /// How much of `pending` was taken.
    pub taken: usize,
}

/// An open regular file, or a link opened as itself.
#[derive(Debug)]
pub struct File {
    /// Open as the script asked; `O_PATH` for a link.
    pub fd: OwnedFd,
    /// The name that later questions use: the real one when a link was followed.
    pub name: PathName,
    /// What it is.
    pub inode: Inode,
    /// Whether it had a size when it was opened. Those of `/proc` have none, whatever they contain.
    pub has_size: bool,
    /// Whether it may be read.
    pub readable: bool,
    /// Whether it may be written.
    pub writable: bool,
    /// Redacted content, once some was asked for.
    pub redacted: RefCell<Option<Rc<[u8]>>>,
}

/// A directory by its path, before it is opened.
#[derive(Clone, Debug)]
pub struct DirPath(pub PathName);

/// A file, or anything that is not a directory, by its path, before it is opened.
#[derive(Clone, Debug)]
pub struct FilePath(pub PathName);

/// A directory by its name in an open one.
#[derive(Clone, Debug)]
pub struct DirAt {
    /// The open one.
    pub parent: Rc<Directory>,
    /// The name in it.
    pub entry: EntryName,
    /// Both together.
    pub path: PathName,
}

/// Anything that is not a directory by its name in an open one.
#[derive(Clone, Debug)]
pub struct FileAt {
    /// The open one.
    pub parent: Rc<Directory>,
    /// The name in it.
    pub entry: EntryName,
    /// Both together.
    pub path: PathName,
}

impl DirAt {
    /// The entry of this name.
    pub fn new(parent: Rc<Directory>, entry: EntryName) -> Self {
        let path = parent.name.join(entry.as_bytes());
        Self { parent, entry, path }
    }
}

impl FileAt {
    /// The entry of this name.
    pub fn new(parent: Rc<Directory>, entry: EntryName) -> Self {
        let path = parent.name.join(entry.as_bytes());
        Self { parent, entry, path }
    }
}
