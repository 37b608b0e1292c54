//! The command line's grammar.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::limits::Limits;
use super::values::{AuditSync, AuditTarget, Format, HardLinks, PolicyMode};
use crate::sdk::SdkArguments;
use crate::policy_command::PolicyArguments;

/// Run an untrusted script in a jail, and do for it what a policy permits.
#[derive(Parser, Debug)]
#[command(
    name = "rex-broker",
    bin_name = "rex-broker",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = EXAMPLES
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
    /// The form of the result on standard output
    #[arg(short, long, value_name = "OUTPUT_FORMAT", value_enum, default_value_t = Format::Json)]
    pub(super) output_format: Format,
    /// Add logs and metrics to the human form
    #[arg(short, long)]
    pub(super) verbose: bool,
    #[command(flatten)]
    pub(super) deciding: DecidingArguments,
    #[command(flatten)]
    pub(super) limits: Limits,
}

/// What is decided, required and recorded.
#[derive(Args, Debug)]
#[command(next_help_heading = "Policy, record and jail")]
pub(super) struct DecidingArguments {
    /// Use Rex's exit status, policy loading and termination; implied by the program name rex-runner
    #[arg(long)]
    pub(super) rex_compat: bool,
    /// Leave out of the result what Rex's does not have
    #[arg(long)]
    pub(super) bare: bool,
    /// How to treat policies that look like mistakes [default: standard, or rex with --rex-compat]
    #[arg(long, value_name = "MODE", value_enum)]
    pub(super) policy_mode: Option<PolicyMode>,
    /// What to do with files that may have a second name elsewhere
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = HardLinks::Refuse)]
    pub(super) hard_links: HardLinks,
    /// Where decisions are recorded [default: /var/log/rex-broker, or the user's state directory]
    #[arg(long, value_name = "PATH|fd:N|none", value_parser = AuditTarget::parser())]
    pub(super) audit_log: Option<AuditTarget>,
    /// When records are forced to disk
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = AuditSync::Run)]
    pub(super) audit_sync: AuditSync,
    /// Which protections must be in force, such as core, strict, max, or +landlock,-cgroup
    #[arg(long, value_name = "SPEC", allow_hyphen_values = true)]
    pub(super) require: Option<String>,
    /// Let the kernel report which system call ended a jail, instead of only ending it
    #[arg(long)]
    pub(super) jail_forensics: bool,
}

/// What else the program does.
#[derive(Subcommand, Debug)]
pub(super) enum Task {
    /// Tell which protections this host can give
    Doctor(DoctorArguments),
    /// Check, explain and describe policies
    Policy(PolicyArguments),
    /// Print what can cross between script and broker
    Protocol {
        /// As JSON; the only form there is
        #[arg(long, required = true)]
        json: bool,
    },
    /// Tell what scripts can call
    Sdk(SdkArguments),
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

/// Shown below the options.
const EXAMPLES: &str = "\
Examples:
  Run a script under a policy, and show the result to a person:
    rex-broker --jail -s check.rhai -p check.cedar -o human -v

  Give it arguments, at most a minute, and a record of its own:
    rex-broker --jail -s check.rhai -p check.cedar -a args.json --timeout 60 --audit-log ./audit.jsonl

  Find out what this host can protect against:
    rex-broker doctor --prove

Exit status:
   0 done                       64 command line wrong            71 no jail could be made
   1 the script failed          65 script, policy or arguments   73 output cannot be written
  77 denied and not handled        invalid                       74 record cannot be written
  75 a limit was reached        66 input file missing            78 refused on this host
 124 deadline passed            70 fault of this program      128+n ended by signal n";
