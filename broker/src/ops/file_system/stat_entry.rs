//! Describes an entry that cannot be opened: a FIFO, a socket, a device.

use rex_ipc::action::file_system::Stat as StatAction;
use rex_ipc::file_system::{Metadata, StatEntry};

use super::{entry_name, metadata};
use crate::error::Error;
use crate::object::FileAt;
use crate::ops::Perform;
use crate::policy::Gate;
use crate::sys;

impl Perform for StatEntry {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<Metadata, Error> {
        let parent = gate.services.handles.dir(self.dir)?;
        let place = FileAt::new(parent, entry_name(self.name.as_str())?);
        let permit = gate.authorize::<StatAction, _>(place)?;
        let stat = sys::stat::entry(&permit)?;
        Ok(metadata(gate.services, &stat))
    }
}
