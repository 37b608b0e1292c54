//! Points in time as the result document writes them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// RFC 3339 in UTC, with as many decimals as needed, such as `2025-03-09T07:05:00.25Z`.
pub(super) fn rfc_3339(moment: OffsetDateTime) -> String {
    // Fails only for years beyond 9999.
    moment.format(&Rfc3339).unwrap_or_default()
}

/// The form of log entries: `2025-03-09 07:05:00.250000000 UTC`.
pub(super) fn log_time(moment: OffsetDateTime) -> String {
    let (date, time) = (moment.date(), moment.time());
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:09} UTC",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.nanosecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_in_utc() {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(1_741_503_900_250_000_000).unwrap();

        assert_eq!(rfc_3339(moment), "2025-03-09T07:05:00.25Z");
        assert_eq!(log_time(moment), "2025-03-09 07:05:00.250000000 UTC");
    }
}
