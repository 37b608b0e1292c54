//! What a broker and a worker say to each other: frames of a few fixed forms, one answer to each order.
//!
//! A worker is a jail without a script. It reads what comes from the network and is told everything that it has to know; what it
//! says is believed no more than what a jail says. A frame is a header of 16 bytes and a body:
//!
//! | bytes | |
//! |---|---|
//! | 0..2 | `RW` |
//! | 2 | version, 1 |
//! | 3 | kind |
//! | 4..8 | number of the frame in its direction, little endian, from 0 |
//! | 8..12 | length of the body, little endian |
//! | 12..16 | zero |

use core::net::IpAddr;

use crate::{MAX_FRAME_BYTES, MIN_FRAME_BYTES};

/// The header of a frame.
pub const HEADER_BYTES: usize = MIN_FRAME_BYTES;
/// The longest body of a frame.
pub const MAX_BODY_BYTES: usize = MAX_FRAME_BYTES - HEADER_BYTES;
/// Addresses in one answer, at most.
pub const MAX_ADDRESSES: usize = 64;
/// The longest name of a server that a worker is told, in bytes.
pub const MAX_NAME_BYTES: usize = 253;

/// What a frame is about. Orders go to the worker, answers come from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Order, the first: [`Prepare`]. Answered by `Ready`.
    Prepare = 1,
    /// Order: [`Server`]. Answered by `Taken`.
    Server = 2,
    /// Order: the next part of the trust anchors, as PEM. Answered by `Taken`.
    Anchors = 3,
    /// Order: what is to be said to the server once it has been verified. Answered by `Step`.
    Say = 4,
    /// Order: bytes that came from the server. Answered by `Step`.
    Arrived = 5,
    /// Order: the server has closed the connection. Answered by `Step`.
    Closed = 6,
    /// Order: what did not fit into the last answer. Answered by `Step`.
    More = 7,
    /// Order: [`Question`] to a name server. Answered by `Taken`.
    Question = 8,
    /// Order: the message of the name server. Answered by `Addresses`.
    Message = 9,
    /// Answer: the lockdown is complete; the body is the report on it.
    Ready = 65,
    /// Answer: that was understood, and there is nothing to say.
    Taken = 66,
    /// Answer: [`Step`].
    Step = 67,
    /// Answer: [`Cause`], and after it nothing comes any more.
    Failed = 68,
    /// Answer: [`Resolved`].
    Addresses = 69,
}

impl Kind {
    fn from_number(number: u8) -> Option<Self> {
        [
            Self::Prepare,
            Self::Server,
            Self::Anchors,
            Self::Say,
            Self::Arrived,
            Self::Closed,
            Self::More,
            Self::Question,
            Self::Message,
            Self::Ready,
            Self::Taken,
            Self::Step,
            Self::Failed,
            Self::Addresses,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == number)
    }
}

/// Writes the header of a frame whose body already stands behind it; gives the length of the whole. Nothing when the body is too
/// long.
pub fn finish(kind: Kind, number: u32, body_bytes: usize, frame: &mut [u8]) -> Option<usize> {
    if body_bytes > MAX_BODY_BYTES {
        return None;
    }
    let header = frame.get_mut(..HEADER_BYTES)?;
    header.fill(0);
    header[..2].copy_from_slice(MAGIC);
    header[2] = VERSION;
    header[3] = kind as u8;
    header[4..8].copy_from_slice(&number.to_le_bytes());
    header[8..12].copy_from_slice(&(body_bytes as u32).to_le_bytes());
    Some(HEADER_BYTES + body_bytes)
}

/// A frame with this number, whole; nothing when it is too long.
pub fn frame(kind: Kind, number: u32, body: &[u8]) -> Option<Vec<u8>> {
    let mut frame = vec![0; HEADER_BYTES];
    frame.extend_from_slice(body);
    finish(kind, number, body.len(), &mut frame)?;
    Some(frame)
}

/// Takes a frame apart that has to have this number; nothing when anything of it is not as it has to be.
pub fn split(frame: &[u8], number: u32) -> Option<(Kind, &[u8])> {
    let (header, body) = frame.split_at_checked(HEADER_BYTES)?;
    let kind = Kind::from_number(header[3])?;
    let mut expected = [0; HEADER_BYTES];
    finish(kind, number, body.len(), &mut expected)?;
    (header == expected).then_some((kind, body))
}

