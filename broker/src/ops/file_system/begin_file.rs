//! Begins to collect a new file for a place below an open directory, as archives have it.
//!
//! # Policy
//! `file_system::create` and `file_system::write` on the file, and `file_system::create` on every directory between it
//! and the open one; all of them again for the place that a link on the way leads to.

use std::rc::Rc;

use nix::errno::Errno;
use rex_ipc::action::file_system::{Create, Write};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::BeginFile;

use super::make_dir::MOST_LINKS;
use super::spelled;
use crate::gate::Permit;
use crate::gate::error::Error;
use crate::host::file_system::below;
use crate::host::file_system::object::{DirPath, FileBelow};
use crate::host::file_system::writer::{self, Writer};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::{self, Ahead};
use crate::ops::explain::names::Place;

impl Perform for BeginFile {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let dir = ahead.dir(self.dir)?;
        let path = ahead::spelled(&dir, self.path.as_str())?;
        let place = Place::file(path.clone()).followed(dir.as_spelled);
        ahead.ask::<Create>(&place);
        ahead.ask::<Write>(&place);
        for level in path.parent().levels_below(&dir.path) {
            ahead.ask::<Create>(&Place::dir(level).followed(dir.as_spelled));
        }
        ahead.opens_writer(self.id, place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        call.host.handles.spend(self.id.0)?;
        let top = call.host.handles.dir(self.dir)?;
        let path = spelled(&top, self.path.as_str())?;
        let mut new = FileBelow { top, path };
        let mut write = ask(call, &new)?;
        let mut links = 0;
        // Where a link on the way leads is asked about like what was named, before anything there is looked at.
        while let Some(path) = below::led(&write)? {
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::ELOOP.into());
            }
            new.path = path;
            write = ask(call, &new)?;
        }
        let writer = writer::begin_new(&write, &call.host.tools)?;
        call.host.handles.keep_writer(self.id, Writer::New(Rc::new(writer)));
        Ok(())
    }
}

/// Asks for the file and for every directory on its way, whether or not it is there: what exists is not told to whom it
/// may not concern.
fn ask<'req>(
    call: &mut Call<'req, BeginFile>,
    new: &FileBelow,
) -> Result<Permit<'req, Write, FileBelow>, Error> {
    call.authorize::<Create, _>(new.clone())?;
    let write = call.authorize::<Write, _>(new.clone())?;
    if new.path == new.top.name || !new.path.is_within(&new.top.name) {
        let message = format!("Invalid path: {} is not below {}", new.path, new.top.name);
        return Err(Error::invalid(ErrorKind::InvalidPath, message));
    }
    for level in new.path.parent().levels_below(&new.top.name) {
        call.authorize::<Create, _>(DirPath(level))?;
    }
    Ok(write)
}
