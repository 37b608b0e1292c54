//! How text of unknown origin becomes text that is safe to show on a terminal.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write;

/// The text with every control character but newline and tab, and every character that is not seen or reorders the text
/// around it, spelled out.
///
/// An escape sequence in a file name must not move the cursor, change colours, or hide the line before it; and two names
/// that look alike must not be two names.
pub fn printable(text: &str) -> Cow<'_, str> {
    spelled_out(text, |character| is_dangerous(character) && !matches!(character, '\n' | '\t'))
}

/// The text in one line: with every control character, and every character that is not seen or reorders the text around
/// it, spelled out.
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
            _ if dangerous(character) => push_json_escape(&mut safe, character),
            _ => safe.push(character),
        }
    }
    Cow::Owned(safe)
}

/// Appends the escape that JSON has for a character: one for each unit of UTF-16.
pub fn push_json_escape(out: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        out.push_str("\\u");
        for shift in [12, 8, 4, 0] {
            out.push(char::from_digit(u32::from(*unit) >> shift & 15, 16).unwrap_or('0'));
        }
    }
}

/// Whether a character is more or less than a glyph: control characters, those that reorder the text around them, and
/// those that are not seen at all.
pub fn is_dangerous(character: char) -> bool {
    character.is_control() || (!character.is_ascii() && is_format(character))
}

fn is_format(character: char) -> bool {
    let place = FORMAT.binary_search_by(|&(first, last)| {
        if last < character {
            Ordering::Less
        } else if first > character {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    });
    place.is_ok()
}

/// Unicode Character Database 16.0: the general categories Cf, Zl and Zp (extracted/DerivedGeneralCategory.txt), and
/// Default_Ignorable_Code_Point (DerivedCoreProperties.txt). Unicode Technical Reports 36 and 39 tell what they are
/// used for.
const FORMAT: &[(char, char)] = &[
    ('\u{AD}', '\u{AD}'),
    ('\u{34F}', '\u{34F}'),
    ('\u{600}', '\u{605}'),
    ('\u{61C}', '\u{61C}'),
    ('\u{6DD}', '\u{6DD}'),
    ('\u{70F}', '\u{70F}'),
    ('\u{890}', '\u{891}'),
    ('\u{8E2}', '\u{8E2}'),
    ('\u{115F}', '\u{1160}'),
    ('\u{17B4}', '\u{17B5}'),
    ('\u{180B}', '\u{180F}'),
    ('\u{200B}', '\u{200F}'),
    ('\u{2028}', '\u{202E}'),
    ('\u{2060}', '\u{206F}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{FE00}', '\u{FE0F}'),
    ('\u{FEFF}', '\u{FEFF}'),
    ('\u{FFA0}', '\u{FFA0}'),
    ('\u{FFF0}', '\u{FFFB}'),
    ('\u{110BD}', '\u{110BD}'),
    ('\u{110CD}', '\u{110CD}'),
    ('\u{13430}', '\u{1343F}'),
    ('\u{1BCA0}', '\u{1BCA3}'),
    ('\u{1D173}', '\u{1D17A}'),
    ('\u{E0000}', '\u{E0FFF}'),
];

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

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

impl Color {
    /// Whether there are to be colours in what goes to a terminal or elsewhere. See <https://no-color.org>.
    pub fn is_wanted(self, to_terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                let is_able = std::env::var_os("TERM").is_some_and(|term| term != "dumb");
                to_terminal && is_able && !is_set("NO_COLOR")
            }
        }
    }
}

/// Tells standard error a line for people. Where it cannot be written nobody reads it, and nothing else is changed by that.
#[macro_export]
macro_rules! complain {
    ($($words:tt)*) => {
        drop(std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!("{}\n", format_args!($($words)*)),
        ))
    };
}

/// Says that this could not be written to standard output. Nothing where its reader has gone, as `head` goes when it has seen
/// enough: whoever ended it knows, and the exit status tells everybody else.
pub fn unwritten(what: &str, error: &std::io::Error) {
    if error.kind() != std::io::ErrorKind::BrokenPipe {
        complain!("error: cannot write {what}: {error}");
    }
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

    // The regular expressions have tables of their own, made from the same database.
    #[test]
    fn every_character_without_a_glyph_is_known() {
        let wanted =
            regex::Regex::new(r"^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]$").unwrap();

        for character in '\0'..=char::MAX {
            let text = character.to_string();
            // A newline at the end is none for `$` in this crate, so that it needs no exception.
            assert_eq!(is_dangerous(character), wanted.is_match(&text), "U+{:04X}", u32::from(character));
        }
        assert!(FORMAT.windows(2).all(|pair| pair[0].1 < pair[1].0), "the ranges ascend");
    }

    #[test]
    fn no_form_lets_one_of_them_through_and_none_changes_what_is_meant() {
        for character in ('\0'..=char::MAX).filter(|character| is_dangerous(*character)) {
            let text = format!("a{character}b");
            let json = serde_json::to_string(&text).unwrap();

            let (shown, line, safe) = (printable(&text), printable_line(&text), printable_json(&json));

            let seen = |text: &str| text.chars().any(is_dangerous);
            assert!(!seen(&line) && !seen(&safe), "U+{:04X}", u32::from(character));
            assert!(!seen(&shown) || matches!(character, '\n' | '\t'), "U+{:04X}", u32::from(character));
            assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
        }
        assert_eq!(printable("x\u{200b}y\u{e0041}"), "x\\u{200b}y\\u{e0041}");
        assert_eq!(printable_json("\"\u{e0041}\""), "\"\\udb40\\udc41\"");
    }
}