/// How a worker is to lock itself down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepare {
    /// The steps; see [`crate::PreparePlan`].
    pub lockdown_bits: u32,
    /// The size of its memory.
    pub arena_bytes: u64,
}

impl Prepare {
    /// As a body.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.lockdown_bits.to_le_bytes()[..], &self.arena_bytes.to_le_bytes()].concat()
    }

    /// Out of a body; nothing when it is none.
    pub fn from_bytes(body: &[u8]) -> Option<Self> {
        let (bits, bytes) = body.split_at_checked(4)?;
        Some(Self {
            lockdown_bits: u32::from_le_bytes(bits.try_into().ok()?),
            arena_bytes: u64::from_le_bytes(bytes.try_into().ok()?),
        })
    }
}

/// The server that a worker speaks with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The time at which certificates have to be valid, in seconds since 1970.
    pub unix_seconds: u64,
    /// Its name or address, as its certificate has to have it.
    pub name: String,
}

impl Server {
    /// As a body.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.unix_seconds.to_le_bytes()[..], self.name.as_bytes()].concat()
    }

    /// Out of a body; nothing when it is none.
    pub fn from_bytes(body: &[u8]) -> Option<Self> {
        let (seconds, name) = body.split_at_checked(8)?;
        Some(Self { unix_seconds: u64::from_le_bytes(seconds.try_into().ok()?), name: name_of(name)? })
    }
}

/// What a name server was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The number of the query.
    pub id: u16,
    /// Whether for addresses of version 6, and not of version 4.
    pub is_v6: bool,
    /// The name, without a dot behind it.
    pub name: String,
}

impl Question {
    /// As a body.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.id.to_le_bytes()[..], &[u8::from(self.is_v6)], self.name.as_bytes()].concat()
    }

    /// Out of a body; nothing when it is none.
    pub fn from_bytes(body: &[u8]) -> Option<Self> {
        let (id, rest) = body.split_at_checked(2)?;
        let (is_v6, name) = rest.split_first()?;
        let is_v6 = match is_v6 {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Self { id: u16::from_le_bytes(id.try_into().ok()?), is_v6, name: name_of(name)? })
    }
}

/// What a worker has for the server and for whoever asked, and how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// Whether the server has been verified, and what was to be said is among what goes to it.
    pub is_established: bool,
    /// Whether there is more that did not fit.
    pub has_more: bool,
    /// Whether the server has said that nothing comes any more.
    pub is_end: bool,
    /// What goes to the server, encrypted.
    pub to_server: &'a [u8],
    /// What the server said, decrypted.
    pub said: &'a [u8],
}

impl<'a> Step<'a> {
    /// What a body has beside the two texts.
    pub const OVERHEAD_BYTES: usize = 5;

    /// Writes it as a body, and gives the length; nothing where there is no room.
    pub fn write(&self, body: &mut [u8]) -> Option<usize> {
        let flags = [self.is_established, self.has_more, self.is_end];
        let flags = flags.iter().rev().fold(0, |bits, flag| bits << 1 | u8::from(*flag));
        let length = u32::try_from(self.to_server.len()).ok()?;
        let end = Self::OVERHEAD_BYTES.checked_add(self.to_server.len())?;
        *body.first_mut()? = flags;
        body.get_mut(1..Self::OVERHEAD_BYTES)?.copy_from_slice(&length.to_le_bytes());
        body.get_mut(Self::OVERHEAD_BYTES..end)?.copy_from_slice(self.to_server);
        let whole = end.checked_add(self.said.len())?;
        body.get_mut(end..whole)?.copy_from_slice(self.said);
        Some(whole)
    }

    /// Out of a body; nothing when it is none.
    pub fn from_bytes(body: &'a [u8]) -> Option<Self> {
        let (start, texts) = body.split_at_checked(Self::OVERHEAD_BYTES)?;
        let (flags, length) = start.split_first()?;
        let length = u32::from_le_bytes(length.try_into().ok()?);
        let (to_server, said) = texts.split_at_checked(usize::try_from(length).ok()?)?;
        let flag = |bit: u8| flags & bit != 0;
        (*flags < 8).then_some(Self {
            is_established: flag(1),
            has_more: flag(2),
            is_end: flag(4),
            to_server,
            said,
        })
    }
}

