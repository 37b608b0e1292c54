//! Begins to collect new content for an open file; nothing of it is seen before it is complete.
//!
//! # Policy
//! `file_system::write` on the file.

use std::rc::Rc;

use rex_ipc::action::file_system::Write;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::BeginWrite;

use crate::gate::error::Error;
use crate::host::file_system::object::File;
use crate::host::file_system::writer::{self, Writer};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for BeginWrite {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let file = ahead.file(self.file)?.real;
        ahead.ask::<Write>(&file);
        ahead.opens_writer(self.id, file);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        call.host.handles.spend(self.id.0)?;
        let file = call.host.handles.file(self.file)?;
        let write = call.authorize::<Write, _>(Rc::clone(&file))?;
        if !file.writable {
            return Err(not_writable(&file));
        }
        let writer = writer::begin(&write, self.how, &call.host.tools)?;
        call.host.handles.keep_writer(self.id, Writer::File(Rc::new(writer)));
        Ok(())
    }
}

/// What a script is told that writes to a file which it opened without the write option.
pub(super) fn not_writable(file: &File) -> Error {
    let message = format!(
        "Invalid file mode: Attempted to write a file without opening it with the write option.: {}",
        file.name
    );
    Error::invalid(ErrorKind::InvalidFileMode, message)
}
