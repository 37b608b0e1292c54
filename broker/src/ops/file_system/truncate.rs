//! Cuts or extends an open file.

use rex_ipc::action::file_system::Write;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::Truncate;

use crate::audit::Act;
use crate::gate::Gate;
use crate::gate::error::Error;
use crate::host::file_system::write;
use crate::ops::Perform;

impl Perform for Truncate {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<(), Error> {
        let file = gate.services.handles.file(self.file)?;
        let write = gate.authorize_act::<Write, _>(file, Act::Truncate { size_bytes: self.size_bytes })?;
        write::truncate(&write, self.size_bytes)
            .map_err(|error| Error::system_as(ErrorKind::RustixError, &error))
    }
}
