//! Replaces parts of a file's text, and gives the new text.

use rex_ipc::failure::ErrorKind;
use rhai::{Array, NativeCallContext};

use super::replace_text::replaced;
use crate::error::{Fallible, io_error};
use crate::file_system::options::ReplacementOptions;
use crate::session::Session;
use crate::stray::{self, Decoding, Stray};
use crate::text::{ByteStream, Redaction};
use crate::{value, writer};

/// A flag of `sed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SedFlag {
    /// The pattern is a regular expression.
    Regex,
    /// Every occurrence, and not only the first of the whole text.
    All,
    /// The file gets the new text.
    InPlace,
    /// What is no text becomes U+FFFD.
    Lossy,
    /// What is no text is an error.
    Strict,
}

/// The text of a file with the first occurrence replaced.
///
/// # Errors
/// See [`with_flags`].
pub fn plain(context: NativeCallContext, pattern: &str, replacement: &str, path: &str) -> Fallible<String> {
    edit(&context, &[], pattern, replacement, path)
}

/// The text of a file with occurrences replaced as the flags say.
///
/// # Errors
/// Kind `Other` for a foreign flag; `InvalidArguments` for a path without a last component, and for replacement characters
/// that would be written back; the broker's failures;
/// `IoError` for what is no text; `ValidationError` for a pattern that is none; the limit on strings.
pub fn with_flags(
    context: NativeCallContext,
    flags: Array,
    pattern: &str,
    replacement: &str,
    path: &str,
) -> Fallible<String> {
    let flags = value::flags::<SedFlag>(&context, "sed", flags)?;
    edit(&context, &flags, pattern, replacement, path)
}

fn edit(
    context: &NativeCallContext,
    flags: &[SedFlag],
    pattern: &str,
    replacement: &str,
    path: &str,
) -> Fallible<String> {
    let options = ReplacementOptions {
        is_regex: flags.contains(&SedFlag::Regex),
        replace_all: flags.contains(&SedFlag::All),
    };
    let has = |flag| flags.contains(&flag);
    let stray = Stray::wanted(&Session::of(context), has(SedFlag::Lossy), has(SedFlag::Strict));
    let decoding = Decoding::new(stray, path);
    if has(SedFlag::InPlace) {
        if stray == Stray::Replaced {
            // Bytes that the script knows nothing of would be lost.
            let message = format!("Invalid arguments: sed: lossy text is not written back: {path}");
            return Err(io_error(ErrorKind::InvalidArguments, message));
        }
        // Redacted text will not do: writing it back would destroy what was redacted.
        let mut stream = ByteStream::open_for_update(context, path)?.decoded(decoding);
        let text = replaced(context, &stream.read_text()?, pattern, replacement, &options)?;
        writer::overwrite(context, stream.file_id(), &stray::bytes_of(&Session::of(context), &text))?;
        return Ok(text);
    }
    let text = ByteStream::open(context, path, Redaction::Accepted)?.decoded(decoding).read_text()?;
    replaced(context, &text, pattern, replacement, &options)
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new().file("/d/s", "abc\nabab\n")
    }

    #[test]
    fn the_first_occurrence_of_the_whole_text_or_all_are_replaced() {
        let bench = bench();

        assert_eq!(
            bench.output(
                r#"[sed("a", "-", "/d/s"), sed([sed::g], "a", "-", "/d/s"), sed([sed::regex, sed::all], "a(.)", "$1", "/d/s"),
                    sed("a.", "x", "/d/s")]"#
            ),
            r#"["-bc\nabab\n", "-bc\n-b-b\n", "bc\nbb\n", "abc\nabab\n"]"#
        );
        assert_eq!(bench.content("/d/s"), "abc\nabab\n");
    }

    #[test]
    fn in_place_the_file_gets_the_new_text_in_two_round_trips() {
        let bench = bench();

        assert_eq!(bench.output(r#"sed([sed::i, sed::g], "ab", "", "/d/s")"#), "c\n\n");

        assert_eq!(bench.content("/d/s"), "c\n\n");
        assert_eq!(
            bench.asked(),
            [
                vec!["open_dir", "open_file", "read_chunk"],
                vec!["close", "begin_write", "write_chunk", "finish_write"]
            ]
        );
    }

    #[test]
    fn redacted_text_is_never_written_back() {
        let bench = bench();
        bench.world.borrow_mut().denied.push(("read", "/d/s".into()));

        assert!(bench.failure(r#"sed([sed::in_place], "a", "b", "/d/s")"#).contains("PermissionDenied"));
        let refuses =
            bench.world.borrow().calls.iter().flat_map(|call| call.requests.clone()).any(
                |request| matches!(request, rex_ipc::interface::Request::ReadChunk(read) if !read.redacted),
            );
        assert!(refuses);
        assert_eq!(bench.content("/d/s"), "abc\nabab\n");
    }

    #[test]
    fn a_link_is_read_and_not_edited_and_the_error_says_why() {
        let bench = bench().link("/l", "/d/s");
        let script = r#"sed([sed::i], "a", "b", "/l")"#;

        assert_eq!(bench.output(r#"sed("a", "b", "/l")"#), "bbc\nabab\n");
        assert_eq!(
            bench.failure(script),
            "IoErrorKind: FileError: File error: /l is a symbolic link, and a file is not edited through one; edit what it \
             leads to (line 1, position 1)"
        );
        assert_eq!(bench.content("/d/s"), "abc\nabab\n");
        assert!(bench.like_rex().failure(script).contains("follow_symlinks is not enabled"));
    }

    #[test]
    fn what_is_wrong_changes_nothing() {
        let bench = bench().denying("write", "/d/s");

        assert!(bench.failure(r#"sed([sed::i], "a", "b", "/d/s")"#).contains("PermissionDenied"));
        assert!(bench.failure(r#"sed([sed::i, sed::regex], "(", "b", "/d/s")"#).contains("ValidationError"));
        assert_eq!(bench.content("/d/s"), "abc\nabab\n");
    }
}
