//! How much a run may use, and how much it may use unless the operator says otherwise.

use std::ffi::OsStr;
use std::time::Duration;

use clap::builder::StyledStr;
use clap::{Args, Command};
use rex_ipc::limits::MAX_OUTPUT_BYTES;

use super::per_operation::PerOperation;
use super::quantity::Unit;

/// The limits of a run. The operator sets them, never the script; reaching one ends the run with status 75.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// End the run after this time, in seconds or such as 90s, 5m or 1h30m
    #[arg(long = "timeout", value_name = "TIME", default_value_t = 3600, value_parser = Unit::Seconds.one_to(MAX_SECONDS))]
    pub timeout_seconds: u64,
    /// Processor time of broker and jail together
    #[arg(long = "max-cpu", value_name = "TIME", default_value_t = 2400, value_parser = Unit::Seconds.one_to(MAX_SECONDS))]
    pub max_cpu_seconds: u64,
    /// Processor time of the jail
    #[arg(long = "max-jail-cpu", value_name = "TIME", default_value_t = 1800, value_parser = Unit::Seconds.one_to(MAX_SECONDS))]
    pub max_jail_cpu_seconds: u64,
    /// Memory of the interpreter, in MiB or such as 64M or 1GiB
    #[arg(long = "memory", value_name = "MIB", default_value_t = 256, value_parser = Unit::Mebibytes.one_to(MAX_MEMORY_MIB))]
    pub memory_mib: u64,
    /// Steps of the interpreter
    #[arg(long, value_name = "N", default_value_t = 1_000_000_000, value_parser = Unit::Count.one_to(u64::MAX))]
    pub max_operations: u64,
    /// Variables of the script in scope at one time
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = Unit::Count.one_to(MAX_VARIABLES))]
    pub max_variables: u64,
    /// Calls from the script to the broker
    #[arg(long, value_name = "N", default_value_t = 100_000_000, value_parser = Unit::Count.one_to(u64::MAX))]
    pub max_calls: u64,
    /// Requests of each operation in the whole run; NAME=N for one of them, several with commas in between
    #[arg(
        long,
        value_name = "[NAME=]N",
        default_value_t = PerOperation::all(100_000_000),
        value_parser = PerOperation::parser(Unit::Count)
    )]
    pub max_calls_per_operation: PerOperation,
    /// Length of the result's output
    #[arg(
        long = "max-output",
        value_name = "SIZE",
        default_value_t = 8 * MIB,
        value_parser = Unit::Bytes.one_to(MAX_OUTPUT_BYTES as u64)
    )]
    pub max_output_bytes: u64,
    /// Files and directories open at one time
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = Unit::Count.one_to(1_000_000))]
    pub max_open_handles: u64,
    /// Bytes read from files and directories in the whole run
    #[arg(long, value_name = "SIZE", default_value_t = 64 * 1024 * MIB, value_parser = Unit::Bytes.one_to(u64::MAX))]
    pub max_read_bytes: u64,
    /// Bytes written to files, copied or allocated in the whole run
    #[arg(long, value_name = "SIZE", default_value_t = 64 * 1024 * MIB, value_parser = Unit::Bytes.one_to(u64::MAX))]
    pub max_write_bytes: u64,
    /// Bytes moved by each operation in the whole run; NAME=N for one of them, several with commas in between
    #[arg(
        long,
        value_name = "[NAME=]SIZE",
        default_value_t = PerOperation::all(64 * 1024 * MIB),
        value_parser = PerOperation::parser(Unit::Bytes)
    )]
    pub max_bytes_per_operation: PerOperation,
    /// Entries of a tree that one removal or move to another file system may touch
    #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = Unit::Count.one_to(u64::MAX))]
    pub max_entries: u64,
    /// Directories below each other in such a tree
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = Unit::Count.one_to(u64::MAX))]
    pub max_depth: u64,
    /// Denials in the whole run; 0 ends it with the first one
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub max_denials: u64,
    /// Log lines sent in the whole run; the result shows the last 1000
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = Unit::Count.one_to(u64::MAX))]
    pub max_log_lines: u64,
    /// Alarms and metrics published in the whole run
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = Unit::Count.one_to(u64::MAX))]
    pub max_signals: u64,
    /// Bytes of alarms and metrics that are kept for the result
    #[arg(long, value_name = "SIZE", default_value_t = 20 * MIB, value_parser = Unit::Bytes.one_to(MAX_SIGNAL_BYTES))]
    pub max_signal_bytes: u64,
    /// Lines in the audit log
    #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = Unit::Count.one_to(u64::MAX))]
    pub max_audit_records: u64,
    /// Bytes in the audit log
    #[arg(long, value_name = "SIZE", default_value_t = 1024 * MIB, value_parser = Unit::Bytes.one_to(u64::MAX))]
    pub max_audit_bytes: u64,
}

/// One limit as the command line has it, for `docs/limits.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The option without its dashes; also the name in messages and records.
    pub name: String,
    /// What the option takes.
    pub value: String,
    /// What a plain number is.
    pub unit: Unit,
    /// What it is when nobody says otherwise.
    pub usual: String,
    /// What is limited.
    pub help: String,
}

impl Limits {
    /// Every limit that the operator can set, in the order of the help text.
    pub fn described() -> Vec<Described> {
        let command = Self::augment_args(Command::default());
        let text = |text: Option<&StyledStr>| text.map(ToString::to_string).unwrap_or_default();
        let described = command.get_arguments().map(|argument| Described {
            name: argument.get_long().unwrap_or_default().to_owned(),
            value: argument.get_value_names().unwrap_or_default().concat(),
            unit: Unit::of_value_name(&argument.get_value_names().unwrap_or_default().concat()),
            usual: argument.get_default_values().join(OsStr::new(" ")).to_string_lossy().into_owned(),
            help: text(argument.get_help()),
        });
        described.collect()
    }

    /// The time that the run may take.
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    /// The memory of the interpreter in bytes.
    pub const fn memory_bytes(&self) -> u64 {
        self.memory_mib.saturating_mul(MIB)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout_seconds: 3600,
            max_cpu_seconds: 2400,
            max_jail_cpu_seconds: 1800,
            memory_mib: 256,
            max_operations: 1_000_000_000,
            max_variables: 100_000,
            max_calls: 100_000_000,
            max_calls_per_operation: PerOperation::all(100_000_000),
            max_output_bytes: 8 * MIB,
            max_open_handles: 1024,
            max_read_bytes: 64 * 1024 * MIB,
            max_write_bytes: 64 * 1024 * MIB,
            max_bytes_per_operation: PerOperation::all(64 * 1024 * MIB),
            max_entries: 2_000_000,
            max_depth: 4096,
            max_denials: 100_000,
            max_log_lines: 10_000_000,
            max_signals: 100_000,
            max_signal_bytes: 20 * MIB,
            max_audit_records: 2_000_000,
            max_audit_bytes: 1024 * MIB,
        }
    }
}

const MIB: u64 = 1024 * 1024;
const MAX_SECONDS: u64 = 30 * 24 * 3600;
const MAX_MEMORY_MIB: u64 = 64 * 1024;
/// The interpreter looks for a variable from the last one back.
const MAX_VARIABLES: u64 = 10_000_000;
/// Alarms and metrics are kept in the broker's memory.
const MAX_SIGNAL_BYTES: u64 = 4 * 1024 * MIB;
