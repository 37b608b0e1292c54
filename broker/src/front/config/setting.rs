//! What can be configured: every limit, and how policies, records and protections are treated.

use clap::{Args, Command as Grammar, FromArgMatches, ValueEnum};

use crate::audit::AuditSync;
use crate::front::cli::{LimitArguments, Unit};
use crate::gate::limits::Limits;
use crate::host::network::object::UserInformation;
use crate::host::{Children, HardLinks};
use crate::policy::Mode;
use crate::terminal::Color;

/// One thing that can be configured. Its name is that of its flag, in files as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The flag without its dashes, and the key in a file.
    pub name: String,
    /// The table of the file that it stands in; nothing for the top.
    pub table: Option<&'static str>,
    /// What values it has, and which of two is tighter.
    pub kind: Kind,
    /// The value when nobody said anything; empty when there is none that could be written down.
    pub default: String,
}

/// What values a setting has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number of these; the smaller one is tighter.
    Number(Unit),
    /// One of several words, the loosest first.
    Steps(&'static [&'static str]),
    /// Which protections have to be in force; more are tighter.
    Requirement,
    /// Where the record goes; nowhere is the loosest.
    AuditLog,
    /// A file; once there is one, only that one.
    File,
    /// Whom to believe about people: root's files alone say so.
    Believed,
    /// A file that says so.
    BelievedFile,
    /// Unix sockets, each a path, with colons in between; fewer are tighter.
    Sockets,
    /// A proxy; once there is one, only that one.
    Proxy,
    /// Policies that only forbid. Each origin adds to them, and none takes one away.
    Forbids,
    /// One of several words, none of which is tighter than another.
    Word(&'static [&'static str]),
    /// True or false, neither of which is tighter.
    Truth,
}

/// Everything that can be configured, in the order in which it is shown.
pub fn settings() -> Vec<Setting> {
    let top = |name: &str, kind, default: &str| Setting {
        name: name.to_owned(),
        table: None,
        kind,
        default: default.to_owned(),
    };
    let mut settings = vec![
        top("require", Kind::Requirement, "core"),
        top("policy-mode", Kind::Steps(POLICY_MODES), Mode::Standard.name()),
        top("forbid", Kind::Forbids, ""),
        top("shadow", Kind::File, ""),
        top("hard-links", Kind::Steps(HARD_LINKS), &word_of(HardLinks::Refuse)),
        top("children", Kind::Steps(CHILDREN), &word_of(Children::Confined)),
        top("child-socket", Kind::Sockets, ""),
        top("audit-log", Kind::AuditLog, ""),
        top("audit-sync", Kind::Steps(AUDIT_SYNCS), &word_of(AuditSync::Run)),
        top("audit-blobs", Kind::File, ""),
        top("ca-file", Kind::File, ""),
        top("delegation-issuer", Kind::Believed, ""),
        top("delegation-audience", Kind::Believed, ""),
        top("delegation-keys", Kind::BelievedFile, ""),
        top("proxy", Kind::Proxy, ""),
        top("url-userinfo", Kind::Steps(USER_INFORMATION), &word_of(UserInformation::Refuse)),
        top("color", Kind::Word(COLORS), &word_of(Color::Auto)),
        top("explain-denials", Kind::Truth, "true"),
    ];
    // The limits are those of the command line, so that none can be forgotten here.
    for argument in limits_command().get_arguments() {
        let Some(name) = argument.get_long() else { continue };
        let default = argument.get_default_values().first();
        settings.push(Setting {
            name: name.to_owned(),
            table: Some("limits"),
            kind: Kind::Number(Unit::of_value_name(&argument.get_value_names().unwrap_or_default().concat())),
            default: default.and_then(|value| value.to_str()).unwrap_or_default().to_owned(),
        });
    }
    settings
}

impl Setting {
    /// The variable of the environment.
    pub fn variable(&self) -> String {
        let name = self.name.to_uppercase().replace('-', "_");
        format!("{VARIABLES}{name}")
    }

    /// The key as people write it, with its table.
    pub fn key(&self) -> String {
        self.table.map_or_else(|| self.name.clone(), |table| format!("{table}.{}", self.name))
    }
}

/// The limits that these values make; what is not among them has its default.
///
/// # Errors
/// What is wrong with a value, for people.
pub(super) fn limits<'a>(values: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Limits, String> {
    let words: Vec<String> = values.map(|(name, value)| format!("--{name}={value}")).collect();
    let told = |error: clap::Error| {
        // The parser of the value knows best; without it there is the message of the command line.
        std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
    };
    let matches = limits_command().try_get_matches_from(words).map_err(told)?;
    LimitArguments::from_arg_matches(&matches).map(Limits::from).map_err(told)
}

fn limits_command() -> Grammar {
    LimitArguments::augment_args(Grammar::new("limits").no_binary_name(true).disable_help_flag(true))
}

fn word_of(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// What the names of the variables begin with.
pub(super) const VARIABLES: &str = "REX_BROKER_";

const POLICY_MODES: &[&str] = &["rex", "standard", "strict"];
const HARD_LINKS: &[&str] = &["allow", "refuse"];
const CHILDREN: &[&str] = &["unconfined", "approximate", "confined"];
const USER_INFORMATION: &[&str] = &["allow", "refuse"];
const AUDIT_SYNCS: &[&str] = &["run", "record"];
const COLORS: &[&str] = &["auto", "always", "never"];
