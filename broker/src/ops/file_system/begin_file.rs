//! Begins to collect a new file for a place below an open directory, as archives have it.

use nix::errno::Errno;
use rex_ipc::action::file_system::{Create, Write};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::BeginFile;

use super::make_dir::MOST_LINKS;
use super::spelled;
use crate::gate::Permit;
use crate::gate::error::Error;
use crate::host::file_system::object::DirPath;
use crate::host::file_system::writer::{NewFile, Target, Writer};
use crate::host::file_system::{below, staged};
use crate::ops::Perform;
use crate::ops::call::Call;

impl Perform for BeginFile {
    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        call.host.handles.spend(self.id.0)?;
        let dir = call.host.handles.dir(self.dir)?;
        let path = spelled(&dir, self.path.as_str())?;
        let mut new = NewFile { dir, path };
        let mut write = ask(call, &new)?;
        let mut links = 0;
        // Where a link on the way leads is asked about like what was named, before anything there is looked at.
        while let Some(path) = below::led(&write, |new| new)? {
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::ELOOP.into());
            }
            new.path = path;
            write = ask(call, &new)?;
        }
        let parent = below::walk(&write, |new| new)?.held;
        let staged = staged::beside(&write, &parent, &mut call.host.temporaries)?;
        let writer = Writer { target: Target::New(new), staged: staged.into() };
        call.host.handles.keep_writer(self.id, writer);
        Ok(())
    }
}

/// Asks for the file and for every directory on its way, whether or not it is there: what exists is not told to whom it
/// may not concern.
fn ask<'req>(call: &mut Call<'req, BeginFile>, new: &NewFile) -> Result<Permit<'req, Write, NewFile>, Error> {
    call.authorize::<Create, _>(new.clone())?;
    let write = call.authorize::<Write, _>(new.clone())?;
    if new.path == new.dir.name || !new.path.is_within(&new.dir.name) {
        let message = format!("Invalid path: {} is not below {}", new.path, new.dir.name);
        return Err(Error::invalid(ErrorKind::InvalidPath, message));
    }
    for level in new.levels() {
        call.authorize::<Create, _>(DirPath(level))?;
    }
    Ok(write)
}
