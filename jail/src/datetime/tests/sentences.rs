//! What the specification says of dates, sentence by sentence: as it is here, and as it is for Rex's scripts.

use crate::testing::Bench;

/// What is said, a script, its outcome here, and its outcome with `--rex-compat` where that is another one.
struct Sentence(&'static str, &'static str, &'static str, Option<&'static str>);

/// The end of the text of an error, without its place.
fn outcome(bench: &Bench, script: &str) -> String {
    let ended = bench.run(script);
    ended.text.split(" (line ").next().unwrap_or_default().to_owned()
}

const RANGE: &str = "CommonUtilsErrorKind: InvalidArguments: Invalid arguments: Invalid time component: ";

const SENTENCES: [Sentence; 33] = [
    Sentence("fields are stored without validation", "DateTime(2025, 2, 31, 25, 61, 61, 0).hour", "25", None),
    Sentence(
        "the getters give the stored fields",
        "let d = DateTime(2025, 258, 1, 2, 3, 4, 5); [d.year, d.month, d.day, d.hour, d.minute, d.second, d.nanosecond]",
        "[2025, 258, 1, 2, 3, 4, 5]",
        None,
    ),
    Sentence(
        "a negative month is a string error",
        "try { DateTime(2025, -1, 1, 0, 0, 0, 0) } catch (e) { throw type_of(e) + \": \" + e }",
        "Runtime error: string: Parameter 'month' conversion failed: out of range integral type conversion attempted",
        None,
    ),
    Sentence(
        "a negative second is a string error",
        "DateTime(2025, 1, 1, 0, 0, -1, 0)",
        "Runtime error: Parameter 'second' conversion failed: out of range integral type conversion attempted",
        None,
    ),
    Sentence(
        "year and nanosecond may be negative",
        "let d = DateTime(-5, 1, 1, 0, 0, 0, -7); [d.year, d.nanosecond]",
        "[-5, -7]",
        None,
    ),
    Sentence(
        "from_epoch_seconds reaches the year 9999",
        "from_epoch_seconds(253402300799).year",
        "9999",
        None,
    ),
    Sentence("and no further", "from_epoch_seconds(253402300800)", "RANGEtimestamp was not in range", None),
    Sentence("and begins with the year -9999", "from_epoch_seconds(-377705116800).year", "-9999", None),
    Sentence(
        "nanos must be 0..=999999999",
        "from_epoch_nanos(0, 1000000000)",
        "CommonUtilsErrorKind: InvalidArguments: Invalid arguments: Invalid nanos portion: 1000000000. Must be 0-999,999,999",
        None,
    ),
    Sentence(
        "and not negative",
        "from_epoch_nanos(0, -1)",
        "CommonUtilsErrorKind: InvalidArguments: Invalid arguments: Invalid nanos portion: -1. Must be 0-999,999,999",
        None,
    ),
    Sentence("now has the nanosecond 0", "now().nanosecond", "0", None),
    Sentence("now_nanos has nanoseconds", "now_nanos().nanosecond", "250000000", None),
    Sentence(
        "RFC 3339 is parsed",
        "parse_datetime(\"2025-10-21T14:30:00Z\", DateTimeFormat::RFC3339).epoch_seconds()",
        "1761057000",
        None,
    ),
    Sentence(
        "the UTC offset is dropped",
        "parse_datetime(\"2025-10-21T14:30:00+02:00\", DateTimeFormat::RFC3339).hour",
        "12",
        Some("14"),
    ),
    Sentence(
        "RFC 2822 is parsed",
        "parse_datetime(\"Tue, 21 Oct 2025 14:30:00 +0000\", DateTimeFormat::RFC2822).minute",
        "30",
        None,
    ),
    Sentence("nanos is the field", "from_epoch_nanos(5, 7).nanos()", "7", None),
    Sentence(
        "months have English names",
        "let d = DateTime(2025, 10, 1, 0, 0, 0, 0); [d.month_str(), d.month_str_short()]",
        "[\"October\", \"Oct\"]",
        None,
    ),
    Sentence(
        "a month outside 1-12 has none",
        "DateTime(2025, 13, 1, 0, 0, 0, 0).month_str()",
        "CommonUtilsErrorKind: InvalidArguments: Invalid arguments: Invalid month: 13. Must be 1-12",
        None,
    ),
    Sentence(
        "RFC 3339 has a fraction only when it is not zero, without zeros at its end",
        "[from_epoch_nanos(0, 0), from_epoch_nanos(0, 120000000)].map(|d| d.to_string(DateTimeFormat::RFC3339))",
        "[\"1970-01-01T00:00:00Z\", \"1970-01-01T00:00:00.12Z\"]",
        None,
    ),
    Sentence(
        "RFC 2822 is as mail has it",
        "DateTime(2025, 10, 21, 14, 30, 0, 0).to_string(DateTimeFormat::RFC2822)",
        "Tue, 21 Oct 2025 14:30:00 +0000",
        None,
    ),
    Sentence(
        "to_string() without a format is the type's path",
        "from_epoch_seconds(0).to_string()",
        "1970-01-01T00:00:00Z",
        Some("rust_sdk_common_utils::types::datetime::DateTime"),
    ),
    Sentence(
        "a sum counts seconds, and its nanosecond is 0",
        "(from_epoch_nanos(5, 7) + 1).to_string(DateTimeFormat::RFC3339)",
        "1970-01-01T00:00:06.000000007Z",
        Some("1970-01-01T00:00:06Z"),
    ),
    Sentence("a difference with a number, too", "(from_epoch_nanos(5, 7) - 1).nanosecond", "7", Some("0")),
    Sentence(
        "dt - dt is in seconds, nanoseconds ignored",
        "[from_epoch_nanos(9, 0) - from_epoch_nanos(5, 999999999), from_epoch_seconds(1) - from_epoch_seconds(3)]",
        "[4, -2]",
        None,
    ),
    Sentence(
        "comparisons compare seconds, then the nanosecond",
        "let a = from_epoch_nanos(5, 1); let b = from_epoch_nanos(5, 2); [a < b, a <= b, a > b, a >= b, a == b, a != b, a == a]",
        "[true, true, false, false, false, true, true]",
        None,
    ),
    Sentence(
        "a month that is none",
        "DateTime(2025, 13, 1, 0, 0, 0, 0).epoch_seconds()",
        "RANGEmonth was not in range",
        None,
    ),
    Sentence(
        "a day that is none",
        "DateTime(2025, 2, 30, 0, 0, 0, 0).epoch_seconds()",
        "RANGEday was not in range",
        None,
    ),
    Sentence(
        "an hour that is none",
        "DateTime(2025, 1, 1, 24, 0, 0, 0).epoch_seconds()",
        "RANGEhour was not in range",
        None,
    ),
    Sentence(
        "a year that is none",
        "DateTime(10000, 1, 1, 0, 0, 0, 0).epoch_seconds()",
        "RANGEyear was not in range",
        None,
    ),
    Sentence(
        "a text that is no date",
        "parse_datetime(\"x\", DateTimeFormat::RFC2822)",
        "CommonUtilsErrorKind: ParseError: Parse Error: Failed to parse RFC2822 datetime from 'x': the 'day' component could not be parsed",
        None,
    ),
    Sentence(
        "RFC 2822 begins with 1900",
        "DateTime(1899, 1, 1, 0, 0, 0, 0).to_string(DateTimeFormat::RFC2822)",
        "CommonUtilsErrorKind: FormatError: Format Error: Failed to format datetime as RFC2822: The year component cannot be formatted into the requested format.",
        None,
    ),
    Sentence(
        "sums of fields out of range are errors and no crash",
        "DateTime(2025, 13, 1, 0, 0, 0, 0) + 1",
        "RANGEmonth was not in range",
        None,
    ),
    Sentence(
        "and so are sums beyond all dates",
        "from_epoch_seconds(253402300799) + 1",
        "RANGEtimestamp was not in range",
        None,
    ),
];

#[test]
fn dates_are_what_the_specification_says_of_them() {
    let mut wrong = Vec::new();
    for Sentence(said, script, here, rex) in &SENTENCES {
        for (bench, expected) in
            [(Bench::new(), here), (Bench::new().like_rex(), rex.as_ref().unwrap_or(here))]
        {
            let got = outcome(&bench, script);
            if got != expected.replace("RANGE", RANGE) {
                wrong.push(format!("{said} ({}): {got} and not {expected}", bench.rex_compat));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
