//! Opens a link as itself, to describe it.

use nix::sys::stat::SFlag;
use rex_ipc::action::file_system::Open;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::OpenLink;

use super::{entry_name, object_refusal, spelled};
use crate::error::Error;
use crate::object::{FileAt, FilePath};
use crate::ops::Perform;
use crate::path::EntryName;
use crate::policy::Gate;
use crate::sys;
use crate::sys::walk::file_type;

impl Perform for OpenLink {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<(), Error> {
        gate.services.handles.spend(self.id.0)?;
        let parent = gate.services.handles.dir(self.dir)?;
        let spelled = spelled(&parent, self.name.as_str())?;
        let Some(entry) = EntryName::parse(self.name.as_str()) else {
            gate.authorize::<Open, _>(FilePath(spelled))?;
            entry_name(self.name.as_str())?;
            return Err(not_a_link());
        };
        let open = gate.authorize::<Open, _>(FileAt::new(parent, entry))?;
        let link = sys::walk::entry(&open, |place| (&place.parent, &place.entry, &place.path))?;
        if file_type(&link.stat) != SFlag::S_IFLNK {
            return Err(not_a_link());
        }
        if let Some(reason) = object_refusal(gate.services, None, &link) {
            return Err(gate.refuse::<Open, _>(&FilePath(link.name.clone()), reason));
        }
        let link = sys::open::keep_link(&open, link);
        gate.services.handles.keep_file(self.id, link);
        Ok(())
    }
}

fn not_a_link() -> Error {
    Error::invalid(ErrorKind::ValidationError, "Validation error: argument is not a symlink")
}
