//! Makes a symbolic link, and replaces what has its name when asked to.
//!
//! # Policy
//! `file_system::create` on the link; `file_system::delete` as well when it may replace what has its name.

use std::ffi::CString;
use std::rc::Rc;

use nix::errno::Errno;
use rex_ipc::action::file_system::{Create, Delete};
use rex_ipc::file_system::{CreateLink, Spelled};
use rex_ipc::name;

use super::{no_entry, spelled};
use crate::gate::Act;
use crate::gate::error::Error;
use crate::host::file_system::links::{self, NotReplaced};
use crate::host::file_system::object::{FileAt, FilePath};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::policy::name::EntryName;

impl Perform for CreateLink {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.file_at(self.dir, self.name.as_str())?;
        ahead.ask::<Create>(&place);
        if self.force {
            ahead.ask::<Delete>(&place);
        }
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let parent = call.host.handles.dir(self.dir)?;
        let entry = match &self.name {
            Spelled::Entry(name) => EntryName::of(name),
            Spelled::Refused(text) => {
                call.authorize::<Create, _>(FilePath(spelled(&parent, text.as_str())?))?;
                return Err(no_entry(text));
            }
        };
        let place = FileAt::new(Rc::clone(&parent), entry);
        let act = Act::Link { target: self.target.as_str() };
        let create = call.authorize_act::<Create, _>(place.clone(), act)?;
        // Where a link points is nobody's business before it is followed: any text will do, but no zero byte.
        let target = CString::new(name::to_bytes(self.target.as_str())).map_err(|_| Errno::EINVAL)?;
        if !self.force {
            return Ok(links::create(&create, &target)?);
        }
        let delete = call.authorize::<Delete, _>(place.clone())?;
        let forbidden = call.forbidden();
        let closed = |inode| forbidden.displacing_reason(inode);
        match links::replace(&create, &delete, &target, &call.host.tools, &closed) {
            Ok(()) => Ok(()),
            Err(NotReplaced::Closed(reason)) => Err(call.refuse::<Delete, _>(&place, reason)),
            Err(NotReplaced::System(error)) => Err(error.into()),
        }
    }
}
