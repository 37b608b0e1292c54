//! The grammar of `audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What is to be told of the record.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct AuditArguments {
    /// Which of it.
    #[command(subcommand)]
    pub task: AuditTask,
}

/// What can be told of the record.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum AuditTask {
    /// Tell who asked for something, on whose behalf, what for, and by which rule it was decided
    #[command(after_help = WHY_EXAMPLES)]
    Why(WhyArguments),
    /// Decide every question anew, by its own policy or by another one
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArguments),
    /// Print the record in a form of others
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArguments),
}

/// Where policies come from that are known by their digest.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct SourceArguments {
    /// The directory in which runs have kept their policies (--audit-blobs)
    #[arg(long, value_name = "DIR")]
    pub blobs: Option<PathBuf>,
}

/// Which decisions `audit why` tells about.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct WhyArguments {
    /// The record; - is standard input
    #[arg(value_name = "LOG")]
    pub log: PathBuf,
    /// One record: the run, or how it begins, and the number in it, such as 5f0c1d9a:12
    #[arg(value_name = "RUN:SEQ")]
    pub record: Option<String>,
    /// On whose behalf it was
    #[arg(long, value_name = "USER")]
    pub principal: Option<String>,
    /// Who acted
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<String>,
    /// What for; what is behind a slash counts as well: claims is claims/motor, too
    #[arg(long, value_name = "PURPOSE")]
    pub purpose: Option<String>,
    /// On which occasion
    #[arg(long, value_name = "TICKET")]
    pub ticket: Option<String>,
    /// To what it was done; what ends in / is everything below it
    #[arg(short, long, value_name = "NAME")]
    pub resource: Option<String>,
    /// What was done: read, file_system::read, or file_system::Action::"read"
    #[arg(short, long, value_name = "ACTION")]
    pub action: Option<String>,
    /// How it was decided
    #[arg(long, value_name = "HOW", value_enum)]
    pub decision: Option<Decided>,
    /// The id of a policy that decided
    #[arg(long, value_name = "ID")]
    pub rule: Option<String>,
    /// Only what the policy of --shadow would have decided otherwise, or could not decide
    #[arg(long)]
    pub shadow: bool,
    /// Where policies come from.
    #[command(flatten)]
    pub sources: SourceArguments,
    /// Policy files and directories, believed for the runs whose record has their digest
    #[arg(short, long, value_name = "FILE_OR_DIR", num_args = 1)]
    pub policy: Vec<PathBuf>,
    /// Print a line of JSON for each
    #[arg(long)]
    pub json: bool,
}

/// How something was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Decided {
    /// It was permitted.
    Permit,
    /// It was denied.
    Deny,
}

/// What `audit replay` decides anew.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ReplayArguments {
    /// The record; - is standard input
    #[arg(value_name = "LOG")]
    pub log: PathBuf,
    /// Where policies come from.
    #[command(flatten)]
    pub sources: SourceArguments,
    /// Decide by these policy files and directories instead, whatever the runs were decided by
    #[arg(short, long, value_name = "FILE_OR_DIR", num_args = 1)]
    pub policy: Vec<PathBuf>,
    /// Print a line of JSON for each difference, and one with the figures
    #[arg(long)]
    pub json: bool,
}

/// What `audit export` prints.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ExportArguments {
    /// The record; - is standard input
    #[arg(value_name = "LOG")]
    pub log: PathBuf,
    /// As events of OCSF 1.8.0, a line of JSON for each
    #[arg(long, required_unless_present = "journald")]
    pub ocsf: bool,
    /// To the journal of this host, a message with fields for each, and not to standard output
    #[arg(long, conflicts_with = "ocsf")]
    pub journald: bool,
    /// The name of the host that the record is of [default: this one's]
    #[arg(long, value_name = "NAME", conflicts_with = "journald")]
    pub host: Option<String>,
    /// Where the journal listens, if not at its usual place
    #[arg(long, value_name = "PATH", requires = "journald")]
    pub socket: Option<PathBuf>,
}

const WHY_EXAMPLES: &str = "\
Examples:
  rex-broker audit why /var/log/rex-broker/audit.jsonl 5f0c1d9a:12
  rex-broker audit why audit.jsonl --resource /srv/claims/ --action read --decision permit
  rex-broker audit why audit.jsonl --principal alice@corp.example --purpose claims --json
  rex-broker audit why audit.jsonl --rule hipaa-treatment --blobs /var/log/rex-broker/blobs

Exit status:
   0 told
   1 the record has no such decision
  64 the command line makes no sense
  65 a policy is not what the record was decided by
  66 the record or a policy cannot be read
  73 standard output cannot be written";

const REPLAY_EXAMPLES: &str = "\
Examples:
  rex-broker audit replay audit.jsonl --blobs /var/log/rex-broker/blobs
  rex-broker audit replay audit.jsonl --policy next.cedar

What the broker closes to every script, and what was taken away while a run went on, is no policy's decision: it is
counted, and not decided anew.

Exit status:
   0 every decision came out as it is recorded
   1 some did not, or a record contradicts another
  64 the command line makes no sense
  65 some could not be decided anew: a policy is missing or refused, or the record lacks what it looks at
  66 the record or a policy cannot be read
  73 standard output cannot be written";

const EXPORT_EXAMPLES: &str = "\
Examples:
  rex-broker audit export --ocsf audit.jsonl > events.ndjson
  rex-broker audit export --journald audit.jsonl

Exit status:
   0 printed
  64 the command line makes no sense
  65 some lines are no records
  66 the record cannot be read
  73 standard output or the journal takes no more";
