//! What is wrong, or doubtful, in a policy text, and where.

use std::fmt;

use serde::Serialize;

/// How much a finding weighs under the chosen [`Mode`](super::Mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policies are refused.
    Error,
    /// The policies are accepted.
    Warning,
}

/// One remark about a policy text.
///
/// As JSON it has all of these fields, and null where there is nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether it keeps the policies from being used.
    pub severity: Severity,
    /// The source's name, as given at load.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// In characters, up to the end of the line; 0 where there is nothing to underline.
    pub length: usize,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The policy concerned, as verdicts name it.
    #[serde(rename = "policy")]
    pub policy_id: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(out, "{}:{}:{}: {word}: {}", self.file, self.line, self.column, self.message)?;
        if let Some(hint) = &self.hint {
            write!(out, " ({hint})")?;
        }
        Ok(())
    }
}

/// Why policies were refused: every finding, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyErrors {
    pub(super) findings: Vec<Finding>,
    pub(super) cedar_reason: Option<String>,
}

impl PolicyErrors {
    /// The errors and, among them, the warnings.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The errors alone.
    pub fn of_weight(&self) -> Vec<Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).cloned().collect()
    }

    /// Cedar's own line, such as ``unexpected token `resource` ``, where a text does not parse.
    pub fn cedar_reason(&self) -> Option<&str> {
        self.cedar_reason.as_deref()
    }
}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, finding) in self.findings.iter().enumerate() {
            if position > 0 {
                writeln!(out)?;
            }
            write!(out, "{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyErrors {}

/// One source text, with its lines and characters counted, so that a text full of mistakes costs no more than its length.
pub(super) struct Source<'a> {
    name: &'a str,
    text: &'a str,
    /// The byte at which each line begins.
    lines: Vec<usize>,
    /// How many characters begin before each block of bytes.
    blocks: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(super) fn new(name: &'a str, text: &'a str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let blocks = text.as_bytes().chunks(BLOCK_BYTES).scan(0, |before, block| {
            let own = *before;
            *before += characters(block);
            Some(own)
        });
        // A byte-order mark belongs to no line: the first column is the one behind it.
        let first = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
        Self {
            name,
            text,
            lines: std::iter::once(first).chain(after_breaks).collect(),
            blocks: blocks.collect(),
        }
    }

    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The text of a line, counted from 1, without its end; nothing where there is no such line.
    pub(super) fn line(&self, number: usize) -> &'a str {
        let start = number.checked_sub(1).and_then(|index| self.lines.get(index)).copied();
        let end = self.lines.get(number).map_or(self.text.len(), |next| next - 1);
        let line = start.and_then(|start| self.text.get(start..end)).unwrap_or_default();
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// Line and column of a byte, both counted from 1. What is no place in the text counts as its end.
    pub(super) fn position(&self, byte: usize) -> (usize, usize) {
        let byte = byte.max(self.lines.first().copied().unwrap_or(0));
        let line = self.lines.partition_point(|start| *start <= byte.min(self.text.len()));
        let start = line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or(0);
        (line, self.characters_before(byte).saturating_sub(self.characters_before(start)) + 1)
    }

    /// A finding about the bytes from `start` to `end`.
    pub(super) fn finding(
        &self,
        severity: Severity,
        (start, end): (usize, usize),
        message: String,
    ) -> Finding {
        let (line, column) = self.position(start);
        let line_end = self.lines.get(line).map_or(self.text.len(), |next| next - 1);
        let length = self.characters_before(end.min(line_end)).saturating_sub(self.characters_before(start));
        Finding {
            severity,
            file: self.name.to_owned(),
            line,
            column,
            length,
            message,
            hint: None,
            policy_id: None,
        }
    }

    fn characters_before(&self, byte: usize) -> usize {
        let byte = byte.min(self.text.len());
        let block = byte / BLOCK_BYTES;
        let rest = self.text.as_bytes().get(block * BLOCK_BYTES..byte).unwrap_or_default();
        self.blocks
            .get(block)
            .map_or_else(|| characters(self.text.as_bytes()), |before| before + characters(rest))
    }
}

/// How many characters begin in these bytes.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

const BLOCK_BYTES: usize = 1024;

/// What some editors write before a text; it says nothing about it.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters_from_one() {
        let source = Source::new("a.cedar", "permit\n  né (\n");

        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(6), (1, 7));
        assert_eq!(source.position(7), (2, 1));
        assert_eq!(source.position(13), (2, 6));
        assert_eq!(source.position(9_999), (3, 1));
    }

    #[test]
    fn places_in_long_lines_are_those_of_counting() {
        for text in ["é".repeat(3_000), "ab\n".repeat(1_000), "x".repeat(1024), "日\n本".repeat(900)] {
            let source = Source::new("a.cedar", &text);
            for byte in (0..=text.len()).filter(|byte| text.is_char_boundary(*byte)).step_by(7) {
                let before = &text[..byte];
                let line_start = before.rfind('\n').map_or(0, |at| at + 1);
                let expected = (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1);

                assert_eq!(source.position(byte), expected, "{byte}");
            }
        }
    }

    #[test]
    fn a_byte_order_mark_has_no_column() {
        let source = Source::new("a.cedar", "\u{feff}permit\nforbid");

        assert_eq!(
            [0, 1, 3, 8, 10].map(|byte| source.position(byte)),
            [(1, 1), (1, 1), (1, 1), (1, 6), (2, 1)]
        );
        assert_eq!((source.line(1), source.line(2)), ("permit", "forbid"));
        assert_eq!(Source::new("a.cedar", "\u{feff}").position(0), (1, 1));
    }

    #[test]
    fn a_mark_ends_with_its_line() {
        let source = Source::new("a.cedar", "permit\nforbid");

        let finding = source.finding(Severity::Error, (3, 9), "odd".to_owned());

        assert_eq!((finding.line, finding.column, finding.length), (1, 4, 3));
        assert_eq!(finding.to_string(), "a.cedar:1:4: error: odd");
    }
}
