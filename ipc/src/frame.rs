//! The sixteen bytes in front of every message, and which kinds of message there are.

use core::fmt;

use crate::limits::{HEADER_BYTES, MAX_BODY_BYTES};

/// The first two bytes of every frame: `RX`, little endian.
pub const MAGIC: u16 = u16::from_le_bytes(*b"RX");

/// The version of frame and codec; the table has a fingerprint of its own.
pub const VERSION: u8 = 1;

/// Lists the kinds of frame with number, sender and name.
macro_rules! kinds {
    ($($number:literal $kind:ident $sender:ident $doc:literal;)+) => {
        /// What a frame is for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $(#[doc = $doc] $kind = $number,)+
        }

        impl Kind {
            /// Every kind, in the order of its number.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)+];

            /// The kind with this number.
            pub const fn from_number(number: u8) -> Option<Kind> {
                match number { $($number => Some(Kind::$kind),)+ _ => None }
            }

            /// The number on the wire.
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The name as the wire document has it.
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$kind => stringify!($kind),)+ }
            }

            /// Who sends it.
            pub const fn sender(self) -> Sender {
                match self { $(Kind::$kind => Sender::$sender,)+ }
            }
        }
    };
}

/// The two ends of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The unprivileged process.
    Jail,
    /// The privileged process.
    Broker,
}

kinds! {
    0x01 Ready Jail "The jail has locked itself down; once.";
    0x02 Call Jail "One request or a short sequence of requests.";
    0x03 OutputBegin Jail "The length of the output or error text that follows; once.";
    0x04 OutputChunk Jail "A piece of it.";
    0x05 OutputEnd Jail "The end of it; once.";
    0x06 Result Jail "How the script ended; once, and the last frame.";
    0x07 Fatal Jail "The interpreter cannot go on: arena exhausted or panic; once, and the last frame.";
    0x81 Hello Broker "Fingerprint, limits and the steps of the lockdown; once, and the first frame.";
    0x82 LoadBegin Broker "The lengths of script and arguments; once.";
    0x83 LoadChunk Broker "A piece of them.";
    0x84 LoadEnd Broker "The end of them, and the order to run; once.";
    0x85 Reply Broker "The answer to a call.";
    0x86 Ack Broker "The answer to a frame that has no result.";
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is for.
    pub kind: Kind,
    /// Counts the frames of one sender from 0, without gaps.
    pub sequence: u32,
    /// Length of the body in bytes.
    pub body_bytes: u32,
}

/// Why a frame was refused before its body was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Shorter than a header.
    TooShort,
    /// Not our magic number.
    BadMagic,
    /// A version that this program does not speak.
    BadVersion,
    /// A kind that does not exist.
    UnknownKind,
    /// The reserved word is not zero.
    ReservedNotZero,
    /// The length in the header is not the length of what follows it.
    LengthMismatch,
}

impl fmt::Display for FrameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::TooShort => "frame is shorter than its header",
            Self::BadMagic => "frame does not begin with the magic number",
            Self::BadVersion => "frame has another version",
            Self::UnknownKind => "frame is of an unknown kind",
            Self::ReservedNotZero => "reserved word of the header is not zero",
            Self::LengthMismatch => "length in the header differs from the length of the body",
        })
    }
}

impl Header {
    /// The header as it stands on the wire.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let [m0, m1] = MAGIC.to_le_bytes();
        let [s0, s1, s2, s3] = self.sequence.to_le_bytes();
        let [l0, l1, l2, l3] = self.body_bytes.to_le_bytes();
        [m0, m1, VERSION, self.kind.number(), s0, s1, s2, s3, l0, l1, l2, l3, 0, 0, 0, 0]
    }

    /// Splits a datagram into header and body.
    ///
    /// # Errors
    /// [`FrameError`]: too short, or a header that is not ours, or a length that is not that of the body.
    pub fn split(datagram: &[u8]) -> Result<(Header, &[u8]), FrameError> {
        let (head, body) = datagram.split_first_chunk::<HEADER_BYTES>().ok_or(FrameError::TooShort)?;
        let [m0, m1, version, kind, s0, s1, s2, s3, l0, l1, l2, l3, reserved @ ..] = *head;
        if u16::from_le_bytes([m0, m1]) != MAGIC {
            return Err(FrameError::BadMagic);
        }
        if version != VERSION {
            return Err(FrameError::BadVersion);
        }
        let kind = Kind::from_number(kind).ok_or(FrameError::UnknownKind)?;
        if reserved != [0; 4] {
            return Err(FrameError::ReservedNotZero);
        }
        let body_bytes = u32::from_le_bytes([l0, l1, l2, l3]);
        if body.len() > MAX_BODY_BYTES || usize::try_from(body_bytes) != Ok(body.len()) {
            return Err(FrameError::LengthMismatch);
        }
        Ok((Header { kind, sequence: u32::from_le_bytes([s0, s1, s2, s3]), body_bytes }, body))
    }

    /// Writes header and body length in front of a body that already stands at `frame[16..16 + body_bytes]`.
    ///
    /// Returns the length of the whole frame, or nothing when the body does not fit.
    pub fn finish(kind: Kind, sequence: u32, body_bytes: usize, frame: &mut [u8]) -> Option<usize> {
        let total = HEADER_BYTES.checked_add(body_bytes)?;
        if body_bytes > MAX_BODY_BYTES || total > frame.len() {
            return None;
        }
        let header = Header { kind, sequence, body_bytes: u32::try_from(body_bytes).ok()? };
        frame.get_mut(..HEADER_BYTES)?.copy_from_slice(&header.to_bytes());
        Some(total)
    }
}
