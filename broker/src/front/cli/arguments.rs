//! The command line's grammar.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::deciding::DecidingArguments;
use super::help::{
    AUDIT_EXAMPLES, CEILING_EXAMPLES, COMPLETIONS_EXAMPLES, CONFIG_EXAMPLES, CONFIG_TASK_EXAMPLES,
    DOCTOR_EXAMPLES, EXAMPLES, MANUAL_EXAMPLES, POLICY_EXAMPLES, PROTOCOL_EXAMPLES, PS_EXAMPLES,
    SHORT_EXAMPLES, STOP_EXAMPLES,
};
use super::limits::LimitArguments;
use super::person::PersonArguments;
use crate::front::audit_command::AuditArguments;
use crate::front::ceiling_command::CeilingTask;
use crate::front::config::ShowArguments;
use crate::front::policy_command::PolicyArguments;
use crate::front::reference::SdkArguments;
use crate::front::runs_command::StopArguments;
use crate::result::Format;

/// Run an untrusted script in a jail, and do for it what a policy permits.
#[derive(Parser, Debug)]
#[command(
    name = "rex-broker",
    bin_name = "rex-broker",
    version,
    long_version = LONG_VERSION,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = SHORT_EXAMPLES,
    after_long_help = EXAMPLES
)]
pub(super) struct CommandLine {
    #[command(flatten)]
    pub(super) run: RunArguments,
    #[command(subcommand)]
    pub(super) task: Option<Task>,
}

/// Run an untrusted script in a jail, and do for it what a policy permits.
#[derive(Parser, Debug)]
#[command(name = "rex-runner")]
pub(super) struct RunArguments {
    /// Run the script in a jail; there is no unjailed mode
    #[arg(long, required = true)]
    pub(super) jail: bool,
    /// The Rhai script to run
    // `required` and not the type demands the file, because a subcommand goes without.
    #[arg(short, long, value_name = "SCRIPT_FILE", required = true)]
    pub(super) script_file: Option<PathBuf>,
    /// The Cedar policy that says what the script may do
    #[arg(short, long, value_name = "POLICY_FILE", required = true)]
    pub(super) policy_file: Option<PathBuf>,
    /// A JSON file with the script's arguments
    #[arg(short = 'a', long, value_name = "SCRIPT_ARGUMENTS_FILE")]
    pub(super) script_arguments_file: Option<PathBuf>,
    /// The form of the result
    #[arg(short, long, value_name = "OUTPUT_FORMAT", value_enum, default_value_t = Format::Json)]
    pub(super) output_format: Format,
    /// Add logs and metrics to the human form
    #[arg(short, long)]
    pub(super) verbose: bool,
    /// Use Rex's exit status, policy loading and termination; implied by the name rex-runner
    #[arg(long)]
    pub(super) rex_compat: bool,
    /// Leave out of the result what Rex's does not have
    #[arg(long)]
    pub(super) bare: bool,
    #[command(flatten)]
    pub(super) deciding: DecidingArguments,
    #[command(flatten)]
    pub(super) limits: LimitArguments,
}

/// What else the program does.
#[derive(Subcommand, Debug)]
pub(super) enum Task {
    /// Run a script under a policy, for people
    Run(Box<PersonArguments>),
    /// Tell which protections this host can give
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArguments),
    /// Check, explain and describe policies
    #[command(after_help = POLICY_EXAMPLES)]
    Policy(PolicyArguments),
    /// Tell who did what, what for and under which rule, from the record alone
    #[command(after_help = AUDIT_EXAMPLES)]
    Audit(AuditArguments),
    /// Tell what the kernel is to allow the broker under a policy
    #[command(subcommand, after_help = CEILING_EXAMPLES)]
    Ceiling(CeilingTask),
    /// Tell which runs there are
    #[command(after_help = PS_EXAMPLES)]
    Ps {
        /// As JSON, a line for each run
        #[arg(long)]
        json: bool,
    },
    /// Stop runs, whatever they are doing
    #[command(after_help = STOP_EXAMPLES)]
    Stop(StopArguments),
    /// Print what can cross between script and broker
    #[command(after_help = PROTOCOL_EXAMPLES)]
    Protocol {
        /// As JSON, with the bytes of every message
        #[arg(long)]
        json: bool,
    },
    /// Tell what scripts can call
    Sdk(SdkArguments),
    /// Tell what is configured
    #[command(subcommand, after_help = CONFIG_TASK_EXAMPLES)]
    Config(ConfigTask),
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print a manual page
    #[command(after_help = MANUAL_EXAMPLES)]
    Manual {
        /// The command that it is about, such as policy check; without one the program itself
        #[arg(value_name = "COMMAND")]
        words: Vec<String>,
    },
}

/// What is told of the configuration.
#[derive(Subcommand, Debug)]
pub(super) enum ConfigTask {
    /// Print every setting with its value
    #[command(after_help = CONFIG_EXAMPLES)]
    Show(ShowArguments),
}

/// What `doctor` examines and how it reports.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct DoctorArguments {
    /// Try each protection on a jail of its own, instead of only reading what the kernel says
    #[arg(long)]
    pub prove: bool,
    /// Report as JSON
    #[arg(long)]
    pub json: bool,
    /// Fail unless these protections can be had, such as core, strict, max, or +landlock,-cgroup
    #[arg(long, value_name = "SPEC", allow_hyphen_values = true)]
    pub require: Option<String>,
}

/// The jail's program is a part of the version: it is built into this one, and the result names it.
const LONG_VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), "\njail image sha256:", env!("REX_JAIL_IMAGE_SHA256"));
