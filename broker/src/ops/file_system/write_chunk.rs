//! Adds to new content that is being collected.

use std::rc::Rc;

use rex_ipc::action::file_system::Write;
use rex_ipc::file_system::WriteChunk;

use crate::gate::Gate;
use crate::gate::error::Error;
use crate::host::file_system::staged;
use crate::host::file_system::writer::Writer;
use crate::ops::Perform;

impl Perform for WriteChunk {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<(), Error> {
        let writer = gate.services.handles.writer(self.writer)?;
        add(gate, &writer, self.bytes.as_slice()).inspect_err(|_| writer.was_for_nothing())
    }
}

fn add(gate: &mut Gate<'_, WriteChunk>, writer: &Rc<Writer>, bytes: &[u8]) -> Result<(), Error> {
    let write = gate.authorize::<Write, _>(Rc::clone(writer))?;
    gate.services.count_written_bytes(bytes.len() as u64)?;
    Ok(staged::push(&write, bytes)?)
}
