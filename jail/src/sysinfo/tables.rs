//! The kernel's tables, read whole through the broker.

use rex_ipc::failure::FailureClass;
use rex_ipc::name;
use rex_ipc::sysinfo::{ReadSource, Source};
use rhai::{EvalAltResult, NativeCallContext};

use crate::error::Fallible;
use crate::error::family::{Family, Kind, OTHER};
use crate::session::{Failed, Session};
use crate::value;

/// Why there is no table.
#[derive(Debug)]
pub enum Unread {
    /// The broker did not read it.
    Failed(Failed),
    /// It is larger than any that makes sense.
    TooLarge(Source),
}

/// A table as text. Bytes that are no UTF-8 are as in names of files.
///
/// # Errors
/// `PermissionDenied`; `Other` for the system's failures and for a table of more than 64 MiB.
pub fn read<F: Family>(context: &NativeCallContext, source: Source) -> Fallible<String> {
    fetch(context, source).map_err(Unread::error::<F>)
}

/// A table as text, for callers that look at why there is none.
///
/// # Errors
/// The broker's failure, or that the table is too large.
pub fn fetch(context: &NativeCallContext, source: Source) -> Result<String, Unread> {
    let (session, line) = (Session::of(context), value::line(context));
    let mut table = Vec::new();
    loop {
        let request = ReadSource { source, offset_bytes: table.len() as u64 };
        let part = session.ask(line, request).map_err(Unread::Failed)?;
        let bytes = part.bytes.into_vec();
        if table.len().saturating_add(bytes.len()) > MOST_BYTES {
            return Err(Unread::TooLarge(source));
        }
        // A part without bytes ends the table too: nothing would change by asking again at the same place.
        let end = part.end || bytes.is_empty();
        table.extend_from_slice(&bytes);
        if end {
            return Ok(name::to_text(&table));
        }
    }
}

impl Unread {
    /// The error of a family.
    pub fn error<F: Family>(self) -> Box<EvalAltResult> {
        match self {
            Self::Failed(failed) => Kind::<F>::of(failed, OTHER),
            Self::TooLarge(source) => {
                let message = format!("{} is larger than {MOST_BYTES} bytes", path(source));
                Kind::<F>::error(OTHER, message)
            }
        }
    }

    /// Whether the system has no such table.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Failed(failed) if failed.failure.class == FailureClass::System { errno: ENOENT })
    }
}

/// Which file a table is.
pub fn path(source: Source) -> &'static str {
    match source {
        Source::Memory => "/proc/meminfo",
        Source::Statistics => "/proc/stat",
        Source::Mounts => "/proc/mounts",
        Source::MountsOfInit => "/proc/1/mounts",
        Source::DiskStatistics => "/proc/diskstats",
        Source::Tcp => "/proc/net/tcp",
        Source::Tcp6 => "/proc/net/tcp6",
        Source::Udp => "/proc/net/udp",
        Source::Udp6 => "/proc/net/udp6",
        Source::Unix => "/proc/net/unix",
    }
}

/// The error for a table that does not say what it must.
pub fn unclear<F: Family>(file: &str, reason: &str) -> Box<EvalAltResult> {
    Kind::<F>::error(OTHER, format!("Failed to parse {file}: {reason}"))
}

/// Text in which space, tab, line feed and backslash, and whatever else, stand as `\` and three octal digits, as in the
/// tables of mounts.
///
/// # Source
/// `mangle` in the kernel's `fs/seq_file.c`.
pub fn without_escapes(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let original = name::to_bytes(text);
    let mut rest = original.as_slice();
    while let Some((&first, behind)) = rest.split_first() {
        match (first, octal(behind)) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = behind.get(3..).unwrap_or_default();
            }
            _ => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    name::to_text(&bytes)
}

fn octal(digits: &[u8]) -> Option<u8> {
    let digits = digits.get(..3).filter(|digits| digits.iter().all(|digit| matches!(digit, b'0'..=b'7')))?;
    let number = digits.iter().fold(0_u16, |number, digit| number * 8 + u16::from(digit - b'0'));
    u8::try_from(number).ok()
}

/// The largest table that is read. `/proc/net/tcp` has 150 bytes for each connection.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// No such file or directory; errno(3).
pub const ENOENT: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn octal_escapes_become_the_bytes_they_stand_for() {
        for (text, expected) in [
            (r"/a\040b\011c\012d\134e", "/a b\tc\nd\\e"),
            (r"/a\134040", r"/a\040"),
            (r"/plain", "/plain"),
            (r"/short\04", r"/short\04"),
            (r"/no\088", r"/no\088"),
            (r"/large\777", r"/large\777"),
            ("\\", "\\"),
            ("", ""),
            (r"/gr\303\274n", "/grün"),
            (r"/\377", "/\u{10FFFF}"),
        ] {
            assert_eq!(without_escapes(text), expected, "{text}");
        }
    }

    #[test]
    fn a_table_is_read_part_by_part_to_its_end() {
        let meminfo = "MemTotal: 10 kB\nMemFree: 4 kB\n";
        for bytes in [1, 7, 60 * 1024] {
            let bench = Bench::new().table(Source::Memory, meminfo).chunks_of(bytes);
            assert_eq!(bench.output("SystemInfo().memory_info().total.to_int()"), "10240");
            assert_eq!(bench.asked().len(), meminfo.len().div_ceil(bytes));
        }
    }

    #[test]
    fn a_table_without_an_end_is_an_error_that_names_the_limit() {
        let bench = Bench::new();
        bench.world.borrow_mut().host.endless = Some(Source::Memory);

        let message = bench.failure("SystemInfo().memory_info()");

        assert!(
            message.starts_with("SysteminfoErrorKind: Other: /proc/meminfo is larger than 67108864 bytes"),
            "{message}"
        );
    }
}
