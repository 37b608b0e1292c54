//! Counts lines, words and bytes of a file.

use rhai::{Array, Dynamic, Map, NativeCallContext};

use crate::error::Fallible;
use crate::file_system::file::WordCount;
use crate::text::{ByteStream, Redaction};
use crate::value;

/// A flag of `wc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WcFlag {
    /// Newline characters.
    Lines,
    /// Words.
    Words,
    /// Bytes.
    Bytes,
}

/// All three.
///
/// # Errors
/// The broker's failures.
pub fn plain(context: NativeCallContext, path: &str) -> Fallible<Map> {
    count(&context, &[], path)
}

/// Those that the flags name; all three when there is no flag.
///
/// # Errors
/// The broker's failures; kind `Other` for a foreign flag.
pub fn with_flags(context: NativeCallContext, flags: Array, path: &str) -> Fallible<Map> {
    let flags = value::flags::<WcFlag>(&context, "wc", flags)?;
    count(&context, &flags, path)
}

fn count(context: &NativeCallContext, flags: &[WcFlag], path: &str) -> Fallible<Map> {
    let counts = WordCount::of(&mut ByteStream::open(context, path, Redaction::Refused)?)?;
    let named = [
        (WcFlag::Lines, "lines", counts.lines),
        (WcFlag::Words, "words", counts.words),
        (WcFlag::Bytes, "bytes", counts.bytes),
    ];
    Ok(named
        .into_iter()
        .filter(|(flag, ..)| flags.is_empty() || flags.contains(flag))
        .map(|(_, key, count)| (key.into(), Dynamic::from_int(count)))
        .collect())
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[test]
    fn flags_select_the_counts() {
        let bench = Bench::new().file("/w", "a b\nc\n").chunks_of(2);

        assert_eq!(
            bench.output(r#"[wc([wc::l], "/w"), wc([wc::words], "/w"), wc([wc::c, wc::lines], "/w"), wc([], "/w"), wc("/w")]"#),
            r##"[#{"lines": 2}, #{"words": 3}, #{"bytes": 6, "lines": 2}, #{"bytes": 6, "lines": 2, "words": 3}, #{"bytes": 6, "lines": 2, "words": 3}]"##
        );
    }

    #[test]
    fn words_are_separated_by_ascii_space_and_bytes_need_not_be_text() {
        let bench = Bench::new().file("/w", b"a\x0bb\x0cc\td\xff  e\xc2\xa0f");

        assert_eq!(bench.output(r#"wc("/w")"#), r##"#{"bytes": 14, "lines": 0, "words": 5}"##);
    }
}
