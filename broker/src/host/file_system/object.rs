//! The objects that the broker holds open for a jail, and the names that stand for objects not yet opened.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use crate::gate::{InDirectory, Inode};
use crate::host::file_system::fresh::Fresh;
use crate::policy::name::{EntryName, PathName};

/// An open directory.
#[derive(Debug)]
pub struct Directory {
    /// Held with `O_PATH`. For this layer; the gate has it by what is held of a resource.
    pub(in crate::host) fd: OwnedFd,
    /// The name it was resolved to at open; later questions use it.
    pub name: PathName,
    /// What it is.
    pub inode: Inode,
    /// Where a listing in pages is.
    pub listing: RefCell<Option<Listing>>,
}

impl Directory {
    /// As the gate knows it.
    pub fn in_place(&self) -> InDirectory<'_> {
        InDirectory { fd: self.fd.as_fd(), inode: self.inode, name: &self.name }
    }
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
    /// Open as the script asked; `O_PATH` for a link. For this layer; the gate has it by what is held of a resource.
    pub(in crate::host) fd: OwnedFd,
    /// The name that later questions use: the real one when a link was followed.
    pub name: PathName,
    /// What it is.
    pub inode: Inode,
    /// Where it stands, and how it was reached.
    pub origin: Origin,
    /// The size that it had when it was opened, in bytes. Those of `/proc` have none, whatever they contain.
    pub size_bytes: u64,
    /// Whether it may be read.
    pub readable: bool,
    /// Whether it may be written.
    pub writable: bool,
    /// What this run has put in its place, under its own name, since it was opened.
    pub replaced_by: Cell<Option<Inode>>,
    /// What was made by opening it, as long as that is to go again when nothing comes of it.
    pub fresh: RefCell<Option<Fresh>>,
    /// Redacted content, once some was asked for.
    pub redacted: RefCell<Option<Rc<[u8]>>>,
}

impl File {
    /// It has got what it was made for, or was made for itself: it stays.
    pub fn stays(&self) {
        if let Some(fresh) = self.fresh.take() {
            fresh.keep();
        }
    }

    /// Nothing came of what it was made for: it is removed, if it was made and is still empty.
    pub fn was_for_nothing(&self) {
        drop(self.fresh.take());
    }

    /// What an act by the file's own name has to find there: the file, or what this run has put in its place.
    pub fn at_real_name(&self) -> Inode {
        self.replaced_by.get().unwrap_or(self.inode)
    }

    /// What an act by the name that it was opened by has to find there: the link, when one was followed; else the file,
    /// or what this run has put in its place.
    pub fn at_named(&self) -> Inode {
        if self.origin.named_inode == self.inode { self.at_real_name() } else { self.origin.named_inode }
    }
}

/// Where an open file stands: what is removed, moved or replaced is a name in a directory and not a descriptor.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The name by which it was opened; that of the link when one was followed.
    pub named: FileAt,
    /// What stood at that name: the file, or the link that was followed.
    pub named_inode: Inode,
    /// The file's own name in its own directory; the same as `named` unless a link was followed. None when the
    /// directory of a link's target could not be held.
    pub real: Option<FileAt>,
    /// Whether it was opened with `create`, which is asked again wherever it is opened again.
    pub create: bool,
    /// Whether links were to be followed.
    pub follow: bool,
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

/// A directory by the name that moves or goes, and the open one that has to have it.
#[derive(Clone, Debug)]
pub struct NamedDir {
    /// The name.
    pub place: DirAt,
    /// The open one.
    pub directory: Rc<Directory>,
}

/// An open file by the name under which it was opened; that of the link when one was followed.
#[derive(Clone, Debug)]
pub struct NamedFile(pub Rc<File>);

/// A directory somewhere below an open one, whether or not it is there.
#[derive(Clone, Debug)]
pub struct DirBelow {
    /// The open one.
    pub top: Rc<Directory>,
    /// The whole path.
    pub path: PathName,
}

/// A file somewhere below an open directory, whether or not it is there.
#[derive(Clone, Debug)]
pub struct FileBelow {
    /// The directory.
    pub top: Rc<Directory>,
    /// The whole path.
    pub path: PathName,
}

/// Something that is to move, with its destination, which the policy sees as context.
#[derive(Clone, Debug)]
pub struct Moving<R> {
    /// What moves.
    pub what: R,
    /// The whole destination.
    pub path: PathName,
    /// Its last component, in the form of [`rex_ipc::name`].
    pub name: String,
    /// The directory it goes to.
    pub parent: PathName,
}

/// Something whose extended attribute is to be set; the policy sees the attribute's name as context.
#[derive(Clone, Debug)]
pub struct Labelled<R> {
    /// The object.
    pub what: R,
    /// The attribute's name.
    pub attribute: String,
}
