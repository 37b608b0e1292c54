//! Opens a regular file that is about to get content, and makes it once everything that follows is permitted.
//!
//! # Policy
//! `file_system::open`, `file_system::create` and `file_system::write` on the file; `file_system::read` on the file
//! that its content is to come from, when there is one.

use rex_ipc::action::file_system::{Create, Open, Read, Write};
use rex_ipc::file_system::{IfMissing, OpenFile, OpenMode, OpenTarget, Opened};

use super::open_file;
use crate::gate::error::Error;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::explain::names::OpenedFile;

impl Perform for OpenTarget {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.file_at(self.dir, self.name.as_str())?;
        ahead.ask::<Open>(&place);
        ahead.ask::<Create>(&place);
        if let Some(from) = self.from {
            let place = ahead.file(from)?.real;
            ahead.ask::<Read>(&place);
        }
        ahead.ask::<Write>(&place);
        ahead.opens_file(self.id, OpenedFile::at(place));
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<Opened, Error> {
        let from = self.from;
        let request = OpenFile {
            id: self.id,
            dir: self.dir,
            name: self.name,
            mode: OpenMode::Write(IfMissing::Make(None)),
            follow: false,
        };
        let opened = open_file::open(call, &request, |call, place| {
            // What gives it content asks again, of the object; asked here so that a denial makes nothing.
            if let Some(from) = from {
                let from = call.host.handles.file(from)?;
                call.authorize::<Read, _>(from)?;
            }
            call.authorize::<Write, _>(place.clone()).map(drop)
        })?;
        let file = call.host.handles.file(self.id)?;
        if let Some(fresh) = &*file.fresh.borrow() {
            fresh.await_content();
        }
        Ok(opened)
    }
}
