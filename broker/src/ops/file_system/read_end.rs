//! The end of an open file, without what stands before it.
//!
//! # Policy
//! `file_system::read` on the file.

use std::rc::Rc;

use rex_ipc::action::file_system::Read;
use rex_ipc::bounded::Bytes;
use rex_ipc::file_system::{EndChunk, ReadEnd};

use super::read_chunk::{CHUNK_OVERHEAD_BYTES, not_readable};
use crate::gate::error::Error;
use crate::host::file_system::read;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for ReadEnd {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.file(self.file)?.real;
        ahead.ask::<Read>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<EndChunk, Error> {
        let file = call.host.handles.file(self.file)?;
        // Offset (at most 10) and its mark, before what a chunk has.
        let room_bytes = call.room_bytes.saturating_sub(CHUNK_OVERHEAD_BYTES + 16);
        let permit = call.authorize::<Read, _>(Rc::clone(&file))?;
        if !file.readable {
            return Err(not_readable(&file));
        }
        let Some((offset_bytes, bytes)) = read::end(&permit, self.length.bytes().min(room_bytes))? else {
            return Ok(EndChunk { offset_bytes: None, bytes: Bytes::default() });
        };
        call.metered.count_read_bytes(bytes.len())?;
        Ok(EndChunk { offset_bytes: Some(offset_bytes), bytes: Bytes::new(bytes).unwrap_or_default() })
    }
}
