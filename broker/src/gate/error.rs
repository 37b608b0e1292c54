//! Why an operation failed, and what of that the script learns.

use std::{fmt, io};

use rex_ipc::action::{ActionId, ResourceKind};
use rex_ipc::bounded::Text;
use rex_ipc::failure::{ErrorKind, Failure, FailureClass};

use crate::policy::name::NotAPath;

/// Why an operation failed.
#[derive(Debug)]
pub enum Error {
    /// The policy said no.
    Denied(Box<Denial>),
    /// The operating system said no, or the request asked for what cannot be. The script goes on.
    Failed {
        /// The kind that the script compares.
        kind: ErrorKind,
        /// The text for people.
        message: String,
        /// The operating system's number, when it was the one.
        errno: Option<i32>,
    },
    /// A limit of the run was reached. The run ends.
    Limit(LimitReached),
    /// The jail broke the protocol. The run ends.
    Violation(String),
    /// The decision cannot be recorded. The run ends.
    Audit(NotRecorded),
    /// The events of the run cannot be written. The run ends.
    Output(String),
    /// The run is to end because somebody asked for it, or its time is over.
    Interrupted,
}

/// A denial, as far as the script may know it.
#[derive(Clone, Debug)]
pub struct Denial {
    /// Who asked.
    pub principal: String,
    /// For what.
    pub action: ActionId,
    /// On what type of thing.
    pub kind: ResourceKind,
    /// On which thing.
    pub resource: String,
    /// Whether the policy could not be evaluated.
    pub undecided: bool,
}

/// Why a decision is not on record, in the words of whoever keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotRecorded(pub String);

impl fmt::Display for NotRecorded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitReached {
    /// Its name, as in the command line.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
}

impl Error {
    /// A request that cannot be granted whatever the policy says.
    pub fn invalid(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::Failed { kind, message: message.into(), errno: None }
    }

    /// The operating system's answer, in its own words.
    pub fn system(error: &io::Error) -> Self {
        Self::system_as(ErrorKind::IoError, error)
    }

    /// The operating system's answer, under another kind.
    pub fn system_as(kind: ErrorKind, error: &io::Error) -> Self {
        Self::Failed { kind, message: error.to_string(), errno: error.raw_os_error() }
    }

    /// Gives the message of a failure its reason and the object it is about, where it does not name them yet.
    #[must_use]
    pub fn about(self, object: Option<&str>) -> Self {
        let Some(object) = object else { return self };
        let Self::Failed { kind, mut message, errno } = self else { return self };
        if let Some(errno) = errno {
            let reason = io::Error::from_raw_os_error(errno).to_string();
            // Some of our own texts have the system's words, without its number.
            let words = reason.split(" (os error").next().unwrap_or(&reason);
            if !message.contains(words) {
                message.push_str(": ");
                message.push_str(&reason);
            }
        }
        // Rex writes some paths without their first slash.
        if !message.contains(object.trim_start_matches('/')) {
            message.push_str(": ");
            message.push_str(object);
        }
        Self::Failed { kind, message, errno }
    }

    /// What crosses the boundary, when the script may go on after it.
    pub fn to_failure(&self) -> Option<Failure> {
        let (class, kind, message) = match self {
            Self::Denied(denial) if denial.undecided => (
                FailureClass::Undecided,
                ErrorKind::AuthorizationError,
                "Authorization check failed".to_owned(),
            ),
            Self::Denied(denial) => (FailureClass::Denied, ErrorKind::PermissionDenied, denial.message()),
            Self::Failed { kind, message, errno } => {
                let class = match errno.and_then(|errno| u16::try_from(errno).ok()) {
                    Some(errno) => FailureClass::System { errno },
                    None => FailureClass::Invalid,
                };
                (class, *kind, message.clone())
            }
            Self::Limit(_) | Self::Violation(_) | Self::Audit(_) | Self::Output(_) | Self::Interrupted => {
                return None;
            }
        };
        Some(Failure { class, kind, message: Text::cut(&message) })
    }
}

impl Denial {
    /// The text that scripts know.
    pub fn message(&self) -> String {
        format!(
            "Permission denied: {} unauthorized to perform {} for {}::{}",
            self.principal,
            self.action.uid(),
            self.kind.type_name(),
            self.resource
        )
    }
}

/// Whether it was this that the system said.
pub fn is(error: &io::Error, errno: nix::errno::Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::system(&error)
    }
}

impl From<nix::errno::Errno> for Error {
    fn from(errno: nix::errno::Errno) -> Self {
        Self::system(&errno.into())
    }
}

impl From<LimitReached> for Error {
    fn from(limit: LimitReached) -> Self {
        Self::Limit(limit)
    }
}

impl From<NotRecorded> for Error {
    fn from(reason: NotRecorded) -> Self {
        Self::Audit(reason)
    }
}

impl From<NotAPath> for Error {
    fn from(reason: NotAPath) -> Self {
        match reason {
            NotAPath::Invalid(text) => Self::invalid(ErrorKind::Other, text),
            NotAPath::TooLong => nix::errno::Errno::ENAMETOOLONG.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn a_failure_names_reason_and_object_once() {
        let text = |error: Error| match error.about(Some("/a/b")) {
            Error::Failed { message, .. } => message,
            error => panic!("{error:?}"),
        };
        let removing = |message: &str| Error::Failed {
            kind: ErrorKind::FileError,
            message: message.to_owned(),
            errno: Some(Errno::EPERM as i32),
        };

        assert_eq!(text(Errno::ENOENT.into()), "No such file or directory (os error 2): /a/b");
        assert_eq!(
            text(removing("removing: /a")),
            "removing: /a: Operation not permitted (os error 1): /a/b"
        );
        assert_eq!(text(removing("removing: /a/b")), "removing: /a/b: Operation not permitted (os error 1)");
        assert_eq!(text(Error::invalid(ErrorKind::FileError, "no")), "no: /a/b");
    }
}
