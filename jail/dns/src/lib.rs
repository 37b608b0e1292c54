//! What the answer of a name server says. All of it may be hostile.
//!
//! RFC 1035, section 4. Names are followed backwards only, so that no message goes round in a circle.

pub mod messages;

use core::net::IpAddr;

use rex_ipc::network::AddressKind;

/// What a name server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The addresses of the name, perhaps none; and whether there are more that did not fit.
    Addresses(Vec<IpAddr>, bool),
    /// It cannot or does not want to say.
    Refusal,
}

/// Reads the answer to the query of this number for this name.
///
/// # Errors
/// Why it is none.
pub fn read(message: &[u8], id: u16, name: &str, kind: AddressKind) -> Result<Answer, &'static str> {
    let number = |at: usize| number(message, at);
    let header = (number(0), number(2), number(4), number(6));
    let (Some(its_id), Some(flags), Some(questions), Some(answers)) = header else {
        return Err("the answer is too short");
    };
    if its_id != id || flags & IS_ANSWER == 0 || flags & OPERATION != 0 {
        return Err("the answer is one to another query");
    }
    let code = flags & RESPONSE_CODE;
    if code != NO_ERROR && code != NO_SUCH_NAME {
        return Ok(Answer::Refusal);
    }
    let record_type = if kind == AddressKind::V4 { TYPE_A } else { TYPE_AAAA };
    let asked = (questions == 1).then(|| self::name(message, HEADER_BYTES)).flatten();
    let (asked, end) = asked.ok_or("the answer has no question")?;
    let is_asked = asked.eq_ignore_ascii_case(name)
        && number(end) == Some(record_type)
        && number(end.saturating_add(2)) == Some(CLASS_IN);
    if !is_asked {
        return Err("the answer is one to another query");
    }
    let mut at = end.saturating_add(4);
    let (mut aliases, mut addresses) = (Vec::new(), Vec::new());
    // A message has room for few records, however many it says that it has.
    for _ in 0..answers {
        let Some(record) = Record::read(message, at) else {
            // What is cut off is missing at its end.
            if flags & IS_TRUNCATED != 0 {
                break;
            }
            return Err("the answer ends in the middle of a record");
        };
        at = record.end;
        if record.class != CLASS_IN {
            continue;
        }
        if record.kind == TYPE_CNAME {
            let target = self::name(message, record.data_at).ok_or("the answer has a name that is none")?;
            aliases.push((record.owner, target.0));
        } else if record.kind == record_type {
            let address = address(record.data, kind).ok_or("the answer has an address that is none")?;
            addresses.push((record.owner, address));
        }
    }
    let mut owner = asked;
    let mut found = Vec::new();
    for _ in 0..=aliases.len() {
        found.extend(addresses.iter().filter(|(of, _)| *of == owner).map(|(_, address)| *address));
        match aliases.iter().find(|(of, _)| *of == owner) {
            Some((_, target)) if found.is_empty() => owner.clone_from(target),
            _ => break,
        }
    }
    Ok(Answer::Addresses(found, flags & IS_TRUNCATED != 0))
}

/// A record of the answer.
struct Record<'m> {
    owner: String,
    kind: u16,
    class: u16,
    data: &'m [u8],
    data_at: usize,
    end: usize,
}

impl<'m> Record<'m> {
    fn read(message: &'m [u8], at: usize) -> Option<Self> {
        let (owner, at) = name(message, at)?;
        let data_at = at.checked_add(10)?;
        let length = number(message, at.checked_add(8)?)?;
        let end = data_at.checked_add(length.into())?;
        Some(Self {
            owner,
            kind: number(message, at)?,
            class: number(message, at.checked_add(2)?)?,
            data: message.get(data_at..end)?,
            data_at,
            end,
        })
    }
}

fn address(data: &[u8], kind: AddressKind) -> Option<IpAddr> {
    match kind {
        AddressKind::V4 => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
        AddressKind::V6 => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
    }
}

/// A name in lower case without a dot behind it, and where the message goes on behind it. Bytes that names of hosts do not have
/// are written so that they are not taken for others.
fn name(message: &[u8], start: usize) -> Option<(String, usize)> {
    let (mut name, mut at, mut end, mut before) = (String::new(), start, None, start);
    loop {
        let length = *message.get(at)?;
        let behind = at.checked_add(1)?;
        match length {
            0 => return Some((name, end.unwrap_or(behind))),
            1..=63 => {
                let label = message.get(behind..behind.checked_add(length.into())?)?;
                if !name.is_empty() {
                    name.push('.');
                }
                for byte in label {
                    match byte {
                        b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' => name.push(char::from(*byte)),
                        b'A'..=b'Z' => name.push(char::from(byte.to_ascii_lowercase())),
                        other => name.push_str(&format!("\\{other:03}")),
                    }
                }
                if name.len() > MOST_NAME_BYTES {
                    return None;
                }
                at = behind.checked_add(length.into())?;
            }
            // A pointer to a name that stands before this one.
            0xc0.. => {
                end = end.or(behind.checked_add(1));
                at = usize::from(number(message, at)? & 0x3fff);
                if at >= before {
                    return None;
                }
                before = at;
            }
            _ => return None,
        }
    }
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    let bytes = message.get(at..at.checked_add(2)?)?;
    bytes.try_into().ok().map(u16::from_be_bytes)
}

