//! The command `policy`: what is wrong with policies, why they say what they say, and what they can be about.

mod arguments;
mod check;
mod explain;
mod question;

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

pub use arguments::{CheckArguments, ExplainArguments, PolicyArguments, PolicyTask};
pub use question::{Asked, NotAQuestion};

use crate::policy::{Finding, PolicyText, render, schema};
use crate::result::Exit;
use crate::run::input::{InputError, PolicySource, read_policies};
use crate::terminal::{Color, printable};

/// Does what was asked for; gives the exit status.
pub fn run(arguments: &PolicyArguments) -> u8 {
    let exit = match &arguments.task {
        PolicyTask::Check(arguments) => check::run(arguments),
        PolicyTask::Explain(arguments) => explain::run(arguments),
        PolicyTask::Schema { json: true } => print(schema::JSON),
        PolicyTask::Schema { json: false } => print(schema::READABLE),
    };
    exit.code(false)
}

/// Whether what is written there may be coloured: it is a terminal, and nobody asked for plain text
/// (<https://no-color.org>).
pub fn may_be_coloured(stream: &impl IsTerminal) -> bool {
    Color::Auto.is_wanted(stream.is_terminal())
}

/// Shows findings on standard error, with the lines they are about; standard output is for results.
pub fn show(findings: &[Finding], texts: &[PolicyText<'_>]) {
    say(&render(findings, texts, may_be_coloured(&std::io::stderr())));
}

/// The policies as they are loaded.
fn texts(sources: &[PolicySource]) -> Vec<PolicyText<'_>> {
    sources.iter().map(|source| PolicyText { name: &source.name, text: &source.text }).collect()
}

fn read(paths: &[std::path::PathBuf]) -> Result<Vec<PolicySource>, Exit> {
    read_policies(paths, Instant::now() + PATIENCE).map_err(|error| {
        complain(&match &error {
            InputError::Policy { path, source } => format!("cannot read policy {path}: {source}"),
            other => other.to_string(),
        });
        if error.is_missing() { Exit::InputMissing } else { Exit::InputInvalid }
    })
}

/// Writes to standard output.
fn print(text: &str) -> Exit {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Done,
        Err(error) => {
            complain(&format!("cannot write to standard output: {error}"));
            Exit::OutputNotWritten
        }
    }
}

fn complain(text: &str) {
    say(&format!("error: {}\n", printable(text)));
}

fn say(text: &str) {
    // Nobody is there to be told that nobody listens.
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// How long a pipe may take to come to its end.
const PATIENCE: Duration = Duration::from_secs(10);
