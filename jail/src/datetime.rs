//! Dates with a time of day, in UTC.

use rex_ipc::limits::MAX_SLEEP_MS;
use rex_ipc::runtime::{Clocks, Now, Sleep, SleepMs};
use rhai::{Dynamic, INT, NativeCallContext};
use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

use crate::error::{CommonErrorKind, Fallible, text_error};
use crate::registry::{Entry, NOTHING, Registrar};
use crate::session::Session;
use crate::value::{self, parameter_number};

/// A date and a time of day, as its fields say; they are checked when they are used as a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    year: INT,
    month: INT,
    day: INT,
    hour: INT,
    minute: INT,
    second: INT,
    nanosecond: INT,
}

/// How a date is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateTimeFormat {
    /// As in `2025-10-21T14:30:00Z`.
    Rfc3339,
    /// As in `Tue, 21 Oct 2025 14:30:00 +0000`.
    Rfc2822,
}

impl DateTime {
    /// The point in time.
    ///
    /// # Errors
    /// `InvalidArguments` that names the first field which is out of range.
    fn point(&self) -> Fallible<OffsetDateTime> {
        let field = |value: INT, name: &str| u8::try_from(value).map_err(|_| out_of_range(name));
        let month = Month::try_from(field(self.month, "month")?).map_err(|_| out_of_range("month"))?;
        let year = i32::try_from(self.year).map_err(|_| out_of_range("year"))?;
        let nanosecond = u32::try_from(self.nanosecond).map_err(|_| out_of_range("nanosecond"))?;
        let date = Date::from_calendar_date(year, month, field(self.day, "day")?)
            .map_err(|range| out_of_range(range.name()))?;
        let time = Time::from_hms_nano(
            field(self.hour, "hour")?,
            field(self.minute, "minute")?,
            field(self.second, "second")?,
            nanosecond,
        )
        .map_err(|range| out_of_range(range.name()))?;
        Ok(PrimitiveDateTime::new(date, time).assume_utc())
    }

    /// Seconds since the epoch, for comparisons with the seconds that a file system knows.
    ///
    /// # Errors
    /// As for every use as a point in time.
    pub fn epoch_seconds(&self) -> Fallible<INT> {
        Ok(self.point()?.unix_timestamp())
    }

    fn from_point(point: OffsetDateTime) -> Self {
        Self {
            year: point.year().into(),
            month: u8::from(point.month()).into(),
            day: point.day().into(),
            hour: point.hour().into(),
            minute: point.minute().into(),
            second: point.second().into(),
            nanosecond: point.nanosecond().into(),
        }
    }

    fn from_seconds(seconds: INT) -> Fallible<Self> {
        OffsetDateTime::from_unix_timestamp(seconds)
            .map(Self::from_point)
            .map_err(|range| out_of_range(range.name()))
    }

    fn from_nanos(seconds: INT, nanos: INT) -> Fallible<Self> {
        if !(0..=999_999_999).contains(&nanos) {
            return Err(CommonErrorKind::InvalidArguments
                .error(format!("Invalid arguments: Invalid nanos portion: {nanos}. Must be 0-999,999,999")));
        }
        Ok(Self { nanosecond: nanos, ..Self::from_seconds(seconds)? })
    }

    /// The moment so many seconds later; Rex forgets its part of a second.
    fn shifted(&self, context: &NativeCallContext, seconds: Option<INT>) -> Fallible<Self> {
        let own = self.point()?.unix_timestamp();
        let sum = seconds.and_then(|seconds| own.checked_add(seconds));
        let shifted = Self::from_seconds(sum.ok_or_else(|| out_of_range("timestamp"))?)?;
        let nanosecond = if Session::of(context).is_rex_compat() { 0 } else { self.nanosecond };
        Ok(Self { nanosecond, ..shifted })
    }

    /// The moment so many seconds after 1970 began, as text; the number where it is beyond all dates.
    pub fn of_moment(seconds: INT) -> String {
        Self::from_seconds(seconds).map_or_else(|_| seconds.to_string(), |date| date.as_text())
    }

