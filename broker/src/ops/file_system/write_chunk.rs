//! Adds to new content that is being collected.
//!
//! # Policy
//! `file_system::write` on the file.

use rex_ipc::action::file_system::Write;
use rex_ipc::file_system::WriteChunk;

use crate::gate::error::Error;
use crate::host::file_system::staged;
use crate::host::file_system::writer::Writer;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for WriteChunk {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.writer(self.writer)?;
        ahead.ask::<Write>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let writer = call.host.handles.writer(self.writer)?;
        add(call, &writer, self.bytes.as_slice()).inspect_err(|_| writer.was_for_nothing())
    }
}

fn add(call: &mut Call<'_, WriteChunk>, writer: &Writer, bytes: &[u8]) -> Result<(), Error> {
    let write = call.authorize::<Write, _>(writer.clone())?;
    call.metered.count_written_bytes(bytes.len() as u64)?;
    Ok(staged::push(&write, bytes)?)
}
