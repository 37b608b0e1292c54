//! How much a run may use, and how much it may use unless the operator says otherwise.

use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use rex_ipc::limits::MAX_OUTPUT_BYTES;

/// The limits of a run. The operator sets them, never the script; reaching one ends the run with status 75.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// End the run after this many seconds
    #[arg(long = "timeout", value_name = "SECONDS", default_value_t = 3600, value_parser = one_to(MAX_SECONDS))]
    pub timeout_seconds: u64,
    /// Memory of the interpreter in MiB
    #[arg(long = "memory", value_name = "MIB", default_value_t = 256, value_parser = one_to(MAX_MEMORY_MIB))]
    pub memory_mib: u64,
    /// Steps of the interpreter
    #[arg(long, value_name = "N", default_value_t = 1_000_000_000, value_parser = one_to(u64::MAX))]
    pub max_operations: u64,
    /// Calls from the script to the broker
    #[arg(long, value_name = "N", default_value_t = 100_000_000, value_parser = one_to(u64::MAX))]
    pub max_calls: u64,
    /// Length of the result's output
    #[arg(
        long = "max-output",
        value_name = "BYTES",
        default_value_t = 8 * MIB,
        value_parser = one_to(MAX_OUTPUT_BYTES as u64)
    )]
    pub max_output_bytes: u64,
    /// Files and directories open at one time
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = one_to(1_000_000))]
    pub max_open_handles: u64,
    /// Bytes read from files and directories in the whole run
    #[arg(long, value_name = "BYTES", default_value_t = 64 * 1024 * MIB, value_parser = one_to(u64::MAX))]
    pub max_read_bytes: u64,
    /// Log lines sent in the whole run; the result shows the last 1000
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = one_to(u64::MAX))]
    pub max_log_lines: u64,
    /// Alarms and metrics published in the whole run
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = one_to(u64::MAX))]
    pub max_signals: u64,
    /// Lines in the audit log
    #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = one_to(u64::MAX))]
    pub max_audit_records: u64,
    /// Bytes in the audit log
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * MIB, value_parser = one_to(u64::MAX))]
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

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout_seconds: 3600,
            memory_mib: 256,
            max_operations: 1_000_000_000,
            max_calls: 100_000_000,
            max_output_bytes: 8 * MIB,
            max_open_handles: 1024,
            max_read_bytes: 64 * 1024 * MIB,
            max_log_lines: 10_000_000,
            max_signals: 100_000,
            max_audit_records: 2_000_000,
            max_audit_bytes: 1024 * MIB,
        }
    }
}

fn one_to(most: u64) -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(1..=most)
}

const MIB: u64 = 1024 * 1024;
const MAX_SECONDS: u64 = 30 * 24 * 3600;
const MAX_MEMORY_MIB: u64 = 64 * 1024;