    /// As ISO 8601 has it; where the fields are no point in time, the fields.
    pub fn as_text(&self) -> String {
        let Self { year, month, day, hour, minute, second, .. } = self;
        self.format(DateTimeFormat::Rfc3339)
            .unwrap_or_else(|_| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"))
    }

    fn compare(&self, other: &Self) -> Fallible<std::cmp::Ordering> {
        Ok(self.point()?.cmp(&other.point()?))
    }

    fn format(&self, format: DateTimeFormat) -> Fallible<String> {
        let point = self.point()?;
        let (name, text) = match format {
            DateTimeFormat::Rfc3339 => ("RFC3339", point.format(&Rfc3339)),
            DateTimeFormat::Rfc2822 => ("RFC2822", point.format(&Rfc2822)),
        };
        text.map_err(|reason| {
            CommonErrorKind::FormatError
                .error(format!("Format Error: Failed to format datetime as {name}: {reason}"))
        })
    }

    /// The moment that a text says. Rex takes the time of day in it for one in UTC, wherever it is said to be.
    fn parse(context: &NativeCallContext, text: &str, format: DateTimeFormat) -> Fallible<Self> {
        let (name, point) = match format {
            DateTimeFormat::Rfc3339 => ("RFC3339", OffsetDateTime::parse(text, &Rfc3339)),
            DateTimeFormat::Rfc2822 => ("RFC2822", OffsetDateTime::parse(text, &Rfc2822)),
        };
        let point = point.map_err(|reason| {
            CommonErrorKind::ParseError
                .error(format!("Parse Error: Failed to parse {name} datetime from '{text}': {reason}"))
        })?;
        if Session::of(context).is_rex_compat() {
            return Ok(Self::from_point(point));
        }
        // The first and the last hours of all time may lie beyond it elsewhere.
        point.checked_to_offset(UtcOffset::UTC).map(Self::from_point).ok_or_else(|| out_of_range("timestamp"))
    }

    fn month_name(&self) -> Fallible<String> {
        u8::try_from(self.month)
            .ok()
            .and_then(|month| Month::try_from(month).ok())
            .map(|month| month.to_string())
            .ok_or_else(|| {
                CommonErrorKind::InvalidArguments
                    .error(format!("Invalid arguments: Invalid month: {}. Must be 1-12", self.month))
            })
    }
}

/// Both clocks of the broker.
///
/// # Errors
/// The broker's failures.
pub fn clocks(context: &NativeCallContext) -> Fallible<Clocks> {
    Ok(Session::of(context).ask(value::line(context), Now {})?)
}

/// Waits for so many milliseconds, by the broker's clock.
///
/// # Errors
/// The broker's failures: a run has a limit of time.
pub fn wait(context: &NativeCallContext, milliseconds: u64) -> Fallible<()> {
    let session = Session::of(context);
    let mut rest = milliseconds;
    while rest > 0 {
        let part = rest.min(MAX_SLEEP_MS.into());
        let duration = u32::try_from(part)
            .ok()
            .and_then(SleepMs::new)
            .ok_or_else(|| text_error("cannot wait for so long"))?;
        session.ask(value::line(context), Sleep { duration })?;
        rest = rest.saturating_sub(part);
    }
    Ok(())
}

fn out_of_range(component: &str) -> Box<rhai::EvalAltResult> {
    CommonErrorKind::InvalidArguments
        .error(format!("Invalid arguments: Invalid time component: {component} was not in range"))
}

/// Registers dates and everything that can be done with them.
pub fn register(registrar: &mut Registrar<'_>) {
    registrar.type_name::<DateTime>("rust_sdk_common_utils::types::datetime::DateTime");
    registrar.type_name::<DateTimeFormat>("DateTimeFormat");
    register_formats(registrar);
    register_making(registrar);
    register_reading(registrar);
    register_operators(registrar);
}

fn entry(name: &'static str, signature: &'static str, returns: &'static str, doc: &'static str) -> Entry {
    Entry { module: "DateTime", name, signature, returns, actions: NOTHING, doc }
}

fn register_formats(registrar: &mut Registrar<'_>) {
    for (name, format) in [("RFC3339", DateTimeFormat::Rfc3339), ("RFC2822", DateTimeFormat::Rfc2822)] {
        let entry = Entry {
            module: "DateTimeFormat",
            ..entry(name, "constant", "DateTimeFormat", "A way to write dates.")
        };
        registrar.constant(entry, Dynamic::from(format));
    }
}

fn register_making(registrar: &mut Registrar<'_>) {
    registrar.function(
        entry(
            "DateTime",
            "(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64, nanosecond: i64)",
            "DateTime",
            "A date from its fields, which are checked when it is used.",
        ),
        |year: INT,
         month: INT,
         day: INT,
         hour: INT,
         minute: INT,
         second: INT,
         nanosecond: INT|
         -> Fallible<DateTime> {
            let fields =
                [("month", month), ("day", day), ("hour", hour), ("minute", minute), ("second", second)];
            for (name, value) in fields {
                parameter_number::<u64>(name, value)?;
            }
            Ok(DateTime { year, month, day, hour, minute, second, nanosecond })
        },
    );
    registrar.function(
        entry(
            "from_epoch_seconds",
            "(seconds: i64)",
            "DateTime",
            "The date so many seconds after 1970 began.",
        ),
        DateTime::from_seconds,
    );
    registrar.function(
        entry(
            "from_epoch_nanos",
            "(seconds: i64, nanos: i64)",
            "DateTime",
            "The date so many seconds and nanoseconds after 1970 began.",
        ),
        DateTime::from_nanos,
    );
    registrar.function(
        entry(
            "parse_datetime",
            "(text: String, format: DateTimeFormat)",
            "DateTime",
            "The moment that a text says.",
        ),
        |context: NativeCallContext, text: &str, format: DateTimeFormat| {
            DateTime::parse(&context, text, format)
        },
    );
    registrar.function(
        entry("now", "()", "DateTime", "This moment, in whole seconds."),
        |context: NativeCallContext| -> Fallible<DateTime> {
            DateTime::from_seconds(clocks(&context)?.realtime.seconds)
        },
    );
    registrar.function(
        entry("now_nanos", "()", "DateTime", "This moment."),
        |context: NativeCallContext| -> Fallible<DateTime> {
            let now = clocks(&context)?.realtime;
            DateTime::from_nanos(now.seconds, value::integer(now.nanoseconds))
        },
    );
}

fn register_reading(registrar: &mut Registrar<'_>) {
    let only = "(DateTime)";
    registrar.function(entry("epoch_seconds", only, "i64", "Seconds since 1970 began."), |date: DateTime| {
        date.epoch_seconds()
    });
    registrar
        .function(entry("nanos", only, "i64", "The part of a second in nanoseconds."), |date: DateTime| {
            date.nanosecond
        });
    registrar
        .function(entry("month_str", only, "String", "As in October."), |date: DateTime| date.month_name());
    registrar.function(
        entry("month_str_short", only, "String", "As in Oct."),
        |date: DateTime| -> Fallible<String> { Ok(date.month_name()?.chars().take(3).collect()) },
    );
    registrar.function(
        entry("to_string", "(DateTime, format: DateTimeFormat)", "String", "The date as text."),
        |date: DateTime, format: DateTimeFormat| date.format(format),
    );
    registrar.function(entry("get$year", only, "i64", "The year."), |date: &mut DateTime| date.year);
    registrar
        .function(entry("get$month", only, "i64", "The month, from 1."), |date: &mut DateTime| date.month);
    registrar.function(entry("get$day", only, "i64", "The day, from 1."), |date: &mut DateTime| date.day);
    registrar.function(entry("get$hour", only, "i64", "The hour."), |date: &mut DateTime| date.hour);
    registrar.function(entry("get$minute", only, "i64", "The minute."), |date: &mut DateTime| date.minute);
    registrar.function(entry("get$second", only, "i64", "The second."), |date: &mut DateTime| date.second);
    registrar
        .function(entry("get$nanosecond", only, "i64", "The part of a second."), |date: &mut DateTime| {
            date.nanosecond
        });
}

fn register_operators(registrar: &mut Registrar<'_>) {
    registrar.function(
        entry("+", "(DateTime, seconds: i64)", "DateTime", "The date so many seconds later."),
        |context: NativeCallContext, date: DateTime, seconds: INT| date.shifted(&context, Some(seconds)),
    );
    registrar.function(
        entry("-", "(DateTime, seconds: i64)", "DateTime", "The date so many seconds earlier."),
        |context: NativeCallContext, date: DateTime, seconds: INT| {
            date.shifted(&context, seconds.checked_neg())
        },
    );
    registrar.function(
        entry("-", "(DateTime, DateTime)", "i64", "Seconds from the second date to the first."),
        |later: DateTime, earlier: DateTime| -> Fallible<INT> {
            Ok(later.epoch_seconds()?.saturating_sub(earlier.epoch_seconds()?))
        },
    );
    let compares = |name, doc| entry(name, "(DateTime, DateTime)", "bool", doc);
    registrar.function(
        compares("==", "Whether both are the same moment."),
        |a: DateTime, b: DateTime| -> Fallible<bool> { Ok(a.compare(&b)?.is_eq()) },
    );
    registrar
        .function(compares("!=", "Whether they differ."), |a: DateTime, b: DateTime| -> Fallible<bool> {
            Ok(a.compare(&b)?.is_ne())
        });
    registrar.function(
        compares("<", "Whether the first is earlier."),
        |a: DateTime, b: DateTime| -> Fallible<bool> { Ok(a.compare(&b)?.is_lt()) },
    );
    registrar.function(
        compares("<=", "Whether the first is not later."),
        |a: DateTime, b: DateTime| -> Fallible<bool> { Ok(a.compare(&b)?.is_le()) },
    );
    registrar.function(
        compares(">", "Whether the first is later."),
        |a: DateTime, b: DateTime| -> Fallible<bool> { Ok(a.compare(&b)?.is_gt()) },
    );
    registrar.function(
        compares(">=", "Whether the first is not earlier."),
        |a: DateTime, b: DateTime| -> Fallible<bool> { Ok(a.compare(&b)?.is_ge()) },
    );
}

#[cfg(test)]
#[path = "datetime/tests/sentences.rs"]
mod sentences;

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn gives(script: &str, text: &str) {
        assert_eq!(Bench::new().output(script), text, "{script}");
    }

