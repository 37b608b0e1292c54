//! Opens a link as itself, to describe it.
//!
//! # Policy
//! `file_system::open` on the link.

use nix::sys::stat::SFlag;
use rex_ipc::action::file_system::Open;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{OpenLink, Spelled};

use super::{no_entry, object_refusal, spelled};
use crate::gate::error::Error;
use crate::host::file_system::object::{FileAt, FilePath};
use crate::host::file_system::{open, walk};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::explain::names::OpenedFile;
use crate::policy::name::EntryName;

impl Perform for OpenLink {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.file_at(self.dir, self.name.as_str())?;
        ahead.ask::<Open>(&place);
        ahead.opens_file(self.id, OpenedFile::at(place));
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        call.host.handles.spend(self.id.0)?;
        let parent = call.host.handles.dir(self.dir)?;
        let path = spelled(&parent, self.name.as_str())?;
        let entry = match &self.name {
            Spelled::Entry(name) => EntryName::of(name),
            Spelled::Refused(text) => {
                call.authorize::<Open, _>(FilePath(path))?;
                return Err(no_entry(text));
            }
        };
        let open = call.authorize::<Open, _>(FileAt::new(parent, entry))?;
        let link = walk::entry(&open)?;
        if link.kind() != SFlag::S_IFLNK {
            return Err(not_a_link());
        }
        if let Some(reason) = object_refusal(call, &link) {
            return Err(call.refuse::<Open, _>(&FilePath(link.name().clone()), reason));
        }
        let link = open::keep_link(link)?;
        call.host.handles.keep_file(self.id, link);
        Ok(())
    }
}

fn not_a_link() -> Error {
    Error::invalid(ErrorKind::ValidationError, "Validation error: argument is not a symlink")
}
