//! The time of a record, as text, at little cost.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

use super::json::push_padded;

/// Writes times as RFC 3339 with nine decimals, and remembers the text of the current second.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    second: Option<u64>,
    text: String,
}

impl Stamp {
    /// Appends the time with its quotation marks.
    pub(super) fn push(&mut self, out: &mut String, now: SystemTime) {
        // A clock before 1970 is wrong anyway; the sequence number still orders the records.
        let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        if self.second != Some(since_epoch.as_secs()) {
            self.second = Some(since_epoch.as_secs());
            self.text = second_text(since_epoch.as_secs());
        }
        out.push('"');
        out.push_str(&self.text);
        out.push('.');
        push_padded(out, since_epoch.subsec_nanos().into(), 9);
        out.push_str("Z\"");
    }
}

/// The text up to the second, such as `2025-03-09T07:05:00`.
fn second_text(seconds: u64) -> String {
    let instant =
        i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let instant = instant.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut text = String::with_capacity(20);
    for (number, width, after) in [
        (instant.year().unsigned_abs(), 4, "-"),
        (u8::from(instant.month()).into(), 2, "-"),
        (instant.day().into(), 2, "T"),
        (instant.hour().into(), 2, ":"),
        (instant.minute().into(), 2, ":"),
        (instant.second().into(), 2, ""),
    ] {
        push_padded(&mut text, number.into(), width);
        text.push_str(after);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seconds: u64, nanos: u32) -> String {
        let mut out = String::new();
        Stamp::default().push(&mut out, SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos));
        out
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(text(0, 0), "\"1970-01-01T00:00:00.000000000Z\"");
        assert_eq!(text(1_741_503_900, 42), "\"2025-03-09T07:05:00.000000042Z\"");
        assert_eq!(text(951_782_399, 999_999_999), "\"2000-02-28T23:59:59.999999999Z\"");
    }

    #[test]
    fn the_remembered_second_is_dropped_when_it_is_over() {
        let mut stamp = Stamp::default();
        let mut out = String::new();

        for seconds in [59, 59, 60] {
            stamp.push(&mut out, SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        }

        assert!(out.ends_with("\"1970-01-01T00:01:00.000000000Z\""), "{out}");
    }
}
