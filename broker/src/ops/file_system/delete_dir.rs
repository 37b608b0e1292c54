//! Removes an open directory, and what is in it when asked to.
//!
//! # Policy
//! `file_system::delete` on the directory, and when it is to be emptied on everything in it.

use std::rc::Rc;

use nix::errno::Errno;
use rex_ipc::action::file_system::Delete;
use rex_ipc::file_system::DeleteDir;

use super::support::removal;
use crate::gate::error::{Error, is};
use crate::host::file_system::remove::Standing;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for DeleteDir {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.dir(self.dir)?;
        ahead.ask::<Delete>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let directory = call.host.handles.dir(self.dir)?;
        let delete = call.authorize::<Delete, _>(Rc::clone(&directory))?;
        // Found before anything is removed from it: what has been moved away is not here to be removed.
        let standing = match Standing::find(&delete, &call.host.tools) {
            Ok(standing) => standing,
            Err(error) if is(&error, Errno::ENOENT) && self.force => return Ok(()),
            Err(error) => return Err(removal::refused(&error, &directory.name)),
        };
        if self.recursive {
            removal::empty(call, &delete)?;
        }
        standing.remove().map_err(|error| removal::refused(&error, &directory.name))?;
        call.moved().directory_is_gone(&directory.name);
        Ok(())
    }
}
