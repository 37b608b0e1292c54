//! The values that options take.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::{OsStringValueParser, TypedValueParser};

/// The form of the result on standard output.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One line of JSON.
    #[default]
    Json,
    /// JSON on many lines.
    PrettyJson,
    /// Text for people.
    Human,
    /// Events as lines of JSON, and the result as the last line. Rex does not have it.
    #[value(skip)]
    Ndjson,
}

/// When to use colours.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// How policies that look like mistakes are treated.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolicyMode {
    /// Refuse what cannot be meant, warn about the rest.
    #[default]
    Standard,
    /// Refuse what would be warned about, too.
    Strict,
    /// Warn about everything that parses.
    Rex,
}

/// What to do with files that may have a second name elsewhere.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HardLinks {
    /// Refuse a file with several names when somebody else could have made one of them.
    #[default]
    Refuse,
    /// Judge it by the name it was opened by.
    Allow,
}

/// When records are forced to disk.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
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

impl PolicyMode {
    /// The name on the command line and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Strict => "strict",
            Self::Rex => "rex",
        }
    }
}

impl Color {
    /// Whether there are to be colours in what goes to a terminal or elsewhere. See <https://no-color.org>.
    pub fn is_wanted(self, to_terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                let is_able = std::env::var_os("TERM").is_some_and(|term| term != "dumb");
                to_terminal && is_able && !is_set("NO_COLOR")
            }
        }
    }
}

impl AuditTarget {
    pub(super) fn parser() -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().try_map(|text| Self::parse(&text))
    }

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
