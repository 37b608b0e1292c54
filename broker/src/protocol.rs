//! The boundary's table for auditors.

use std::io::Write;

use rex_ipc::interface::{FINGERPRINT, ROWS};
use serde_json::json;

use crate::cli::Exit;

/// Prints the table as JSON; gives the exit status.
pub fn print() -> u8 {
    let rows: Vec<_> = ROWS
        .iter()
        .map(|row| {
            json!({
                "number": row.number,
                "group": row.group,
                "name": row.name,
                "request": row.request,
                "reply": row.reply,
                "actions": row.needs.iter().map(|action| action.uid()).collect::<Vec<_>>(),
            })
        })
        .collect();
    let table = json!({ "fingerprint": format!("{FINGERPRINT:016x}"), "operations": rows });
    let mut stdout = std::io::stdout().lock();
    let written = serde_json::to_writer_pretty(&mut stdout, &table)
        .map_err(std::io::Error::from)
        .and_then(|()| writeln!(stdout));
    match written {
        Ok(()) => Exit::Done.code(false),
        Err(error) => {
            eprintln!("error: cannot write the table: {error}");
            Exit::OutputNotWritten.code(false)
        }
    }
}
