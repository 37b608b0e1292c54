//! The result as the command `run` shows it to a person: the output, and on the other stream what went wrong and where.

use std::collections::HashSet;
use std::io::{self, Write};

use rex_ipc::action::ActionId;

use super::denials::DenialObject;
use super::document::Document;
use super::write::{Form, metrics, output};
use crate::policy::{Finding, Severity, entity, render};
use crate::terminal::{printable, printable_line};

/// Writes the output to `stdout` and everything else to `stderr`. Logs were told when they came.
pub(super) fn write(
    document: &Document,
    form: &Form<'_>,
    stdout: &mut impl Write,
    stderr: &mut dyn Write,
) -> io::Result<()> {
    if document.error.is_none() && !document.output.is_empty() {
        writeln!(stdout, "{}", output(&document.output, form.to_terminal))?;
        // So that the lines come in this order where both end on one terminal.
        stdout.flush()?;
    }
    let mut text = Vec::new();
    for finding in &document.diagnostics {
        diagnostic(finding, form, &mut text)?;
    }
    let is_told = document.diagnostics.iter().any(|finding| finding.severity == Severity::Error);
    if let Some(error) = &document.error
        && !is_told
    {
        writeln!(text, "error: {}", printable(&error.message))?;
    }
    if form.explain_denials && (form.verbose || document.error.is_some()) {
        denials(document, form.verbose, &mut text)?;
    } else if form.explain_denials {
        handled(document, &mut text)?;
    }
    if document.dry_run && document.error.is_none() {
        text.extend_from_slice(b"script, policies and arguments are valid; nothing was run\n");
    }
    stderr.write_all(&text)?;
    if form.verbose {
        metrics(document, stderr)?;
    }
    Ok(())
}

/// The finding with its line; what a message has behind its first line follows as notes.
fn diagnostic(finding: &Finding, form: &Form<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    let mut lines = finding.message.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    let shown = Finding { message: first, ..finding.clone() };
    out.write_all(render(&[shown], form.sources, form.in_colour).as_bytes())?;
    for line in lines {
        writeln!(out, "  = note: {}", printable_line(line))?;
    }
    Ok(())
}

/// What a run that has succeeded says of its denials: the script went on, or never heard of them.
fn handled(document: &Document, out: &mut Vec<u8>) -> io::Result<()> {
    let counted = document.denials.iter().map(|denial| denial.count).fold(0, u64::saturating_add);
    match counted.saturating_add(document.denials_dropped) {
        0 => Ok(()),
        1 => writeln!(out, "1 request was denied, and the script went on; -v shows it"),
        many => writeln!(
            out,
            "{many} requests were denied, and the script went on; -v shows {}",
            if document.denials_dropped == 0 { "them" } else { "the first of them, and the record has all" }
        ),
    }
}

/// The one that ended the script comes first.
fn denials(document: &Document, all: bool, out: &mut Vec<u8>) -> io::Result<()> {
    // Two calls may lack the same; what is proposed is collected, and nobody needs a policy twice.
    let mut proposed = HashSet::new();
    let shown = if all { document.denials.len() } else { MAX_SHOWN };
    let last = document
        .error
        .as_ref()
        .and_then(|error| document.denials.iter().rposition(|denial| denial.is_told_by(&error.message)));
    let before = document.denials.iter().enumerate().filter(|(place, _)| Some(*place) != last);
    let before = before.map(|(_, denial)| denial);
    let last = last.and_then(|place| document.denials.get(place));
    for denial in last.into_iter().chain(before).take(shown) {
        one(denial, &mut proposed, out)?;
    }
    let rest = document.denials.len().saturating_sub(shown) as u64;
    match (rest.saturating_add(document.denials_dropped), all) {
        (0, _) => Ok(()),
        (more, false) if document.denials_dropped == 0 => {
            writeln!(out, "and {more} more denials; -v shows them")
        }
        (more, _) => writeln!(out, "and {more} more denials, which the record has"),
    }
}

fn one<'a>(denial: &'a DenialObject, proposed: &mut HashSet<&'a str>, out: &mut Vec<u8>) -> io::Result<()> {
    let times = match denial.count {
        1 => String::new(),
        count => format!(", {count} times"),
    };
    let resource = printable_line(&denial.resource);
    let others = match denial.others {
        0 => "",
        _ => " and other processes",
    };
    writeln!(out, "denied: {} on {resource}{others} (line {}{times})", denial.action, denial.line)?;
    match denial.policies.as_slice() {
        [] => writeln!(out, "  no policy permits it")?,
        policies => writeln!(out, "  forbidden by {}", printable_line(&policies.join(", ")))?,
    }
    if denial.action == ActionId::FileSystemRedactedRead.uid() {
        writeln!(out, "  it was asked for in place of file_system::Action::\"read\"")?;
    }
    let Some(lacking) = &denial.lacking else { return Ok(()) };
    if let Some(nearest) = &lacking.nearest {
        writeln!(
            out,
            "  the nearest is `{}` ({}), but not:",
            printable_line(&nearest.id),
            printable_line(&nearest.place.to_string())
        )?;
        for failed in &nearest.failed {
            writeln!(out, "    {}", printable_line(&failed.text))?;
        }
    }
    for need in lacking.needs.iter().skip(1) {
        let resource = entity(need.resource_type, &need.resource);
        write!(out, "  the call also needs {} on {}", need.action, printable_line(&resource))?;
        match need.forbidden_by.as_slice() {
            [] => writeln!(out)?,
            policies => writeln!(out, ", forbidden by {}", printable_line(&policies.join(", ")))?,
        }
    }
    let lines: Vec<&str> = lacking.grant.lines().filter(|line| proposed.insert(line)).collect();
    match (lines.as_slice(), lacking.grant.is_empty()) {
        ([], true) => Ok(()),
        ([], false) => writeln!(out, "  what would permit it is said above"),
        (lines, _) => {
            let that = if denial.others == 0 { "exactly that" } else { "all of them" };
            writeln!(out, "  this would permit {that}:")?;
            lines.iter().try_for_each(|line| writeln!(out, "    {}", printable_line(line)))
        }
    }
}

/// The most denials that are shown where nobody asked for all.
const MAX_SHOWN: usize = 10;
