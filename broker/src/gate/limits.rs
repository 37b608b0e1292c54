//! How much a run may use, in the terms of the interpreter, and how much it has used.

use rex_ipc::control::EngineLimits;
use rex_ipc::interface::{ROWS, Request};

use crate::gate::error::LimitReached;

pub use crate::front::cli::{Limits, PerOperation};

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

/// What a run has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Calls to the broker.
    pub calls: u64,
    /// Requests in them.
    pub requests: u64,
    /// Bytes read from files and directories.
    pub read_bytes: u64,
    /// Bytes written to files, copied or allocated.
    pub written_bytes: u64,
    /// Denials.
    pub denials: u64,
    /// The row of the operation that is being carried out.
    row: usize,
    requests_of: Counts,
    bytes_of: Counts,
}

/// One count for each row of the interface table.
#[derive(Clone, Copy, Debug)]
struct Counts([u64; ROWS.len()]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; ROWS.len()])
    }
}

impl Counts {
    /// Adds to the count of this row, and gives what it is then.
    fn add(&mut self, row: usize, more: u64) -> u64 {
        let Some(count) = self.0.get_mut(row) else { return u64::MAX };
        *count = count.saturating_add(more);
        *count
    }
}

impl Usage {
    /// Counts a request, which is carried out from now on.
    ///
    /// # Errors
    /// When its operation was asked for too often.
    pub fn count_request(&mut self, request: &Request, limits: &Limits) -> Result<(), LimitReached> {
        self.requests = self.requests.saturating_add(1);
        // The numbers of the table ascend.
        self.row = ROWS.binary_search_by_key(&request.number(), |row| row.number).unwrap_or(usize::MAX);
        let count = self.requests_of.add(self.row, 1);
        within("max-calls-per-operation", count, limits.max_calls_per_operation.of(self.row))
    }

    /// Counts bytes that the present operation has read.
    ///
    /// # Errors
    /// When there are too many of the run, or of the operation.
    pub fn count_read_bytes(&mut self, bytes: u64, limits: &Limits) -> Result<(), LimitReached> {
        self.read_bytes = self.read_bytes.saturating_add(bytes);
        within("max-read-bytes", self.read_bytes, limits.max_read_bytes)?;
        self.count_moved_bytes(bytes, limits)
    }

    /// Counts bytes that the present operation has written.
    ///
    /// # Errors
    /// When there are too many of the run, or of the operation.
    pub fn count_written_bytes(&mut self, bytes: u64, limits: &Limits) -> Result<(), LimitReached> {
        self.written_bytes = self.written_bytes.saturating_add(bytes);
        within("max-write-bytes", self.written_bytes, limits.max_write_bytes)?;
        self.count_moved_bytes(bytes, limits)
    }

    /// Bytes read and written, of which no operation does both.
    pub fn moved_bytes(&self) -> u64 {
        self.read_bytes.saturating_add(self.written_bytes)
    }

    /// Counts bytes that the present operation has moved, whichever way.
    ///
    /// # Errors
    /// When there are too many of the operation.
    pub fn count_moved_bytes(&mut self, bytes: u64, limits: &Limits) -> Result<(), LimitReached> {
        let count = self.bytes_of.add(self.row, bytes);
        within("max-bytes-per-operation", count, limits.max_bytes_per_operation.of(self.row))
    }

    /// Counts a denial.
    ///
    /// # Errors
    /// When there are too many.
    pub fn count_denial(&mut self, limits: &Limits) -> Result<(), LimitReached> {
        self.denials = self.denials.saturating_add(1);
        within("max-denials", self.denials, limits.max_denials)
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

/// Most components of a path that a script gives: path_resolution(7) takes no path of PATH_MAX, 4,096 bytes, and each
/// component has at least one and a slash.
pub const MAX_COMPONENTS: usize = 2048;

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

/// The same with the line of the script, where that is known.
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

/// The size of a Rhai value.
const VALUE_BYTES: u64 = 16;
/// A key and a value in a map, with their share of the tree.
const ENTRY_BYTES: u64 = 128;
