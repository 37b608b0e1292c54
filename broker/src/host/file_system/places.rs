//! Where a resource of the file system is, for those who act on it.

use std::rc::Rc;

use super::object::{DirAt, DirBelow, DirPath, Directory, FileAt, FileBelow, NamedDir, NamedFile};
use super::writer::NewWriter;
use crate::gate::Resource;
use crate::policy::name::{EntryName, PathName};

/// A resource that stands at a path.
pub trait AtPath: Resource {
    /// The path.
    fn path(&self) -> &PathName;

    /// The open directory that it is in, where that is held: a walk to it has to pass there.
    fn from(&self) -> Option<&Directory> {
        None
    }

    /// The name of a file in an open directory, where it is one.
    fn as_file(&self) -> Option<&FileAt> {
        None
    }
}

/// A resource that is a name in an open directory.
pub trait Entry: AtPath {
    /// The directory.
    fn parent(&self) -> &Rc<Directory>;

    /// The name in it.
    fn entry(&self) -> &EntryName;
}

/// A resource that is, or is to come, somewhere below an open directory.
pub trait Below: AtPath {
    /// The directory.
    fn top(&self) -> &Rc<Directory>;
}

/// A directory with what is in it.
pub trait Walkable: Resource {
    /// The directory, held open, under the name that it is asked about by.
    fn directory(&self) -> &Rc<Directory>;
}

impl AtPath for DirPath {
    fn path(&self) -> &PathName {
        &self.0
    }
}

/// A name that is held: `type, its place, what it is called when it is a file's`.
macro_rules! entries {
    ($($resource:ty: |$it:ident| $place:expr $(, file $file:expr)?;)+) => {
        $(impl AtPath for $resource {
            fn path(&self) -> &PathName {
                let $it = self;
                &$place.path
            }

            fn from(&self) -> Option<&Directory> {
                Some(self.parent())
            }

            $(fn as_file(&self) -> Option<&FileAt> {
                let $it = self;
                Some($file)
            })?
        }

        impl Entry for $resource {
            fn parent(&self) -> &Rc<Directory> {
                let $it = self;
                &$place.parent
            }

            fn entry(&self) -> &EntryName {
                let $it = self;
                &$place.entry
            }
        })+
    };
}

entries! {
    DirAt: |it| it;
    FileAt: |it| it, file it;
    NamedDir: |it| it.place;
    NamedFile: |it| it.0.origin.named, file &it.0.origin.named;
}

/// What is below an open directory: `type, what names it`.
macro_rules! below {
    ($($resource:ty: |$it:ident| $new:expr;)+) => {
        $(impl AtPath for $resource {
            fn path(&self) -> &PathName {
                let $it = self;
                &$new.path
            }
        }

        impl Below for $resource {
            fn top(&self) -> &Rc<Directory> {
                let $it = self;
                &$new.top
            }
        })+
    };
}

below! {
    DirBelow: |it| it;
    FileBelow: |it| it;
    Rc<NewWriter>: |it| it.new;
}

impl Walkable for Rc<Directory> {
    fn directory(&self) -> &Rc<Directory> {
        self
    }
}

impl Walkable for NamedDir {
    fn directory(&self) -> &Rc<Directory> {
        &self.directory
    }
}
