//! Why the input cannot be used, in Rex's words.

use std::{error, fmt, io};

use super::arguments::TooDeep;
use crate::result::NotStarted;

/// Why the input cannot be used.
#[derive(Debug)]
pub enum InputError {
    /// The script cannot be read.
    Script {
        /// As given.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The policy cannot be read.
    Policy {
        /// As given.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The arguments cannot be read.
    Arguments {
        /// As given.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The arguments cannot be decoded.
    Json {
        /// As given.
        path: String,
        /// Why, and where.
        source: serde_json::Error,
        /// Whether it is JSON, but not of Rex's form, and the form is to be told.
        is_formless: bool,
    },
    /// An argument was given more than once on the command line.
    GivenTwice {
        /// Its name.
        name: String,
    },
}

impl InputError {
    /// Whether a policy is refused because of who may write it.
    pub fn is_refused(&self) -> bool {
        match self {
            // The kernel's own errors have a number.
            Self::Policy { source, .. } => {
                source.kind() == io::ErrorKind::PermissionDenied && source.raw_os_error().is_none()
            }
            Self::Script { .. } | Self::Arguments { .. } | Self::Json { .. } | Self::GivenTwice { .. } => {
                false
            }
        }
    }

    /// Whether a file is missing or cannot be read, and not merely wrong.
    pub fn is_missing(&self) -> bool {
        if self.is_refused() {
            return false;
        }
        match self {
            Self::Script { source, .. } | Self::Policy { source, .. } | Self::Arguments { source, .. } => {
                !matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge)
            }
            Self::Json { .. } | Self::GivenTwice { .. } => false,
        }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Failed to load input files: ")?;
        match self {
            Self::GivenTwice { name } => write!(out, "the argument {name} is given more than once"),
            Self::Script { path, source } => write!(out, "Failed to read script file: {path}: {source}"),
            Self::Policy { path, source } => write!(out, "Failed to read policy file: {path}: {source}"),
            Self::Arguments { path, source } => {
                write!(out, "Failed to read script arguments file: {path}: {source}")
            }
            Self::Json { path, source, is_formless } => {
                write!(out, "Failed to parse script arguments JSON: {path}: {source}")?;
                if *is_formless {
                    out.write_str(FORM)?;
                }
                Ok(())
            }
        }
    }
}

/// What an arguments file looks like; decoders only say what they did not find.
const FORM: &str = "; each value is named by its kind, such as {\"days\": {\"integerValue\": 30}, \"path\": \
     {\"stringValue\": \"/srv\"}}, with stringValue, integerValue, longValue, doubleValue, booleanValue, listValue or mapValue";

impl error::Error for InputError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Script { source, .. } | Self::Policy { source, .. } | Self::Arguments { source, .. } => {
                Some(source)
            }
            Self::Json { source, .. } => Some(source),
            Self::GivenTwice { .. } => None,
        }
    }
}

impl From<InputError> for NotStarted {
    fn from(error: InputError) -> Self {
        if error.is_refused() {
            return Self::Refused(error.to_string());
        }
        Self::Input { message: error.to_string(), missing: error.is_missing() }
    }
}

impl From<TooDeep> for NotStarted {
    fn from(error: TooDeep) -> Self {
        Self::Arguments(error.to_string())
    }
}
