//! The boundary's table for auditors, as it was traced from the types that cross.

use std::io::{self, Write};

use rex_ipc::interface::{FINGERPRINT, PROTOCOL, ROWS, Row};

use crate::result::Exit;

/// Prints the table, for people or as JSON; gives the exit status.
pub fn print(as_json: bool) -> u8 {
    let mut stdout = io::stdout().lock();
    let text = if as_json { for_programs() } else { for_people() };
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Done.code(false),
        Err(error) => {
            crate::terminal::unwritten("the table", &error);
            Exit::OutputNotWritten.code(false)
        }
    }
}

/// The description with its own hash, which cannot stand in it.
fn for_programs() -> String {
    let rest = PROTOCOL.strip_prefix('{').unwrap_or(PROTOCOL);
    format!("{{\n  \"fingerprint\": \"{FINGERPRINT:#018x}\",{rest}")
}

/// Every operation with what it carries and what it asks the policy for.
fn for_people() -> String {
    let mut text = format!(
        "What a script can ask for: {} operations. Whatever else it sends ends the run.\n\
         Fingerprint {FINGERPRINT:#018x}; --json has the bytes of every message.\n",
        ROWS.len()
    );
    let mut group = "";
    for row in ROWS {
        if row.group != group {
            group = row.group;
            text.push_str(&format!("\n{group}\n"));
        }
        text.push_str(&format!(
            "  {:#06x} {:<16} {:<18} -> {}\n",
            row.number, row.name, row.request, row.reply
        ));
        text.push_str(&format!("         asks for: {}\n", needs(row)));
    }
    text
}

fn needs(row: &Row) -> String {
    match row.needs {
        [] => "nothing".to_owned(),
        needs => needs
            .iter()
            .map(|action| format!("{}::{}", action.namespace(), action.name()))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_the_protocol_and_its_fingerprint() {
        let mut told: serde_json::Value = serde_json::from_str(&for_programs()).unwrap();

        let fingerprint = told.as_object_mut().unwrap().remove("fingerprint").unwrap();

        assert_eq!(fingerprint, format!("{FINGERPRINT:#018x}"));
        assert_eq!(told, serde_json::from_str::<serde_json::Value>(PROTOCOL).unwrap());
    }

    #[test]
    fn people_are_told_every_operation_with_what_it_asks_for() {
        let text = for_people();

        for row in ROWS {
            let line = format!("{:#06x} {} ", row.number, row.name);
            let (_, rest) = text.split_once(&line).unwrap_or_else(|| panic!("{line}: {text}"));
            let asks = rest.lines().nth(1).unwrap();
            for action in row.needs {
                assert!(
                    asks.contains(&format!("{}::{}", action.namespace(), action.name())),
                    "{line}: {asks}"
                );
            }
        }
    }
}
