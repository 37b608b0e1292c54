//! Cuts or extends an open file.
//!
//! # Policy
//! `file_system::write` on the file.

use rex_ipc::action::file_system::Write;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::Truncate;

use crate::gate::Act;
use crate::gate::error::Error;
use crate::host::file_system::write;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for Truncate {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.file(self.file)?.real;
        ahead.ask::<Write>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let file = call.host.handles.file(self.file)?;
        let write = call.authorize_act::<Write, _>(file, Act::Truncate { size_bytes: self.size_bytes })?;
        write::truncate(&write, self.size_bytes)
            .map_err(|error| Error::system_as(ErrorKind::RustixError, &error))
    }
}
