//! The boundary's table for auditors, as it was traced from the types that cross.

use std::io::Write;

use crate::result::Exit;

/// Prints the table as JSON; gives the exit status.
pub fn print() -> u8 {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(TABLE.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Done.code(false),
        Err(error) => {
            eprintln!("error: cannot write the table: {error}");
            Exit::OutputNotWritten.code(false)
        }
    }
}

/// Kept equal to the table by a test (`tests/interface.rs`).
const TABLE: &str = include_str!("../../../ipc/protocol.json");
