//! The options that say how much a run may use.

use std::ffi::OsStr;

use clap::builder::StyledStr;
use clap::{Args, Command};
use rex_ipc::limits::MAX_OUTPUT_BYTES;

use super::per_operation;
use super::quantity::Unit;
use crate::gate::limits::{Limits, PerOperation, USUAL};

/// The limits of a run, as options.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Limits")]
pub struct LimitArguments {
    /// End the run after this time, in seconds or such as 90s, 5m or 1h30m
    #[arg(long = "timeout", value_name = "TIME", default_value_t = USUAL.timeout_seconds, value_parser = Unit::Seconds.one_to(MAX_SECONDS))]
    pub timeout_seconds: u64,
    /// Processor time of broker and jail together
    #[arg(long = "max-cpu", value_name = "TIME", default_value_t = USUAL.max_cpu_seconds, value_parser = Unit::Seconds.one_to(MAX_SECONDS))]
    pub max_cpu_seconds: u64,
    /// Processor time of the jail
    #[arg(long = "max-jail-cpu", value_name = "TIME", default_value_t = USUAL.max_jail_cpu_seconds, value_parser = Unit::Seconds.one_to(MAX_SECONDS))]
    pub max_jail_cpu_seconds: u64,
    /// Memory of the interpreter, in MiB or such as 64M or 1GiB; at least 2 MiB
    #[arg(long = "memory", value_name = "MIB", default_value_t = USUAL.memory_mib, value_parser = Unit::Mebibytes.between(MIN_MEMORY_MIB, MAX_MEMORY_MIB))]
    pub memory_mib: u64,
    /// Steps of the interpreter
    #[arg(long, value_name = "N", default_value_t = USUAL.max_operations, value_parser = Unit::Count.one_to(u64::MAX))]
    pub max_operations: u64,
    /// Variables of the script in scope at one time
    #[arg(long, value_name = "N", default_value_t = USUAL.max_variables, value_parser = Unit::Count.one_to(MAX_VARIABLES))]
    pub max_variables: u64,
    /// Calls from the script to the broker
    #[arg(long, value_name = "N", default_value_t = USUAL.max_calls, value_parser = Unit::Count.one_to(u64::MAX))]
    pub max_calls: u64,
    /// Requests of each operation in the whole run; NAME=N for one of them, several with commas in between
    #[arg(
        long,
        value_name = "[NAME=]N",
        default_value_t = USUAL.max_calls_per_operation,
        value_parser = per_operation::parser(Unit::Count)
    )]
    pub max_calls_per_operation: PerOperation,
    /// Length of the result's output
    #[arg(
        long = "max-output",
        value_name = "SIZE",
        default_value_t = USUAL.max_output_bytes,
        value_parser = Unit::Bytes.one_to(MAX_OUTPUT_BYTES as u64)
    )]
    pub max_output_bytes: u64,
    /// Files and directories open at one time
    #[arg(long, value_name = "N", default_value_t = USUAL.max_open_handles, value_parser = Unit::Count.one_to(1_000_000))]
    pub max_open_handles: u64,
    /// Bytes read from files and directories in the whole run
    #[arg(long, value_name = "SIZE", default_value_t = USUAL.max_read_bytes, value_parser = Unit::Bytes.one_to(u64::MAX))]
    pub max_read_bytes: u64,
    /// Bytes written to files, copied or allocated in the whole run
    #[arg(long, value_name = "SIZE", default_value_t = USUAL.max_write_bytes, value_parser = Unit::Bytes.one_to(u64::MAX))]
    pub max_write_bytes: u64,
    /// Bytes moved by each operation in the whole run; NAME=N for one of them, several with commas in between
    #[arg(
        long,
        value_name = "[NAME=]SIZE",
        default_value_t = USUAL.max_bytes_per_operation,
        value_parser = per_operation::parser(Unit::Bytes)
    )]
    pub max_bytes_per_operation: PerOperation,
    /// Entries of a tree that one removal or move to another file system may touch
    #[arg(long, value_name = "N", default_value_t = USUAL.max_entries, value_parser = Unit::Count.one_to(u64::MAX))]
    pub max_entries: u64,
    /// Directories below each other in such a tree
    #[arg(long, value_name = "N", default_value_t = USUAL.max_depth, value_parser = Unit::Count.one_to(u64::MAX))]
    pub max_depth: u64,
    /// Denials in the whole run; 0 ends it with the first one
    #[arg(long, value_name = "N", default_value_t = USUAL.max_denials)]
    pub max_denials: u64,
    /// Log lines sent in the whole run; the result shows the last 1000
    #[arg(long, value_name = "N", default_value_t = USUAL.max_log_lines, value_parser = Unit::Count.one_to(u64::MAX))]
    pub max_log_lines: u64,
    /// Alarms and metrics published in the whole run
    #[arg(long, value_name = "N", default_value_t = USUAL.max_signals, value_parser = Unit::Count.one_to(u64::MAX))]
    pub max_signals: u64,
    /// Bytes of alarms and metrics that are kept for the result
    #[arg(long, value_name = "SIZE", default_value_t = USUAL.max_signal_bytes, value_parser = Unit::Bytes.one_to(MAX_SIGNAL_BYTES))]
    pub max_signal_bytes: u64,
    /// Lines in the audit log
    #[arg(long, value_name = "N", default_value_t = USUAL.max_audit_records, value_parser = Unit::Count.one_to(u64::MAX))]
    pub max_audit_records: u64,
    /// Bytes in the audit log
    #[arg(long, value_name = "SIZE", default_value_t = USUAL.max_audit_bytes, value_parser = Unit::Bytes.one_to(u64::MAX))]
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

impl LimitArguments {
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
}

impl From<LimitArguments> for Limits {
    fn from(given: LimitArguments) -> Self {
        Self {
            timeout_seconds: given.timeout_seconds,
            max_cpu_seconds: given.max_cpu_seconds,
            max_jail_cpu_seconds: given.max_jail_cpu_seconds,
            memory_mib: given.memory_mib,
            max_operations: given.max_operations,
            max_variables: given.max_variables,
            max_calls: given.max_calls,
            max_calls_per_operation: given.max_calls_per_operation,
            max_output_bytes: given.max_output_bytes,
            max_open_handles: given.max_open_handles,
            max_read_bytes: given.max_read_bytes,
            max_write_bytes: given.max_write_bytes,
            max_bytes_per_operation: given.max_bytes_per_operation,
            max_entries: given.max_entries,
            max_depth: given.max_depth,
            max_denials: given.max_denials,
            max_log_lines: given.max_log_lines,
            max_signals: given.max_signals,
            max_signal_bytes: given.max_signal_bytes,
            max_audit_records: given.max_audit_records,
            max_audit_bytes: given.max_audit_bytes,
        }
    }
}

const MIB: u64 = 1024 * 1024;
const MAX_SECONDS: u64 = 30 * 24 * 3600;
const MAX_MEMORY_MIB: u64 = 64 * 1024;
/// What the interpreter needs before a script has said anything, with room for a short one; a test runs one in it.
pub const MIN_MEMORY_MIB: u64 = 2;
/// The interpreter looks for a variable from the last one back.
const MAX_VARIABLES: u64 = 10_000_000;
/// Alarms and metrics are kept in the broker's memory.
const MAX_SIGNAL_BYTES: u64 = 4 * 1024 * MIB;