/// What the message of a name server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// The addresses of the name, perhaps none.
    Addresses(Vec<IpAddr>),
    /// There are more that did not fit; over TCP they would.
    Truncated,
    /// It cannot or does not want to say.
    Refusal,
    /// It is no answer to what was asked.
    NoAnswer,
}

impl Resolved {
    /// As a body.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Truncated => vec![1],
            Self::Refusal => vec![2],
            Self::NoAnswer => vec![3],
            Self::Addresses(addresses) => {
                let mut body = vec![0];
                for address in addresses.iter().take(MAX_ADDRESSES) {
                    match address {
                        IpAddr::V4(address) => body.extend(address.octets()),
                        IpAddr::V6(address) => body.extend(address.octets()),
                    }
                }
                body
            }
        }
    }

    /// Out of a body; nothing when it is none. The version of the addresses is that of the question.
    pub fn from_bytes(body: &[u8], is_v6: bool) -> Option<Self> {
        let (outcome, rest) = body.split_first()?;
        match outcome {
            0 => {
                let size = if is_v6 { 16 } else { 4 };
                let is_whole = rest.len().is_multiple_of(size) && rest.len() / size <= MAX_ADDRESSES;
                is_whole.then(|| Self::Addresses(rest.chunks_exact(size).filter_map(address).collect()))
            }
            1 if rest.is_empty() => Some(Self::Truncated),
            2 if rest.is_empty() => Some(Self::Refusal),
            3 if rest.is_empty() => Some(Self::NoAnswer),
            _ => None,
        }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

fn name_of(bytes: &[u8]) -> Option<String> {
    let is_short = (1..=MAX_NAME_BYTES).contains(&bytes.len());
    is_short.then(|| String::from_utf8(bytes.to_vec()).ok()).flatten()
}

/// The causes, in the order of their numbers: `Name: "what is said of it"`.
macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident: $text:literal,)+) => {
        /// Why a worker cannot go on. The texts are the broker's: a worker has no words of its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Cause {
            $($(#[$doc])* $name,)+
        }

        impl Cause {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// What is said of it.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

causes! {
    /// The lockdown failed, or the order was none.
    Setup: "the worker for the network could not be confined",
    /// There is no certificate of an authority.
    NoAnchors: "there is no authority whose certificates would be believed",
    /// The certificate is of another server.
    WrongName: "the certificate of the server is for another name",
    /// It is over.
    Expired: "the certificate of the server, or one above it, has expired",
    /// It is to come.
    NotYetValid: "the certificate of the server, or one above it, is not valid yet",
    /// Nobody who is believed has signed it.
    UnknownIssuer: "the certificate of the server was issued by nobody who is believed",
    /// An authority's own, in place of a server's.
    AuthorityAsServer: "the certificate of the server is one of an authority, or has signed itself",
    /// It was taken back.
    Revoked: "the certificate of the server has been revoked",
    /// It was made for something else.
    WrongPurpose: "the certificate of the server is not one for servers",
    /// Its signature is wrong.
    BadSignature: "a signature on the certificate of the server is wrong",
    /// It is none.
    BadCertificate: "the certificate of the server cannot be understood",
    /// Older than what is spoken, or something else that one side lacks.
    NothingInCommon: "the server speaks no version or cipher of TLS that is spoken here",
    /// The server has broken off.
    Refused: "the server has refused to go on with TLS",
    /// What it said is no TLS.
    NoTls: "the server does not keep to TLS",
    /// Closed without a farewell, so that whether that is all nobody knows.
    CutOff: "the server has closed the connection without saying that this is its end",
}

impl Cause {
    /// Out of a body; nothing when it is none.
    pub fn from_bytes(body: &[u8]) -> Option<Self> {
        match body {
            [number] => Self::ALL.get(usize::from(*number)).copied(),
            _ => None,
        }
    }
}

const MAGIC: &[u8; 2] = b"RW";
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_apart_only_as_it_was_made() {
        let whole = frame(Kind::Step, 7, b"body").unwrap();

        assert_eq!(split(&whole, 7), Some((Kind::Step, &b"body"[..])));
        assert_eq!(split(&whole, 8), None, "another number");
        assert_eq!(split(&whole[..19], 7), None, "cut");
        assert_eq!(split(&[&whole[..], b"x"].concat(), 7), None, "longer than it says");
        for at in 0..HEADER_BYTES {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                let other = split(&changed, 7);
                assert!(other.is_none() || (at == 3 && other.unwrap().0 != Kind::Step), "{at} {bit}");
            }
        }
        assert!(frame(Kind::Say, 0, &vec![0; MAX_BODY_BYTES]).is_some());
        assert!(frame(Kind::Say, 0, &vec![0; MAX_BODY_BYTES + 1]).is_none());
        assert_eq!(split(b"", 0), None);
    }

    #[test]
    fn bodies_are_read_as_they_are_written_and_not_otherwise() {
        let prepare = Prepare { lockdown_bits: 0x0102_0304, arena_bytes: 1 << 33 };
        assert_eq!(Prepare::from_bytes(&prepare.to_bytes()), Some(prepare));
        assert_eq!(Prepare::from_bytes(&prepare.to_bytes()[1..]), None);
        let server = Server { unix_seconds: 1, name: "a.example".into() };
        assert_eq!(Server::from_bytes(&server.to_bytes()), Some(server));
        assert_eq!(Server::from_bytes(&[0; 8]), None);
        assert_eq!(Server::from_bytes(&[b'a'; 8 + MAX_NAME_BYTES + 1]), None);
        let question = Question { id: 513, is_v6: true, name: "a".into() };
        assert_eq!(Question::from_bytes(&question.to_bytes()), Some(question));
        assert_eq!(Question::from_bytes(&[0, 0, 2, b'a']), None);
        for resolved in [
            Resolved::Truncated,
            Resolved::Refusal,
            Resolved::NoAnswer,
            Resolved::Addresses(vec![]),
            Resolved::Addresses(vec![[192, 0, 2, 1].into(), [192, 0, 2, 2].into()]),
        ] {
            assert_eq!(Resolved::from_bytes(&resolved.to_bytes(), false), Some(resolved));
        }
        let six = Resolved::Addresses(vec!["2001:db8::1".parse().unwrap()]);
        assert_eq!(Resolved::from_bytes(&six.to_bytes(), true), Some(six));
        assert_eq!(Resolved::from_bytes(&[0, 1, 2, 3], false), None);
        assert_eq!(Resolved::from_bytes(&[1, 1], false), None);
        assert_eq!(Resolved::from_bytes(&[4], false), None);
        assert_eq!(Resolved::from_bytes(&[0; 1 + 4 * (MAX_ADDRESSES + 1)], false), None);
    }

    #[test]
    fn a_step_has_its_flags_and_two_texts() {
        let mut body = [0; 32];
        for bits in 0..8_u8 {
            let step = Step {
                is_established: bits & 1 != 0,
                has_more: bits & 2 != 0,
                is_end: bits & 4 != 0,
                to_server: b"cipher",
                said: b"plain",
            };
            let length = step.write(&mut body).unwrap();
            assert_eq!(body[0], bits);
            assert_eq!(Step::from_bytes(&body[..length]), Some(step));
        }
        let step = Step {
            is_established: false,
            has_more: false,
            is_end: false,
            to_server: &[1; 20],
            said: &[2; 8],
        };
        assert_eq!(step.write(&mut body), None);
        assert_eq!(Step::from_bytes(&[8, 0, 0, 0, 0]), None, "a flag that there is not");
        assert_eq!(Step::from_bytes(&[0, 1, 0, 0, 0]), None, "longer than it is");
        assert_eq!(Step::from_bytes(&[0, 0, 0]), None);
    }

    #[test]
    fn causes_have_numbers_and_words() {
        for (number, cause) in Cause::ALL.iter().enumerate() {
            assert_eq!(Cause::from_bytes(&[number as u8]), Some(*cause));
            assert!(!cause.text().is_empty());
        }
        assert_eq!(Cause::from_bytes(&[Cause::ALL.len() as u8]), None);
        assert_eq!(Cause::from_bytes(&[0, 0]), None);
    }
}
