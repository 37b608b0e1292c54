//! The messages of the kernel, as dmesg(1) shows them.

use rex_ipc::bounded::Text;
use rex_ipc::failure::FailureClass;
use rex_ipc::name;
use rex_ipc::sysinfo::ReadKernelLog;
use rhai::{Array, Dynamic, NativeCallContext};
use time::OffsetDateTime;

use crate::datetime;
use crate::error::family::{Kind, OTHER, SystemInfo};
use crate::error::{Fallible, TooLarge, too_large};
use crate::limits::{array_limit, string_limit};
use crate::session::{Failed, Session};
use crate::value;

/// How the messages are shown.
#[derive(Clone, Debug, Default)]
pub struct DmesgOptions {
    /// With date and time of day, and not with seconds since the start.
    pub human_readable_time: bool,
}

/// A message of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DmesgEntry {
    /// When: seconds since the start in twelve columns, or date and time of day.
    pub timestamp: String,
    /// What.
    pub message: String,
}

impl DmesgEntry {
    /// As dmesg(1) shows it.
    pub fn text(&self) -> String {
        format!("[{}] {}", self.timestamp, self.message)
    }
}

/// All messages that the kernel still has, oldest first.
///
/// # Errors
/// `PermissionDenied`; `Other` for the system's failures; the limit on arrays, and that on strings for all messages together.
pub fn read(context: &NativeCallContext, options: &DmesgOptions) -> Fallible<Array> {
    let (session, line) = (Session::of(context), value::line(context));
    let (most, most_bytes) = (array_limit(&session), string_limit(&session));
    let mut entries = Array::new();
    let mut bytes = 0_usize;
    let mut after = None;
    let mut started_ns = None;
    loop {
        let page = session
            .ask(line, ReadKernelLog { after })
            .map_err(|failed| Kind::<SystemInfo>::of(as_rex(&session, failed), OTHER))?;
        for record in page.records.into_vec() {
            let record = record.into_vec();
            let Some((microseconds, message)) = parse(&record, session.is_rex_compat()) else { continue };
            let timestamp = match options.human_readable_time {
                true => date_of(start_of_host(context, &mut started_ns)?, microseconds),
                false => since_start(microseconds),
            };
            bytes = bytes.saturating_add(message.len());
            if entries.len() >= most {
                return Err(too_large(TooLarge::Array));
            }
            if bytes > most_bytes {
                return Err(too_large(TooLarge::Text));
            }
            entries.push(Dynamic::from(DmesgEntry { timestamp, message }));
        }
        // Numbers ascend; anything else would go on for ever.
        match page.next {
            Some(next) if after.is_none_or(|last| next > last) => after = Some(next),
            _ => return Ok(entries),
        }
    }
}

/// Rex says it in the words of the library that it reads the log with.
fn as_rex(session: &Session, mut failed: Failed) -> Failed {
    let is_refused = matches!(failed.failure.class, FailureClass::System { errno: EPERM | EACCES });
    if session.is_rex_compat() && is_refused {
        failed.failure.message = Text::cut("RMesgError:: OperationNotPermitted: Open File /dev/kmsg");
    }
    failed
}

/// Microseconds since the start, and the text of a record; nothing for what has no time or no text.
///
/// # Source
/// `Documentation/ABI/testing/dev-kmsg`: `level,number,time,flags[,…];text`, and lines that begin with a space and say more.
fn parse(record: &[u8], as_rex: bool) -> Option<(u64, String)> {
    let semicolon = memchr::memchr(b';', record)?;
    let (header, text) = (record.get(..semicolon)?, record.get(semicolon.checked_add(1)?..)?);
    let time = header.split(|&byte| byte == b',').nth(2)?;
    let microseconds = std::str::from_utf8(time).ok()?.trim().parse().ok()?;
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let message = if as_rex { name::to_text(line) } else { name::to_text(&without_escapes(line)) };
    (!message.is_empty()).then_some((microseconds, message))
}

/// What the kernel writes as `\x` and two digits, which is all but printable ASCII, as the byte that it is.
fn without_escapes(line: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = if first == b'\\' { hexadecimal(behind) } else { None };
        bytes.push(escaped.unwrap_or(first));
        rest = match escaped {
            Some(_) => behind.get(3..).unwrap_or_default(),
            None => behind,
        };
    }
    bytes
}

