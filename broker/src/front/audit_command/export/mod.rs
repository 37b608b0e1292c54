//! The record in the forms of others: events of OCSF, messages of the journal.

mod journal;
mod ocsf;

use std::path::Path;

use super::arguments::ExportArguments;
use super::read::{Records, Starts};
use super::{Output, complain};
use crate::result::Exit;
use crate::terminal::printable_json;
use journal::Journal;

pub(super) fn run(arguments: &ExportArguments) -> u8 {
    export(arguments).unwrap_or_else(|(exit, reason)| {
        complain(&reason);
        exit.code(false)
    })
}

fn export(arguments: &ExportArguments) -> Result<u8, (Exit, String)> {
    let missing = |reason| (Exit::InputMissing, reason);
    let unwritten = |reason| (Exit::OutputNotWritten, reason);
    let mut records = Records::open(&arguments.log).map_err(missing)?;
    let journal = if arguments.journald {
        Some(
            Journal::reach(arguments.socket.as_deref().unwrap_or(Path::new(journal::SOCKET)))
                .map_err(unwritten)?,
        )
    } else {
        None
    };
    let host = match &arguments.host {
        Some(host) => host.clone(),
        None => nix::unistd::gethostname()
            .map_or_else(|_| String::new(), |name| name.to_string_lossy().into_owned()),
    };
    let (mut starts, mut output) = (Starts::default(), Output::new());
    while let Some(record) = records.next().map_err(missing)? {
        // An end is told with what its run began with, which is forgotten after it.
        let start = starts.of(&record).cloned();
        starts.note(&record);
        let start = start.or_else(|| starts.of(&record).cloned());
        if let Some(journal) = &journal {
            journal.send(&record).map_err(unwritten)?;
            continue;
        }
        let events = ocsf::events(&record, start.as_ref(), &host);
        if !events.into_iter().all(|event| output.say(&format!("{}\n", printable_json(&event.to_string())))) {
            break;
        }
    }
    if records.unreadable > 0 {
        complain(&format!("{} lines are no records", records.unreadable));
        return Ok(output.conclude(Exit::InputInvalid.code(false)));
    }
    Ok(output.conclude(Exit::Done.code(false)))
}
