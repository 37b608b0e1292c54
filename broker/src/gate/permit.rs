//! The value that proves a verdict, holding the resource that was judged.

use std::marker::PhantomData;

use rex_ipc::action::{Action, AppliesTo, kind};

use super::object::{Held, InDirectory, Inode};
use crate::gate::error::Error;
use crate::policy::name::EntryName;
use crate::policy::{ContextRef, ProcessRef, ResourceRef};

/// Proof that the policy permitted `A` on the resource inside, within one request.
///
/// Only the gate makes one. It cannot outlive its request, and whoever acts takes the resource out of it, so that
/// nothing else than what was judged can be acted on. What is acted on cannot be exchanged:
///
/// ```
/// # use rex_broker::gate::Permit;
/// # use rex_broker::host::file_system::object::DirPath;
/// # use rex_ipc::action::file_system::Open;
/// fn look(permit: Permit<'_, Open, DirPath>, other: &mut DirPath) {
///     *other = permit.resource().clone();
/// }
/// ```
///
/// ```compile_fail,E0616
/// # use rex_broker::gate::Permit;
/// # use rex_broker::host::file_system::object::DirPath;
/// # use rex_ipc::action::file_system::Open;
/// fn look(mut permit: Permit<'_, Open, DirPath>, other: &mut DirPath) {
///     permit.resource = other.clone();
/// }
/// ```
///
/// nor named beside the permit:
///
/// ```
/// # use rex_broker::gate::Permit;
/// # use rex_broker::host::file_system::{moves, object::{Directory, Moving, NamedDir}};
/// # use rex_ipc::action::file_system::Move;
/// fn act(permit: &Permit<'_, Move, Moving<NamedDir>>, other: &Directory) {
///     moves::is_mounted(permit);
/// }
/// ```
///
/// ```compile_fail,E0061
/// # use rex_broker::gate::Permit;
/// # use rex_broker::host::file_system::{moves, object::{Directory, Moving, NamedDir}};
/// # use rex_ipc::action::file_system::Move;
/// fn act(permit: &Permit<'_, Move, Moving<NamedDir>>, other: &Directory) {
///     moves::is_mounted(permit, other);
/// }
/// ```
///
/// nor taken from an open object without one:
///
/// ```
/// # use rex_broker::host::file_system::object::File;
/// fn act(other: &File) -> bool {
///     other.readable
/// }
/// ```
///
/// ```compile_fail,E0616
/// # use rex_broker::host::file_system::object::File;
/// fn act(other: &File) -> bool {
///     nix::sys::stat::fstat(&other.fd).is_ok()
/// }
/// ```
///
/// A permit for another action does not do, nor does what was made of one:
///
/// ```
/// # use rex_broker::gate::Permit;
/// # use rex_broker::host::file_system::{object::FileAt, staged, tools::Tools};
/// # use rex_ipc::action::file_system::Write as Action;
/// fn act(permit: &Permit<'_, Action, FileAt>, tools: &Tools) -> bool {
///     staged::beside(permit, tools).is_ok()
/// }
/// ```
///
/// ```compile_fail,E0308
/// # use rex_broker::gate::Permit;
/// # use rex_broker::host::file_system::{object::FileAt, staged, tools::Tools};
/// # use rex_ipc::action::file_system::Chmod as Action;
/// fn act(permit: &Permit<'_, Action, FileAt>, tools: &Tools) -> bool {
///     staged::beside(permit, tools).is_ok()
/// }
/// ```
///
/// ```
/// # use rex_broker::host::file_system::{moves::Hidden, tree::Left};
/// # use rex_ipc::action::file_system::Read as Action;
/// fn finish<'req>(copy: &mut Hidden<'req>, original: &Left<'req, Action>) -> bool {
///     copy.leave(original).is_ok()
/// }
/// ```
///
/// ```compile_fail,E0308
/// # use rex_broker::host::file_system::{moves::Hidden, tree::Left};
/// # use rex_ipc::action::file_system::Delete as Action;
/// fn finish<'req>(copy: &mut Hidden<'req>, original: &Left<'req, Action>) -> bool {
///     copy.leave(original).is_ok()
/// }
/// ```
///
/// nor does one of another request:
///
/// ```
/// # use rex_broker::gate::Permit;
/// # use rex_broker::host::file_system::{object::DirPath, way::Way};
/// # use rex_ipc::action::file_system::Create;
/// fn make<'one>(way: &Way<'one>, permit: &Permit<'one, Create, DirPath>) -> bool {
///     way.make(permit, 0o777).is_ok()
/// }
/// ```
///
/// ```compile_fail
/// # use rex_broker::gate::Permit;
/// # use rex_broker::host::file_system::{object::DirPath, way::Way};
/// # use rex_ipc::action::file_system::Create;
/// fn make<'one, 'other>(way: &Way<'one>, permit: &Permit<'other, Create, DirPath>) -> bool {
///     way.make(permit, 0o777).is_ok()
/// }
/// ```
///
/// It cannot be made, and nothing else that proves as much can be:
///
/// ```
/// # use rex_broker::gate::{Bound, Permit};
/// # use rex_broker::host::file_system::object::DirPath;
/// # use rex_ipc::action::file_system::Open;
/// fn conjure(resource: DirPath, bound: Bound<'static, Open>) -> (DirPath, Bound<'static, Open>) {
///     (resource, bound)
/// }
/// ```
///
/// ```compile_fail,E0451
/// # use rex_broker::gate::{Bound, Permit};
/// # use rex_broker::host::file_system::object::DirPath;
/// # use rex_ipc::action::file_system::Open;
/// fn conjure(resource: DirPath, bound: Bound<'static, Open>) -> Permit<'static, Open, DirPath> {
///     Permit { resource, bound }
/// }
/// ```
///
/// ```compile_fail,E0624
/// # use rex_broker::gate::Permit;
/// # use rex_broker::host::file_system::object::DirPath;
/// # use rex_ipc::action::file_system::Open;
/// fn conjure(resource: DirPath) -> Permit<'static, Open, DirPath> {
///     Permit::granted(resource)
/// }
/// ```
#[derive(Debug)]
pub struct Permit<'req, A: Action, R> {
    resource: R,
    bound: Bound<'req, A>,
}

