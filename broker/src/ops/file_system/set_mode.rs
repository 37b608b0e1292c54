//! Sets the permission bits of an open object.

use std::os::fd::AsFd;
use std::rc::Rc;

use rex_ipc::action::file_system::Chmod;
use rex_ipc::file_system::SetMode;
use rex_ipc::handle::AnyId;

use crate::audit::Act;
use crate::gate::Gate;
use crate::gate::error::Error;
use crate::host::file_system::attributes;
use crate::ops::Perform;

impl Perform for SetMode {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<(), Error> {
        let own_fds = Rc::clone(&gate.services.own_fds);
        let bits = self.permissions.bits();
        match self.handle {
            AnyId::Dir(id) => {
                let directory = gate.services.handles.dir(id)?;
                let chmod = gate.authorize_act::<Chmod, _>(directory, Act::Mode(bits))?;
                attributes::set_mode(&chmod, own_fds.as_fd(), bits)?;
            }
            AnyId::File(id) => {
                let file = gate.services.handles.file(id)?;
                let chmod = gate.authorize_act::<Chmod, _>(file, Act::Mode(bits))?;
                attributes::set_mode(&chmod, own_fds.as_fd(), bits)?;
            }
        }
        Ok(())
    }
}
