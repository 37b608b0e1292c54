//! The command `audit`: who did what, on whose behalf, for which purpose and under which rule, told from the record alone.

mod arguments;
mod export;
pub(super) mod read;
pub(super) mod recorded;
mod replay;
mod statements;
mod why;

use std::io::{BufWriter, Write};

pub use arguments::{AuditArguments, AuditTask, ExportArguments, ReplayArguments, WhyArguments};

use crate::result::Exit;
use crate::terminal::{printable, unwritten};

/// Does what was asked for; gives the exit status.
pub fn run(arguments: &AuditArguments) -> u8 {
    match &arguments.task {
        AuditTask::Why(arguments) => why::run(arguments),
        AuditTask::Replay(arguments) => replay::run(arguments),
        AuditTask::Export(arguments) => export::run(arguments),
    }
}

/// Standard output, until it takes no more.
struct Output {
    out: BufWriter<std::io::StdoutLock<'static>>,
    failed: bool,
}

impl Output {
    fn new() -> Self {
        Self { out: BufWriter::new(std::io::stdout().lock()), failed: false }
    }

    /// Writes a text; false when nobody takes it any more, which is told once.
    fn say(&mut self, text: &str) -> bool {
        let written = self.out.write_all(text.as_bytes());
        self.note(written)
    }

    fn note(&mut self, written: std::io::Result<()>) -> bool {
        if let Err(error) = written
            && !self.failed
        {
            unwritten("to standard output", &error);
            self.failed = true;
        }
        !self.failed
    }

    /// The status of a command that has said everything.
    fn conclude(mut self, status: u8) -> u8 {
        let written = self.out.flush();
        if self.note(written) { status } else { Exit::OutputNotWritten.code(false) }
    }
}

fn complain(text: &str) {
    crate::complain!("error: {}", printable(text));
}

/// Nothing was found, or something is not as it was recorded.
const NO: u8 = 1;
