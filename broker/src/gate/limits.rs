//! How much a run may use, in the terms of the operator and of the interpreter.

use std::time::Duration;

use rex_ipc::control::EngineLimits;

use super::error::LimitReached;
pub use super::per_operation::PerOperation;
use crate::policy::name::MAX_COMPONENTS;

/// The limits of a run. The operator sets them, never the script; reaching one ends the run with status 75.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time of the run, in seconds.
    pub timeout_seconds: u64,
    /// Processor time of broker and jail together, in seconds.
    pub max_cpu_seconds: u64,
    /// Processor time of the jail, in seconds.
    pub max_jail_cpu_seconds: u64,
    /// Memory of the interpreter, in MiB.
    pub memory_mib: u64,
    /// Steps of the interpreter.
    pub max_operations: u64,
    /// Variables of the script in scope at one time.
    pub max_variables: u64,
    /// Calls from the script to the broker.
    pub max_calls: u64,
    /// Requests of each operation in the whole run.
    pub max_calls_per_operation: PerOperation,
    /// Length of the result's output.
    pub max_output_bytes: u64,
    /// Files and directories open at one time.
    pub max_open_handles: u64,
    /// Bytes read from files and directories in the whole run.
    pub max_read_bytes: u64,
    /// Bytes written to files, copied or allocated in the whole run.
    pub max_write_bytes: u64,
    /// Bytes moved by each operation in the whole run.
    pub max_bytes_per_operation: PerOperation,
    /// Entries of a tree that one removal or move to another file system may touch.
    pub max_entries: u64,
    /// Directories below each other in such a tree.
    pub max_depth: u64,
    /// Denials in the whole run; 0 ends it with the first one.
    pub max_denials: u64,
    /// Log lines sent in the whole run; the result shows the last 1000.
    pub max_log_lines: u64,
    /// Alarms and metrics published in the whole run.
    pub max_signals: u64,
    /// Bytes of alarms and metrics that are kept for the result.
    pub max_signal_bytes: u64,
    /// Lines in the audit log.
    pub max_audit_records: u64,
    /// Bytes in the audit log.
    pub max_audit_bytes: u64,
}

impl Limits {
    /// The time that the run may take.
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    /// The memory of the interpreter in bytes.
    pub const fn memory_bytes(&self) -> u64 {
        self.memory_mib.saturating_mul(MIB)
    }
}

/// What a run may use unless the operator says otherwise.
pub const USUAL: Limits = Limits {
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
};

impl Default for Limits {
    fn default() -> Self {
        USUAL
    }
}

/// What the interpreter is told.
pub fn engine_limits(limits: &Limits) -> EngineLimits {
    // One value may take a quarter of the arena, so that it can be copied and printed.
    let quarter = limits.memory_bytes() / 4;
    EngineLimits {
        operations: limits.max_operations,
        call_levels: 64,
        expression_depth: 64,
        function_expression_depth: 32,
        string_bytes: quarter,
        array_elements: quarter / VALUE_BYTES,
        map_entries: quarter / ENTRY_BYTES,
        variables: limits.max_variables,
        functions: 10_000,
    }
}

/// Whether a path has no more components than a script may ask about: those that one system call takes, and below
/// them as many as a tree may be deep. Looked at before the policy is asked, whose work grows with the path.
///
/// # Errors
/// The limit, when it has more.
pub fn within_depth(path: &str, limits: &Limits) -> Result<(), LimitReached> {
    let components = path.bytes().filter(|byte| *byte == b'/').count() as u64;
    let most = limits.max_depth.saturating_add(MAX_COMPONENTS as u64);
    if components > most { Err(LimitReached { name: "max-depth", value: limits.max_depth }) } else { Ok(()) }
}

/// Whether no more was used than is allowed.
///
/// # Errors
/// The limit, when more was.
pub fn within(name: &'static str, used: u64, limit: u64) -> Result<(), LimitReached> {
    if used > limit { Err(LimitReached { name, value: limit }) } else { Ok(()) }
}

/// The limit in words: its name, which is that of the option where there is one, and its value.
pub fn in_words(name: &str, value: u64) -> String {
    match name {
        VALUE_SIZE => format!("{name} of {value} bytes, a quarter of --memory"),
        TIME | PROCESSOR_TIME | JAIL_PROCESSOR_TIME => format!("{name} of {value} s"),
        MEMORY => format!("{name} of {value} MiB"),
        _ => format!("{name} of {value}"),
    }
}

/// The limit in words, with the line of the script where that is known.
pub fn in_words_at(name: &str, value: u64, line: u32) -> String {
    let limit = in_words(name, value);
    if line > 0 { format!("{limit} (line {line})") } else { limit }
}

/// The name of the limit on one string, array, map or blob.
pub const VALUE_SIZE: &str = "value-size";
/// The name of the limit on variables in scope.
pub const VARIABLES: &str = "max-variables";
/// The name of the limit on the interpreter's memory.
pub const MEMORY: &str = "memory";
/// The name of the limit on the time of the run.
pub const TIME: &str = "timeout";
/// The name of the limit on the processor time of broker and jail.
pub const PROCESSOR_TIME: &str = "max-cpu";
/// The name of the limit on the processor time of the jail.
pub const JAIL_PROCESSOR_TIME: &str = "max-jail-cpu";

const MIB: u64 = 1024 * 1024;
/// The size of a Rhai value.
const VALUE_BYTES: u64 = 16;
/// A key and a value in a map, with their share of the tree.
const ENTRY_BYTES: u64 = 128;
