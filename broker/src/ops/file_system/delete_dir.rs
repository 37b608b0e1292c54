//! Removes an open directory, and what is in it when asked to.

use std::os::fd::AsFd;
use std::rc::Rc;

use nix::errno::Errno;
use rex_ipc::action::file_system::Delete;
use rex_ipc::file_system::DeleteDir;

use super::support::removal;
use crate::gate::error::Error;
use crate::host::file_system::remove;
use crate::ops::Perform;
use crate::ops::call::Call;

impl Perform for DeleteDir {
    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let directory = call.host.handles.dir(self.dir)?;
        let delete = call.authorize::<Delete, _>(Rc::clone(&directory))?;
        let root = Rc::clone(&call.host.root);
        // Found before anything is removed from it: what has been moved away is not here to be removed.
        let found = match remove::place_of(&delete, root.as_fd()) {
            Ok(found) => found,
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) && self.force => return Ok(()),
            Err(error) => return Err(removal::refused(&error, &directory.name)),
        };
        if self.recursive {
            removal::empty(call, &delete, &directory)?;
        }
        let (parent, entry) = &found;
        remove::open_directory(&delete, (parent, entry))
            .map_err(|error| removal::refused(&error, &directory.name))?;
        call.moved().directory_is_gone(&directory.name);
        Ok(())
    }
}
