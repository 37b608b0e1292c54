//! How a record becomes JSON: fields in the order of the calls, appended to one string.

use serde_json::Value;

use crate::terminal::{is_dangerous, push_json_escape};

/// Writes the fields of one object.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub(super) &'a mut String);

impl Fields<'_> {
    #[inline(always)]
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        push_text(self.0, value);
    }

    #[inline(always)]
    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        push_number(self.0, value);
    }

    #[inline(always)]
    pub(super) fn truth(&mut self, name: &str, value: bool) {
        self.name(name);
        self.0.push_str(if value { "true" } else { "false" });
    }

    pub(super) fn texts<S: AsRef<str>>(&mut self, name: &str, values: &[S]) {
        self.name(name);
        push_texts(self.0, values);
    }

    pub(super) fn value(&mut self, name: &str, value: &Value) {
        self.name(name);
        push_json(self.0, value);
    }

    /// Appends fields that are JSON already.
    pub(super) fn raw(&mut self, fields: &str) {
        self.separate();
        self.0.push_str(fields);
    }

    /// Begins a field; the names are ours and need no escapes. Inline, like all that calls it: then the name is known, and is
    /// stored by a few instructions instead of a call that copies it.
    #[inline(always)]
    pub(super) fn name(&mut self, name: &str) {
        self.0.reserve(name.len() + AROUND_NAME_BYTES);
        self.separate();
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    /// A comma, unless this is the first field of an object or of a line.
    #[inline(always)]
    fn separate(&mut self) {
        if !matches!(self.0.as_bytes().last(), None | Some(b'{' | b'\n')) {
            self.0.push(',');
        }
    }
}

/// Appends a JSON string.
///
/// Beyond what JSON demands, it escapes what a terminal would obey, so that a log can be looked at.
pub(super) fn push_text(out: &mut String, text: &str) {
    out.reserve(text.len() + 2);
    out.push('"');
    let mut rest = text;
    while !all_plain(rest.as_bytes())
        && let Some(plain) = rest.bytes().position(|byte| !is_plain(byte))
    {
        // The byte begins a character: everything before it is ASCII.
        let (before, after) = rest.split_at(plain);
        let mut after = after.chars();
        out.push_str(before);
        after.by_ref().take(1).for_each(|character| push_character(out, character));
        rest = after.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// Appends an array of JSON strings.
pub(super) fn push_texts<S: AsRef<str>>(out: &mut String, values: &[S]) {
    out.push('[');
    for (position, value) in values.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        push_text(out, value.as_ref());
    }
    out.push(']');
}

/// Whether every byte is a character that stands for itself. Without a way out in the middle of a piece, so that a piece
/// is looked at in a few instructions: nearly every text is plain.
fn all_plain(bytes: &[u8]) -> bool {
    bytes.chunks(PIECE_BYTES).all(|piece| piece.iter().fold(true, |plain, byte| plain & is_plain(*byte)))
}

/// Whether the byte is a character that stands for itself.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn push_character(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ if is_dangerous(character) => push_json_escape(out, character),
        _ => out.push(character),
    }
}

/// Appends a value; what a terminal would obey can stand only within its strings, so it can be escaped there.
fn push_json(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => push_text(out, text),
        value => {
            for character in value.to_string().chars() {
                if is_dangerous(character) {
                    push_json_escape(out, character);
                } else {
                    out.push(character);
                }
            }
        }
    }
}

/// Appends a number.
pub(super) fn push_number(out: &mut String, value: u64) {
    push_padded(out, value, 1);
}

/// Appends a number with leading zeros up to `width` digits.
pub(super) fn push_padded(out: &mut String, mut value: u64, width: usize) {
    // The largest u64 has twenty digits.
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    for digit in digits.iter_mut().rev() {
        if value == 0 {
            break;
        }
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        first -= 1;
    }
    let shown = digits.get(first.min(digits.len().saturating_sub(width))..).unwrap_or_default();
    out.push_str(std::str::from_utf8(shown).expect("digits are ASCII"));
}

/// A comma, two quotation marks and a colon.
const AROUND_NAME_BYTES: usize = 4;
/// A power of two that vector instructions take at once.
const PIECE_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> String {
        let mut out = String::new();
        push_text(&mut out, text);
        out
    }

    #[test]
    fn every_text_comes_back_unchanged() {
        let hostile = [
            "",
            "plain",
            "a\nb",
            "q\"q\\",
            "\0\u{1}\u{1f}\u{7f}\u{9b}31m",
            "\u{202e}abc",
            "\u{10FF0A}",
            "ü✓🦀",
            "\\u0041",
        ];

        for text in hostile {
            let line = quoted(text);

            assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
            assert!(!line.contains(is_dangerous), "{line:?}");
        }
    }

    // Wherever in a piece the byte is that needs an escape.
    #[test]
    fn every_place_of_a_text_is_looked_at() {
        for before in 0..3 * PIECE_BYTES {
            for odd in ['"', '\\', '\n', '\u{7f}', 'ü'] {
                let text = format!("{}{odd}{odd} and so on", "x".repeat(before));

                assert_eq!(serde_json::from_str::<String>(&quoted(&text)).unwrap(), text);
            }
        }
    }

    #[test]
    fn every_character_comes_back_unchanged() {
        let all: String = ('\0'..=char::MAX).collect();

        assert_eq!(serde_json::from_str::<String>(&quoted(&all)).unwrap(), all);
    }

    #[test]
    fn numbers_are_decimal() {
        let mut out = String::new();

        for number in [0, 7, 10, u64::MAX] {
            push_number(&mut out, number);
            out.push(' ');
        }
        push_padded(&mut out, 42, 9);

        assert_eq!(out, "0 7 10 18446744073709551615 000000042");
    }
}
