//! Where a token comes from: never from the words of the command line or the environment, which others can read.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

/// Where a token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// A file.
    Path(PathBuf),
    /// A descriptor that the caller has opened.
    Descriptor(i32),
}

impl TokenSource {
    /// Reads `PATH` or `fd:N`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &OsStr) -> Result<Self, String> {
        match text.to_str() {
            Some("") => Err("the path is empty".to_owned()),
            Some(text) if text.starts_with("fd:") => match text["fd:".len()..].parse() {
                Ok(number @ 0..) => Ok(Self::Descriptor(number)),
                _ => Err("`fd:` wants the number of an open descriptor".to_owned()),
            },
            _ => Ok(Self::Path(text.into())),
        }
    }
}

impl fmt::Display for TokenSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(out),
            Self::Descriptor(number) => write!(out, "fd:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_number_of_a_descriptor_is_one_or_wrong() {
        let parsed = |text: &str| TokenSource::parse(OsStr::new(text));

        assert_eq!(parsed("fd:3"), Ok(TokenSource::Descriptor(3)));
        assert_eq!(parsed("./fd:3"), Ok(TokenSource::Path("./fd:3".into())));
        for wrong in ["", "fd:", "fd:-1", "fd:x", "fd:99999999999"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