    #[test]
    fn seconds_since_the_epoch_become_fields_and_back() {
        gives(
            "let a = from_epoch_seconds(0); let b = from_epoch_seconds(-1); [a.year, a.month, a.day, b.year, b.month, \
             b.day, b.second, from_epoch_seconds(951782400).to_string(DateTimeFormat::RFC3339), b.epoch_seconds()]",
            r#"[1970, 1, 1, 1969, 12, 31, 59, "2000-02-29T00:00:00Z", -1]"#,
        );
        gives(
            "let t = from_epoch_nanos(1, 500000000); [t.second, t.nanos(), t.to_string(DateTimeFormat::RFC3339)]",
            r#"[1, 500000000, "1970-01-01T00:00:01.5Z"]"#,
        );
        gives("from_epoch_nanos(200000000000, 1).year", "8307");
    }

    #[test]
    fn both_formats_are_read_and_written() {
        gives(
            r#"let a = parse_datetime("2025-10-21T14:30:00Z", DateTimeFormat::RFC3339);
               let b = parse_datetime("Tue, 21 Oct 2025 14:30:00 +0000", DateTimeFormat::RFC2822);
               [a == b, a.epoch_seconds(), b.to_string(DateTimeFormat::RFC2822), a.month_str(), a.month_str_short()]"#,
            r#"[true, 1761057000, "Tue, 21 Oct 2025 14:30:00 +0000", "October", "Oct"]"#,
        );
        gives(
            r#"let r = ""; try { parse_datetime("x", DateTimeFormat::RFC3339) } catch (e) { r = `${e.source} ${e.kind} ${e.message.starts_with("Parse Error: Failed to parse RFC3339 datetime from 'x': ")}` } r"#,
            "CommonUtilsErrorKind ParseError true",
        );
    }

