//! Where a link points; the link is not followed.
//!
//! # Policy
//! `file_system::read` on the link.

use rex_ipc::action::file_system::Read;
use rex_ipc::file_system::{LinkTarget, ReadLink};

use std::os::unix::ffi::OsStrExt;

use super::path_text;
use crate::gate::error::Error;
use crate::gate::forbidden::OWN_PROC;
use crate::host::file_system::object::FileAt;
use crate::host::file_system::read;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::policy::name::EntryName;

impl Perform for ReadLink {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.file_at(self.dir, self.name.as_str())?;
        ahead.ask::<Read>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<LinkTarget, Error> {
        let parent = call.host.handles.dir(self.dir)?;
        let place = FileAt::new(parent, EntryName::of(&self.name));
        let read = call.authorize::<Read, _>(place)?;
        // The links that lead whoever asks to the own entry tell the number of the broker.
        let FileAt { parent, entry, .. } = read.resource();
        if call.host.is_link_to_broker(parent, entry.as_bytes()) {
            return Err(call.refuse::<Read, _>(read.resource(), OWN_PROC));
        }
        let target = read::link(&read)?;
        Ok(LinkTarget { target: path_text(target.as_os_str().as_bytes())? })
    }
}
