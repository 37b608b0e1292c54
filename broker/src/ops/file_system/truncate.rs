//! Cuts or extends an open file.

use rex_ipc::action::file_system::Write;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::Truncate;

use crate::audit::Act;
use crate::error::Error;
use crate::ops::Perform;
use crate::policy::Gate;
use crate::sys;

impl Perform for Truncate {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<(), Error> {
        let file = gate.services.handles.file(self.file)?;
        let write = gate.authorize_act::<Write, _>(file, Act::Truncate { size_bytes: self.size_bytes })?;
        sys::write::truncate(&write, self.size_bytes)
            .map_err(|error| Error::system_as(ErrorKind::RustixError, &error))
    }
}