    #[test]
    fn sums_and_comparisons_count_seconds() {
        gives(
            "let a = from_epoch_nanos(10, 5); let b = a + 5; [b.epoch_seconds(), b.nanos(), b - a, a < b, a <= a, b > a, \
             a >= b, a != b, (a - 20).epoch_seconds(), (a - 20).nanos()]",
            "[15, 5, 5, true, true, true, false, true, -10, 5]",
        );
    }

    #[test]
    fn a_moment_keeps_its_nanoseconds_through_parsing_arithmetic_and_text() {
        for (text, other) in [
            ("2024-06-15T14:30:00.000000001Z", "2024-06-15T14:30:00.000000001Z"),
            ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z"),
            ("0001-01-01T00:00:00.5+00:00", "0001-01-01T00:00:00.5Z"),
            ("2024-02-29T23:59:59.123456789-00:00", "2024-02-29T23:59:59.123456789Z"),
        ] {
            let script = format!(
                "let a = parse_datetime(\"{text}\", DateTimeFormat::RFC3339); \
                 ((a + 86400) - 86400).to_string(DateTimeFormat::RFC3339)"
            );
            assert_eq!(Bench::new().output(&script), other);
        }
        let rex = "let a = from_epoch_nanos(10, 5); [(a + 5).nanos(), (a - 5).nanos()]";
        assert_eq!(Bench::new().like_rex().output(rex), "[0, 0]");
        assert_eq!(Bench::new().output(rex), "[5, 5]");
    }

