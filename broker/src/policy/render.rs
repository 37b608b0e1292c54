//! How findings are shown: with the line they are about and a mark below it for people, as JSON for programs.

use std::collections::HashMap;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::finding::{Finding, Severity, Source};
use super::load::PolicyText;
use crate::terminal::{is_dangerous, printable_line};

/// The findings with the lines they are about, as text that is safe to show on a terminal, and that ends in a newline
/// unless it is empty. Only the first [`MAX_SHOWN`] are shown; the last line says how many more there are.
///
/// `sources` are those that were loaded. A finding about none of them is shown without its line.
pub fn render(findings: &[Finding], sources: &[PolicyText<'_>], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(TERMINAL_COLUMNS);
    let mut texts: HashMap<&str, Source<'_>> = HashMap::new();
    let mut shown = String::new();
    for finding in findings.iter().take(MAX_SHOWN) {
        let text = sources.iter().find(|source| source.name == finding.file);
        let line = text.and_then(|source| {
            let text = texts.entry(source.name).or_insert_with(|| Source::new(source.name, source.text));
            Line::of(text.line(finding.line), finding)
        });
        shown += &one(&renderer, finding, line.as_ref());
        shown.push('\n');
    }
    match findings.len().saturating_sub(MAX_SHOWN) {
        0 => {}
        more => shown += &format!("and {more} more findings\n"),
    }
    shown
}

fn one(renderer: &Renderer, finding: &Finding, line: Option<&Line>) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = printable_line(&finding.message);
    let file = printable_line(&finding.file);
    let hint = finding.hint.as_deref().map(printable_line);
    let title = level.primary_title(message.as_ref());
    let mut group: Group<'_> = match line {
        Some(line) => {
            let mark = AnnotationKind::Primary.span(line.start..line.end);
            let snippet = Snippet::source(line.text.as_str()).line_start(finding.line).path(file.as_ref());
            title.element(snippet.annotation(mark))
        }
        None => title.element(Origin::path(file.as_ref()).line(finding.line).char_column(finding.column)),
    };
    if let Some(hint) = &hint {
        group = group.element(Level::HELP.message(hint.as_ref()));
    }
    renderer.render(&[group])
}

/// A line, as far as it is of interest, with the bytes of it that are to be marked.
struct Line {
    text: String,
    start: usize,
    end: usize,
}

impl Line {
    /// The line up to the finding's place and a little beyond, or nothing when the place is far out.
    ///
    /// A character that could do something to a terminal is replaced by one that does nothing, so that what follows
    /// stays in its column.
    fn of(line: &str, finding: &Finding) -> Option<Self> {
        let column = finding.column.saturating_sub(1);
        if column > MAX_COLUMN {
            return None;
        }
        let mut characters = line.chars();
        let mut take = |count: usize| -> String { characters.by_ref().take(count).map(shown).collect() };
        let before = take(column);
        let marked = take(finding.length.min(MAX_MARKED));
        let after = take(MAX_MARKED);
        let (start, end) = (before.len(), before.len() + marked.len());
        Some(Self { text: before + &marked + &after, start, end })
    }
}

fn shown(character: char) -> char {
    match character {
        '\t' => ' ',
        other if is_dangerous(other) => '\u{fffd}',
        other => other,
    }
}

/// The most findings that are shown.
pub const MAX_SHOWN: usize = 100;
/// A place further to the right is told and not shown.
const MAX_COLUMN: usize = 2_000;
/// The most characters that are marked, and that are shown behind the mark.
const MAX_MARKED: usize = 120;
const TERMINAL_COLUMNS: usize = 140;

#[cfg(test)]
mod tests {
    use super::super::{Mode, Policies};
    use super::*;

    fn shown(text: &str) -> String {
        let sources = [PolicyText { name: "a.cedar", text }];
        let errors = Policies::load(&sources, Mode::Strict).unwrap_err();
        render(errors.findings(), &sources, false)
    }

    #[test]
    fn a_finding_shows_its_line_with_a_mark_and_a_remedy() {
        let text = "permit (\n\tprincipal,\n  action,\n  resource in filesystem::Dir::\"/etc\"\n);\n";

        assert_eq!(
            shown(text),
            "error: there is no entity type `filesystem::Dir`\n \
               --> a.cedar:4:15\n  \
                |\n\
              4 |   resource in filesystem::Dir::\"/etc\"\n  \
                |               ^^^^^^^^^^^^^^^\n  \
                |\n  \
                = help: did you mean `file_system::Dir`?\n"
        );
    }

    #[test]
    fn colours_are_used_only_when_asked_for() {
        let sources = [PolicyText { name: "a.cedar", text: "permit(" }];
        let errors = Policies::load(&sources, Mode::Standard).unwrap_err();

        assert!(render(errors.findings(), &sources, true).contains("\u{1b}["));
        assert!(!render(errors.findings(), &sources, false).contains('\u{1b}'));
    }

    #[test]
    fn nothing_in_a_policy_reaches_the_terminal_as_a_command() {
        let text = "\u{1b}[31m\u{202e} permit(\u{7}principal, action, resource) when { \"\u{1b}]0;x\" };";

        let shown = shown(text);

        assert!(shown.chars().all(|character| character == '\n' || !is_dangerous(character)), "{shown:?}");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        for (before, is_shown) in [(10, true), (1_500, true), (100_000, false)] {
            let text =
                format!("{}permit(principal, action, resourc);{}", " ".repeat(before), " ".repeat(100_000));

            let shown = shown(&text);

            assert!(shown.len() < 1_000, "{}", shown.len());
            assert!(shown.contains(&format!("a.cedar:1:{}\n", before + 27)), "{shown}");
            assert_eq!(shown.contains("resourc);"), is_shown, "{shown}");
        }
    }

    #[test]
    fn the_mark_stands_below_its_place_whatever_is_before_it() {
        let shown = shown("@id(\"日本 é \u{202e}\") permit(\tprincipal, action, resourc);");

        let lines: Vec<&str> = shown.lines().collect();
        let wide = |text: &str| {
            text.chars().count() + text.chars().filter(|c| *c > '\u{2fff}' && *c < '\u{fff0}').count()
        };
        let marked = wide(lines[3].split_once("resourc").unwrap().0);
        assert_eq!(wide(lines[4].split_once('^').unwrap().0), marked, "{shown}");
    }

    #[test]
    fn long_lists_end_with_their_length() {
        let text = "permit(principal, action, resource == file_system::Dir::\"/a/\");\n".repeat(250);

        assert!(shown(&text).ends_with("and 150 more findings\n"));
    }
}
