//! The last lines of a file, or some others.

use rex_ipc::failure::ErrorKind;
use rhai::{Array, INT, NativeCallContext};

use crate::error::{Fallible, io_error};
use crate::file_system::options::{LINE_ZERO, ReadLinesOptions};
use crate::file_system::{ending, lines};
use crate::session::Session;
use crate::stray::{Decoding, Stray};
use crate::text::{ByteStream, Redaction};
use crate::value;

/// A flag of `tail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailFlag {
    /// More than 0: so many from the start. Less than 0: so many from the end.
    Count(INT),
    /// From this line on.
    From(INT),
    /// From this line to that.
    Range(INT, INT),
    /// What is no text becomes U+FFFD.
    Lossy,
    /// What is no text is an error.
    Strict,
}

/// The last ten lines.
///
/// # Errors
/// See [`with_flags`].
pub fn plain(context: NativeCallContext, path: &str) -> Fallible<Array> {
    read(&context, &[], path)
}

/// The lines that the flags mean.
///
/// # Errors
/// Kind `Other` for a foreign flag; the broker's failures; `InvalidArguments` for line 0; `IoError` for what is no text.
pub fn with_flags(context: NativeCallContext, flags: Array, path: &str) -> Fallible<Array> {
    let flags = value::flags::<TailFlag>(&context, "tail", flags)?;
    read(&context, &flags, path)
}

fn read(context: &NativeCallContext, flags: &[TailFlag], path: &str) -> Fallible<Array> {
    let options = options(flags)?;
    let session = Session::of(context);
    let has = |flag| flags.contains(&flag);
    let stray = Stray::wanted(&session, has(TailFlag::Lossy), has(TailFlag::Strict));
    let decoding = Decoding::new(stray, path);
    if let (Some(count), None) = (options.count.filter(|count| *count < 0), options.start)
        && !decoding.names_lines()
    {
        let (file, end) = ending::open(context, path)?;
        if let Some(lines) = ending::last_lines(context, &file, end, count.unsigned_abs(), &decoding)? {
            return Ok(lines);
        }
        let stream = ByteStream::of_file(context, &file, path, 0, Redaction::Refused)?;
        return lines::select(&session, &mut stream.decoded(decoding).into_lines(), &options);
    }
    let stream = ByteStream::open(context, path, Redaction::Refused)?;
    lines::select(&session, &mut stream.decoded(decoding).into_lines(), &options)
}

/// A count overrides that of a range, and a start overrides that of a range; the first flag of each kind counts.
///
/// A range that ends before it begins is empty: it has no lines.
fn options(flags: &[TailFlag]) -> Fallible<ReadLinesOptions> {
    let range = flags.iter().find_map(|flag| match flag {
        TailFlag::Range(start, end) => Some((*start, *end)),
        _ => None,
    });
    let count = flags.iter().find_map(|flag| match flag {
        TailFlag::Count(count) => Some(*count),
        _ => None,
    });
    let from = flags.iter().find_map(|flag| match flag {
        TailFlag::From(line) => Some(*line),
        _ => None,
    });
    let range_count = range.map(|(start, end)| end.saturating_sub(start).saturating_add(1).max(0));
    let start = from.or(range.map(|(start, _)| start));
    let count = count.or(range_count);
    if start == Some(0) {
        return Err(io_error(ErrorKind::InvalidArguments, format!("Invalid arguments: {LINE_ZERO}")));
    }
    Ok(ReadLinesOptions {
        count: if start.is_none() { count.or(Some(-DEFAULT_LINES)) } else { count },
        // A line before the first is beyond every end, as in Rex.
        start: start.map(|line| u64::try_from(line).unwrap_or(u64::MAX)),
    })
}

const DEFAULT_LINES: INT = 10;

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn gives(script: &str, expected: &str) {
        let text: String = (1..=15).map(|number| format!("line {number}\n")).collect();
        for chunk_bytes in [60 * 1024, 5] {
            assert_eq!(
                Bench::new().file("/n", &text).chunks_of(chunk_bytes).output(script),
                expected,
                "{script}"
            );
        }
    }

    #[test]
    fn the_last_ten_lines_without_flags() {
        gives(r#"let t = tail("/n"); [t.len(), t[0], t[9]]"#, r#"[10, "line 6", "line 15"]"#);
        gives(r#"tail([], "/n").len()"#, "10");
    }

    #[test]
    fn a_count_above_zero_is_from_the_start_and_below_from_the_end() {
        gives(r#"tail([tail::n(2)], "/n")"#, r#"["line 1", "line 2"]"#);
        gives(r#"tail([tail::n(-2)], "/n")"#, r#"["line 14", "line 15"]"#);
        gives(r#"tail([tail::n(0)], "/n")"#, "[]");
        gives(r#"tail([tail::n(-99)], "/n").len()"#, "15");
    }

    #[test]
    fn a_start_is_counted_from_one() {
        gives(
            r#"[tail([tail::from(14)], "/n"), tail([tail::from(16)], "/n"), tail([tail::from(1)], "/n").len()]"#,
            r#"[["line 14", "line 15"], [], 15]"#,
        );
        gives(r#"tail([tail::from(-1)], "/n")"#, "[]");
    }

    #[test]
    fn ranges_and_their_combinations() {
        gives(r#"tail([tail::range(3, 4)], "/n")"#, r#"["line 3", "line 4"]"#);
        gives(r#"tail([tail::range(3, 9), tail::n(1)], "/n")"#, r#"["line 3"]"#);
        gives(r#"tail([tail::range(3, 4), tail::from(8)], "/n")"#, r#"["line 8", "line 9"]"#);
        gives(r#"tail([tail::n(-2), tail::from(5)], "/n")"#, r#"["line 4", "line 5"]"#);
        gives(r#"tail([tail::n(-2), tail::from(99)], "/n")"#, r#"["line 14", "line 15"]"#);
        gives(r#"tail([tail::range(10, 5)], "/n")"#, "[]");
    }

    #[test]
    fn line_zero_is_refused() {
        assert_eq!(
            Bench::new().file("/n", "").failure(r#"tail([tail::from(0)], "/n")"#),
            "IoErrorKind: InvalidArguments: Invalid arguments: Invalid line to start reading from: must be a positive \
             integer greater than 1 (>= 1): 0 (line 1, position 1)"
        );
    }

    #[test]
    fn a_last_line_without_newline_counts_and_an_empty_file_has_none() {
        let bench = Bench::new().file("/m", "a\r\nb\nc").file("/e", "");

        assert_eq!(bench.output(r#"[tail([tail::n(-3)], "/m"), tail("/e")]"#), r#"[["a", "b", "c"], []]"#);
    }
}
