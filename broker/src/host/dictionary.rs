//! The patterns of lines that may be seen of a file which may be read only redacted.
//!
//! The dictionary is read under the broker's own authority. Each pattern is matched against the whole line, its literal
//! text taken literally; every line that matches none becomes `[REDACTED]`.

use std::io::Read;
use std::path::Path;

use regex::{Regex, RegexBuilder};
use rex_ipc::failure::ErrorKind;

use super::believed::{Believed, Opened};
use crate::gate::error::Error;

/// The patterns of lines that may be seen.
#[derive(Debug)]
pub struct Dictionary {
    patterns: Vec<Regex>,
}

impl Dictionary {
    /// Reads the dictionary.
    ///
    /// # Errors
    /// `FileError` when it cannot be read: nothing is released then.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let failed = |reason: String| {
            let message =
                format!("File error: Failed to open redaction dictionary file: {reason}: {}", path.display());
            Error::invalid(ErrorKind::FileError, message)
        };
        let mut text = String::new();
        let opened = believed_dictionary(path).map_err(|error| failed(error.to_string()))?;
        opened
            .file
            .take(MAX_DICTIONARY_BYTES)
            .read_to_string(&mut text)
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self::parse(&text))
    }

    /// The patterns of a dictionary's text; what is no pattern is left out, which only redacts more.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { patterns: lines.filter_map(pattern).collect() }
    }

    /// The text with every line redacted that matches no pattern, as what is no text never does; without a final newline,
    /// as in Rex.
    ///
    /// Nothing when it would be too long: redacted, an empty line is longer than before.
    pub fn redact(&self, content: &[u8]) -> Option<String> {
        let mut redacted = String::with_capacity(content.len().min(1 << 16));
        let lines = content.strip_suffix(b"\n").unwrap_or(content).split(|&byte| byte == b'\n');
        for (number, line) in lines.enumerate().filter(|_| !content.is_empty()) {
            if number > 0 {
                redacted.push('\n');
            }
            let line = std::str::from_utf8(line).ok().map(|line| line.strip_suffix('\r').unwrap_or(line));
            let seen = line.filter(|line| self.patterns.iter().any(|pattern| pattern.is_match(line)));
            redacted.push_str(seen.unwrap_or("[REDACTED]"));
            if redacted.len() > MAX_REDACTED_BYTES {
                return None;
            }
        }
        Some(redacted)
    }
}

/// Opens the dictionary, if nobody else could have written it: who writes it decides what is seen of every file.
fn believed_dictionary(path: &Path) -> std::io::Result<Opened> {
    let believed = Believed::usual();
    let opened = believed.open(path)?;
    believed.judge(&opened.metadata)?;
    Ok(opened)
}

/// A printf pattern as an anchored regular expression; nothing when it has a conversion that is not known.
fn pattern(line: &str) -> Option<Regex> {
    let mut expression = String::from(r"\A");
    let mut rest = line;
    while let Some(at) = rest.find('%') {
        expression.push_str(&regex::escape(&rest[..at]));
        let conversion =
            rest[at + 1..].trim_start_matches(|c: char| c.is_ascii_digit() || "#-+ .*".contains(c));
        let conversion = conversion.trim_start_matches(['z', 'l']);
        let mut characters = conversion.chars();
        expression.push_str(match characters.next() {
            Some('s') => r"\S+",
            Some('d') => r"-?\d+",
            Some('u') => r"\d+",
            Some('m') => r".*?",
            Some(_) => return None,
            None => "",
        });
        rest = characters.as_str();
    }
    expression.push_str(&regex::escape(rest));
    expression.push_str(r"\z");
    RegexBuilder::new(&expression).size_limit(MAX_PATTERN_BYTES).build().ok()
}

const MAX_DICTIONARY_BYTES: u64 = 1 << 20;
/// Of one pattern, compiled. What takes more shows nothing.
const MAX_PATTERN_BYTES: usize = 8 << 20;
/// A redacted file is held as a whole, one at a time.
pub const MAX_REDACTED_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_only_contains_a_pattern_stays_hidden() {
        let dictionary = Dictionary::parse("connection from %s\n");

        let seen =
            dictionary.redact(b"connection from 10.0.0.1\npassword=x connection from 10.0.0.1 token=y");

        assert_eq!(seen.unwrap(), "connection from 10.0.0.1\n[REDACTED]");
    }

    #[test]
    fn literal_text_is_no_regular_expression() {
        let dictionary = Dictionary::parse("a.b %d\n# comment\n\n100%% sure\n");

        assert_eq!(dictionary.redact(b"a.b -5\naXb 5\n100% sure").unwrap(), "a.b -5\n[REDACTED]\n[REDACTED]");
    }

    #[test]
    fn flags_width_and_length_are_skipped() {
        let dictionary = Dictionary::parse("n=%-08ld m=%zu t=%m.\n");

        assert_eq!(dictionary.redact(b"n=-12 m=7 t=any text.\n").unwrap(), "n=-12 m=7 t=any text.");
    }

    #[test]
    fn a_line_with_bytes_that_are_no_text_is_hidden_and_hides_no_other() {
        let dictionary = Dictionary::parse("ok %s\n%m tail\n");

        for (content, seen) in [
            (&b"ok a\nok \xff\nok b\n"[..], "ok a\n[REDACTED]\nok b"),
            (b"\xff tail\r\nx tail\r\n", "[REDACTED]\nx tail"),
            (b"ok a\r\n\nok b", "ok a\n[REDACTED]\nok b"),
            (b"\n", "[REDACTED]"),
            (b"", ""),
            ("ok \u{10FFFF}".as_bytes(), "ok \u{10FFFF}"),
        ] {
            assert_eq!(dictionary.redact(content).unwrap(), seen, "{content:x?}");
        }
    }

    #[test]
    fn a_text_that_redaction_makes_too_long_is_refused() {
        let dictionary = Dictionary::parse("");

        assert_eq!(dictionary.redact("\n".repeat(MAX_REDACTED_BYTES / 4).as_bytes()), None);
    }
}
