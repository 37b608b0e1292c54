//! What becomes of bytes that are no text, where text is read from a file, and where text goes into one.
//!
//! Every byte outside valid UTF-8 becomes a character of its own, as in the names of files ([`rex_ipc::name`]), and
//! becomes that byte again where the text is written to a file. One request with a stray byte does not hide the rest of
//! a log, and what a script takes from one file and puts into another arrives as it was.

use std::borrow::Cow;
use std::rc::Rc;

use rex_ipc::failure::ErrorKind;
use rex_ipc::name;
use rhai::EvalAltResult;

use crate::error::{Fallible, io_error};
use crate::session::Session;

/// What becomes of bytes that are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    /// Each becomes the character U+10FF00 + byte.
    Escaped,
    /// What is no character becomes U+FFFD, which cannot be undone.
    Replaced,
    /// They are an error, which names file and line.
    Refused,
    /// They are Rex's error, which names neither.
    RefusedAsRex,
}

/// How the bytes of one file become text.
#[derive(Clone, Debug)]
pub struct Decoding {
    stray: Stray,
    named: Rc<str>,
}

impl Stray {
    /// What the flags of a command say; what refuses wins.
    pub fn wanted(session: &Session, lossy: bool, strict: bool) -> Self {
        match (strict, lossy) {
            (true, _) => Self::Refused,
            (false, true) => Self::Replaced,
            (false, false) if session.is_rex_compat() => Self::RefusedAsRex,
            (false, false) => Self::Escaped,
        }
    }

    /// What holds where nothing is said.
    pub fn usual(session: &Session) -> Self {
        Self::wanted(session, false, false)
    }
}

impl Decoding {
    /// That of the file with this path.
    pub fn new(stray: Stray, path: &str) -> Self {
        Self { stray, named: path.into() }
    }

    /// Whether an error has to name the line, so that lines must be counted from the first one.
    pub fn names_lines(&self) -> bool {
        self.stray == Stray::Refused
    }

    /// The text of a line, whose number is told if it is known.
    ///
    /// # Errors
    /// `IoError`, where stray bytes are refused.
    pub fn line<'b>(&self, number: Option<u64>, bytes: &'b [u8]) -> Fallible<Cow<'b, str>> {
        let text = match (std::str::from_utf8(bytes), self.stray) {
            (Ok(text), _) => Cow::Borrowed(text),
            (Err(_), Stray::Escaped) => return Ok(Cow::Owned(name::to_text(bytes))),
            (Err(_), Stray::Replaced) => String::from_utf8_lossy(bytes),
            (Err(reason), Stray::Refused) => return Err(self.refused(number, reason.valid_up_to())),
            (Err(_), Stray::RefusedAsRex) => return Err(io_error(ErrorKind::IoError, NOT_UTF8)),
        };
        // A character that stands for a byte stands for itself only byte by byte.
        let escape = self.stray != Stray::RefusedAsRex && has_escapes(&text);
        Ok(if escape { Cow::Owned(name::to_text(text.as_bytes())) } else { text })
    }

    /// The beginning of a piece that is text as it stands, up to a character that may go on in the next piece; nothing
    /// where a byte is no text, or a character stands for one.
    pub fn plain<'b>(&self, piece: &'b [u8]) -> Option<&'b str> {
        let text = match std::str::from_utf8(piece) {
            Ok(text) => text,
            Err(reason) if reason.error_len().is_none() => {
                std::str::from_utf8(piece.get(..reason.valid_up_to())?).ok()?
            }
            Err(_) => return None,
        };
        (self.stray == Stray::RefusedAsRex || !has_escapes(text)).then_some(text)
    }

    /// The text of a whole file, or of what is left of it from the line with this number on.
    ///
    /// # Errors
    /// `IoError`, where stray bytes are refused.
    pub fn whole(&self, bytes: Vec<u8>) -> Fallible<String> {
        if self.stray == Stray::Refused
            && let Err(reason) = std::str::from_utf8(&bytes)
        {
            let before = bytes.get(..reason.valid_up_to()).unwrap_or_default();
            let number = memchr::memchr_iter(b'\n', before).count() as u64;
            let column = before
                .len()
                .saturating_sub(memchr::memrchr(b'\n', before).map_or(0, |at| at.saturating_add(1)));
            return Err(self.refused(Some(number.saturating_add(1)), column));
        }
        match self.line(None, &bytes)? {
            Cow::Owned(text) => Ok(text),
            // The bytes are this text, which takes no second look and no second copy.
            Cow::Borrowed(_) => String::from_utf8(bytes).map_err(|_| io_error(ErrorKind::IoError, NOT_UTF8)),
        }
    }

    fn refused(&self, number: Option<u64>, column: usize) -> Box<EvalAltResult> {
        let place = number.map(|number| format!(", line {number}, byte {}", column.saturating_add(1)));
        let message = format!("{NOT_UTF8}: {}{}", self.named, place.unwrap_or_default());
        io_error(ErrorKind::IoError, message)
    }
}

