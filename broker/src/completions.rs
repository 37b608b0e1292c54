//! Completions for shells, made from the grammar of the command line.

use std::io::Write;

use clap_complete::Shell;

use crate::cli::{Exit, command};

/// Prints the completions for a shell; gives the exit status.
pub fn print(shell: Shell) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "rex-broker", &mut script);
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(&script).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Done.code(false),
        Err(error) => {
            eprintln!("error: cannot write the completions: {error}");
            Exit::OutputNotWritten.code(false)
        }
    }
}
