//! Removes the name by which a file was opened.
//!
//! # Policy
//! `file_system::delete` on the file, by the name under which it was opened.

use nix::errno::Errno;
use rex_ipc::action::file_system::Delete;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::DeleteFile;

use super::support::removal::not_found;
use crate::gate::error::{Error, is};
use crate::host::file_system::remove;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for DeleteFile {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.file(self.file)?.named;
        ahead.ask::<Delete>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let file = call.host.handles.file(self.file)?;
        let origin = &file.origin;
        // What goes is a name: that of the link, where one was followed.
        let delete = call.authorize::<Delete, _>(origin.named.clone())?;
        let directory = &origin.named.parent.name;
        match remove::file(&delete, file.at_named()) {
            Ok(()) => Ok(()),
            Err(error) if is(&error, Errno::ENOENT) => {
                if self.force {
                    Ok(())
                } else {
                    Err(not_found(directory))
                }
            }
            Err(error) => Err(Error::Failed {
                kind: ErrorKind::FileError,
                message: format!("File error: Error removing file: {directory}"),
                errno: error.raw_os_error(),
            }),
        }
    }
}
