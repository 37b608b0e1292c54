//! The text of a script on its way to the engine: what may stand before it, and what the engine would misread silently.

use rex_ipc::control::Place;
use rhai::{Engine, Position, Token, TokenIterator};

/// Why a text is no script, in the engine's words for such things, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Misread {
    /// What is the matter.
    pub reason: String,
    /// Where.
    pub place: Place,
}

impl Misread {
    /// The whole message, as the engine writes those of its own errors.
    pub fn message(&self) -> String {
        format!("Syntax error: {} (line {}, position {})", self.reason, self.place.line, self.place.column)
    }
}

/// The script as the engine can read it. Every character stays in its place, so that lines and columns are the file's.
///
/// A byte-order mark becomes a space, and the two characters that lead a line for the kernel (`#!/usr/bin/env …`) those
/// of a comment.
pub fn readable(script: &str) -> String {
    let (mark, rest) = script.strip_prefix(BYTE_ORDER_MARK).map_or(("", script), |rest| (" ", rest));
    let (begin, rest) = rest.strip_prefix("#!").map_or(("", rest), |rest| ("//", rest));
    [mark, begin, rest].concat()
}

/// Refuses what the engine would read without an error, but not as it was meant.
///
/// # Errors
/// A comment that is never closed, which would make a comment of all that follows; more lines than the engine can
/// count, beyond which it would tell of wrong places.
pub fn check(engine: &Engine, script: &str) -> Result<(), Misread> {
    if script.lines().count() > MOST_LINES {
        let place = Place { line: u32::try_from(MOST_LINES + 1).unwrap_or(u32::MAX), column: 1 };
        return Err(Misread { reason: format!("A script has at most {MOST_LINES} lines"), place });
    }
    match unclosed_comment(engine, script) {
        Some(place) => Err(Misread { reason: "The comment that begins here is not closed".into(), place }),
        None => Ok(()),
    }
}

/// Where the comment begins that is still open at the end of the text.
fn unclosed_comment(engine: &Engine, script: &str) -> Option<Place> {
    if !script.contains("/*") {
        return None;
    }
    let texts = [script];
    let mut tokens = Tokens::new(engine, &texts);
    tokens.0.state.include_comments = true;
    while let Some((token, position)) = tokens.next() {
        // Behind a comment that is still open there is nothing but more of it, without end.
        if matches!(token, Token::Comment(_)) && tokens.0.state.comment_level > 0 {
            return place(position);
        }
    }
    None
}

/// The tokens of a script, those within texts in backticks among them, up to the first that is wrong.
pub struct Tokens<'a>(TokenIterator<'a>, Vec<usize>, bool);

impl<'a> Tokens<'a> {
    /// From the beginning.
    pub fn new(engine: &'a Engine, texts: &'a [&'a str]) -> Self {
        Self(engine.lex(texts).0, Vec::new(), false)
    }
}

impl Iterator for Tokens<'_> {
    type Item = (Token, Position);

    fn next(&mut self) -> Option<Self::Item> {
        if self.2 {
            return None;
        }
        let (token, position) = self.0.next()?;
        // The engine's parser tells its tokenizer where an expression within a text ends; here that is counted.
        match &token {
            Token::LexError(_) | Token::EOF => self.2 = true,
            Token::InterpolatedString(_) => self.1.push(0),
            Token::LeftBrace | Token::MapStart => {
                if let Some(open) = self.1.last_mut() {
                    *open = open.saturating_add(1);
                }
            }
            Token::RightBrace => {
                let open = self.1.last_mut();
                if let Some(open) = open {
                    *open = open.saturating_sub(1);
                    if *open == 0 {
                        self.1.pop();
                        self.0.state.tokenizer_control.borrow_mut().is_within_text = true;
                    }
                }
            }
            _ => {}
        }
        Some((token, position))
    }
}

/// A place of the engine's for the wire; the column is left out where the engine stops counting.
pub fn place(position: Position) -> Option<Place> {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let column = position.position().filter(|column| *column < MOST_COLUMNS).unwrap_or(0);
    Some(Place { line: number(position.line()?), column: number(column) })
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The engine counts lines and columns in 16 bits, and stays at the last.
const MOST_LINES: usize = u16::MAX as usize;
const MOST_COLUMNS: usize = u16::MAX as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_a_script_moves_nothing() {
        for (script, text) in [
            ("", ""),
            ("1", "1"),
            ("#!/usr/bin/env rex\n1", "///usr/bin/env rex\n1"),
            ("#!/bin/x", "///bin/x"),
            ("\u{feff}1", " 1"),
            ("\u{feff}#!/bin/x\n1", " ///bin/x\n1"),
            ("1\n#!/bin/x", "1\n#!/bin/x"),
            (" #!/bin/x", " #!/bin/x"),
            ("\u{feff}\u{feff}1", " \u{feff}1"),
        ] {
            assert_eq!(readable(script), text);
            assert_eq!(readable(script).chars().count(), script.chars().count());
        }
    }

    fn found(script: &str) -> Option<(u32, u32)> {
        check(&Engine::new_raw(), script).err().map(|misread| (misread.place.line, misread.place.column))
    }

    #[test]
    fn an_open_comment_is_found_where_it_begins() {
        for (script, place) in [
            ("/*", (1, 1)),
            ("1;\n  /* x\n1;", (2, 3)),
            ("/* a */ 1 /* b", (1, 11)),
            ("/* a /* b */ c", (1, 1)),
            ("1 /*/", (1, 3)),
            ("let s = `a${ /* b`;", (1, 14)),
            ("let s = `a${ #{a: 1}.a }/*b` + 1; /* x", (1, 35)),
            ("\"/*\"; '/'; /*", (1, 12)),
            ("fn f() {\n/* x\n}\nf()", (2, 1)),
            ("let s = \"é\"; /*", (1, 14)),
            ("//*\n/*", (2, 1)),
        ] {
            assert_eq!(found(script), Some(place), "{script}");
        }
    }

    #[test]
    fn what_only_looks_like_an_open_comment_is_none() {
        for script in [
            "",
            "/**/",
            "/* /* */ */ 1",
            "// /*",
            "\"/*\"",
            "`/*`",
            "`${1}/*`",
            "`a${`b${2}/*`}/*`",
            "#\"/*\"#",
            "##\"/*\"#/*\"##",
            "1 /**/ * 2",
            "\"unfinished /*",
            "let x = \"a\\\"/*\";",
            "'*'; 4 / 2",
        ] {
            assert_eq!(found(script), None, "{script}");
        }
    }

    #[test]
    fn lines_are_limited_to_what_the_engine_counts() {
        assert_eq!(found(&"\n".repeat(65_535)), None);
        assert_eq!(found(&format!("{}1", "\n".repeat(65_534))), None);
        assert_eq!(found(&format!("{}1", "\n".repeat(65_535))), Some((65_536, 1)));
        assert_eq!(found(&"\n".repeat(70_000)), Some((65_536, 1)));
    }
}
