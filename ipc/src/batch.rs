//! The bodies of calls and replies: a short sequence of requests, and what became of it.
//!
//! Call: count (u8, 1 to [`MAX_BATCH`]), the claimed script line (u32 LE), then for each request its number (u16 LE)
//! and its payload. Reply: count of completed requests (u8), their replies, then 0 when all completed, or 1 and the
//! [`Failure`] of the next one. Nothing follows.

mod jail;

use alloc::vec::Vec;

use serde::Serialize;

use crate::codec::{self, CodecError};
use crate::failure::Failure;
use crate::interface::Request;
use crate::limits::MAX_BATCH;

pub use jail::{CallWriter, ReplyReader};

/// A decoded call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The line of the script that asked, as the jail claims; 0 when unknown.
    pub line: u32,
    /// The requests, in their order.
    pub requests: Vec<Request>,
}

impl Call {
    /// Reads the body of a call.
    ///
    /// # Errors
    /// `Malformed` for a call of no or too many requests, or for one that is none; `TrailingBytes` after the last; otherwise those of [`codec::decode`].
    pub fn decode(body: &[u8]) -> Result<Call, CodecError> {
        let (&count, rest) = body.split_first().ok_or(CodecError::Malformed)?;
        let (line, mut rest) = rest.split_first_chunk::<4>().ok_or(CodecError::Malformed)?;
        let count = usize::from(count);
        if count == 0 || count > MAX_BATCH {
            return Err(CodecError::Malformed);
        }
        let mut requests = Vec::with_capacity(count);
        for _ in 0..count {
            let (number, payload) = rest.split_first_chunk::<2>().ok_or(CodecError::Malformed)?;
            let (request, length) = Request::decode(u16::from_le_bytes(*number), payload)?;
            requests.push(request);
            rest = payload.get(length..).ok_or(CodecError::Malformed)?;
        }
        if rest.is_empty() {
            Ok(Call { line: u32::from_le_bytes(*line), requests })
        } else {
            Err(CodecError::TrailingBytes)
        }
    }
}

/// Writes the body of a reply.
pub struct ReplyWriter<'a> {
    space: &'a mut [u8],
    used: usize,
    completed: u8,
}

impl<'a> ReplyWriter<'a> {
    /// A reply without results yet.
    pub fn new(space: &'a mut [u8]) -> Self {
        Self { space, used: 1, completed: 0 }
    }

    /// Adds the result of the next request.
    ///
    /// # Errors
    /// `NoRoom` when the reply does not fit.
    pub fn push<T: Serialize>(&mut self, reply: &T) -> Result<(), CodecError> {
        let rest = self.space.get_mut(self.used..).ok_or(CodecError::NoRoom)?;
        let length = codec::encode(reply, rest)?;
        self.used = self.used.saturating_add(length);
        self.completed = self.completed.checked_add(1).ok_or(CodecError::NoRoom)?;
        Ok(())
    }

    /// How many bytes are written so far.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Closes the body: all requests completed, or the next one failed. Returns its length.
    ///
    /// # Errors
    /// `NoRoom` when the failure does not fit.
    pub fn finish(self, failure: Option<&Failure>) -> Result<usize, CodecError> {
        *self.space.first_mut().ok_or(CodecError::NoRoom)? = self.completed;
        let rest = self.space.get_mut(self.used..).ok_or(CodecError::NoRoom)?;
        let (flag, rest) = rest.split_first_mut().ok_or(CodecError::NoRoom)?;
        let mut used = self.used.saturating_add(1);
        match failure {
            None => *flag = 0,
            Some(failure) => {
                *flag = 1;
                used = used.saturating_add(codec::encode(failure, rest)?);
            }
        }
        Ok(used)
    }
}
