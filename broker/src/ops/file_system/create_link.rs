//! Makes a symbolic link, and replaces what has its name when asked to.

use std::ffi::CString;
use std::rc::Rc;

use nix::errno::Errno;
use rex_ipc::action::file_system::{Create, Delete};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::CreateLink;
use rex_ipc::name;

use super::{entry_name, spelled};
use crate::audit::Act;
use crate::gate::Gate;
use crate::gate::error::Error;
use crate::host::file_system::links::{self, NotReplaced};
use crate::host::file_system::object::{FileAt, FilePath};
use crate::host::file_system::path::EntryName;
use crate::ops::Perform;

impl Perform for CreateLink {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<(), Error> {
        let parent = gate.services.handles.dir(self.dir)?;
        let given = self.name.as_str();
        let Some(entry) = EntryName::parse(given) else {
            // Asked about first: what is wrong with the name is said only to who may make something there.
            gate.authorize::<Create, _>(FilePath(spelled(&parent, given)?))?;
            return Err(entry_name(given).err().unwrap_or_else(not_a_name));
        };
        let place = FileAt::new(Rc::clone(&parent), entry);
        let act = Act::Link { target: self.target.as_str() };
        let create = gate.authorize_act::<Create, _>(place.clone(), act)?;
        // Where a link points is nobody's business before it is followed: any text will do, but no zero byte.
        let target = CString::new(name::to_bytes(self.target.as_str())).map_err(|_| Errno::EINVAL)?;
        if !self.force {
            return Ok(links::create(&create, &target)?);
        }
        let delete = gate.authorize::<Delete, _>(place.clone())?;
        let forbidden = &gate.services.forbidden;
        let closed = |inode| forbidden.displacing_reason(inode);
        match links::replace(&create, &delete, &target, &mut gate.services.temporaries, &closed) {
            Ok(()) => Ok(()),
            Err(NotReplaced::Closed(reason)) => Err(gate.refuse::<Delete, _>(&place, reason)),
            Err(NotReplaced::System(error)) => Err(error.into()),
        }
    }
}

fn not_a_name() -> Error {
    Error::invalid(ErrorKind::InvalidPath, "Invalid path: file path must contain only a filename")
}
