//! The reference as Markdown: one file for language models, and one page for each chapter.

use std::fmt::Write;

use super::entry::{Chapter, Entry, Reference, Remark, Section};

/// The whole reference as one file.
pub fn whole(reference: &Reference) -> String {
    let mut text = String::from(&reference.preface);
    for chapter in &reference.chapters {
        text.push('\n');
        text.push_str(&page(chapter));
    }
    text
}

/// One chapter.
pub fn page(chapter: &Chapter) -> String {
    let mut text = format!("# {}\n", chapter.title);
    if !chapter.introduction.is_empty() {
        line(&mut text, format_args!("\n{}", chapter.introduction));
    }
    for section in &chapter.sections {
        write_section(&mut text, section);
    }
    text
}

/// The documentation of one section below its heading.
pub(super) fn body(section: &Section) -> String {
    let mut text = String::new();
    if let Some(entry) = section.entries.first() {
        line(&mut text, format_args!("{}", entry.doc));
    }
    if !section.text.is_empty() {
        line(&mut text, format_args!("\n{}", section.text));
    }
    remarks(&mut text, "Arguments", &section.arguments);
    if let Some(actions) = section.actions() {
        line(&mut text, format_args!("\nAsks for: `{actions}`"));
    }
    remarks(&mut text, "Errors", &section.errors);
    line(&mut text, format_args!("\n```rhai\n{}\n```", section.example));
    if !section.output.is_empty() {
        line(&mut text, format_args!("\nOutput:\n\n```text\n{}\n```", section.output));
    }
    text
}

fn write_section(text: &mut String, section: &Section) {
    if section.entries.is_empty() {
        line(text, format_args!("\n## {}", section.title));
        text.push_str(&body(section));
        return;
    }
    let calls: Vec<String> = section.entries.iter().map(|entry| format!("`{}`", entry.call())).collect();
    line(text, format_args!("\n## {}\n", calls.join(", ")));
    let signatures: Vec<String> = section.entries.iter().map(signature).collect();
    line(text, format_args!("{}\n", signatures.join("  \n")));
    text.push_str(&body(section));
}

/// The line that has the entry as the jail's table has it.
fn signature(entry: &Entry) -> String {
    format!("`{}` `{}` `{}` → `{}`", entry.module, entry.name, entry.signature, entry.returns)
}

fn remarks(text: &mut String, title: &str, remarks: &[Remark]) {
    if !remarks.is_empty() {
        line(text, format_args!("\n{title}:\n"));
    }
    for remark in remarks {
        line(text, format_args!("- `{}`: {}", remark.name, remark.text));
    }
}

fn line(text: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{part}");
}
