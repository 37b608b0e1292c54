//! Begins to collect new content for an open file; nothing of it is seen before it is complete.

use std::rc::Rc;

use nix::errno::Errno;
use rex_ipc::action::file_system::Write;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{BeginWrite, WriteHow};

use crate::gate::error::Error;
use crate::host::file_system::object::File;
use crate::host::file_system::staged::{self, Staged};
use crate::host::file_system::writer::{Target, Writer};
use crate::ops::Perform;
use crate::ops::call::Call;

impl Perform for BeginWrite {
    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        call.host.handles.spend(self.id.0)?;
        let file = call.host.handles.file(self.file)?;
        let write = call.authorize::<Write, _>(Rc::clone(&file))?;
        if !file.writable {
            return Err(not_writable(&file));
        }
        let staged = match (self.how, &file.origin.real) {
            (WriteHow::InPlace | WriteHow::Append, _) => Staged::in_memory(),
            (WriteHow::Replace { .. }, Some(place)) => {
                staged::beside(&write, &place.parent, &mut call.host.temporaries)?
            }
            // The directory of the link's target could not be held when the file was opened.
            (WriteHow::Replace { .. }, None) => return Err(Errno::ENOENT.into()),
        };
        let writer = Writer { target: Target::File(file, self.how), staged: staged.into() };
        call.host.handles.keep_writer(self.id, writer);
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
