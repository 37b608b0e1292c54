//! The bodies of calls and replies: a short sequence of requests, and what became of it.
//!
//! Call: count (u8, 1 to [`MAX_BATCH`]), the claimed script line (u32 LE), then for each request its number (u16 LE)
//! and its payload. Reply: count of completed requests (u8), their replies, then 0 when all completed, or 1 and the
//! [`Failure`] of the next one. Nothing follows.

use alloc::vec::Vec;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{self, CodecError};
use crate::failure::Failure;
use crate::interface::{Operation, Request};
use crate::limits::MAX_BATCH;

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

    /// Writes the body of a call; returns its length.
    ///
    /// # Errors
    /// `NoRoom` when the call does not fit.
    pub fn encode(&self, space: &mut [u8]) -> Result<usize, CodecError> {
        let mut writer = CallWriter::new(self.line, space)?;
        for request in &self.requests {
            writer.push_request(request)?;
        }
        writer.finish()
    }
}

/// Writes the body of a call, one request after the other.
pub struct CallWriter<'a> {
    space: &'a mut [u8],
    used: usize,
    count: usize,
}

impl<'a> CallWriter<'a> {
    /// A call without requests yet.
    ///
    /// # Errors
    /// `NoRoom` when not even the head fits.
    pub fn new(line: u32, space: &'a mut [u8]) -> Result<Self, CodecError> {
        space.get_mut(1..5).ok_or(CodecError::NoRoom)?.copy_from_slice(&line.to_le_bytes());
        Ok(Self { space, used: 5, count: 0 })
    }

    /// Adds a request of a known type.
    ///
    /// # Errors
    /// `NoRoom` when the request does not fit, or is one too many.
    pub fn push<O: Operation>(&mut self, request: &O) -> Result<(), CodecError> {
        self.add(O::NUMBER, |space| codec::encode(request, space))
    }

    /// Adds any request.
    ///
    /// # Errors
    /// `NoRoom` when the request does not fit, or is one too many.
    pub fn push_request(&mut self, request: &Request) -> Result<(), CodecError> {
        self.add(request.number(), |space| request.encode(space))
    }

    /// How many requests there are so far.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Closes the body; returns its length.
    ///
    /// # Errors
    /// `NoRoom` when not even the head fits.
    pub fn finish(self) -> Result<usize, CodecError> {
        let count = u8::try_from(self.count).map_err(|_| CodecError::NoRoom)?;
        *self.space.first_mut().ok_or(CodecError::NoRoom)? = count;
        Ok(self.used)
    }

    fn add(
        &mut self,
        number: u16,
        write: impl FnOnce(&mut [u8]) -> Result<usize, CodecError>,
    ) -> Result<(), CodecError> {
        if self.count >= MAX_BATCH {
            return Err(CodecError::NoRoom);
        }
        let rest = self.space.get_mut(self.used..).ok_or(CodecError::NoRoom)?;
        let (head, payload) = rest.split_first_chunk_mut::<2>().ok_or(CodecError::NoRoom)?;
        *head = number.to_le_bytes();
        let length = write(payload)?;
        self.used = self.used.saturating_add(2).saturating_add(length);
        self.count = self.count.saturating_add(1);
        Ok(())
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

/// Reads the body of a reply, one result after the other.
pub struct ReplyReader<'a> {
    completed: usize,
    taken: usize,
    rest: &'a [u8],
}

impl<'a> ReplyReader<'a> {
    /// Looks at the count of completed requests.
    ///
    /// # Errors
    /// `Malformed` when not even the head is there.
    pub fn new(body: &'a [u8]) -> Result<Self, CodecError> {
        let (&completed, rest) = body.split_first().ok_or(CodecError::Malformed)?;
        Ok(Self { completed: usize::from(completed), taken: 0, rest })
    }

    /// How many requests completed.
    pub fn completed(&self) -> usize {
        self.completed
    }

    /// The next result, which the caller knows to be there.
    ///
    /// # Errors
    /// `Malformed` when there is no reply left; otherwise those of [`codec::decode`].
    pub fn take<T: Serialize + DeserializeOwned>(&mut self) -> Result<T, CodecError> {
        if self.taken >= self.completed {
            return Err(CodecError::Malformed);
        }
        let (value, length) = codec::decode(self.rest)?;
        self.rest = self.rest.get(length..).ok_or(CodecError::Malformed)?;
        self.taken = self.taken.saturating_add(1);
        Ok(value)
    }

    /// What became of the request after the completed ones. Demands that all results were taken.
    ///
    /// # Errors
    /// `Malformed` while replies are left, and for what is neither an end nor a failure.
    pub fn failure(self) -> Result<Option<Failure>, CodecError> {
        if self.taken != self.completed {
            return Err(CodecError::Malformed);
        }
        match self.rest.split_first() {
            Some((0, [])) => Ok(None),
            Some((1, failure)) => codec::decode_exactly(failure).map(Some),
            _ => Err(CodecError::Malformed),
        }
    }
}
