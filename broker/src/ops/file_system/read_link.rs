//! Where a link points; the link is not followed.

use rex_ipc::action::file_system::Read;
use rex_ipc::file_system::{LinkTarget, ReadLink};

use std::os::unix::ffi::OsStrExt;

use super::{entry_name, path_text};
use crate::error::Error;
use crate::forbidden::OWN_PROC;
use crate::object::FileAt;
use crate::ops::Perform;
use crate::policy::Gate;
use crate::sys;

impl Perform for ReadLink {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<LinkTarget, Error> {
        let parent = gate.services.handles.dir(self.dir)?;
        let place = FileAt::new(parent, entry_name(self.name.as_str())?);
        let read = gate.authorize::<Read, _>(place)?;
        // The links that lead whoever asks to the own entry tell the number of the broker.
        let FileAt { parent, entry, .. } = read.resource();
        if gate.services.is_link_to_broker(parent, entry.as_bytes()) {
            return Err(gate.refuse::<Read, _>(read.resource(), OWN_PROC));
        }
        let target = sys::read::link(&read)?;
        Ok(LinkTarget { target: path_text(target.as_os_str().as_bytes())? })
    }
}
