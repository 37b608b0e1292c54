//! How text of unknown origin becomes text that is safe to show on a terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with every control character but newline and tab, and every character that reorders text, spelled out.
///
/// An escape sequence in a file name must not move the cursor, change colours, or hide the line before it.
pub fn printable(text: &str) -> Cow<'_, str> {
    spelled_out(text, |character| is_dangerous(character) && !matches!(character, '\n' | '\t'))
}

/// Like [`printable`], but the result is one line.
pub fn printable_line(text: &str) -> Cow<'_, str> {
    spelled_out(text, is_dangerous)
}

/// Whether a terminal may take the character for more than a glyph: control characters, and those that reorder
/// the text around them (Unicode Technical Report 36, bidirectional text spoofing).
pub fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn spelled_out(text: &str, dangerous: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&dangerous) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            _ if !dangerous(character) => safe.push(character),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            // Writing to a string cannot fail.
            _ => drop(write!(safe, "\\u{{{:x}}}", u32::from(character))),
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_untouched() {
        assert!(matches!(printable("grün\tund\nblau"), Cow::Borrowed(_)));
    }

    #[test]
    fn escape_sequences_are_spelled_out() {
        assert_eq!(printable("a\u{1b}[2Jb\u{9b}1m\u{7f}\r"), "a\\u{1b}[2Jb\\u{9b}1m\\u{7f}\\r");
        assert_eq!(printable("abc\u{202e}txt"), "abc\\u{202e}txt");
    }

    #[test]
    fn a_line_stays_a_line() {
        assert_eq!(printable_line("a\nb\tc"), "a\\nb\\tc");
    }
}
