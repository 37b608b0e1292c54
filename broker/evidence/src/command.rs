//! The command lines of `rex-audit` and `rex-verify`: what was asked for, and the exit status.

mod arguments;
mod audit;
mod keys;
mod verifying;

pub use audit::audit;
pub use verifying::verify;

use std::io::Write;
use std::process::ExitCode;

use crate::error::Error;

/// Why a command did not do what was asked.
enum Failure {
    /// The command line cannot be understood.
    Usage(String),
    /// It was understood and went wrong.
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Error(error)
    }
}

/// Prints what a command has to say, or why it failed, and gives the exit status.
fn conclude(program: &str, outcome: Result<String, Failure>) -> ExitCode {
    match outcome {
        Ok(text) => match print(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(program, &error),
        },
        Err(Failure::Usage(why)) => {
            say(&format!("{program}: {why}\nTry '{program} --help'.\n"));
            ExitCode::from(64)
        }
        Err(Failure::Error(error)) => complain(program, &error),
    }
}

fn complain(program: &str, error: &Error) -> ExitCode {
    // A reader that has seen enough, such as head(1), needs no message.
    if !error.is_broken_pipe() {
        say(&format!("{program}: {}\n", printable(&error.to_string())));
    }
    ExitCode::from(error.exit_status())
}

/// Tells standard error, which may be closed: then nobody reads it, and nothing else is changed by that.
fn say(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

fn print(text: &str) -> Result<(), Error> {
    write_out(text.as_bytes())
}

fn write_out(bytes: &[u8]) -> Result<(), Error> {
    let mut output = std::io::stdout().lock();
    let written = output.write_all(bytes).and_then(|()| output.flush());
    written.map_err(|error| Error::system("write to standard output", error))
}

/// A text without what a terminal would take for a command.
fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
