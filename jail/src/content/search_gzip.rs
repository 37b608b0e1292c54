//! The lines of a compressed text that match a pattern.

use std::collections::VecDeque;

use regex::Regex;
use rhai::{Array, Dynamic, EvalAltResult, INT, NativeCallContext};

use super::gzip::{self, Inflater};
use super::options::SearchGzipOptions;
use crate::error::{Fallible, TooLarge, message_of, request_behind, too_large};
use crate::file_system::file::{FileHandle, Match};
use crate::log;
use crate::session::Session;
use crate::text::{ByteStream, LineStream, array_limit, string_limit};
use crate::{pattern, value};

/// The lines that match and are not excluded.
///
/// What is damaged, or is not compressed at all, gives the lines before the damage, and a warning in the log: scripts
/// search files that are still being written.
///
/// # Errors
/// The broker's failures; then `ValidationError` for a pattern that is none; the limits on values.
pub fn search(
    context: &NativeCallContext,
    file: &FileHandle,
    pattern: &str,
    options: &SearchGzipOptions,
) -> Fallible<Array> {
    let mut search = Search::begin(context, file, pattern, options, "search_gzip")?;
    let session = Session::of(context);
    let (most, most_bytes) = (array_limit(&session), string_limit(&session));
    let wanted = usize::try_from(options.max_results.unsigned_abs()).unwrap_or(usize::MAX);
    let (first, last) = (options.max_results > 0, options.max_results < 0);
    let mut matches: VecDeque<Match> = VecDeque::new();
    let mut bytes = 0_usize;
    while !(first && matches.len() == wanted)
        && let Some(found) = search.next()?
    {
        if last && matches.len() == wanted {
            let dropped = matches.pop_front().map_or(0, |dropped| dropped.line_content.len());
            bytes = bytes.saturating_sub(dropped);
        }
        bytes = bytes.saturating_add(found.line_content.len());
        if matches.len() >= most {
            return Err(too_large(TooLarge::Array));
        }
        if bytes > most_bytes {
            return Err(too_large(TooLarge::Text));
        }
        matches.push_back(found);
    }
    Ok(matches.into_iter().map(Dynamic::from).collect())
}

/// Whether there is such a line.
///
/// # Errors
/// As [`search`].
pub fn exists(
    context: &NativeCallContext,
    file: &FileHandle,
    pattern: &str,
    options: &SearchGzipOptions,
) -> Fallible<bool> {
    Ok(Search::begin(context, file, pattern, options, "search_gzip_exists")?.next()?.is_some())
}

struct Search {
    session: Session,
    line: u32,
    function: &'static str,
    lines: LineStream<Inflater<ByteStream>>,
    wanted: Regex,
    excluded: Option<Regex>,
    line_number: INT,
}

impl Search {
    fn begin(
        context: &NativeCallContext,
        file: &FileHandle,
        wanted: &str,
        options: &SearchGzipOptions,
        function: &'static str,
    ) -> Fallible<Self> {
        let lines = gzip::text_of(context, file)?;
        let wanted = match options.case_insensitive {
            true => pattern::regex(&format!("(?i){wanted}"))?,
            false => pattern::regex(wanted)?,
        };
        let excluded = options.exclude_pattern.as_deref().map(pattern::regex).transpose()?;
        let (session, line) = (Session::of(context), value::line(context));
        Ok(Self { session, line, function, lines, wanted, excluded, line_number: 0 })
    }

    fn next(&mut self) -> Fallible<Option<Match>> {
        loop {
            let line = match self.lines.next_text() {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(None),
                Err(error) => {
                    let damage = damage(error)?;
                    let after = self.line_number;
                    let text = format!(
                        "the search ended after line {after}, because the rest cannot be read: {damage}"
                    );
                    log::warn(&self.session, self.line, self.function, &text)?;
                    return Ok(None);
                }
            };
            self.line_number = self.line_number.saturating_add(1);
            let is_excluded = |line| self.excluded.as_ref().is_some_and(|excluded| excluded.is_match(line));
            if self.wanted.is_match(&line) && !is_excluded(&line) {
                return Ok(Some(Match { line_number: self.line_number, line_content: line.as_ref().into() }));
            }
        }
    }
}

