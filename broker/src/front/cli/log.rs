//! Where diagnostics go: to standard error, and without what a terminal would obey.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::terminal::printable;

/// Sends diagnostics to standard error: warnings and errors, or nothing when `quiet`.
///
/// `REX_BROKER_LOG` asks for more, such as `debug`. A second call changes nothing.
pub fn init(quiet: bool) {
    let filter = std::env::var("REX_BROKER_LOG").unwrap_or_default();
    let fallback = if quiet { "off" } else { "warn" };
    let filter = if filter.is_empty() { EnvFilter::new(fallback) } else { EnvFilter::new(filter) };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(StandardError)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        // It would say so on standard error, and panic where that cannot be written.
        .log_internal_errors(false)
        .finish();
    // Fails only when a subscriber is set already, as in a test that starts several runs.
    drop(tracing::subscriber::set_global_default(subscriber));
}

struct StandardError;

impl<'a> MakeWriter<'a> for StandardError {
    type Writer = Printable<io::Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        Printable(io::stderr())
    }
}

/// Spells out control characters on their way to a terminal.
struct Printable<W>(W);

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(printable(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnostics_carry_no_escape_sequences() {
        let mut out = Printable(Vec::new());

        out.write_all(b"WARN cannot open \x1b]0;owned\x07\n").unwrap();

        assert_eq!(out.0, b"WARN cannot open \\u{1b}]0;owned\\u{7}\n");
    }
}
