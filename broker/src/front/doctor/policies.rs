//! The policies that the configuration adds to every run: whether they can be used, and who else may write them.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;

use super::PATIENCE;
use crate::run::input::{PolicySource, read_policies};
use crate::terminal::printable_line;

/// The configured policies, and what there is to say against them.
#[derive(Serialize)]
pub(super) struct Policies {
    /// Files, and directories of files.
    configured: Vec<String>,
    /// One text for each finding.
    doubts: Vec<String>,
}

/// Reads the configured policies as a run would.
pub(super) fn examine(paths: &[PathBuf]) -> Policies {
    let doubts = match read_policies(paths, Instant::now() + PATIENCE) {
        Ok(sources) => sources.iter().flat_map(PolicySource::doubts).collect(),
        Err(error) => vec![format!("no run will start: {error}")],
    };
    Policies { configured: paths.iter().map(|path| path.display().to_string()).collect(), doubts }
}

impl Policies {
    /// Shows them to a person: nothing where none is configured.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        if self.configured.is_empty() {
            return Ok(());
        }
        let configured = self.configured.join(", ");
        match self.doubts.as_slice() {
            [] => {
                let told = "which nobody but their owner may write";
                writeln!(out, "policies     {}, {told}", printable_line(&configured))
            }
            doubts => {
                doubts.iter().try_for_each(|doubt| writeln!(out, "policies     {}", printable_line(doubt)))
            }
        }
    }
}
