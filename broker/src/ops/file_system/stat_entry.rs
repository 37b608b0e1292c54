//! Describes an entry that cannot be opened: a FIFO, a socket, a device.
//!
//! # Policy
//! `file_system::stat` on the entry.

use nix::sys::stat::SFlag;
use rex_ipc::action::file_system::Stat as StatAction;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Metadata, StatEntry};

use super::metadata;
use crate::gate::error::Error;
use crate::host::file_system::object::FileAt;
use crate::host::file_system::stat;
use crate::host::file_system::walk::file_type;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::policy::name::EntryName;

impl Perform for StatEntry {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.file_at(self.dir, self.name.as_str())?;
        ahead.ask::<StatAction>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<Metadata, Error> {
        let parent = call.host.handles.dir(self.dir)?;
        let place = FileAt::new(parent, EntryName::of(&self.name));
        let permit = call.authorize::<StatAction, _>(place)?;
        let stat = stat::entry(&permit)?;
        // What can be opened has to be, as what it is: a directory asked for as a file would slip past its own rules.
        match file_type(&stat) {
            SFlag::S_IFREG | SFlag::S_IFDIR | SFlag::S_IFLNK => Err(can_be_opened()),
            _ => Ok(metadata(call.host, &stat)),
        }
    }
}

fn can_be_opened() -> Error {
    Error::invalid(
        ErrorKind::ValidationError,
        "Validation error: argument is a file, a directory or a symlink",
    )
}
