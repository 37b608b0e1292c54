//! What scripts can call: the jail's own list, with the manual's text and a tested example for each entry.

mod arguments;
pub mod entry;
mod json;
mod language;
mod lookup;
pub mod markdown;
mod property;
#[cfg(test)]
mod tests;
mod text;
mod unknown;
mod uses;

use std::io::Write;

use serde_json::Value;

pub use arguments::{ListArguments, SdkArguments, SdkTask};
pub use unknown::ADVISE;

use crate::result::Exit;
use crate::terminal::printable_line;
use entry::{Reference, Section};

/// Tells what was asked for; gives the exit status.
pub fn run(arguments: &SdkArguments) -> u8 {
    let reference = reference();
    let answer = match &arguments.task {
        SdkTask::List(form) => Ok(list(&reference, *form)),
        SdkTask::Show { name, json } => show(&reference, name, *json),
        SdkTask::Search { words, json } => search(&reference, words, *json),
    };
    let exit = match answer.map(|text| print(&text)) {
        Ok(Ok(())) => Exit::Done,
        Ok(Err(error)) => {
            crate::terminal::unwritten("the reference", &error);
            Exit::OutputNotWritten
        }
        Err(reason) => {
            crate::complain!("error: {reason}");
            Exit::ScriptFailed
        }
    };
    exit.code(false)
}

/// The reference that is part of this program.
///
/// # Panics
/// Never: a test holds the file to this shape.
pub fn reference() -> Reference {
    serde_json::from_str(REFERENCE).expect("the file has the shape that a test holds it to")
}

fn list(reference: &Reference, form: ListArguments) -> String {
    if form.json {
        pretty(&Value::Array(reference.entries().map(|(_, entry)| json::row(entry)).collect()))
    } else if form.markdown {
        markdown::whole(reference)
    } else if form.completion {
        pretty(&json::completion(reference))
    } else {
        text::list(reference)
    }
}

fn show(reference: &Reference, name: &str, json: bool) -> Result<String, String> {
    let found: Vec<&Section> = lookup::named(reference, name);
    if found.is_empty() {
        let near: Vec<String> =
            lookup::nearest(reference, name).into_iter().map(|near| format!("`{near}`")).collect();
        let hint = if near.is_empty() {
            "`rex-broker sdk list` has all names".to_owned()
        } else {
            format!("did you mean {}?", near.join(", "))
        };
        return Err(format!("nothing is called `{}`; {hint}", printable_line(name)));
    }
    Ok(if json { pretty(&json::complete(&found)) } else { text::sections(&found) })
}

fn search(reference: &Reference, words: &[String], json: bool) -> Result<String, String> {
    let mut found = lookup::containing(reference, words);
    let has_all = !found.is_empty();
    if !has_all && words.len() > 1 {
        found = lookup::containing_any(reference, words);
    }
    let language: Vec<&str> =
        words.iter().flat_map(|word| uses::language(&word.to_lowercase()).collect::<Vec<_>>()).collect();
    if found.is_empty() && (json || language.is_empty()) {
        return Err(format!("nothing mentions `{}`", printable_line(&words.join(" "))));
    }
    Ok(if json {
        pretty(&Value::Array(found.into_iter().map(|(_, entry)| json::row(entry)).collect()))
    } else {
        let mut lines = text::found(found.iter().map(|(_, entry)| *entry));
        if !has_all && !found.is_empty() {
            lines.insert_str(0, "nothing has all of these words; some of them have:\n");
        }
        for of_language in language {
            lines.push_str(&format!("of the language: {of_language}\n"));
        }
        lines
    })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn print(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}

/// Written from the jail's table and the manual, and held to them, by a test (`jail/tests/manual`).
const REFERENCE: &str = include_str!("../../../../jail/sdk.json");
