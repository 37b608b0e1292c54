//! The value that proves a verdict, holding the resource that was judged.

use std::marker::PhantomData;

use rex_ipc::action::Action;

use super::object::{Held, InDirectory, Inode};
use crate::policy::name::EntryName;
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
    fn place(&self) -> Option<(InDirectory<'_>, &EntryName)> {
        None
    }
}

/// Says that the schema allows the action `A` on this type of resource.
#[diagnostic::on_unimplemented(
    message = "the schema does not allow the action `{A}` on `{Self}`",
    note = "a resource may be asked about only with the actions that policies/rex.cedarschema gives its type"
)]
pub trait Allows<A: Action>: Resource {}
