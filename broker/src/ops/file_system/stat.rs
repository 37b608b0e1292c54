//! Describes an open object.

use rex_ipc::action::file_system::Stat as StatAction;
use rex_ipc::file_system::{Metadata, Stat};
use rex_ipc::handle::AnyId;

use super::metadata;
use crate::gate::Gate;
use crate::gate::error::Error;
use crate::host::file_system::stat;
use crate::ops::Perform;

impl Perform for Stat {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<Metadata, Error> {
        let stat = match self.handle {
            AnyId::Dir(id) => {
                let directory = gate.services.handles.dir(id)?;
                let permit = gate.authorize::<StatAction, _>(directory)?;
                stat::directory(&permit)?
            }
            AnyId::File(id) => {
                let file = gate.services.handles.file(id)?;
                let permit = gate.authorize::<StatAction, _>(file)?;
                stat::file(&permit)?
            }
        };
        Ok(metadata(gate.services, &stat))
    }
}
