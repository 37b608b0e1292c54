//! Regular expressions from scripts, which are hostile: bounded when compiled, linear when matched.

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

/// As the library's own default, written down because it bounds how long one line can take.
const MOST_PROGRAM_BYTES: usize = 10 * 1024 * 1024;
/// As the library's own default.
const MOST_CACHE_BYTES: usize = 2 * 1024 * 1024;
/// Parsing takes stack for each level.
const MOST_NESTING: u32 = 250;
