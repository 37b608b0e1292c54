//! The forms in which the caller can have the result.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

use super::document::Document;
use super::person;
use crate::policy::PolicyText;
use crate::result::Format;
use crate::result::stream::write_line;
use crate::terminal::{printable, printable_json, printable_line};

/// How the result is to look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form<'a> {
    /// JSON or text.
    pub format: Format,
    /// Whether the text has logs and metrics.
    pub verbose: bool,
    /// Whether a run that was never started answers in JSON whatever the format, as Rex does.
    pub compat: bool,
    /// Whether standard output is a terminal, which must not be told what to do by a script.
    pub to_terminal: bool,
    /// Whether the text is that of the command `run`, with errors that point at their place.
    pub for_person: bool,
    /// Whether that text says what a denied request lacked.
    pub explain_denials: bool,
    /// Whether that text has colours.
    pub in_colour: bool,
    /// The texts that a place may be in: policies and script.
    pub sources: &'a [PolicyText<'a>],
}

/// Writes the result. The text form of an error goes to `stderr`, everything else to `stdout`.
///
/// # Errors
/// When either cannot be written.
pub fn write(
    document: &Document,
    form: &Form<'_>,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> io::Result<()> {
    let mut stdout = BufWriter::with_capacity(BUFFER_BYTES, stdout);
    let early_as_rex = form.compat && document.is_early;
    match form.format {
        Format::Json | Format::PrettyJson if form.to_terminal => on_terminal(document, form, &mut stdout)?,
        // Rex's document has no end of line. That of `run` has one, so that documents can stand below each other.
        Format::Json if form.for_person => {
            let mut line = serde_json::to_string(document)?;
            line.push('\n');
            stdout.write_all(line.as_bytes())?;
        }
        Format::PrettyJson if form.for_person => {
            serde_json::to_writer_pretty(&mut stdout, document)?;
            stdout.write_all(b"\n")?;
        }
        Format::Json => json(document, &mut stdout)?,
        _ if early_as_rex => json(document, &mut stdout)?,
        Format::PrettyJson => serde_json::to_writer_pretty(&mut stdout, document)?,
        Format::Human if form.for_person => person::write(document, form, &mut stdout, stderr)?,
        Format::Human => human(document, form, &mut stdout, stderr)?,
        Format::Ndjson => write_line("result", document, &mut stdout)?,
    }
    stdout.flush()
}

/// For eyes: nothing in it is an order to the terminal, and, unlike Rex's, it ends its line, so that the prompt stands alone.
fn on_terminal(document: &Document, form: &Form<'_>, stdout: &mut impl Write) -> io::Result<()> {
    let is_early_as_rex = form.compat && document.is_early;
    let text = match form.format {
        Format::PrettyJson if !is_early_as_rex => serde_json::to_string_pretty(document)?,
        _ => serde_json::to_string(document)?,
    };
    writeln!(stdout, "{}", printable_json(&text))
}

fn json(document: &Document, stdout: &mut impl Write) -> io::Result<()> {
    Ok(serde_json::to_writer(stdout, document)?)
}

fn human(
    document: &Document,
    form: &Form<'_>,
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
        metrics(document, stdout)?;
        if !form.compat && !document.denials.is_empty() {
            denials(document, stdout)?;
        }
    }
    Ok(())
}

pub(super) fn metrics(document: &Document, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"--- metrics ---\n")?;
    for metric in &document.metrics {
        writeln!(out, "{}: {}", printable_line(&metric.metric_name), metric.metric_value)?;
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
pub(super) fn output(text: &str, to_terminal: bool) -> Cow<'_, str> {
    if to_terminal { printable(text) } else { Cow::Borrowed(text) }
}

const BUFFER_BYTES: usize = 64 * 1024;
