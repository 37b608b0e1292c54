//! Drops new content that is not to be put in its place.

use rex_ipc::file_system::AbandonWrite;

use crate::gate::Gate;
use crate::gate::error::Error;
use crate::ops::Perform;

impl Perform for AbandonWrite {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<(), Error> {
        gate.services.handles.take_writer(self.writer)?.was_for_nothing();
        Ok(())
    }
}
