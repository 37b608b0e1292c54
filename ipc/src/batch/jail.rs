//! What only the jail does: it writes calls, and reads what became of them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Call;
use crate::codec::{self, CodecError};
use crate::failure::Failure;
use crate::interface::{Operation, Request};
use crate::limits::MAX_BATCH;

impl Call {
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
