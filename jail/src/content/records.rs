//! The records of an extension header of an archive: what they say of the entry that follows.

use rex_ipc::file_system::Instant;

use super::sparse::{MOST_SPANS, Span};

/// What an extension header says. What it does not say is in the entry's own header.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    /// The name.
    pub path: Option<Vec<u8>>,
    /// What a link leads to.
    pub link: Option<Vec<u8>>,
    /// Bytes in the archive.
    pub size_bytes: Option<u64>,
    /// The last modification.
    pub modified: Option<Instant>,
    /// The user's number.
    pub uid: Option<u64>,
    /// The group's number.
    pub gid: Option<u64>,
    /// The user's name.
    pub user: Option<Vec<u8>>,
    /// The group's name.
    pub group: Option<Vec<u8>>,
    /// Where the content stands in the file, when it is not all there.
    pub holes: Holes,
}

/// Which parts of a sparse file are in the archive, in the forms that GNU tar has had for it.
///
/// # Source
/// The GNU tar manual, "Storing Sparse Files".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Holes {
    /// The parts, when the records tell them.
    pub spans: Option<Vec<Span>>,
    /// The version of the form.
    pub version: Option<(u64, u64)>,
    /// The name, whose record tells that of a folder made up for old readers.
    pub name: Option<Vec<u8>>,
    /// The length of the file in bytes.
    pub real_size_bytes: Option<u64>,
}

impl Records {
    /// Reads the records of a header.
    ///
    /// # Errors
    /// What is wrong with them.
    ///
    /// # Source
    /// POSIX.1-2024, pax, "pax Extended Header": each is `length key=value\n`, and the length counts all of it. A record
    /// without a value takes back what was said before.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        Self::default().with(bytes)
    }

    /// What these records say, and what was said before where they say nothing.
    ///
    /// # Errors
    /// As [`Records::parse`].
    pub fn with(self, bytes: &[u8]) -> Result<Self, &'static str> {
        let mut records = self;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (record, after) =
                split_record(rest).ok_or("a record of its extension header is malformed")?;
            let equals = record.iter().position(|&byte| byte == b'=');
            let (key, value) = equals
                .and_then(|at| Some((record.get(..at)?, record.get(at.checked_add(1)?..)?)))
                .ok_or("a record of its extension header has no key")?;
            records.take(key, value).ok_or("a record of its extension header is not a number")?;
            rest = after;
        }
        Ok(records)
    }

    /// What of a header for all entries counts for each of them: a name or a length would be that of one.
    pub fn for_all(self) -> Self {
        let Self { modified, uid, gid, user, group, .. } = self;
        Self { modified, uid, gid, user, group, ..Self::default() }
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let text = || (!value.is_empty()).then(|| value.to_vec());
        let optional = || if value.is_empty() { Some(None) } else { decimal(value).map(Some) };
        // No system has an owner with a number less than 0, and yet it may be said.
        let owner = || match value.strip_prefix(b"-") {
            Some(digits) => decimal(digits).map(|_| Some(u64::MAX)),
            None => optional(),
        };
        match key {
            b"path" => self.path = text(),
            b"linkpath" => self.link = text(),
            b"size" => self.size_bytes = optional()?,
            b"uid" => self.uid = owner()?,
            b"gid" => self.gid = owner()?,
            b"uname" => self.user = text(),
            b"gname" => self.group = text(),
            b"mtime" if value.is_empty() => self.modified = None,
            b"mtime" => self.modified = Some(instant(value)?),
            _ => return self.holes.take(key.strip_prefix(b"GNU.sparse."), value),
        }
        Some(())
    }
}

