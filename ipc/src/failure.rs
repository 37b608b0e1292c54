//! What comes back instead of a reply.

use serde::{Deserialize, Serialize};

use crate::bounded::Text;
use crate::limits::MAX_MESSAGE_BYTES;

/// Why a request failed.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Failure {
    /// Who said no.
    pub class: FailureClass,
    /// The kind that a script compares.
    pub kind: ErrorKind,
    /// Text for people. Names the object and the act.
    pub message: Text<MAX_MESSAGE_BYTES>,
}

/// Who said no.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// The policy.
    Denied,
    /// The policy could not be evaluated, which is a denial.
    Undecided,
    /// The operating system, with its error number.
    System {
        /// errno(3).
        errno: u16,
    },
    /// The request asked for something that cannot be.
    Invalid,
    /// A limit of the run, which ends it.
    Limit,
}

/// Lists the error kinds; scripts compare them, so names stay and new ones go to the end.
macro_rules! error_kinds {
    ($($kind:ident $doc:literal;)+) => {
        /// The error kinds that scripts know as `IoErrorKind::…`.
        #[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorKind {
            $(#[doc = $doc] $kind,)+
        }

        impl ErrorKind {
            /// Every kind, in the order of the wire.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$kind,)+];

            /// The name in the script.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorKind::$kind => stringify!($kind),)+ }
            }
        }
    };
}

error_kinds! {
    InvalidPath "A path or name that cannot be used here.";
    InvalidArguments "Arguments that contradict each other or are out of range.";
    InvalidFileMode "The handle was opened without the needed option.";
    ValidationError "A value that does not have the required form.";
    DirectoryOpenError "A directory that cannot be opened the way it was asked for.";
    DirectoryError "A failed act on a directory.";
    FileError "A failed act on a file.";
    DestinationFileNotEmptyError "A copy onto a file that has content.";
    NotFound "An object that is gone.";
    DirectoryNotEmpty "A directory that has entries.";
    PermissionDenied "The policy said no.";
    AuthorizationError "The policy could not be evaluated.";
    IdentityResolutionError "A user or group without a name, or a name without a user or group.";
    UnsupportedOperationError "An act that is not supported on this object.";
    FileContentTooLargeError "Content larger than the limit.";
    FileCopyError "A copy that failed.";
    FileReadError "A read that failed within a copy.";
    EntryTypeMismatchError "An entry of another type than asked for.";
    IoError "Most failures of the operating system.";
    TryFromIntError "An integer out of range.";
    RustixError "Failures of the operating system in a few functions.";
    Utf8Error "Bytes that are not UTF-8.";
    Other "Everything else.";
    CallbackError "A script callback that failed.";
    ProcessNamespaceFatalError "A namespace switch that failed.";
}
