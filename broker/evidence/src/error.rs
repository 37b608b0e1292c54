//! What can go wrong while a log is sealed or checked, told so that a reader knows what to do.

use std::fmt;
use std::io;

/// Why something was not done, or not believed.
#[derive(Debug)]
pub enum Error {
    /// The system did not do what was asked of it; `what` names verb and object.
    System {
        /// Verb and object: `read DIR/checkpoint`.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The evidence contradicts itself, or lacks a part: it is no evidence any more.
    Contradiction(String),
    /// Nothing is wrong with the evidence, but this is not done.
    Refused(String),
}

impl Error {
    /// An error of the system while doing `what`.
    pub fn system(what: impl Into<String>, source: impl Into<io::Error>) -> Error {
        Error::System { what: what.into(), source: source.into() }
    }

    /// What was found in the evidence that cannot be.
    pub fn contradiction(what: impl Into<String>) -> Error {
        Error::Contradiction(what.into())
    }

    /// What is not done, and why.
    pub fn refused(what: impl Into<String>) -> Error {
        Error::Refused(what.into())
    }

    /// Whether the reader of what was written has gone.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::System { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit status of both programs: 1 for evidence that does not hold, 74 for the system, 78 for keys,
    /// directories and files that are not used as they are.
    pub fn exit_status(&self) -> u8 {
        match self {
            Error::Contradiction(_) => 1,
            Error::System { .. } => 74,
            Error::Refused(_) => 78,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::System { what, source } => write!(f, "cannot {what}: {source}"),
            Error::Contradiction(what) | Error::Refused(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
