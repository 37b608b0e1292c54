//! Part of an open file: the whole content where it may be read, else the redacted one where that may be.
//!
//! # Policy
//! `file_system::read` on the file, or else `file_system::redacted_read`.

use std::rc::Rc;

use rex_ipc::action::file_system::Read;
use rex_ipc::bounded::Bytes;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Chunk, ReadChunk};

use crate::gate::error::Error;
use crate::host::file_system::object::File;
use crate::host::file_system::read;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::file_system::support::redaction;

impl Perform for ReadChunk {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let file = ahead.file(self.file)?.real;
        ahead.ask_to_read(&file, self.redacted);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<Chunk, Error> {
        let file = call.host.handles.file(self.file)?;
        let length = self.length.bytes().min(call.room_bytes.saturating_sub(CHUNK_OVERHEAD_BYTES));
        let permit = match call.authorize::<Read, _>(Rc::clone(&file)) {
            Ok(permit) if file.readable => permit,
            Ok(_) if !self.redacted => return Err(not_readable(&file)),
            Ok(_) => return redaction::read(call, &file, self.offset_bytes, length, not_readable(&file)),
            Err(denied @ Error::Denied(_)) if self.redacted => {
                return redaction::read(call, &file, self.offset_bytes, length, denied);
            }
            Err(error) => return Err(error),
        };
        let (bytes, end) = read::at(&permit, self.offset_bytes, length)?;
        call.metered.count_read_bytes(bytes.len())?;
        Ok(Chunk { bytes: Bytes::new(bytes).unwrap_or_default(), end })
    }
}

/// What a script is told that reads a file which it opened without the read option.
pub(super) fn not_readable(file: &File) -> Error {
    let message = format!(
        "Invalid file mode: Attempted to read a file without opening it with the read option.: {}",
        file.name
    );
    Error::invalid(ErrorKind::InvalidFileMode, message)
}

/// Length (at most 5) and end mark (1) of the chunk, count and failure mark of the reply.
pub(super) const CHUNK_OVERHEAD_BYTES: usize = 16;
