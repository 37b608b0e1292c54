//! The kinds of errors outside the file system: one family for each part of the SDK, all of one form.

use std::marker::PhantomData;
use std::rc::Rc;

use rex_ipc::control::RequestNumber;
use rex_ipc::failure::{ErrorKind, FailureClass};
use rhai::{Dynamic, EvalAltResult};

use super::{Failed, Origin, Termination, message_of, request_behind, thrown};

/// A part of the SDK whose errors have kinds of their own.
pub trait Family: Clone + 'static {
    /// The `source` of its errors, and the name of the module with its kinds.
    const SOURCE: &'static str;
    /// What `type_of` gives for a kind.
    const TYPE_NAME: &'static str;
    /// The type and `(type, type)`, as signatures spell them.
    const SIGNATURES: (&'static str, &'static str);
    /// Every kind that has a constant.
    const KINDS: &'static [&'static str];
}

/// Processes, services and namespaces.
#[derive(Clone)]
pub enum Processes {}

/// Kernel, memory, names and parameters of the host.
#[derive(Clone)]
pub enum SystemInfo {}

/// File systems and block devices.
#[derive(Clone)]
pub enum Disks {}

/// HTTP, connections and tables of sockets.
#[derive(Clone)]
pub enum Network {}

macro_rules! families {
    ($($family:ident: $source:literal, $type_name:literal, [$($kind:literal),+];)+) => {
        $(impl Family for $family {
            const SOURCE: &'static str = $source;
            const TYPE_NAME: &'static str = $type_name;
            const SIGNATURES: (&'static str, &'static str) =
                (concat!("(", $type_name, ")"), concat!("(", $type_name, ", ", $type_name, ")"));
            const KINDS: &'static [&'static str] = &[$($kind),+];
        })+

        /// Name of the kind and origin of an error of any of these families.
        pub(super) fn kind_in_any(kind: &Dynamic) -> Option<(&'static str, Option<Rc<Origin>>)> {
            $(if let Some(kind) = kind.clone().try_cast::<Kind<$family>>() {
                return Some((kind.name, kind.origin));
            })+
            None
        }
    };
}

families! {
    Processes: "ProcessErrorKind", "RhaiSafeProcessMgmtErrorKind", [
        "ProcessNotFound", "ValidationError", "NamespaceOperationError", "PidNamespaceOperationError",
        "CallbackExecutionError", "ProcessEnumerationError", "DBusError", "ServiceNotFound", "PrivilegeError",
        "PermissionDenied", "AuthorizationError", "Other"
    ];
    SystemInfo: "SysteminfoErrorKind", "RhaiSysteminfoErrorKind", [
        "PermissionDenied", "AuthorizationError", "IoError", "CapsError", "InvalidParameter", "InvalidValue",
        "PrivilegeError", "ProcFsError", "Other"
    ];
    Disks: "DiskinfoErrorKind", "RhaiDiskinfoErrorKind", [
        "PermissionDenied", "AuthorizationError", "IoError", "InvalidPath", "SystemError", "TryFromIntError",
        "NixError", "Other"
    ];
    Network: "NetworkErrorKind", "RhaiNetworkErrorKind", [
        "PermissionDenied", "AuthorizationError", "RequestError", "Other"
    ];
}

/// The kind of an error of the family `F`, as a script compares it; it remembers the failed request, if there was one.
#[derive(Clone)]
pub struct Kind<F> {
    name: &'static str,
    origin: Option<Rc<Origin>>,
    family: PhantomData<F>,
}

impl<F: Family> Kind<F> {
    /// The kind of this name, that no request stands behind.
    pub const fn constant(name: &'static str) -> Self {
        Self { name, origin: None, family: PhantomData }
    }

    /// The name in the script.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// An error that the jail itself raises.
    pub fn error(name: &'static str, message: impl Into<String>) -> Box<EvalAltResult> {
        thrown(Dynamic::from(Self::constant(name)), message.into(), F::SOURCE)
    }

    /// An error of this kind for a failed request.
    pub fn error_from(name: &'static str, message: String, request: RequestNumber) -> Box<EvalAltResult> {
        let origin = Some(Rc::new(Origin { request, message: message.clone() }));
        thrown(Dynamic::from(Self { name, origin, family: PhantomData }), message, F::SOURCE)
    }

    /// The error for a failed request: a denial is one in every family, anything else is of the kind `otherwise`. What
    /// ends the script ends it.
    pub fn of(failed: Failed, otherwise: &'static str) -> Box<EvalAltResult> {
        if failed.is_final() {
            let token = Dynamic::from(Termination::from(&failed));
            return EvalAltResult::ErrorTerminated(token, rhai::Position::NONE).into();
        }
        let name = match failed.failure.class {
            FailureClass::Denied => ErrorKind::PermissionDenied.name(),
            FailureClass::Undecided => ErrorKind::AuthorizationError.name(),
            _ => otherwise,
        };
        Self::error_from(name, failed.failure.message.into_string(), failed.number)
    }

    /// The error of this family for one of the file system's, of which the function is composed that raises it. As in Rex
    /// the kind is `Other` whatever it was there; otherwise a denial stays one.
    pub fn of_file(error: Box<EvalAltResult>, as_rex: bool) -> Box<EvalAltResult> {
        let Some(message) = message_of(&error) else { return error };
        let name = match super::kind_of(&error) {
            kind @ (ErrorKind::PermissionDenied | ErrorKind::AuthorizationError) if !as_rex => kind.name(),
            _ => OTHER,
        };
        match request_behind(&error) {
            Some(request) => Self::error_from(name, message, request),
            None => Self::error(name, message),
        }
    }
}

/// Whether Rex has no name for this kind where it tells of an error that no `catch` stopped.
pub(super) fn is_unknown_to_rex(kind: &Dynamic) -> bool {
    kind.is::<Kind<Network>>()
}

/// The kind of what has no other.
pub const OTHER: &str = "Other";
