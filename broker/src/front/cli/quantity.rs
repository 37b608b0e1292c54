//! Durations and sizes as people write them: `90s`, `1h30m`, `64M`, `1.5GiB`. A plain number keeps its unit.

/// What a number of the command line counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things; there are no units to write.
    Count,
    /// Seconds; a duration may be written instead.
    Seconds,
    /// Bytes; a size may be written instead.
    Bytes,
    /// MiB; a size may be written instead, and what is no whole MiB is cut.
    Mebibytes,
}

impl Unit {
    /// The unit of an option whose value is called that way in the help text.
    pub fn of_value_name(name: &str) -> Self {
        match name.trim_start_matches("[NAME=]") {
            "TIME" => Self::Seconds,
            "SIZE" => Self::Bytes,
            "MIB" => Self::Mebibytes,
            _ => Self::Count,
        }
    }

    /// What a plain number is, in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Mebibytes => "MiB",
        }
    }

    /// Reads a number, with units where they can be.
    ///
    /// # Errors
    /// What is wrong with it, and which forms there are.
    pub fn parse(self, text: &str) -> Result<u64, String> {
        let read = match (plain(text), self) {
            (Some(number), _) => Some(number),
            (None, Self::Count) => None,
            (None, Self::Seconds) => seconds(text),
            (None, Self::Bytes) => bytes(text),
            (None, Self::Mebibytes) => bytes(text).map(|bytes| bytes / MIB),
        };
        read.ok_or_else(|| self.refusal(text))
    }

    fn refusal(self, text: &str) -> String {
        match self {
            Self::Count => format!("`{text}` is not a number"),
            Self::Seconds => format!(
                "`{text}` is no duration in whole seconds; write seconds, or units from d, h, m and s, such as 90s, 5m \
                 or 1h30m"
            ),
            Self::Bytes | Self::Mebibytes => format!(
                "`{text}` is no size; write {}, or a unit: K, M, G, T (or KiB, MiB, GiB, TiB) of 1024, kB, MB, GB, TB of \
                 1000, such as 64M or 1.5GiB",
                self.name()
            ),
        }
    }

    /// A parser for the grammar of the command line, which lets pass what is in the range.
    pub(super) fn one_to(
        self,
        most: u64,
    ) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
        self.between(1, most)
    }

    /// As [`Self::one_to`], from another number on.
    pub(super) fn between(
        self,
        least: u64,
        most: u64,
    ) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
        move |text: &str| match self.parse(text)? {
            number if (least..=most).contains(&number) => Ok(number),
            number => Err(format!("{number} is not in {least}..={most}")),
        }
    }
}

/// Digits and nothing else.
fn plain(text: &str) -> Option<u64> {
    // `parse` would take a sign, too.
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Numbers with units, the largest first and each at most once: `1d`, `1h30m`, `1.5h`.
fn seconds(text: &str) -> Option<u64> {
    let (mut sum, mut rest, mut smaller_than) = (0_u64, text, u64::MAX);
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        let end = after.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit = match unit {
            "d" => 24 * 3600,
            "h" => 3600,
            "m" | "min" => 60,
            "s" | "sec" => 1,
            _ => return None,
        };
        if unit >= smaller_than {
            return None;
        }
        sum = sum.checked_add(scaled(number, unit)?)?;
        (rest, smaller_than) = (after, unit);
    }
    if text.is_empty() { None } else { Some(sum) }
}

/// A number with one unit. As in GNU's tools, a letter alone is a power of 1024, and with a `B` behind it one of 1000.
fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let power = |letter: &str| "kmgtp".find(letter).and_then(|place| u32::try_from(place + 1).ok());
    let unit = match unit.as_str() {
        "b" => 1,
        _ if unit.len() == 1 => 1024_u64.checked_pow(power(&unit)?)?,
        _ => {
            let (letter, behind) = unit.split_at_checked(1)?;
            match behind {
                "ib" => 1024_u64.checked_pow(power(letter)?)?,
                "b" => 1000_u64.checked_pow(power(letter)?)?,
                _ => return None,
            }
        }
    };
    scaled(number, unit)
}

