//! From fields to lines in the log: numbering, buffering, and the run's share.

use std::time::SystemTime;

use super::error::AuditError;
use super::json::{Fields, push_number, push_text};
use super::log::Lines;
use super::stamp::Stamp;
use crate::audit::AuditSync;

/// A run's share of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// Most lines.
    pub records: u64,
    /// Most bytes.
    pub bytes: u64,
}

/// Writes the lines of one run.
pub(super) struct Writer {
    log: Box<dyn Lines>,
    sync: AuditSync,
    limits: JournalLimits,
    /// The run as JSON string.
    run: String,
    stamp: Stamp,
    buffer: String,
    sequence: u64,
    bytes: u64,
}

impl Writer {
    pub(super) fn new(log: Box<dyn Lines>, run: &str, limits: JournalLimits, sync: AuditSync) -> Self {
        let mut run_text = String::new();
        push_text(&mut run_text, run);
        let buffer = String::with_capacity(BUFFER_BYTES);
        Self { log, sync, limits, run: run_text, stamp: Stamp::default(), buffer, sequence: 0, bytes: 0 }
    }

    /// How many lines there were.
    pub(super) fn count(&self) -> u64 {
        self.sequence
    }

    /// Refuses a further record when the run has used its share, or will have with so many that are held back.
    pub(super) fn check_share(&self, held: u64) -> Result<(), AuditError> {
        if self.sequence.saturating_add(held) >= self.limits.records {
            return Err(AuditError::Limit { name: "max-audit-records", value: self.limits.records });
        }
        if self.bytes >= self.limits.bytes {
            return Err(AuditError::Limit { name: "max-audit-bytes", value: self.limits.bytes });
        }
        Ok(())
    }

    /// Appends one line to the buffer and gives its number.
    pub(super) fn line(&mut self, event: &str, now: SystemTime, write: impl FnOnce(&mut Fields<'_>)) -> u64 {
        let start = self.buffer.len();
        let sequence = self.sequence;
        let out = &mut self.buffer;
        out.push_str("{\"run\":");
        out.push_str(&self.run);
        out.push_str(",\"seq\":");
        push_number(out, sequence);
        out.push_str(",\"time\":");
        self.stamp.push(out, now);
        let mut fields = Fields(out);
        fields.text("event", event);
        write(&mut fields);
        out.push_str(END_OF_LINE);
        self.sequence += 1;
        self.bytes += (self.buffer.len() - start) as u64;
        sequence
    }

    /// Appends fields to the last line, if it is the one with this number and still in the buffer.
    pub(super) fn extend(&mut self, sequence: u64, write: impl FnOnce(&mut Fields<'_>)) -> bool {
        let is_last = sequence.checked_add(1) == Some(self.sequence);
        let Some(fields_end) = self.buffer.len().checked_sub(END_OF_LINE.len()).filter(|_| is_last) else {
            return false;
        };
        self.buffer.truncate(fields_end);
        write(&mut Fields(&mut self.buffer));
        self.bytes += (self.buffer.len() - fields_end) as u64;
        self.buffer.push_str(END_OF_LINE);
        true
    }

    /// Writes what is buffered.
    pub(super) fn write_out(&mut self) -> Result<(), AuditError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.log.append(self.buffer.as_bytes());
        // After a failure the buffer is dropped, too: a second try could leave half a line and the same line again.
        self.buffer.clear();
        written?;
        if self.sync == AuditSync::Record { self.log.sync() } else { Ok(()) }
    }

    /// Writes what is buffered when it is much, so that a search through a large tree does not fill the memory.
    pub(super) fn write_out_if_large(&mut self) -> Result<(), AuditError> {
        if self.buffer.len() >= BUFFER_BYTES { self.write_out() } else { Ok(()) }
    }

    /// Forces the log to disk at the end of the run, unless every write was.
    pub(super) fn finish(&mut self) -> Result<(), AuditError> {
        if self.sync == AuditSync::Run { self.log.sync() } else { Ok(()) }
    }
}

const END_OF_LINE: &str = "}\n";
const BUFFER_BYTES: usize = 64 * 1024;
