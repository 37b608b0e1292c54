//! The next bytes of a server's answer.
//!
//! # Policy
//! What was asked for the request is asked again: `network::GET` on the URL under each of its spellings.

use rex_ipc::bounded::Bytes;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::Chunk;
use rex_ipc::limits::MAX_CHUNK_BYTES;
use rex_ipc::network::ReadResponse;

use super::ask_to_get;
use crate::gate::error::Error;
use crate::host::network::http;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for ReadResponse {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<Chunk, Error> {
        let none = || Error::invalid(ErrorKind::IoError, "no exchange is open");
        let (questions, url) = call.host.network.open_exchange().ok_or_else(none)?;
        let mut permit = None;
        for question in &questions {
            permit = Some(ask_to_get(call, question, Some(&url))?);
        }
        let permit = permit.ok_or_else(none)?;
        let mut bytes = vec![0; MAX_CHUNK_BYTES.min(call.room_bytes.saturating_sub(CHUNK_OVERHEAD_BYTES))];
        let (count, end) =
            http::read(&permit, &mut call.host.network, &mut bytes, &mut || call.pace.go_on())?;
        bytes.truncate(count);
        call.metered.count_read_bytes(count)?;
        Ok(Chunk { bytes: Bytes::new(bytes).unwrap_or_default(), end })
    }
}

/// Length (at most 5) and end mark (1) of the chunk, count and failure mark of the reply.
const CHUNK_OVERHEAD_BYTES: usize = 16;
