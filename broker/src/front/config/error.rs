//! Where a value comes from, and why one is refused.

use std::path::PathBuf;
use std::{error, fmt};

use crate::terminal::printable_line;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything else.
    Default,
    /// A file, at this line counted from 1; 0 when the file as a whole is meant.
    File {
        /// Its path.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// A variable of the environment.
    Variable(String),
    /// A flag, without its dashes.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File { path, line: 0 } => out.write_str(&printable_line(&path.to_string_lossy())),
            Self::File { path, line } => write!(out, "{}:{line}", printable_line(&path.to_string_lossy())),
            Self::Variable(name) => out.write_str(&printable_line(name)),
            Self::Flag(name) => write!(out, "--{name}"),
        }
    }
}

/// A configuration that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The place of what is refused.
    pub origin: Origin,
    /// Why.
    pub reason: String,
}

impl ConfigError {
    pub(super) fn new(origin: &Origin, reason: impl Into<String>) -> Self {
        Self { origin: origin.clone(), reason: reason.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "configuration refused: {}: {}", self.origin, self.reason)
    }
}

impl error::Error for ConfigError {}
