//! The forms in which the caller can have the result.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

use super::document::Document;
use crate::cli::Format;
use crate::cli::terminal::{printable, printable_line};

/// How the result is to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// JSON or text.
    pub format: Format,
    /// Whether the text has logs and metrics.
    pub verbose: bool,
    /// Whether a run that was never started answers in JSON whatever the format, as Rex does.
    pub compat: bool,
    /// Whether standard output is a terminal, which must not be told what to do by a script.
    pub to_terminal: bool,
}

/// Writes the result. The text form of an error goes to `stderr`, everything else to `stdout`.
///
/// # Errors
/// When either cannot be written.
pub fn write(
    document: &Document,
    form: &Form,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> io::Result<()> {
    let mut stdout = BufWriter::with_capacity(BUFFER_BYTES, stdout);
    let early_as_rex = form.compat && document.is_early;
    match form.format {
        Format::Json => json(document, &mut stdout)?,
        _ if early_as_rex => json(document, &mut stdout)?,
        Format::PrettyJson => serde_json::to_writer_pretty(&mut stdout, document)?,
        Format::Human => human(document, form, &mut stdout, stderr)?,
    }
    if form.to_terminal && form.format != Format::Human {
        // Rex ends JSON without a newline; a prompt behind it helps nobody.
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}

fn json(document: &Document, stdout: &mut impl Write) -> io::Result<()> {
    Ok(serde_json::to_writer(stdout, document)?)
}

fn human(
    document: &Document,
    form: &Form,
    stdout: &mut impl Write,
    stderr: &mut dyn Write,
) -> io::Result<()> {
    let logs = document.logs.iter().flatten().filter(|_| form.verbose);
    for log in logs {
        writeln!(stdout, "[{}] {}", log.attributes.level, printable(&log.attributes.message))?;
    }
    match &document.error {
        Some(error) => {
            // So that the lines come in this order where both end on one terminal.
            stdout.flush()?;
            writeln!(stderr, "error: {}", printable(&error.message))?;
        }
        None if document.output.is_empty() => {}
        None => writeln!(stdout, "{}", output(&document.output, form.to_terminal))?,
    }
    if form.verbose {
        stdout.write_all(b"--- metrics ---\n")?;
        for metric in &document.metrics {
            writeln!(stdout, "{}: {}", printable_line(&metric.metric_name), metric.metric_value)?;
        }
        if !form.compat && !document.denials.is_empty() {
            denials(document, stdout)?;
        }
    }
    Ok(())
}

fn denials(document: &Document, stdout: &mut impl Write) -> io::Result<()> {
    stdout.write_all(b"--- denials ---\n")?;
    for denial in &document.denials {
        let why = match denial.policies.as_slice() {
            [] => "no policy permits it".to_owned(),
            policies => format!("forbidden by {}", printable_line(&policies.join(", "))),
        };
        let resource = printable_line(&denial.resource);
        writeln!(
            stdout,
            "{} on {resource} (line {}, {} times): {why}",
            denial.action, denial.line, denial.count
        )?;
    }
    match document.denials_dropped {
        0 => Ok(()),
        dropped => writeln!(stdout, "and {dropped} more"),
    }
}

/// A file or a pipe gets the output as it is.
fn output(text: &str, to_terminal: bool) -> Cow<'_, str> {
    if to_terminal { printable(text) } else { Cow::Borrowed(text) }
}

const BUFFER_BYTES: usize = 64 * 1024;
