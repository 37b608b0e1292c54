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

/// The JSON with the same characters escaped, so that it means the same.
///
/// JSON itself escapes only the control characters below U+0020, which leaves those of a terminal from U+007F to U+009F.
pub fn printable_json(json: &str) -> Cow<'_, str> {
    // What ends a line stands between values only; within a string it is escaped already.
    let dangerous = |character| is_dangerous(character) && character != '\n';
    if !json.contains(dangerous) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        match character {
            // Each of them is in the basic plane, so that four digits do. Writing to a string cannot fail.
            _ if dangerous(character) => drop(write!(safe, "\\u{:04x}", u32::from(character))),
            _ => safe.push(character),
        }
    }
    Cow::Owned(safe)
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
    fn json_keeps_its_meaning_and_gives_no_orders() {
        let text = "a\u{7f}\u{9b}1m\u{1b}\u{202e}\n\té";
        let json = serde_json::to_string_pretty(&[text]).unwrap();

        let safe = printable_json(&json);

        assert_eq!(safe, "[\n  \"a\\u007f\\u009b1m\\u001b\\u202e\\n\\té\"\n]");
        assert_eq!(serde_json::from_str::<Vec<String>>(&safe).unwrap(), [text]);
        assert!(matches!(printable_json("{\"é\":1}\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_line_stays_a_line() {
        assert_eq!(printable_line("a\nb\tc"), "a\\nb\\tc");
    }
}
