//! The lines of a file that match a pattern, or that do not.

use rhai::{Array, INT, NativeCallContext};

use crate::error::Fallible;
use crate::session::Session;
use crate::stray::{Decoding, Stray};
use crate::text::{ByteStream, Redaction, TextArray};
use crate::{pattern, value};

/// A flag of `grep`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrepFlag {
    /// Either letter case.
    IgnoreCase,
    /// How many lines, instead of the lines.
    Count,
    /// The lines that do not match.
    Invert,
    /// The number of each line in front of it.
    LineNumber,
    /// What is no text becomes U+FFFD.
    Lossy,
    /// What is no text is an error.
    Strict,
    /// At most so many lines; none and less mean all.
    MaxCount(INT),
}

/// The lines that match.
///
/// # Errors
/// See [`with_flags`].
pub fn plain(context: NativeCallContext, pattern: &str, path: &str) -> Fallible<Array> {
    search(&context, &[], pattern, path)
}

/// The lines that are wanted, as the flags say.
///
/// # Errors
/// Kind `Other` for a foreign flag; the broker's failures; then `ValidationError` for a pattern that is none; `IoError`
/// for what is no text; the limits on values.
pub fn with_flags(context: NativeCallContext, flags: Array, pattern: &str, path: &str) -> Fallible<Array> {
    let flags = value::flags::<GrepFlag>(&context, "grep", flags)?;
    search(&context, &flags, pattern, path)
}

fn search(context: &NativeCallContext, flags: &[GrepFlag], pattern: &str, path: &str) -> Fallible<Array> {
    let has = |flag| flags.contains(&flag);
    let stray = Stray::wanted(&Session::of(context), has(GrepFlag::Lossy), has(GrepFlag::Strict));
    let stream = ByteStream::open(context, path, Redaction::Accepted)?;
    let mut lines = stream.decoded(Decoding::new(stray, path)).into_lines();
    let pattern = match has(GrepFlag::IgnoreCase) {
        true => pattern::regex(&format!("(?i){pattern}"))?,
        false => pattern::regex(pattern)?,
    };
    let (count_only, invert, numbered) =
        (has(GrepFlag::Count), has(GrepFlag::Invert), has(GrepFlag::LineNumber));
    let most = most(flags);
    let mut found = TextArray::new(&Session::of(context));
    let (mut line_number, mut count) = (0_u64, 0_u64);
    while count < most
        && let Some(line) = lines.next_text()?
    {
        line_number = line_number.saturating_add(1);
        if pattern.is_match(&line) == invert {
            continue;
        }
        count = count.saturating_add(1);
        match (count_only, numbered) {
            (true, _) => {}
            (false, true) => found.push(format!("{line_number}:{line}"))?,
            (false, false) => found.push(line)?,
        }
    }
    if count_only {
        found.push(count.to_string())?;
    }
    Ok(found.into_array())
}

/// The first flag of its kind counts.
fn most(flags: &[GrepFlag]) -> u64 {
    flags
        .iter()
        .find_map(|flag| match flag {
            GrepFlag::MaxCount(most) => Some(u64::try_from(*most).ok().filter(|&most| most > 0)),
            _ => None,
        })
        .flatten()
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    const LOG: &str = "INFO start\nERROR disk full\ninfo tick\nWARN slow\nERROR net down\n\nerror lower\n";

    fn gives(script: &str, expected: &str) {
        for chunk_bytes in [60 * 1024, 3] {
            assert_eq!(
                Bench::new().file("/l", LOG).chunks_of(chunk_bytes).output(script),
                expected,
                "{script}"
            );
        }
    }

    #[test]
    fn lines_that_match_come_in_their_order() {
        gives(r#"grep("ERROR", "/l")"#, r#"["ERROR disk full", "ERROR net down"]"#);
        gives(r#"grep("^$", "/l")"#, r#"[""]"#);
        gives(r#"grep("nothing", "/l")"#, "[]");
    }

    #[test]
    fn each_flag_does_what_it_says() {
        gives(r#"grep([grep::i], "error", "/l").len()"#, "3");
        gives(r#"grep([grep::ignore_case], "INFO", "/l").len()"#, "2");
        gives(r#"grep([grep::count], "ERROR", "/l")"#, r#"["2"]"#);
        gives(r#"grep([grep::v, grep::c], "ERROR", "/l")"#, r#"["5"]"#);
        gives(r#"grep([grep::line_number], "^[A-Z]+ s", "/l")"#, r#"["1:INFO start", "4:WARN slow"]"#);
        gives(r#"grep([grep::max_count(1)], "ERROR", "/l")"#, r#"["ERROR disk full"]"#);
        gives(r#"grep([grep::m(1), grep::c], "ERROR", "/l")"#, r#"["1"]"#);
        gives(r#"grep([grep::m(0)], "ERROR", "/l").len() + grep([grep::m(-2)], "ERROR", "/l").len()"#, "4");
        gives(r#"grep([], "WARN", "/l")"#, r#"["WARN slow"]"#);
    }

    #[test]
    fn permission_is_asked_before_the_pattern_is_looked_at() {
        let denied = Bench::new().file("/l", LOG).denying("read", "/l");

        assert!(denied.failure(r#"grep("a(", "/l")"#).contains("PermissionDenied"));
        let message = Bench::new().file("/l", LOG).failure(r#"grep("a(", "/l")"#);
        assert!(
            message.starts_with(
                "IoErrorKind: ValidationError: Validation error: Invalid regex pattern: 'a(' - "
            ),
            "{message}"
        );
    }

    #[test]
    fn a_foreign_flag_is_named() {
        assert_eq!(
            Bench::new().failure(r#"grep([cat::n], "a", "/l")"#),
            "IoErrorKind: Other: grep: expected GrepFlag flag, got CatFlag (line 1, position 1)"
        );
        assert_eq!(
            Bench::new().failure(r#"grep([5, "x"], "a", "/l")"#),
            "IoErrorKind: Other: grep: expected GrepFlag flag, got i64 (line 1, position 1)"
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error_as_in_rex() {
        assert_eq!(
            Bench::new().like_rex().file("/b", b"ok\nfoo\xff\nbar\n").failure(r#"grep("bar", "/b")"#),
            "IoErrorKind: IoError: stream did not contain valid UTF-8 (line 1, position 1)"
        );
    }

    #[test]
    fn a_pattern_that_would_take_too_much_memory_is_refused() {
        let message = Bench::new().file("/l", LOG).failure(r#"grep("((a{100}){100}){1000}", "/l")"#);

        assert!(message.contains("Compiled regex exceeds size limit"), "{message}");
    }
}
