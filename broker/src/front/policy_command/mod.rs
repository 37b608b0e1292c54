//! The command `policy`: what is wrong with policies, why they say what they say, whether they say what is expected, what
//! another one says otherwise, what they can be about, and to whom their templates are granted.

mod arguments;
mod check;
mod diff;
mod expected;
mod explain;
mod grant;
mod question;
mod report;
mod test;

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

pub use arguments::{
    CheckArguments, DiffArguments, ExplainArguments, GrantArguments, PolicyArguments, PolicyTask,
    ReportFormat, TestArguments,
};
pub use question::{Asked, NotAQuestion};

use crate::policy::{Finding, PolicyText, Severity, render, schema};
use crate::result::Exit;
use crate::run::input::{InputError, PolicySource, read_policies};
use crate::terminal::{Color, printable, unwritten};

/// Does what was asked for; gives the exit status.
pub fn run(arguments: &PolicyArguments) -> u8 {
    let exit = match &arguments.task {
        PolicyTask::Check(arguments) => check::run(arguments),
        PolicyTask::Explain(arguments) => explain::run(arguments),
        PolicyTask::Test(arguments) => test::run(arguments),
        PolicyTask::Diff(arguments) => diff::run(arguments),
        PolicyTask::Grant(arguments) => grant::grant(arguments),
        PolicyTask::Revoke { grant: id } => grant::revoke(id),
        PolicyTask::Grants => grant::list(),
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
pub(super) fn texts(sources: &[PolicySource]) -> Vec<PolicyText<'_>> {
    sources.iter().map(|source| PolicyText { name: &source.name, text: &source.text }).collect()
}

/// Why there is nothing to check or to explain with.
pub(super) struct Unread {
    pub(super) exit: Exit,
    /// Which file; empty where it is none alone.
    file: String,
    message: String,
}

/// Reads the policies; what cannot be read is told on standard error.
pub(super) fn read(paths: &[std::path::PathBuf]) -> Result<Vec<PolicySource>, Unread> {
    read_policies(paths, Instant::now() + PATIENCE).map_err(|error| {
        let (file, message) = match &error {
            InputError::Policy { path, source } => {
                (path.clone(), format!("cannot read policy {path}: {source}"))
            }
            other => (String::new(), other.to_string()),
        };
        complain(&message);
        let exit = if error.is_missing() { Exit::InputMissing } else { Exit::InputInvalid };
        Unread { exit, file, message }
    })
}

impl Unread {
    /// As the array of findings has it. No line of the file is to blame, so it is the first, and nothing is underlined.
    fn finding(&self) -> Finding {
        Finding {
            severity: Severity::Error,
            file: self.file.clone(),
            line: 1,
            column: 1,
            length: 0,
            message: self.message.clone(),
            hint: None,
            policy_id: None,
        }
    }
}

/// Writes to standard output.
pub(super) fn print(text: &str) -> Exit {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Done,
        Err(error) => {
            unwritten("to standard output", &error);
            Exit::OutputNotWritten
        }
    }
}

pub(super) fn complain(text: &str) {
    say(&format!("error: {}\n", printable(text)));
}

fn say(text: &str) {
    // Nobody is there to be told that nobody listens.
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// How long a pipe may take to come to its end.
const PATIENCE: Duration = Duration::from_secs(10);
