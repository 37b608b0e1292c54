//! Where records go, and when they are forced to disk.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

/// When records are forced to disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditSync {
    /// At the end of the run.
    #[default]
    Run,
    /// With every write.
    Record,
}

/// Where decisions are recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuditTarget {
    /// In the usual place.
    #[default]
    Usual,
    /// In this file.
    Path(PathBuf),
    /// Through this inherited descriptor.
    Descriptor(i32),
    /// Nowhere; the result says so.
    Nowhere,
}

impl AuditTarget {
    /// Reads what stands on the command line or in a configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &OsStr) -> Result<Self, String> {
        match text.to_str() {
            Some("") => Err("the path is empty".to_owned()),
            Some("none") => Ok(Self::Nowhere),
            Some(text) if text.starts_with("fd:") => match text["fd:".len()..].parse() {
                Ok(number @ 0..) => Ok(Self::Descriptor(number)),
                _ => Err("`fd:` wants the number of an open descriptor".to_owned()),
            },
            _ => Ok(Self::Path(text.into())),
        }
    }
}

impl fmt::Display for AuditTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => out.write_str("the usual place"),
            Self::Path(path) => path.display().fmt(out),
            Self::Descriptor(number) => write!(out, "fd:{number}"),
            Self::Nowhere => out.write_str("none"),
        }
    }
}
