//! How the command line writes the values that options take.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::{OsStringValueParser, PossibleValue, StringValueParser, TypedValueParser};

use crate::audit::{AuditSync, AuditTarget};
use crate::host::network::object::UserInformation;
use crate::host::{Children, HardLinks};
use crate::policy::Mode;
use crate::policy::url::Url;
use crate::result::Format;
use crate::run::delegation::TokenSource;
use crate::run::input::GivenArgument;
use crate::terminal::{Color, printable_line};

pub(super) fn audit_target() -> impl TypedValueParser<Value = AuditTarget> {
    OsStringValueParser::new().try_map(|text| AuditTarget::parse(&text))
}

pub(super) fn token_source() -> impl TypedValueParser<Value = TokenSource> {
    OsStringValueParser::new().try_map(|text| TokenSource::parse(&text))
}

pub(super) fn proxy() -> impl TypedValueParser<Value = Url> {
    StringValueParser::new().try_map(|text| Url::parse_proxy(&text))
}

/// Sockets as they stand in one value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sockets(pub(super) Vec<PathBuf>);

pub(super) fn child_sockets() -> impl TypedValueParser<Value = Sockets> {
    StringValueParser::new().try_map(|text| sockets(&text).map(Sockets))
}

/// The sockets that a value names: absolute paths with colons in between, none of which climbs.
///
/// # Errors
/// Which of them is none, for people.
pub fn sockets(text: &str) -> Result<Vec<PathBuf>, String> {
    let names = text.split(':').filter(|_| !text.is_empty());
    let path = |name: &str| {
        let is_plain = name.starts_with('/')
            && !name.ends_with('/')
            && !name.contains(char::is_control)
            && name.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
        is_plain
            .then(|| PathBuf::from(name))
            .ok_or_else(|| format!("`{}` is no absolute path of a socket", printable_line(name)))
    };
    names.map(path).collect()
}

pub(super) fn given_argument() -> impl TypedValueParser<Value = GivenArgument> {
    StringValueParser::new().try_map(|word| GivenArgument::parse(&word))
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Json, Self::PrettyJson, Self::Human]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Json => PossibleValue::new("json").help("One line of JSON"),
            Self::PrettyJson => PossibleValue::new("pretty-json").help("JSON on many lines"),
            Self::Human => PossibleValue::new("human").help("Text for people"),
            // Events as lines of JSON, and the result as the last line. Rex does not have it.
            Self::Ndjson => return None,
        })
    }
}

impl ValueEnum for Color {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Always, Self::Never]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Auto => PossibleValue::new("auto").help("On a terminal, unless NO_COLOR is set"),
            Self::Always => PossibleValue::new("always").help("Everywhere"),
            Self::Never => PossibleValue::new("never").help("Nowhere"),
        })
    }
}

impl ValueEnum for Mode {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Standard, Self::Strict, Self::Rex]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Standard => {
                PossibleValue::new("standard").help("Refuse what cannot be meant, warn about the rest")
            }
            Self::Strict => PossibleValue::new("strict").help("Refuse what would be warned about, too"),
            Self::Rex => PossibleValue::new("rex").help("Warn about everything that parses"),
        })
    }
}

impl ValueEnum for HardLinks {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Refuse, Self::Allow]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Refuse => PossibleValue::new("refuse")
                .help("Refuse a file with several names when somebody else could have made one of them"),
            Self::Allow => PossibleValue::new("allow").help("Judge it by the name it was opened by"),
        })
    }
}

impl ValueEnum for UserInformation {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Refuse, Self::Allow]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Refuse => PossibleValue::new("refuse").help("Refuse a URL that has them"),
            Self::Allow => {
                PossibleValue::new("allow").help("Send them to its server, and to none that it redirects to")
            }
        })
    }
}

impl ValueEnum for Children {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Confined, Self::Approximate, Self::Unconfined]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Confined => {
                PossibleValue::new("confined").help("Show them nothing but what the policy permits whole")
            }
            Self::Approximate => PossibleValue::new("approximate")
                .help("Keep them from the content of other files, whose names and attributes they see"),
            Self::Unconfined => PossibleValue::new("unconfined").help("Let them do whatever their user may"),
        })
    }
}

impl ValueEnum for AuditSync {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Run, Self::Record]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Run => PossibleValue::new("run").help("At the end of the run"),
            Self::Record => PossibleValue::new("record").help("With every write"),
        })
    }
}
