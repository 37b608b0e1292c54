//! How much a run may use; every limit has a default, a name, and an end of the run that names both.

use std::time::Duration;

use rex_ipc::control::EngineLimits;

/// How much a run may use. The operator sets it; the script cannot.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Wall time of the run.
    pub timeout: Duration,
    /// Memory of the interpreter in bytes.
    pub memory_bytes: u64,
    /// Engine operations.
    pub operations: u64,
    /// Bytes of output or error text.
    pub output_bytes: u64,
    /// Objects open at once.
    pub open_handles: usize,
    /// Bytes read from files.
    pub read_bytes: u64,
    /// Directory entries given.
    pub entries: u64,
    /// Calls to the broker.
    pub calls: u64,
    /// Whether a file with several hard links may be opened wherever it lies.
    pub hard_links: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(3600),
            memory_bytes: 256 << 20,
            operations: 1_000_000_000,
            output_bytes: 16 << 20,
            open_handles: 1024,
            read_bytes: 64 << 30,
            entries: 100_000_000,
            calls: 100_000_000,
            hard_links: false,
        }
    }
}

impl Limits {
    /// What the interpreter is told.
    pub fn engine(&self) -> EngineLimits {
        // One value may take a quarter of the arena, so that it can be copied and printed.
        let quarter = self.memory_bytes / 4;
        EngineLimits {
            operations: self.operations,
            call_levels: 64,
            expression_depth: 64,
            function_expression_depth: 32,
            string_bytes: quarter,
            // A Rhai value takes 16 bytes.
            array_elements: quarter / 16,
            map_entries: quarter / 128,
            variables: 100_000,
            functions: 10_000,
        }
    }
}

/// What a run has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Calls to the broker.
    pub calls: u64,
    /// Requests in them.
    pub requests: u64,
    /// Bytes read from files.
    pub read_bytes: u64,
    /// Directory entries given.
    pub entries: u64,
}
