//! The options of `run`: the same job as Rex's flags, for people.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::deciding::DecidingArguments;
use super::limits::LimitArguments;
use super::values::given_argument;
use crate::run::input::GivenArgument;
use crate::terminal::Color;

/// How a person asks for a run.
#[derive(Args, Debug)]
// Written out, because what follows --policy are policies, so that the script has to come before it.
#[command(
    override_usage = "rex-broker run <SCRIPT> --policy <FILE_OR_DIR>... [OPTIONS]",
    after_help = super::help::SHORT_RUN_EXAMPLES,
    after_long_help = super::help::RUN_EXAMPLES
)]
pub(super) struct PersonArguments {
    /// The Rhai script to run, or - for standard input
    #[arg(value_name = "SCRIPT")]
    pub(super) script: PathBuf,
    /// A Cedar policy, or a directory whose *.cedar files are policies; may be given several times
    #[arg(short, long = "policy", value_name = "FILE_OR_DIR", required = true, num_args = 1..)]
    pub(super) policies: Vec<PathBuf>,
    /// An argument of the script, such as name=value or count:int=3; may be given several times
    #[arg(long = "arg", value_name = "NAME[:TYPE]=VALUE", value_parser = given_argument())]
    pub(super) given: Vec<GivenArgument>,
    /// A JSON file with arguments of the script, in Rex's form; --arg adds to it
    ///
    /// Each value is named by its kind, as in {"days": {"integerValue": 30}, "path": {"stringValue": "/srv"}}. The kinds are
    /// stringValue, integerValue, longValue, doubleValue, booleanValue, listValue and mapValue.
    #[arg(short = 'a', long = "args", value_name = "FILE")]
    pub(super) arguments: Option<PathBuf>,
    /// Parse, validate and compile, and run nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// The result as one line of JSON
    #[arg(long, group = "form", help_heading = "Output")]
    pub(super) json: bool,
    /// The result as JSON on many lines
    #[arg(long, group = "form", help_heading = "Output")]
    pub(super) pretty_json: bool,
    /// Logs and events as lines of JSON while the script runs, and the result as the last line
    #[arg(long, group = "form", help_heading = "Output")]
    pub(super) ndjson: bool,
    /// Show metrics as well, and what was denied and handled
    #[arg(short, long, help_heading = "Output")]
    pub(super) verbose: bool,
    /// Whether to say what a denied request lacked, and which policy would permit it
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true",
        help_heading = "Output"
    )]
    pub(super) explain_denials: bool,
    /// When to use colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Color::Auto, help_heading = "Output")]
    pub(super) color: Color,
    /// Do not show on a terminal how far a long run is
    #[arg(long, help_heading = "Output")]
    pub(super) no_progress: bool,
    #[command(flatten)]
    pub(super) deciding: DecidingArguments,
    #[command(flatten)]
    pub(super) limits: LimitArguments,
}
