//! What the policy can be asked about in the file system, and with which actions.

use std::os::fd::AsFd;
use std::rc::Rc;

use rex_ipc::action::file_system;

use super::object::{DirAt, DirPath, Directory, File, FileAt, FilePath, Labelled, Moving};
use crate::gate::{Allows, Held, InDirectory, Inode, Resource};
use crate::policy::name::EntryName;
use crate::policy::{ContextRef, ResourceRef};

impl Resource for DirPath {
    fn as_question(&self) -> ResourceRef<'_> {
        ResourceRef::Dir(self.0.as_str())
    }
}

impl Resource for FilePath {
    fn as_question(&self) -> ResourceRef<'_> {
        ResourceRef::File(self.0.as_str())
    }
}

impl Resource for DirAt {
    fn as_question(&self) -> ResourceRef<'_> {
        ResourceRef::Dir(self.path.as_str())
    }

    fn held(&self) -> Held<'_> {
        Held::Entry(self.parent.in_place(), &self.entry)
    }

    fn place(&self) -> Option<(InDirectory<'_>, &EntryName)> {
        Some((self.parent.in_place(), &self.entry))
    }
}

impl Resource for FileAt {
    fn as_question(&self) -> ResourceRef<'_> {
        ResourceRef::File(self.path.as_str())
    }

    fn held(&self) -> Held<'_> {
        Held::Entry(self.parent.in_place(), &self.entry)
    }

    fn place(&self) -> Option<(InDirectory<'_>, &EntryName)> {
        Some((self.parent.in_place(), &self.entry))
    }
}

impl Resource for Rc<Directory> {
    fn as_question(&self) -> ResourceRef<'_> {
        ResourceRef::Dir(self.name.as_str())
    }

    fn inode(&self) -> Option<Inode> {
        Some(self.inode)
    }

    fn held(&self) -> Held<'_> {
        Held::Object(self.fd.as_fd(), None)
    }
}

impl Resource for Rc<File> {
    fn as_question(&self) -> ResourceRef<'_> {
        ResourceRef::File(self.name.as_str())
    }

    fn inode(&self) -> Option<Inode> {
        Some(self.inode)
    }

    fn held(&self) -> Held<'_> {
        Held::Object(self.fd.as_fd(), self.origin.real.as_ref().map(|place| place.parent.in_place()))
    }
}

impl<R: Resource> Resource for Moving<R> {
    fn as_question(&self) -> ResourceRef<'_> {
        self.what.as_question()
    }

    fn context(&self) -> ContextRef<'_> {
        ContextRef::Move { path: self.path.as_str(), name: &self.name, parent_path: self.parent.as_str() }
    }

    fn inode(&self) -> Option<Inode> {
        self.what.inode()
    }

    fn held(&self) -> Held<'_> {
        self.what.held()
    }

    fn place(&self) -> Option<(InDirectory<'_>, &EntryName)> {
        self.what.place()
    }
}

impl<R: Resource> Resource for Labelled<R> {
    fn as_question(&self) -> ResourceRef<'_> {
        self.what.as_question()
    }

    fn context(&self) -> ContextRef<'_> {
        ContextRef::XAttr { name: &self.attribute }
    }

    fn inode(&self) -> Option<Inode> {
        self.what.inode()
    }

    fn held(&self) -> Held<'_> {
        self.what.held()
    }

    fn place(&self) -> Option<(InDirectory<'_>, &EntryName)> {
        self.what.place()
    }
}

impl Allows<file_system::Move> for Moving<FileAt> {}
impl Allows<file_system::Move> for Moving<DirAt> {}
impl Allows<file_system::SetXAttr> for Labelled<Rc<File>> {}
impl Allows<file_system::Delete> for FileAt {}
impl Allows<file_system::Delete> for DirAt {}
impl Allows<file_system::Delete> for DirPath {}
impl Allows<file_system::Delete> for FilePath {}
impl Allows<file_system::Delete> for Rc<Directory> {}
impl Allows<file_system::Stat> for DirAt {}
impl Allows<file_system::Read> for DirAt {}
impl Allows<file_system::Write> for FileAt {}
impl Allows<file_system::Write> for FilePath {}
impl Allows<file_system::Write> for Rc<File> {}
impl Allows<file_system::Chmod> for FileAt {}
impl Allows<file_system::Chmod> for DirAt {}
impl Allows<file_system::Chmod> for DirPath {}
impl Allows<file_system::Chown> for DirPath {}
impl Allows<file_system::Chmod> for Rc<File> {}
impl Allows<file_system::Chmod> for Rc<Directory> {}
impl Allows<file_system::Chown> for FileAt {}
impl Allows<file_system::Chown> for FilePath {}
impl Allows<file_system::Chown> for DirAt {}
impl Allows<file_system::Chown> for Rc<File> {}
impl Allows<file_system::Chown> for Rc<Directory> {}
impl Allows<file_system::Open> for DirPath {}
impl Allows<file_system::Create> for DirPath {}
impl Allows<file_system::Open> for DirAt {}
impl Allows<file_system::Create> for DirAt {}
impl Allows<file_system::Open> for FilePath {}
impl Allows<file_system::Create> for FilePath {}
impl Allows<file_system::Open> for FileAt {}
impl Allows<file_system::Create> for FileAt {}
impl Allows<file_system::Read> for FileAt {}
impl Allows<file_system::Stat> for FileAt {}
impl Allows<file_system::Read> for Rc<Directory> {}
impl Allows<file_system::Stat> for Rc<Directory> {}
impl Allows<file_system::Read> for Rc<File> {}
impl Allows<file_system::RedactedRead> for Rc<File> {}
impl Allows<file_system::Stat> for Rc<File> {}