/// Ties a proof to its request and to what it proves.
///
/// Invariant in 'req: a permit of one request is no permit of another.
pub type Bound<'req, A> = PhantomData<(fn(&'req ()) -> &'req (), A)>;

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

/// The answer to a question: a permit, or why there is none.
pub type Granted<'req, A, R> = Result<Permit<'req, A, R>, Error>;

/// Keeps [`Resource`] to what the host layer lists: the architecture's test reads where this is implemented.
pub(crate) mod sealed {
    pub trait Sealed {}
}

/// A resource type of the schema, with what tells one resource of it from another.
pub trait Kind {
    /// What the policy knows a resource of this type by.
    type Id<'a>;

    /// The resource as the policy sees it.
    fn named<'a>(id: Self::Id<'a>) -> ResourceRef<'a>;
}

/// What resources of each type are known by: `type: what by, as the policy sees it`.
macro_rules! kinds {
    ($($kind:ident: $id:ty, |$name:pat_param| $seen:expr;)+) => {
        $(impl Kind for kind::$kind {
            type Id<'a> = $id;

            fn named<'a>($name: Self::Id<'a>) -> ResourceRef<'a> {
                $seen
            }
        })+
    };
}

kinds! {
    File: &'a str, |path| ResourceRef::File(path);
    Dir: &'a str, |path| ResourceRef::Dir(path);
    Process: ProcessRef<'a>, |process| ResourceRef::Process(process);
    Sysinfo: (), |()| ResourceRef::Sysinfo;
    Hostname: &'a str, |name| ResourceRef::Hostname(name);
    Url: &'a str, |url| ResourceRef::Url(url);
    Service: &'a str, |unit| ResourceRef::Service(unit);
    Systemd: (), |()| ResourceRef::Systemd;
    Sysctl: (), |()| ResourceRef::Sysctl;
}

/// Something that the policy can be asked about, with what is acted on.
///
/// Only the host layer says what is one: nobody else can have the policy asked about one thing and act on another.
///
/// ```
/// # use rex_broker::gate::{Kind, Resource};
/// # use rex_ipc::action::kind;
/// fn name<R: Resource<Kind = kind::Dir>>(resource: &R) -> &str {
///     resource.id()
/// }
/// ```
///
/// ```compile_fail,E0277
/// # use rex_broker::gate::{Kind, Resource};
/// # use rex_ipc::action::kind;
/// struct Mine;
///
/// impl Resource for Mine {
///     type Kind = kind::Dir;
///     type Context = ();
///
///     fn id(&self) -> &str {
///         "/harmless"
///     }
/// }
/// ```
///
/// ```compile_fail,E0603
/// struct Mine;
///
/// impl rex_broker::gate::sealed::Sealed for Mine {}
/// ```
pub trait Resource: sealed::Sealed {
    /// Its type in the schema.
    type Kind: Kind;
    /// What the policy may look at beside it: `()`, or one of [`rex_ipc::action::context`].
    type Context;

    /// What the policy knows it by.
    fn id(&self) -> <Self::Kind as Kind>::Id<'_>;

    /// As the policy sees it.
    fn as_question(&self) -> ResourceRef<'_> {
        Self::Kind::named(self.id())
    }

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

    /// Why it is closed whatever it is called and the policy says.
    fn closed(&self) -> Option<&'static str> {
        None
    }

    /// The open directory that it is in, and its name there.
    fn place(&self) -> Option<(InDirectory<'_>, &EntryName)> {
        None
    }
}

/// Says that the schema allows the action `A` on this type of resource. Follows from ipc/src/action.rs alone.
#[diagnostic::on_unimplemented(
    message = "the schema does not allow the action `{A}` on `{Self}`",
    note = "a resource may be asked about only with the actions that policies/rex.cedarschema gives its type"
)]
pub trait Allows<A: Action>: Resource {}

impl<A, R> Allows<A> for R
where
    A: Action + AppliesTo<<R as Resource>::Kind>,
    R: Resource<Context = <A as Action>::Context>,
{
}