/// The bytes that a text stands for in a file.
pub fn bytes_of<'t>(session: &Session, text: &'t str) -> Cow<'t, [u8]> {
    match !session.is_rex_compat() && has_escapes(text) {
        true => Cow::Owned(name::to_bytes(text)),
        false => Cow::Borrowed(text.as_bytes()),
    }
}

/// Whether a character stands for a byte. All of them begin with the same one.
fn has_escapes(text: &str) -> bool {
    memchr::memchr(0xf4, text.as_bytes()).is_some()
        && text.chars().any(|character| u32::from(character) >= name::ESCAPE_BASE)
}

const NOT_UTF8: &str = "stream did not contain valid UTF-8";

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    /// Stray bytes of every kind: alone, cut short, overlong, surrogates, beyond Unicode, and the characters themselves
    /// that stand for bytes.
    const CONTENT: &[u8] =
        b"GET /a\nGET /\xff\xfe from 10.1.1.9\r\n\xc3\nERROR \xe2\x82\n\xc0\xaf\xed\xa0\x80\xf5\n\xf4\x8f\xbf\xbf\nERROR disk\n";

    fn bench() -> Bench {
        Bench::new().file("/d/log", CONTENT).dir("/o")
    }

    const OPEN: &str = r#"
        let d = DirConfig().path("/d").build().open(OpenDirOptions().build());
        let f = d.open_file("log", OpenFileOptions().read(true).build());
        let count = |n| ReadLinesOptions().count(n).build();
    "#;

    #[test]
    fn stray_bytes_hide_no_other_line_from_any_reader() {
        for chunk_bytes in [60 * 1024, 1, 3] {
            for (script, expected) in [
                (r#"grep([grep::n], "ERROR", "/d/log").len()"#, "2"),
                (r#"grep([grep::n], "disk", "/d/log")"#, r#"["7:ERROR disk"]"#),
                (r#"grep("from", "/d/log")"#, r#"["GET /\u{10ffff}\u{10fffe} from 10.1.1.9"]"#),
                (r#"grep("^..?$", "/d/log").len()"#, "1"),
                (r#"cat("/d/log").split("\n").len()"#, "8"),
                (r#"awk_field(2, " ", "/d/log").len()"#, "4"),
                (r#"awk_filter("disk", "/d/log")"#, r#"["ERROR disk"]"#),
                (r#"awk_filter_range(7, 9, "/d/log")"#, r#"["ERROR disk"]"#),
                (r#"sed("disk", "net", "/d/log").ends_with("ERROR net\n")"#, "true"),
                (r#"tail([tail::n(-7)], "/d/log").len()"#, "7"),
                (r#"tail([tail::n(3)], "/d/log")[0]"#, "GET /a"),
                (r#"tail([tail::from(7)], "/d/log")"#, r#"["ERROR disk"]"#),
                (r#"wc("/d/log").lines"#, "7"),
                (r#"f.search("disk").map(|m| m.line_number)"#, "[7]"),
                (
                    "[f.read_lines(count.call(-1)), f.read_lines(count.call(9)).len()]",
                    r#"[["ERROR disk"], 7]"#,
                ),
                (
                    r#"f.read_page(ReadPageOptions().num_lines(6).build()); f.read_page(ReadPageOptions().num_lines(6).build())"#,
                    r#"["ERROR disk"]"#,
                ),
            ] {
                let bench = bench().chunks_of(chunk_bytes);
                assert_eq!(bench.output(&format!("{OPEN}{script}")), expected, "{script} by {chunk_bytes}");
            }
        }
    }

    // The property: whatever is read as text and written as text is the same bytes.
    #[test]
    fn what_is_read_and_written_again_is_the_same_bytes() {
        let mut contents: Vec<Vec<u8>> = vec![CONTENT.to_vec(), (0..=255).collect()];
        let mut seed = 7_u32;
        for length in 0..200 {
            let next = |_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Mostly the bytes of which characters beyond ASCII are made.
                b"\xf4\x8f\xbc\xbf\xc3\xa9\xed\xa0\x80\xffa\n\r\xe2\x82\xac"[(seed >> 24) as usize % 16]
            };
            contents.push((0..length).map(next).collect());
        }
        for content in contents {
            let bench = Bench::new().file("/d/log", &content).file("/o/b", "").dir("/o");
            bench.output(
                r#"write([write::replace], "/o/a", cat("/d/log"));
                   let d = DirConfig().path("/d").build().open(OpenDirOptions().build());
                   let o = DirConfig().path("/o").build().open(OpenDirOptions().build());
                   let f = d.open_file("log", OpenFileOptions().read(true).build());
                   o.open_file("b", OpenFileOptions().write(true).build()).write_in_place(f.read());
                   sed([sed::i], "no such text", "x", "/d/log");"#,
            );
            for path in ["/o/a", "/o/b", "/d/log"] {
                assert_eq!(bench.bytes(path), content, "{path}");
            }
        }
    }

    // The property: where the pieces end in which a file arrives shows nowhere in its text.
    #[test]
    fn a_text_is_the_same_however_it_arrives() {
        let contents: [&[u8]; 6] = [
            CONTENT,
            "a\u{e9}\u{20ac}\u{1f980}\u{10ffff}\u{10ff00}b".as_bytes(),
            "\u{e9}\u{20ac}\u{1f980}".as_bytes(),
            b"a\xf0\x9f\xa6",
            b"\xf0\x9f\xa6\xf0\x9f\xa6\x80\xe2\x82",
            b"",
        ];
        for content in contents {
            for script in [
                r#"cat("/d/log")"#,
                r#"cat([cat::lossy], "/d/log")"#,
                r#"cat([cat::strict], "/d/log")"#,
                r#"sed("a", "b", "/d/log")"#,
            ] {
                let read = |bench: Bench| bench.file("/d/log", content).run(script).text;
                let at_once = read(Bench::new());
                for chunk_bytes in 1..9 {
                    assert_eq!(
                        read(Bench::new().chunks_of(chunk_bytes)),
                        at_once,
                        "{script} by {chunk_bytes}"
                    );
                }
                let like_rex = read(Bench::new().like_rex());
                assert_eq!(read(Bench::new().like_rex().chunks_of(1)), like_rex, "{script} like Rex");
            }
        }
        let text = "a\u{e9}\u{20ac}\u{1f980}b";
        assert_eq!(Bench::new().file("/d/t", text).chunks_of(1).output(r#"cat("/d/t")"#), text);
    }

    #[test]
    fn an_edit_in_place_changes_nothing_but_what_it_means() {
        let bench = bench();

        bench.output(r#"sed([sed::i, sed::g], "ERROR", "error", "/d/log")"#);

        let expected = String::from_utf8_lossy(CONTENT).replace("ERROR", "error");
        assert_eq!(String::from_utf8_lossy(&bench.bytes("/d/log")), expected);
        assert_eq!(bench.bytes("/d/log").len(), CONTENT.len());
    }

    #[test]
    fn what_refuses_names_file_and_line() {
        for (script, line, byte) in [
            (r#"cat([cat::strict], "/d/log")"#, 2, 6),
            (r#"grep([grep::strict], "x", "/d/log")"#, 2, 6),
            (r#"tail([tail::strict, tail::n(-7)], "/d/log")"#, 2, 6),
            (r#"tail([tail::strict, tail::from(3)], "/d/log")"#, 2, 6),
            (r#"sed([sed::strict], "a", "b", "/d/log")"#, 2, 6),
            (r#"sed([sed::strict, sed::i], "a", "b", "/d/log")"#, 2, 6),
        ] {
            let message = bench().failure(script);

            let expected = format!(
                "IoErrorKind: IoError: stream did not contain valid UTF-8: /d/log, line {line}, byte {byte}"
            );
            assert!(message.starts_with(&expected), "{script}: {message}");
        }
        assert_eq!(Bench::new().file("/d/t", "text\n").output(r#"cat([cat::strict], "/d/t")"#), "text\n");
    }

    #[test]
    fn replacement_characters_are_for_those_who_want_them_and_are_not_written_back() {
        assert_eq!(
            bench().output(r#"grep([grep::lossy], "from", "/d/log")"#),
            "[\"GET /\u{FFFD}\u{FFFD} from 10.1.1.9\"]"
        );
        assert!(bench().output(r#"cat([cat::lossy], "/d/log")"#).starts_with("GET /a\nGET /\u{FFFD}"));
        assert_eq!(
            bench().output(r#"tail([tail::lossy, tail::range(4, 4)], "/d/log")"#),
            "[\"ERROR \u{FFFD}\"]"
        );
        assert_eq!(bench().output(r#"tail([tail::lossy], "/d/log").len()"#), "7");

        let bench = bench();
        assert!(
            bench.failure(r#"sed([sed::lossy, sed::i], "a", "b", "/d/log")"#).contains("InvalidArguments")
        );
        assert_eq!(bench.bytes("/d/log"), CONTENT);
    }

    #[test]
    fn under_rex_compat_they_are_rex_s_error_and_nothing_is_turned_into_bytes() {
        for script in [
            r#"grep("ERROR", "/d/log")"#,
            r#"cat("/d/log")"#,
            r#"awk_field(1, " ", "/d/log")"#,
            r#"sed("a", "b", "/d/log")"#,
            r#"sed([sed::i], "a", "b", "/d/log")"#,
            r#"tail([tail::n(3)], "/d/log")"#,
            r#"tail("/d/log")"#,
        ] {
            let message = bench().like_rex().failure(script);
            assert!(
                message.starts_with("IoErrorKind: IoError: stream did not contain valid UTF-8 (line 1"),
                "{script}: {message}"
            );
        }
        let bench = Bench::new().file("/d/p", "\u{10FFFF}").like_rex();
        assert_eq!(bench.output(r#"write([write::replace], "/d/q", cat("/d/p")); cat("/d/q").len()"#), "1");
        assert_eq!(bench.bytes("/d/q"), "\u{10FFFF}".as_bytes());
    }
}
