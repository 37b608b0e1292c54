//! The value that proves a verdict, holding the resource that was judged.

use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::rc::Rc;

use rex_ipc::action::{Action, file_system};

use crate::host::file_system::moved::Held;
use crate::host::file_system::object::{
    DirAt, DirPath, Directory, File, FileAt, FilePath, Inode, Labelled, Moving,
};
use crate::host::file_system::path::EntryName;
use crate::policy::{ContextRef, ResourceRef};

/// Proof that the policy permitted `A` on the resource inside, within one request.
///
/// Only the gate makes one. It cannot outlive its request, and whoever acts takes the resource out of it, so that
/// nothing else than what was judged can be acted on:
///
/// ```compile_fail,E0616
/// # use rex_broker::{object::DirPath, policy::Permit};
/// # use rex_ipc::action::file_system::Open;
/// fn forge(permit: Permit<'_, Open, DirPath>, other: DirPath) {
///     let mut permit = permit;
///     permit.resource = other;
/// }
/// ```
///
/// ```compile_fail,E0451
/// # use rex_broker::{object::DirPath, path::PathName, policy::Permit};
/// # use rex_ipc::action::file_system::Open;
/// fn conjure() -> Permit<'static, Open, DirPath> {
///     Permit { resource: DirPath(PathName::root()), bound: std::marker::PhantomData }
/// }
/// ```
#[derive(Debug)]
pub struct Permit<'req, A: Action, R> {
    resource: R,
    bound: PhantomData<(Invariant<'req>, A)>,
}

/// Invariant in 'req: a permit of one request is no permit of another.
type Invariant<'req> = fn(&'req ()) -> &'req ();

impl<A: Action, R> Permit<'_, A, R> {
    /// Called by the gate, after the policy said yes.
    pub(super) fn granted(resource: R) -> Self {
        Self { resource, bound: PhantomData }
    }

    /// The resource that was judged.
    pub fn resource(&self) -> &R {
        &self.resource
    }
}

/// Something that the policy can be asked about.
pub trait Resource {
    /// As the policy sees it.
    fn as_question(&self) -> ResourceRef<'_>;

    /// What else the policy may look at.
    fn context(&self) -> ContextRef<'_> {
        ContextRef::None
    }

    /// What it is, when it is open.
    fn inode(&self) -> Option<Inode> {
        None
    }

    /// What is held of it, by which it is known after a move.
    fn held(&self) -> Held<'_> {
        Held::Nothing
    }

    /// The open directory that it is in, and its name there.
    fn place(&self) -> Option<(&Directory, &EntryName)> {
        None
    }
}

/// Says that the schema allows the action `A` on this type of resource.
#[diagnostic::on_unimplemented(
    message = "the schema does not allow the action `{A}` on `{Self}`",
    note = "a resource may be asked about only with the actions that policies/rex.cedarschema gives its type"
)]
pub trait Allows<A: Action>: Resource {}

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
        Held::Entry(&self.parent, &self.entry)
    }

    fn place(&self) -> Option<(&Directory, &EntryName)> {
        Some((&self.parent, &self.entry))
    }
}

impl Resource for FileAt {
    fn as_question(&self) -> ResourceRef<'_> {
        ResourceRef::File(self.path.as_str())
    }

    fn held(&self) -> Held<'_> {
        Held::Entry(&self.parent, &self.entry)
    }

    fn place(&self) -> Option<(&Directory, &EntryName)> {
        Some((&self.parent, &self.entry))
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
        Held::Object(self.fd.as_fd(), self.origin.real.as_ref().map(|place| &*place.parent))
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

    fn place(&self) -> Option<(&Directory, &EntryName)> {
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

    fn place(&self) -> Option<(&Directory, &EntryName)> {
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
