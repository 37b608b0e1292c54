//! Sets the permission bits of an open object.
//!
//! # Policy
//! `file_system::chmod` on the object.

use rex_ipc::action::file_system::Chmod;
use rex_ipc::file_system::SetMode;
use rex_ipc::handle::AnyId;

use crate::gate::Act;
use crate::gate::error::Error;
use crate::host::file_system::attributes;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::file_system::remember_shared;

impl Perform for SetMode {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.any(self.handle)?;
        ahead.ask::<Chmod>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let bits = self.permissions.bits();
        match self.handle {
            AnyId::Dir(id) => {
                let directory = call.host.handles.dir(id)?;
                let chmod = call.authorize_act::<Chmod, _>(directory, Act::Mode(bits))?;
                remember_shared(call, chmod.resource());
                attributes::set_mode(&chmod, &call.host.tools, bits)?;
            }
            AnyId::File(id) => {
                let file = call.host.handles.file(id)?;
                let chmod = call.authorize_act::<Chmod, _>(file, Act::Mode(bits))?;
                attributes::set_mode(&chmod, &call.host.tools, bits)?;
            }
        }
        Ok(())
    }
}
