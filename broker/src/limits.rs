//! How much a run may use, in the terms of the interpreter, and how much it has used.

use rex_ipc::control::EngineLimits;

pub use crate::cli::Limits;

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
        variables: 100_000,
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
}

/// The name of the limit on one string, array, map or blob.
pub const VALUE_SIZE: &str = "value-size";
/// The name of the limit on variables in scope.
pub const VARIABLES: &str = "variables";
/// The name of the kernel's limit on processor time.
pub const CPU_TIME: &str = "cpu-time";

/// The size of a Rhai value.
const VALUE_BYTES: u64 = 16;
/// A key and a value in a map, with their share of the tree.
const ENTRY_BYTES: u64 = 128;