fn split_number(text: &str) -> (&str, &str) {
    let end =
        text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// A decimal number of this unit, where that is a whole number.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = match number.split_once('.') {
        None => (number, ""),
        // A point wants digits on both sides.
        Some((whole, fraction)) if !whole.is_empty() && !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
    };
    let whole = plain(whole).filter(|_| !whole.is_empty())?.checked_mul(unit)?;
    if fraction.is_empty() {
        return Some(whole);
    }
    if fraction.len() > MOST_FRACTION {
        return None;
    }
    let tenths = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = u128::from(plain(fraction)?).checked_mul(unit.into())?;
    let part = if part % tenths == 0 { u64::try_from(part / tenths).ok()? } else { return None };
    whole.checked_add(part)
}

/// Digits behind the point.
const MOST_FRACTION: usize = 9;
const MIB: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("0", 0),
            ("90", 90),
            ("090", 90),
            ("90s", 90),
            ("90sec", 90),
            ("5m", 300),
            ("5min", 300),
            ("1h", 3600),
            ("1h30m", 5400),
            ("1.5h", 5400),
            ("1d2h3m4s", 93_784),
            ("2d", 172_800),
            ("0.5m", 30),
        ] {
            assert_eq!(Unit::Seconds.parse(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("1B", 1),
            ("1K", 1024),
            ("1k", 1024),
            ("64M", 64 << 20),
            ("64m", 64 << 20),
            ("64 MiB", 64 << 20),
            ("1G", 1 << 30),
            ("1GiB", 1 << 30),
            ("1gib", 1 << 30),
            ("1.5G", 3 << 29),
            ("2T", 2 << 40),
            ("1P", 1 << 50),
            ("1kB", 1000),
            ("1KB", 1000),
            ("1.5MB", 1_500_000),
            ("3GB", 3_000_000_000),
        ] {
            assert_eq!(Unit::Bytes.parse(text), Ok(bytes), "{text}");
        }
        for (text, mebibytes) in [("64", 64), ("64M", 64), ("1GiB", 1024), ("100MB", 95), ("1K", 0)] {
            assert_eq!(Unit::Mebibytes.parse(text), Ok(mebibytes), "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_the_forms_there_are() {
        let wrong = [
            "",
            " ",
            "s",
            "-1",
            "+1",
            "1_000",
            "0x10",
            "1e3",
            "1.",
            ".5",
            "1.5",
            "1..5",
            "1s1",
            "1h1h",
            "1m1h",
            "1 h",
            "5x",
            "5ms",
            "1h ",
            "M",
            "64Mi",
            "64MBB",
            "1KK",
            "1.0001K",
            "18446744073709551616",
            "99999999999999999P",
            "213503982334602d",
            "\u{0661}s",
            "1\u{1b}s",
        ];
        for text in wrong {
            for unit in [Unit::Count, Unit::Seconds, Unit::Bytes, Unit::Mebibytes] {
                let Err(error) = unit.parse(text) else { panic!("{text:?} as {unit:?}") };
                assert!(error.starts_with(&format!("`{text}` is ")), "{error}");
            }
        }
        assert!(Unit::Seconds.parse("64M").unwrap_err().contains("90s, 5m or 1h30m"));
        assert!(Unit::Bytes.parse("90s").unwrap_err().contains("64M or 1.5GiB"));
        assert!(Unit::Count.parse("1K").is_err());
    }

    #[test]
    fn a_number_is_never_more_than_was_written() {
        for number in [1_u64, 7, 999, 1_000_003] {
            for (unit, size) in [("K", 1024), ("kB", 1000), ("MiB", 1 << 20), ("G", 1 << 30)] {
                assert_eq!(Unit::Bytes.parse(&format!("{number}{unit}")), Ok(number * size));
                assert!(Unit::Mebibytes.parse(&format!("{number}{unit}")).unwrap() << 20 <= number * size);
            }
        }
    }
}
