//! The record of every decision: what is written, when, and where.
//!
//! The form of each line is in `docs/audit.md`.

pub mod blobs;
mod error;
mod fold;
mod journal;
mod json;
mod lines;
mod log;
mod open;
mod place;
mod record;
mod series;
mod stamp;
mod target;
#[cfg(test)]
mod tests;

use std::io;

use rex_ipc::control::RequestNumber;

pub use error::AuditError;
pub use journal::{Identity, Journal};
pub use lines::JournalLimits;
pub use log::{Lines, Log};
pub use open::{is_inherited, note_descriptors, open};
pub use place::places;
pub use record::{Decision, End, Limit, Outcome, Record, Start, Stop, Violation};
pub use target::{AuditSync, AuditTarget};

/// Takes the records of one run.
///
/// A record is buffered until [`Sink::commit`], or until an effect is announced. What is committed has been taken by
/// write(2) before the call returns.
pub trait Sink: Send {
    /// Says which request the following records are about.
    fn request(&mut self, request: RequestNumber);

    /// Records a decision. When the decision permits an effect, the record is written before this returns.
    ///
    /// # Errors
    /// When the record cannot be written, or would exceed the run's share. The run then has to stop.
    fn before(&mut self, decision: &Decision<'_>) -> Result<(), AuditError>;

    /// Records what became of a request.
    ///
    /// # Errors
    /// When the record cannot be written, or would exceed the run's share. The run then has to stop.
    fn after(&mut self, outcome: &Outcome<'_>) -> Result<(), AuditError>;

    /// Records the start, a violation, a limit or the end; written before this returns.
    ///
    /// # Errors
    /// When the record cannot be written. A reserve makes sure that the run's share has room for it.
    fn note(&mut self, record: &Record<'_>) -> Result<(), AuditError>;

    /// Writes what is buffered, in one write(2). To be called before anything is released to the jail.
    ///
    /// # Errors
    /// When the record cannot be written, or would exceed the run's share. The run then has to stop.
    fn commit(&mut self) -> Result<(), AuditError>;
}

/// An identifier for a run: 128 random bits, as 32 hexadecimal digits.
///
/// # Errors
/// When the kernel has no random numbers.
pub fn run_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