/// What is wrong with the content; any other error is returned as it is.
fn damage(error: Box<EvalAltResult>) -> Fallible<String> {
    match message_of(&error) {
        Some(message) if request_behind(&error).is_none() => Ok(message),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rex_ipc::runtime::LogLevel;

    use crate::testing::Bench;

    const OPEN: &str = r#"
        let d = DirConfig().path("/d").build().open(OpenDirOptions().build());
        let f = d.open_file("a.gz", OpenFileOptions().read(true).build());
        let search = |p, o| f.search_gzip(p, o.build()).map(|m| `${m.line_number}:${m.line_content}`);
    "#;

    fn bench(cut: usize) -> Bench {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(0));
        encoder.write_all(b"an error\nAn ERROR\nnothing\nerror again\nlast error\n").unwrap();
        let content = encoder.finish().unwrap();
        Bench::new().file("/d/a.gz", &content[..content.len() - cut])
    }

    #[test]
    fn lines_match_and_are_excluded_and_counted_from_either_end() {
        let script = r#"
            [search.call("error", SearchGzipOptions()), search.call("error", SearchGzipOptions().case_insensitive(true)),
             search.call("error", SearchGzipOptions().exclude_pattern("AGAIN|last")),
             search.call("error", SearchGzipOptions().case_insensitive(true).exclude_pattern("ERR")),
             search.call("error", SearchGzipOptions().max_results(2)), search.call("error", SearchGzipOptions().max_results(-2)),
             search.call("absent", SearchGzipOptions().max_results(-2)),
             f.search_gzip_exists("again", SearchGzipOptions().build()),
             f.search_gzip_exists("again", SearchGzipOptions().exclude_pattern("error").build())]
        "#;

        assert_eq!(
            bench(0).output(&format!("{OPEN}{script}")),
            r#"[["1:an error", "4:error again", "5:last error"], ["1:an error", "2:An ERROR", "4:error again", "5:last error"], "#
                .to_owned()
                + r#"["1:an error", "4:error again"], ["1:an error", "4:error again", "5:last error"], "#
                + r#"["1:an error", "4:error again"], ["4:error again", "5:last error"], [], true, false]"#
        );
    }

    #[test]
    fn damage_ends_the_search_with_a_warning() {
        for (cut, found) in [(20, r#"["1:an error"]"#), (60, "[]")] {
            let bench = bench(cut);

            assert_eq!(bench.output(&format!(r#"{OPEN} search.call("error", SearchGzipOptions())"#)), found);
            let world = bench.world.borrow();
            let [warning] = world.logs.as_slice() else { panic!("{:?}", world.logs) };
            assert_eq!(warning.level, LogLevel::Warn);
            assert!(warning.message.as_str().contains("because the rest cannot be read: "), "{warning:?}");
        }
    }

    #[test]
    fn the_first_lines_are_found_without_looking_at_the_rest() {
        let bench = bench(20);

        assert_eq!(
            bench.output(&format!(r#"{OPEN} search.call("error", SearchGzipOptions().max_results(1))"#)),
            r#"["1:an error"]"#
        );
        assert!(bench.world.borrow().logs.is_empty());
    }

    #[test]
    fn the_question_comes_before_the_patterns() {
        let bad = |script: &str| format!("{OPEN} {script}");
        let pattern = bad(r#"f.search_gzip("(", SearchGzipOptions().build())"#);
        let excluded = bad(r#"f.search_gzip_exists("x", SearchGzipOptions().exclude_pattern("[").build())"#);

        for script in [&pattern, &excluded] {
            assert!(
                bench(0)
                    .failure(script)
                    .contains("ValidationError: Validation error: Invalid regex pattern: ")
            );
            assert!(bench(0).denying("read", "/d/a.gz").failure(script).contains("PermissionDenied"));
        }
    }
}
