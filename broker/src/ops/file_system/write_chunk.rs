//! Adds to new content that is being collected.

use rex_ipc::action::file_system::Write;
use rex_ipc::file_system::WriteChunk;

use crate::error::Error;
use crate::ops::Perform;
use crate::policy::Gate;
use crate::sys::staged;

impl Perform for WriteChunk {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<(), Error> {
        let writer = gate.services.handles.writer(self.writer)?;
        let write = gate.authorize::<Write, _>(writer)?;
        let bytes = self.bytes.as_slice();
        gate.services.count_written_bytes(bytes.len() as u64)?;
        Ok(staged::push(&write, bytes)?)
    }
}
