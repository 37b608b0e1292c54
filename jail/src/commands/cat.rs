//! Shows a file as text, with line numbers if wanted.

use rhai::{Array, ImmutableString, NativeCallContext};

use crate::error::{Fallible, TooLarge, too_large};
use crate::session::Session;
use crate::stray::{Decoding, Stray};
use crate::text::{ByteStream, Redaction, string_limit};
use crate::value;

/// A flag of `cat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatFlag {
    /// Each line begins with its number.
    Number,
    /// What is no text becomes U+FFFD.
    Lossy,
    /// What is no text is an error.
    Strict,
}

/// The whole file.
///
/// # Errors
/// See [`ByteStream::open`] and [`ByteStream::read_text`].
pub fn plain(context: NativeCallContext, path: &str) -> Fallible<ImmutableString> {
    ByteStream::open(&context, path, Redaction::Accepted)?.read_text()
}

/// The whole file, as the flags say.
///
/// # Errors
/// As [`plain`]; kind `Other` for a foreign flag.
pub fn with_flags(context: NativeCallContext, flags: Array, path: &str) -> Fallible<ImmutableString> {
    let flags = value::flags::<CatFlag>(&context, "cat", flags)?;
    let session = Session::of(&context);
    let has = |flag| flags.contains(&flag);
    let stray = Stray::wanted(&session, has(CatFlag::Lossy), has(CatFlag::Strict));
    let stream = ByteStream::open(&context, path, Redaction::Accepted)?;
    let text = stream.decoded(Decoding::new(stray, path)).read_text()?;
    if has(CatFlag::Number) { Ok(numbered(&text, string_limit(&session))?.into()) } else { Ok(text) }
}

/// Each line with its number right-aligned in six columns and a tab, without a final newline.
fn numbered(text: &str, most_bytes: usize) -> Fallible<String> {
    let mut result = String::new();
    for (index, line) in text.lines().enumerate() {
        if index > 0 {
            result.push('\n');
        }
        result.push_str(&format!("{:6}\t{line}", index.saturating_add(1)));
        if result.len() > most_bytes {
            return Err(too_large(TooLarge::Text));
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, FIRST};

    #[test]
    fn cat_is_one_round_trip_and_its_handles_close_with_the_next() {
        let bench = Bench::new().file("/d/a", "text\n");

        assert_eq!(bench.output(r#"cat("/d/a") + cat("/d/a")"#), "text\ntext\n");

        assert_eq!(
            bench.asked(),
            [
                vec!["open_dir", "open_file", "read_chunk"],
                vec!["close", "close", "open_dir", "open_file", "read_chunk"],
            ]
        );
    }

    #[test]
    fn what_leads_to_the_brokers_own_process_says_what_to_read_instead() {
        let bench = || {
            Bench::new()
                .file("/proc/self/mounts", "")
                .link("/proc/mounts", "self/mounts")
                .link("/etc/mtab", "/proc/mounts")
                .file("/proc/selfish", "")
                .denying("open", "/proc/self")
                .denying("open", "/proc/self/mounts")
                .denying("open", "/proc/selfish")
        };
        for path in ["/proc/mounts", "/etc/mtab", "/proc/self/mounts"] {
            for call in ["cat(PATH)", "grep(\"x\", PATH)", "tail(PATH)", "wc(PATH)"] {
                let told = bench().failure(&call.replace("PATH", &format!("{path:?}")));
                assert!(
                    told.contains("/proc/1/mounts") && told.contains("PermissionDenied"),
                    "{call} {path}: {told}"
                );
            }
        }
        assert!(!bench().failure(r#"cat("/proc/selfish")"#).contains("/proc/1/mounts"));
        assert!(!bench().like_rex().failure(r#"cat("/proc/self/mounts")"#).contains("/proc/1/mounts"));
        let ended = bench().run(r#"cat("/proc/mounts")"#);
        assert!(ended.outcome.ended_by.is_some(), "{}", ended.text);
    }

    // The files that a system has as links: /etc/os-release, /etc/mtab, /etc/resolv.conf.
    #[test]
    fn every_command_that_reads_follows_links_where_the_policy_permits_the_target() {
        let bench = || {
            Bench::new()
                .file("/run/real", "a b\n")
                .link("/run/second", "real")
                .link("/etc/first", "/run/second")
                .link("/etc/dangling", "nowhere")
        };
        for (script, expected) in [
            (r#"cat("/etc/first")"#, "a b\n"),
            (r#"cat([cat::n], "/etc/first")"#, "     1\ta b"),
            (r#"grep("a", "/etc/first")"#, r#"["a b"]"#),
            (r#"tail("/etc/first")"#, r#"["a b"]"#),
            (r#"tail([tail::n(1)], "/etc/first")"#, r#"["a b"]"#),
            (r#"wc([wc::w], "/etc/first")"#, r##"#{"words": 2}"##),
            (r#"awk_field(2, " ", "/etc/first")"#, r#"["b"]"#),
            (r#"sed("a", "c", "/etc/first")"#, "c b\n"),
        ] {
            assert_eq!(bench().output(script), expected, "{script}");
            for action in ["open", "read"] {
                let denied = bench().denying(action, "/run/real").failure(script);
                assert!(denied.contains("file_system::File::/run/real"), "{script}: {denied}");
            }
            assert!(bench().denying("open", "/etc/first").failure(script).contains("File::/etc/first"));
            let as_in_rex = bench().like_rex().failure(script);
            assert!(
                as_in_rex.contains("FileError: File error: file is a symbolic link but follow_symlinks is not enabled: /etc/first"),
                "{script}: {as_in_rex}"
            );
        }
        assert!(bench().failure(r#"cat("/etc/dangling")"#).contains("No such file or directory"));
        assert!(bench().failure(r#"sed([sed::i], "a", "c", "/etc/first")"#).contains("is a symbolic link"));
    }

    #[test]
    fn a_long_file_is_read_to_its_end() {
        let text = "0123456789".repeat(20);
        let bench = Bench::new().file("/d/a", &text).chunks_of(7);

        assert_eq!(bench.output(r#"cat("/d/a")"#), text);
    }

    #[test]
    fn a_denial_is_caught_as_a_map_and_ends_the_script_otherwise() {
        let bench = Bench::new().file("/d/a", "").denying("open", "/d");

        let ended = bench.run(r#"cat("/d/a")"#);

        assert_eq!(
            ended.text,
            "IoErrorKind: PermissionDenied: Permission denied: tester unauthorized to perform \
             file_system::Action::\"open\" for file_system::Dir::/d (line 1, position 1)"
        );
        assert_eq!(ended.outcome.ended_by, Some(FIRST));
        assert_eq!(
            bench
                .output(r#"let r = ""; try { cat("/d/a") } catch (e) { r = `${e.source}: ${e.message}` } r"#),
            "IoErrorKind: Permission denied: tester unauthorized to perform file_system::Action::\"open\" for \
             file_system::Dir::/d"
        );
    }
}
