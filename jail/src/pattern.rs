//! Regular expressions from scripts, which are hostile: bounded when compiled, linear when matched.
//!
//! What is compiled lies in the arena with everything else of the script.

use regex::{Regex, RegexBuilder};
use rex_ipc::failure::ErrorKind;

use crate::error::{Fallible, io_error};

/// Compiles a pattern.
///
/// # Errors
/// `ValidationError`, `Invalid regex pattern: '<pattern>' - <reason>`.
pub fn regex(pattern: &str) -> Fallible<Regex> {
    RegexBuilder::new(pattern)
        .size_limit(MOST_PROGRAM_BYTES)
        .dfa_size_limit(MOST_CACHE_BYTES)
        .nest_limit(MOST_NESTING)
        .build()
        .map_err(|reason| {
            let message = format!("Validation error: Invalid regex pattern: '{pattern}' - {reason}");
            io_error(ErrorKind::ValidationError, message)
        })
}

/// It bounds how long one line can take. The library's own 10 MiB are less than `^\w{1,255}$` takes, which people write;
/// this is enough for some 650 repetitions of `\w`.
const MOST_PROGRAM_BYTES: usize = 32 * 1024 * 1024;
/// As the library's own default.
const MOST_CACHE_BYTES: usize = 2 * 1024 * 1024;
/// Parsing takes stack for each level.
const MOST_NESTING: u32 = 250;

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    const LINES: &str = "user_7\nnot one word\n";

    #[test]
    fn what_people_write_is_compiled_by_every_function_that_takes_a_pattern() {
        let bench = Bench::new().file("/d/names", LINES);

        for pattern in [r"^\w{1,512}$", r"(?i)^[\w.-]{1,253}$|^user_7$", r"^\d{1,1000}$|^\w{6}$"] {
            assert_eq!(
                bench.output(&format!("grep(`{pattern}`, \"/d/names\")")),
                r#"["user_7"]"#,
                "{pattern}"
            );
        }
        let pattern = r"^\w{1,255}$";
        for (script, expected) in [
            (r#"grep([grep::i], P, "/d/names")"#, r#"["user_7"]"#),
            (r#"sed([sed::regex], P, "x", "/d/names")"#, LINES),
            (r#"replace_text("user_7", P, "x", ReplacementOptions().is_regex(true).build())"#, "x"),
            (r#"open().open_file("names", OpenFileOptions().read(true).build()).search(P).len()"#, "1"),
            (r#"open().find(FindOptions().regex(P).build(), |e| ()); 1"#, "1"),
        ] {
            let script = format!(
                "const P = `{pattern}`; fn open() {{ DirConfig().path(\"/d\").build().open(OpenDirOptions().build()) }} {script}"
            );
            assert_eq!(bench.output(&script), expected, "{script}");
        }
    }

    #[test]
    fn what_takes_more_than_the_limit_is_an_error_that_names_it() {
        let message = Bench::new().file("/d/names", LINES).failure(r#"grep(`\w{1,2000}`, "/d/names")"#);

        assert!(message.contains("ValidationError: Validation error: Invalid regex pattern: "), "{message}");
        assert!(message.contains("Compiled regex exceeds size limit of 33554432 bytes"), "{message}");
    }
}
