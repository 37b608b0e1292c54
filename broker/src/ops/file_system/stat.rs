//! Describes an open object.
//!
//! # Policy
//! `file_system::stat` on the object.

use rex_ipc::action::file_system::Stat as StatAction;
use rex_ipc::file_system::{Metadata, Stat};
use rex_ipc::handle::AnyId;

use super::metadata;
use crate::gate::error::Error;
use crate::host::file_system::stat;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for Stat {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.any(self.handle)?;
        ahead.ask::<StatAction>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<Metadata, Error> {
        let stat = match self.handle {
            AnyId::Dir(id) => {
                let directory = call.host.handles.dir(id)?;
                let permit = call.authorize::<StatAction, _>(directory)?;
                stat::directory(&permit)?
            }
            AnyId::File(id) => {
                let file = call.host.handles.file(id)?;
                let permit = call.authorize::<StatAction, _>(file)?;
                stat::file(&permit)?
            }
        };
        Ok(metadata(call.host, &stat))
    }
}