    // RFC 3339, 4.2: "2024-06-15T14:30:00+05:00" and "2024-06-15T09:30:00Z" are the same moment.
    #[test]
    fn a_distance_from_utc_is_applied() {
        for (format, text, utc) in [
            ("RFC3339", "2024-06-15T14:30:00+05:00", "2024-06-15T09:30:00Z"),
            ("RFC3339", "2024-06-15T14:30:00-05:30", "2024-06-15T20:00:00Z"),
            ("RFC3339", "2023-12-31T23:30:00.25-01:00", "2024-01-01T00:30:00.25Z"),
            ("RFC3339", "2024-03-01T00:15:00+14:00", "2024-02-29T10:15:00Z"),
            ("RFC2822", "Tue, 21 Oct 2025 14:30:00 +0200", "2025-10-21T12:30:00Z"),
            ("RFC2822", "Tue, 21 Oct 2025 14:30:00 EST", "2025-10-21T19:30:00Z"),
        ] {
            let parse = format!("parse_datetime(\"{text}\", DateTimeFormat::{format})");
            gives(
                &format!(
                    "let u = parse_datetime(\"{utc}\", DateTimeFormat::RFC3339); let p = {parse};
                     [p == u, p - u, p.to_string(DateTimeFormat::RFC3339)]"
                ),
                &format!(r#"[true, 0, "{utc}"]"#),
            );
        }
        let early = r#"parse_datetime("-9999-01-01T00:00:00+01:00", DateTimeFormat::RFC3339)"#;
        assert!(Bench::new().failure(early).contains("CommonUtilsErrorKind"));
        assert_eq!(
            Bench::new().like_rex().output(
                r#"parse_datetime("2024-06-15T14:30:00+05:00", DateTimeFormat::RFC3339).to_string(DateTimeFormat::RFC3339)"#
            ),
            "2024-06-15T14:30:00Z"
        );
    }

    #[test]
    fn fields_out_of_range_are_errors_where_they_are_used() {
        let message = |script: &str| Bench::new().failure(script);

        for script in
            ["DateTime(2025, 13, 1, 0, 0, 0, 0) + 1", "DateTime(2025, 258, 1, 0, 0, 0, 0).epoch_seconds()"]
        {
            assert!(
                message(script).starts_with(
                    "CommonUtilsErrorKind: InvalidArguments: Invalid arguments: Invalid time component: month was not in range"
                ),
                "{}",
                message(script)
            );
        }
        for (script, component) in [
            ("DateTime(2025, 2, 30, 0, 0, 0, 0) < now()", "day"),
            ("DateTime(2025, 2, 1, 24, 0, 0, 0) == now()", "hour"),
            ("from_epoch_seconds(9223372036854775807)", "timestamp"),
            ("now() + 9223372036854775807", "timestamp"),
            ("now() - (-9223372036854775807 - 1)", "timestamp"),
            ("now() + 400000000000", "timestamp"),
        ] {
            assert!(
                message(script).contains(&format!(": {component} was not in range")),
                "{}",
                message(script)
            );
        }
        assert!(message("DateTime(2025, -1, 1, 0, 0, 0, 0)").starts_with(
            "Runtime error: Parameter 'month' conversion failed: out of range integral type conversion attempted"
        ));
        assert!(
            message("DateTime(2025, 13, 1, 0, 0, 0, 0).month_str()")
                .contains("Invalid month: 13. Must be 1-12")
        );
    }

    #[test]
    fn now_is_the_time_of_the_broker() {
        gives("[now().epoch_seconds(), now().nanos(), now_nanos().nanos()]", "[1761057000, 0, 250000000]");
        gives(
            "[type_of(now()), now().to_string()]",
            r#"["rust_sdk_common_utils::types::datetime::DateTime", "2025-10-21T14:30:00Z"]"#,
        );
    }
}
