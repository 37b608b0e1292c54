//! What the policy can be asked about in the file system, and what is held of it.
//!
//! Which actions each of them may be asked about with follows from its type, by what ipc/src/action.rs lists.

use std::os::fd::AsFd;
use std::rc::Rc;

use rex_ipc::action::file_system::Write;
use rex_ipc::action::{context, kind};

use super::object::{
    DirAt, DirBelow, DirPath, Directory, File, FileAt, FileBelow, FilePath, Labelled, Moving, NamedDir,
    NamedFile,
};
use super::staged::Staged;
use super::writer::{FileWriter, NewWriter, Writer};
use crate::gate::sealed::Sealed;
use crate::gate::{Held, InDirectory, Inode, Permit, Resource};
use crate::policy::ContextRef;
use crate::policy::name::EntryName;

/// The resources of the file system that say no more than action and name: `type: kind, its name, methods`.
macro_rules! resources {
    ($($resource:ty: $kind:ident, |$it:ident| $id:expr $(, { $($method:item)+ })?;)+) => {
        $(impl Sealed for $resource {}

        impl Resource for $resource {
            type Kind = kind::$kind;
            type Context = ();

            fn id(&self) -> &str {
                let $it = self;
                $id.as_str()
            }

            $($($method)+)?
        })+
    };
}

resources! {
    DirPath: Dir, |it| it.0;
    FilePath: File, |it| it.0;
    DirBelow: Dir, |it| it.path;
    FileBelow: File, |it| it.path;
    Rc<NewWriter>: File, |it| it.new.path;
    DirAt: Dir, |it| it.path, {
        fn held(&self) -> Held<'_> { Held::Entry(self.parent.in_place(), &self.entry) }
        fn place(&self) -> Option<(InDirectory<'_>, &EntryName)> { Some((self.parent.in_place(), &self.entry)) }
    };
    FileAt: File, |it| it.path, {
        fn held(&self) -> Held<'_> { Held::Entry(self.parent.in_place(), &self.entry) }
        fn place(&self) -> Option<(InDirectory<'_>, &EntryName)> { Some((self.parent.in_place(), &self.entry)) }
    };
    // What moves or goes is the name, whatever is held of the object that has to have it.
    NamedDir: Dir, |it| it.place.path, {
        fn held(&self) -> Held<'_> { self.place.held() }
        fn place(&self) -> Option<(InDirectory<'_>, &EntryName)> { Resource::place(&self.place) }
    };
    NamedFile: File, |it| it.0.origin.named.path, {
        fn held(&self) -> Held<'_> { self.0.origin.named.held() }
        fn place(&self) -> Option<(InDirectory<'_>, &EntryName)> { self.0.origin.named.place() }
    };
    Rc<Directory>: Dir, |it| it.name, {
        fn inode(&self) -> Option<Inode> { Some(self.inode) }
        fn held(&self) -> Held<'_> { Held::Object(self.fd.as_fd(), None) }
    };
    Rc<File>: File, |it| it.name, {
        fn inode(&self) -> Option<Inode> { Some(self.inode) }
        fn held(&self) -> Held<'_> {
            Held::Object(self.fd.as_fd(), self.origin.real.as_ref().map(|place| place.parent.in_place()))
        }
    };
    Rc<FileWriter>: File, |it| it.file.name, {
        fn inode(&self) -> Option<Inode> { self.file.inode() }
        fn held(&self) -> Held<'_> { self.file.held() }
    };
    Writer: File, |it| it.path(), {
        fn inode(&self) -> Option<Inode> { self.file().and_then(Resource::inode) }
        fn held(&self) -> Held<'_> { self.file().map_or(Held::Nothing, Resource::held) }
    };
}

/// The resources that say more than that, around another: `type, its context, as the policy is told it`.
macro_rules! with_context {
    ($($resource:ident: $context:ident, |$it:ident| $told:expr;)+) => {
        $(impl<R: Sealed> Sealed for $resource<R> {}

        impl<R: Resource<Context = ()>> Resource for $resource<R> {
            type Kind = R::Kind;
            type Context = context::$context;

            fn id(&self) -> <R::Kind as crate::gate::Kind>::Id<'_> {
                self.what.id()
            }

            fn context(&self) -> ContextRef<'_> {
                let $it = self;
                $told
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
        })+
    };
}

with_context! {
    Moving: Destination, |it| ContextRef::Move {
        path: it.path.as_str(), name: &it.name, parent_path: it.parent.as_str()
    };
    Labelled: XAttr, |it| ContextRef::XAttr { name: &it.attribute };
}

// What proves that an open file may get the content that it holds is made nowhere else either.
impl Sealed for Permit<'_, Write, Rc<FileWriter>> {}
impl Sealed for Staged<'_, Rc<File>> {}
