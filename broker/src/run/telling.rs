//! Who is told what while a run goes on.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use rex_outside::{Posture, Requirement};

use crate::result::Format;
use crate::result::stream::{Progress, Stream};
use crate::run::conclude::Beginning;
use crate::run::request::RunRequest;
use crate::watch::outlet::Outlet;

/// Where the events of this run go: lines of JSON on standard output, or log lines on standard error.
///
/// # Errors
/// When signals cannot be watched for.
pub(super) fn stream(options: &RunRequest, deadline: Instant) -> io::Result<Stream> {
    Ok(match options.format {
        Format::Ndjson => Stream::Json(Box::new(Outlet::new(io::stdout(), deadline, Duration::ZERO)?)),
        Format::Human if options.for_person => {
            Stream::Text(Box::new(Outlet::new(io::stderr(), deadline, Duration::ZERO)?), Progress::default())
        }
        _ => Stream::Silent,
    })
}

/// How far the run is, on standard error, when that is a terminal.
pub(super) fn progress(stream: &mut Stream, options: &RunRequest, beginning: &Beginning) -> Progress {
    if !options.progress || !io::stderr().is_terminal() {
        return Progress::default();
    }
    let Ok(outlet) = Outlet::new(io::stderr(), beginning.deadline(), Duration::ZERO) else {
        return Progress::default();
    };
    let progress = Progress::on(Box::new(outlet), beginning.started);
    if let Stream::Text(_, shown) = stream {
        *shown = progress.clone();
    }
    progress
}

/// What is required and not in force, with what an operator can do about it.
pub(super) fn missing(posture: &Posture, requirement: &Requirement) -> Option<String> {
    let missing = posture.missing(requirement);
    if missing.is_empty() {
        return None;
    }
    let lines: Vec<String> = missing
        .iter()
        .map(|measure| {
            let since = match measure.kernel_min {
                "any" => "every supported Linux has it".to_owned(),
                version => format!("needs Linux {version}"),
            };
            format!("{} is {:?} ({}); {since}; {}", measure.id, measure.state, measure.evidence, measure.hint)
        })
        .collect();
    Some(format!("required and missing: {}", lines.join("; ")))
}
