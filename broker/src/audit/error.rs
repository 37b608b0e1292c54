//! Why a record cannot be kept.

use std::path::PathBuf;
use std::{error, fmt, io};

use crate::gate::error::{Error, LimitReached, NotRecorded};

/// Why a record cannot be kept. Whatever it is, the run does not go on.
#[derive(Debug)]
pub enum AuditError {
    /// The log cannot be opened.
    Open {
        /// Where it was sought.
        place: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The log could be opened, but is not fit to hold records.
    Unfit {
        /// Where it is.
        place: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No place was named, and the usual one cannot be used.
    NoPlace {
        /// The usual place, if there is one.
        tried: Option<PathBuf>,
        /// Why it cannot be used.
        reason: String,
    },
    /// A write failed.
    Write(io::Error),
    /// A write took only a part.
    Short {
        /// How many bytes it took.
        written: usize,
        /// Of how many.
        length: usize,
    },
    /// What was written cannot be forced to disk.
    Sync(io::Error),
    /// The run has used its share.
    Limit {
        /// The name of the limit, as on the command line.
        name: &'static str,
        /// Its value.
        value: u64,
    },
}

impl fmt::Display for AuditError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { place, source } => write!(out, "cannot open audit log {place}: {source}"),
            Self::Unfit { place, reason } => write!(out, "cannot use audit log {place}: {reason}"),
            Self::NoPlace { tried, reason } => {
                out.write_str("no place for the audit log")?;
                if let Some(tried) = tried {
                    write!(out, ": {}", tried.display())?;
                }
                write!(out, ": {reason}; name one with --audit-log PATH|fd:N|none")
            }
            Self::Write(source) => write!(out, "cannot write audit log: {source}"),
            Self::Short { written, length } => {
                write!(out, "cannot write audit log: {written} of {length} bytes were taken")
            }
            Self::Sync(source) => write!(out, "cannot force audit log to disk: {source}"),
            Self::Limit { name, value } => write!(out, "limit reached: {name} of {value}"),
        }
    }
}

impl error::Error for AuditError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Open { source, .. } | Self::Write(source) | Self::Sync(source) => Some(source),
            Self::Unfit { .. } | Self::NoPlace { .. } | Self::Short { .. } | Self::Limit { .. } => None,
        }
    }
}

impl From<AuditError> for Error {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Limit { name, value } => Self::Limit(LimitReached { name, value }),
            error => Self::Audit(NotRecorded(error.to_string())),
        }
    }
}