impl Holes {
    fn take(&mut self, key: Option<&[u8]>, value: &[u8]) -> Option<()> {
        match key {
            Some(b"major") => {
                self.version = Some((decimal(value)?, self.version.map_or(0, |(_, minor)| minor)))
            }
            Some(b"minor") => {
                self.version = Some((self.version.map_or(0, |(major, _)| major), decimal(value)?))
            }
            Some(b"name") => self.name = Some(value.to_vec()),
            Some(b"realsize" | b"size") => self.real_size_bytes = Some(decimal(value)?),
            Some(b"offset") => {
                let spans = self.spans.get_or_insert_default();
                spans.push(Span { offset: decimal(value)?, length: 0 });
                return (spans.len() <= MOST_SPANS).then_some(());
            }
            Some(b"numbytes") => self.spans.as_mut()?.last_mut()?.length = decimal(value)?,
            Some(b"map") => self.spans = Some(map(value)?),
            // Attributes, comments and the like are not kept.
            _ => {}
        }
        Some(())
    }
}

/// The first record without its length and its newline, and what follows it.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = bytes.iter().take(MOST_DIGITS).position(|&byte| byte == b' ')?;
    let length = usize::try_from(decimal(bytes.get(..space)?)?).ok()?;
    let whole = bytes.get(..length)?;
    let record = whole.get(space.checked_add(1)?..)?.strip_suffix(b"\n")?;
    Some((record, bytes.get(length..)?))
}

/// Offsets and lengths in turn.
fn map(value: &[u8]) -> Option<Vec<Span>> {
    let mut spans = Vec::new();
    let mut numbers = value.split(|&byte| byte == b',');
    while let Some(offset) = numbers.next() {
        if spans.len() >= MOST_SPANS {
            return None;
        }
        spans.push(Span { offset: decimal(offset)?, length: decimal(numbers.next()?)? });
    }
    Some(spans)
}

/// Seconds with an optional fraction, before 1970 negative.
fn instant(value: &[u8]) -> Option<Instant> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanoseconds =
        if digits.bytes().all(|digit| digit.is_ascii_digit()) { digits.parse().ok()? } else { return None };
    match (whole.starts_with('-'), nanoseconds) {
        (true, 1..) => Some(Instant {
            seconds: seconds.checked_sub(1)?,
            nanoseconds: 1_000_000_000_u32.checked_sub(nanoseconds)?,
        }),
        _ => Some(Instant { seconds, nanoseconds }),
    }
}

/// A number of digits only.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A length has no more digits than any 64-bit number, so that a header without a space is not searched to its end.
const MOST_DIGITS: usize = 21;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_by_their_length() {
        let records = Records::parse(b"13 path=a\nb=\n17 mtime=-1.25xx\n").map(|_| ()).unwrap_err();
        assert!(records.contains("not a number"));

        let records = Records::parse(b"13 path=a\nb=\n15 mtime=-1.25\n8 uid=7\n15 comment=xyz\n").unwrap();
        assert_eq!(records.path.as_deref(), Some(&b"a\nb="[..]));
        assert_eq!(records.modified, Some(Instant { seconds: -2, nanoseconds: 750_000_000 }));
        assert_eq!(records.uid, Some(7));
    }

    #[test]
    fn a_record_without_a_value_takes_back_the_one_before() {
        assert_eq!(Records::parse(b"8 uid=7\n7 uid=\n").unwrap(), Records::default());
    }

    #[test]
    fn owners_less_than_zero_are_said_and_nobody_s() {
        assert_eq!(Records::parse(b"9 uid=-2\n").unwrap().uid, Some(u64::MAX));
    }

    #[test]
    fn malformed_records_are_refused() {
        for bytes in [
            &b"x"[..],
            b"5 a\n",
            b"0 \n",
            b"3 a=b\n",
            b"99 path=a\n",
            b"18446744073709551616 path=a\n",
            b"8 path=a\n",
            b"-9 uid=7\n",
            b"9 uid=--7\n",
            b"8 uid=-\n",
            b"20 GNU.sparse.map=1\n",
            b"25 GNU.sparse.numbytes=1\n",
        ] {
            assert!(Records::parse(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