const HEADER_BYTES: usize = 12;
const IS_ANSWER: u16 = 0x8000;
const OPERATION: u16 = 0x7800;
const IS_TRUNCATED: u16 = 0x0200;
const RESPONSE_CODE: u16 = 0x000f;
const NO_ERROR: u16 = 0;
const NO_SUCH_NAME: u16 = 3;
const TYPE_A: u16 = 1;
const TYPE_CNAME: u16 = 5;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;
/// More than a name of 255 bytes has, with each of them written in four characters.
const MOST_NAME_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::messages::{FINE, QUESTION, labels, message, record};
    use super::*;

    fn texts(answer: Result<Answer, &'static str>) -> (Vec<String>, bool) {
        match answer {
            Ok(Answer::Addresses(found, more)) => (found.iter().map(IpAddr::to_string).collect(), more),
            other => panic!("{other:?}"),
        }
    }

    // Recorded: `dig @192.0.2.53 example.com A`, as a common resolver answers.
    #[test]
    fn a_recorded_answer_is_read() {
        let recorded = b"\xab\xcd\x81\x80\0\x01\0\x02\0\0\0\0\x07example\x03com\0\0\x01\0\x01\
                         \xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x01\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x02";

        let answer = read(recorded, 0xabcd, "example.com", AddressKind::V4);

        assert_eq!(texts(answer), (vec!["192.0.2.1".into(), "192.0.2.2".into()], false));
    }

    #[test]
    fn aliases_are_followed_and_what_belongs_to_others_is_not_taken() {
        let other = labels("other.example");
        let records = [
            record(&other, TYPE_A, &[192, 0, 2, 66]),
            record(QUESTION, TYPE_CNAME, &labels("b.example")),
            record(&labels("B.Example"), TYPE_CNAME, &labels("c.example")),
            record(&labels("c.example"), TYPE_A, &[192, 0, 2, 7]),
        ];
        let answer = message(7, FINE, "A.example", AddressKind::V4, &records);

        assert_eq!(texts(read(&answer, 7, "a.EXAMPLE", AddressKind::V4)).0, ["192.0.2.7"]);
        let circle = [record(QUESTION, TYPE_CNAME, QUESTION)];
        let answer = message(7, FINE, "a", AddressKind::V6, &circle);
        assert_eq!(texts(read(&answer, 7, "a", AddressKind::V6)).0, [""; 0]);
        let v6 = [record(QUESTION, TYPE_AAAA, &[0; 16]), record(QUESTION, TYPE_A, &[1, 2, 3, 4])];
        let answer = message(7, FINE, "a", AddressKind::V6, &v6);
        assert_eq!(texts(read(&answer, 7, "a", AddressKind::V6)).0, ["::"]);
    }

    #[test]
    fn no_address_is_none_and_a_refusal_is_one() {
        for flags in [FINE, FINE | NO_SUCH_NAME] {
            let answer = message(7, flags, "a", AddressKind::V4, &[]);
            assert_eq!(read(&answer, 7, "a", AddressKind::V4), Ok(Answer::Addresses(Vec::new(), false)));
        }
        for code in [1, 2, 4, 5] {
            let answer = message(7, FINE | code, "a", AddressKind::V4, &[]);
            assert_eq!(read(&answer, 7, "a", AddressKind::V4), Ok(Answer::Refusal));
        }
    }

    #[test]
    fn an_answer_that_was_cut_off_says_so() {
        let mut answer = message(
            7,
            FINE | IS_TRUNCATED,
            "a",
            AddressKind::V4,
            &[record(QUESTION, TYPE_A, &[1, 2, 3, 4]), Vec::new()],
        );
        assert_eq!(texts(read(&answer, 7, "a", AddressKind::V4)), (vec!["1.2.3.4".into()], true));
        answer[2] &= 0xfd;
        assert!(read(&answer, 7, "a", AddressKind::V4).is_err());
    }

    #[test]
    fn an_answer_to_another_query_is_none() {
        let answer = message(7, FINE, "a", AddressKind::V4, &[]);

        assert!(read(&answer, 8, "a", AddressKind::V4).is_err());
        assert!(read(&answer, 7, "b", AddressKind::V4).is_err());
        assert!(read(&answer, 7, "a", AddressKind::V6).is_err());
        let query = message(7, 0x0100, "a", AddressKind::V4, &[]);
        assert!(read(&query, 7, "a", AddressKind::V4).is_err());
        let update = message(7, FINE | 0x2800, "a", AddressKind::V4, &[]);
        assert!(read(&update, 7, "a", AddressKind::V4).is_err());
        let dotted = message(7, FINE, "x", AddressKind::V4, &[]);
        let mut dotted = dotted;
        dotted.splice(12..15, *b"\x03a.b\0");
        assert!(read(&dotted, 7, "a.b", AddressKind::V4).is_err(), "a dot within a label divides none");
    }

    #[test]
    fn pointers_that_go_round_or_nowhere_are_no_name() {
        for owner in
            [&b"\xc0\x13"[..], b"\xc0\xff", b"\xff\xff", b"\xc0", b"\x40a", b"\x05a", b"\x01a\xc0\x13"]
        {
            let answer = message(7, FINE, "a", AddressKind::V4, &[record(owner, TYPE_A, &[1, 2, 3, 4])]);
            assert!(read(&answer, 7, "a", AddressKind::V4).is_err(), "{owner:?}");
        }
    }

    // Whatever is changed or cut, something is answered, and soon.
    #[test]
    fn no_message_does_harm() {
        let records = [
            record(QUESTION, TYPE_CNAME, &labels("b.example")),
            record(&labels("b.example"), TYPE_A, &[192, 0, 2, 7]),
        ];
        let whole = message(7, FINE, "a.example", AddressKind::V4, &records);
        for end in 0..whole.len() {
            assert!(read(&whole[..end], 7, "a.example", AddressKind::V4).is_err(), "{end}");
        }
        for at in 0..whole.len() {
            for byte in 0..=255 {
                let mut changed = whole.clone();
                changed[at] = byte;
                let _any = read(&changed, 7, "a.example", AddressKind::V4);
            }
        }
    }
}
