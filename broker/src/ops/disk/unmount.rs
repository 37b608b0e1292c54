//! Takes away what is mounted at a place.
//!
//! # Policy
//! `file_system::unmount` on the directory. What leads to a file of this run, or to the `/proc` that it needs, stays.

use rex_ipc::action::file_system;
use rex_ipc::sysinfo::Unmount;

use crate::gate::error::Error;
use crate::host::sysinfo::file_systems::Mounted;
use crate::host::sysinfo::object::MountPoint;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::explain::names::Place;
use crate::policy::name::PathName;

impl Perform for Unmount {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        ahead.ask::<file_system::Unmount>(&Place::dir(PathName::parse(self.path.as_str()).ok()?));
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let path = PathName::parse(self.path.as_str())?;
        let leads_to_closed = call.forbidden().paths().any(|closed| closed.is_within(&path));
        let place = MountPoint { path };
        if leads_to_closed {
            return Err(call.refuse::<file_system::Unmount, _>(&place, NEEDED));
        }
        let permit = call.authorize::<file_system::Unmount, _>(place)?;
        let mounted = Mounted::find(&permit)?;
        // By another name it can be the same mount.
        if call.forbidden().displacing_reason(mounted.inode()).is_some() {
            return Err(call.refuse::<file_system::Unmount, _>(permit.resource(), NEEDED));
        }
        Ok(mounted.unmount()?)
    }
}

/// Why a place stays mounted.
const NEEDED: &str = "built-in: what this run needs stays mounted";
