//! How a value becomes bytes and back: little endian, variable-length integers, one form for each value.
//!
//! This is the only module that names `bincode`. Decoding always has a byte limit, demands canonical form (a value
//! that would be encoded differently is refused), and leaves it to the caller to demand that nothing follows.

use core::fmt;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::{MAX_FRAME_BYTES, MAX_LOAD_BYTES};

/// Why bytes were refused, or a value could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// The bytes are no value of the type: too short, out of range, too large, not UTF-8.
    Malformed,
    /// The bytes mean a value that is written with other bytes.
    NotCanonical,
    /// Bytes follow the value.
    TrailingBytes,
    /// The value does not fit the space.
    NoRoom,
}

impl fmt::Display for CodecError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Malformed => "bytes are not a value of the expected type",
            Self::NotCanonical => "value is not in canonical form",
            Self::TrailingBytes => "bytes follow the value",
            Self::NoRoom => "value does not fit the frame",
        })
    }
}

/// Writes a value at the start of `space`; returns its length.
///
/// # Errors
/// `NoRoom` when the space is too small.
pub fn encode<T: Serialize>(value: &T, space: &mut [u8]) -> Result<usize, CodecError> {
    bincode::serde::encode_into_slice(value, space, WIRE).map_err(|_| CodecError::NoRoom)
}

/// Reads a value from the start of `bytes`; returns it with its length.
///
/// # Errors
/// `Malformed` for bytes that are no value of the type, `NotCanonical` for those of a value that is written otherwise.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), CodecError> {
    if bytes.len() > MAX_FRAME_BYTES {
        return Err(CodecError::Malformed);
    }
    let (value, length) =
        bincode::serde::decode_from_slice::<T, _>(bytes, WIRE).map_err(|_| CodecError::Malformed)?;
    let consumed = bytes.get(..length).ok_or(CodecError::Malformed)?;
    check_canonical(&value, consumed)?;
    Ok((value, length))
}

/// Reads a value that fills `bytes`.
///
/// # Errors
/// Those of [`decode`], and `TrailingBytes` when something follows.
pub fn decode_exactly<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, length) = decode(bytes)?;
    if length == bytes.len() { Ok(value) } else { Err(CodecError::TrailingBytes) }
}

/// Writes a value that travels in several frames, such as the arguments of a script.
///
/// # Errors
/// `NoRoom` when it is larger than what may be loaded.
pub fn encode_large<T: Serialize>(value: &T) -> Result<alloc::vec::Vec<u8>, CodecError> {
    bincode::serde::encode_to_vec(value, LARGE).map_err(|_| CodecError::NoRoom)
}

/// Reads a value that travelled in several frames and fills `bytes`.
///
/// # Errors
/// Those of [`decode_exactly`].
pub fn decode_large<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > MAX_LOAD_BYTES {
        return Err(CodecError::Malformed);
    }
    let (value, length) =
        bincode::serde::decode_from_slice::<T, _>(bytes, LARGE).map_err(|_| CodecError::Malformed)?;
    if length != bytes.len() {
        return Err(CodecError::TrailingBytes);
    }
    Ok(value)
}

fn check_canonical<T: Serialize>(value: &T, expected: &[u8]) -> Result<(), CodecError> {
    let mut comparer = Comparer { rest: expected, equal: true };
    bincode::serde::encode_into_writer(value, &mut comparer, WIRE).map_err(|_| CodecError::NotCanonical)?;
    if comparer.equal && comparer.rest.is_empty() { Ok(()) } else { Err(CodecError::NotCanonical) }
}

/// A writer that compares instead of storing, so that the check needs no second buffer.
struct Comparer<'a> {
    rest: &'a [u8],
    equal: bool,
}

impl Writer for &mut Comparer<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        match self.rest.split_at_checked(bytes.len()) {
            Some((head, tail)) if head == bytes => self.rest = tail,
            _ => self.equal = false,
        }
        Ok(())
    }
}

// bincode charges the full width of an integer against its limit, also when it stands in one byte. A limit of the frame's
// size would so refuse frames that are well within it (a page of a few thousand entries); eight times that refuses none.
const WIDEST_INTEGER: usize = size_of::<u64>();
const WIRE_LIMIT: usize = MAX_FRAME_BYTES * WIDEST_INTEGER;
const LARGE_LIMIT: usize = MAX_LOAD_BYTES * WIDEST_INTEGER;

const WIRE: Configuration<LittleEndian, Varint, Limit<WIRE_LIMIT>> =
    bincode::config::standard().with_limit::<WIRE_LIMIT>();
const LARGE: Configuration<LittleEndian, Varint, Limit<LARGE_LIMIT>> =
    bincode::config::standard().with_limit::<LARGE_LIMIT>();
