//! The reference as text for a terminal.

use std::fmt::Write;

use super::entry::{Entry, Reference, Section};

/// One line for each entry, under the titles of the chapters.
pub(super) fn list(reference: &Reference) -> String {
    let mut text = String::new();
    for chapter in &reference.chapters {
        let separator = if text.is_empty() { "" } else { "\n" };
        line(&mut text, format_args!("{separator}{}", chapter.title));
        for entry in chapter.sections.iter().flat_map(|section| &section.entries) {
            line(&mut text, format_args!("  {}", summary(entry)));
        }
    }
    text
}

/// One line for each of these entries.
pub(super) fn found<'r>(entries: impl IntoIterator<Item = &'r Entry>) -> String {
    let mut text = String::new();
    for entry in entries {
        line(&mut text, format_args!("{}", summary(entry)));
    }
    text
}

/// Everything about these sections.
pub(super) fn sections(sections: &[&Section]) -> String {
    let mut text = String::new();
    for section in sections {
        let separator = if text.is_empty() { "" } else { "\n" };
        text.push_str(separator);
        write_section(&mut text, section);
    }
    text
}

fn write_section(text: &mut String, section: &Section) {
    for entry in &section.entries {
        line(text, format_args!("{} -> {}", entry.call(), entry.returns));
    }
    if let Some(entry) = section.entries.first() {
        line(text, format_args!("  {}", entry.doc));
    }
    for paragraph in section.text.lines() {
        line(text, format_args!("{}{paragraph}", if paragraph.is_empty() { "" } else { "  " }));
    }
    remarks(text, "Arguments", section.arguments.iter().map(|remark| (&remark.name, &remark.text)));
    match section.actions() {
        Some(actions) => line(text, format_args!("  Asks for:  {actions}")),
        None => line(text, format_args!("  Asks for:  nothing")),
    }
    remarks(text, "Errors", section.errors.iter().map(|remark| (&remark.name, &remark.text)));
    line(text, format_args!("  Example:"));
    indented(text, &section.example);
    line(text, format_args!("  Output:"));
    indented(text, &section.output);
}

fn remarks<'r>(text: &mut String, title: &str, remarks: impl Iterator<Item = (&'r String, &'r String)>) {
    for (index, (name, remark)) in remarks.enumerate() {
        if index == 0 {
            line(text, format_args!("  {title}:"));
        }
        line(text, format_args!("    {name}: {remark}"));
    }
}

fn indented(text: &mut String, lines: &str) {
    for part in lines.lines() {
        line(text, format_args!("{}{part}", if part.is_empty() { "" } else { "    " }));
    }
}

fn summary(entry: &Entry) -> String {
    let call = format!("{} -> {}", entry.call(), entry.returns);
    format!("{call:<CALL_COLUMNS$}  {}", entry.doc)
}

fn line(text: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{part}");
}

/// Wide enough for most calls; the others push their sentence to the right.
const CALL_COLUMNS: usize = 60;