fn hexadecimal(text: &[u8]) -> Option<u8> {
    let digits = text.strip_prefix(b"x")?.get(..2)?;
    let digits =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

fn since_start(microseconds: u64) -> String {
    format!("{:>5}.{:06}", microseconds / MICROSECONDS, microseconds % MICROSECONDS)
}

/// When the clock of the kernel's log began, in nanoseconds since 1970; asked for once. That clock stands still while the
/// host is suspended, so what was said before is told too late.
fn start_of_host(context: &NativeCallContext, known: &mut Option<i128>) -> Fallible<i128> {
    if let Some(start) = *known {
        return Ok(start);
    }
    let clocks = datetime::clocks(context)?;
    let now = i128::from(clocks.realtime.seconds) * 1_000_000_000 + i128::from(clocks.realtime.nanoseconds);
    Ok(*known.insert(now - i128::from(clocks.monotonic_ns)))
}

/// As asctime(3) has it, in UTC.
fn date_of(start_ns: i128, microseconds: u64) -> String {
    let moment = start_ns.saturating_add(i128::from(microseconds).saturating_mul(1_000));
    // A time that no calendar has is told in seconds.
    let Ok(date) = OffsetDateTime::from_unix_timestamp_nanos(moment) else {
        return since_start(microseconds);
    };
    let (weekday, month) = (date.weekday().to_string(), date.month().to_string());
    let short = |name: &str| name.chars().take(3).collect::<String>();
    format!(
        "{} {} {:02} {:02}:{:02}:{:02} {}",
        short(&weekday),
        short(&month),
        date.day(),
        date.hour(),
        date.minute(),
        date.second(),
        date.year()
    )
}

const MICROSECONDS: u64 = 1_000_000;

/// Operation not permitted; errno(3).
const EPERM: u16 = 1;
/// Permission denied; errno(3).
const EACCES: u16 = 13;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    const RECORDS: [&str; 7] = [
        "6,1,0,-;Linux version 6.1\n",
        "6,2,5140900,-,caller=T1;NET: Registered\n SUBSYSTEM=net\n DEVICE=+net:lo\n",
        "6,3,5140901,-;\n",
        " DEVICE=+net:lo\n",
        "6,4,,-;no time\n",
        "4,5,123456789012345,c;gr\\xc3\\xbcn \\x5c \\x1b[0m \\xzz \\x4\n",
        "12,6,7000000,-;a;b,c",
    ];

    fn bench() -> Bench {
        let bench = Bench::new();
        bench.world.borrow_mut().host.kernel_log =
            RECORDS.iter().map(|text| text.as_bytes().to_vec()).collect();
        bench
    }

    #[test]
    fn messages_come_oldest_first_with_seconds_since_the_start() {
        for page in [1, 2, 100] {
            let bench = bench();
            bench.world.borrow_mut().page_entries = page;
            assert_eq!(
                bench.output("dmesg().map(|e| [e.timestamp_from_system_start, e.message])"),
                "[[\"    0.000000\", \"Linux version 6.1\"], [\"    5.140900\", \"NET: Registered\"], \
                 [\"123456789.012345\", \"grün \\\\ \\u{1b}[0m \\\\xzz \\\\x4\"], [\"    7.000000\", \"a;b,c\"]]"
            );
        }
    }

    #[test]
    fn for_rex_bytes_stay_as_the_kernel_writes_them() {
        assert_eq!(
            bench().like_rex().output("dmesg()[2].message"),
            "gr\\xc3\\xbcn \\x5c \\x1b[0m \\xzz \\x4"
        );
    }

    // The clocks of the fake broker: 2025-10-21T14:30:00.25Z, five seconds after the start.
    #[test]
    fn times_may_be_dates() {
        let script = r#"
            let o = DmesgOptions().human_readable_time(true).build();
            SystemInfo().dmesg_info(o).map(|e| e.to_string())
        "#;

        assert_eq!(
            bench().like_rex().output(script).replace('\\', ""),
            "[\"[Tue Oct 21 14:29:55 2025] Linux version 6.1\", \"[Tue Oct 21 14:30:00 2025] NET: Registered\", \
             \"[Wed Sep 19 12:03:04 2029] grxc3xbcn x5c x1b[0m xzz x4\", \"[Tue Oct 21 14:30:02 2025] a;b,c\"]"
        );
    }

    #[test]
    fn an_entry_has_a_text_and_a_map() {
        for bench in [bench(), bench().like_rex()] {
            assert_eq!(
                bench.output(
                    r#"let e = SystemInfo().dmesg_info(DmesgOptions().build())[0]; [`${e}`, e.to_map(), type_of(e)]"#
                ),
                r##"["[    0.000000] Linux version 6.1", #{"message": "Linux version 6.1", "timestamp_from_system_start": "    0.000000"}, "rust_safe_system_info::dmesg::common::DmesgEntry"]"##
            );
        }
    }

    // spec: "OS refusal: kind `Other`, `RMesgError:: OperationNotPermitted: Open File /dev/kmsg`".
    #[test]
    fn a_refusal_of_the_system_is_no_denial() {
        let bench = || {
            let bench = bench();
            bench.world.borrow_mut().host.closed_log = true;
            bench
        };

        assert!(bench().like_rex().failure("SystemInfo().dmesg_info(DmesgOptions().build())").starts_with(
            "SysteminfoErrorKind: Other: RMesgError:: OperationNotPermitted: Open File /dev/kmsg (line"
        ));
        assert!(
            bench().failure("dmesg()").starts_with("Runtime error: Operation not permitted (os error 1)")
        );
        let denied = bench().denying("read", "/dev/kmsg").like_rex().failure("dmesg()");
        assert!(denied.contains("for file_system::File::/dev/kmsg"), "{denied}");
    }

    #[test]
    fn what_is_no_record_is_left_out() {
        for record in [
            "",
            ";",
            ",,;x",
            "6,1,x,-;x",
            "6,1;x",
            "6,1,99999999999999999999999,-;x",
            "6,1,1,-;",
            "no semicolon",
            "6,1,-1,-;x",
        ] {
            assert_eq!(parse(record.as_bytes(), false), None, "{record}");
        }
        assert_eq!(parse(b"6,1,1,-;\xff", false), Some((1, "\u{10FFFF}".into())));
        assert_eq!(parse(b"6,1,18446744073709551615;x", true), Some((u64::MAX, "x".into())));
        assert!(date_of(i128::MAX, u64::MAX).ends_with(".551615"));
    }

    #[test]
    fn more_messages_than_an_array_holds_end_the_script() {
        let mut bench = bench();
        bench.limits.array_elements = 3;

        assert!(bench.run("dmesg()").text.starts_with("Size of array/BLOB too large"));
    }
}
