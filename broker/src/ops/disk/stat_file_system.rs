//! Looks how full a mounted file system is.
//!
//! # Policy
//! `file_system::stat` on the directory where it is mounted, then `file_system::read` on the file `/proc/mounts`.

use rex_ipc::action::file_system::{Read, Stat};
use rex_ipc::sysinfo::{FileSystemStatus, Source, StatFileSystem};

use crate::gate::error::Error;
use crate::host::sysinfo::file_systems;
use crate::host::sysinfo::object::{MountPoint, Table};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::explain::names::Place;
use crate::policy::name::PathName;

impl Perform for StatFileSystem {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        ahead.ask::<Stat>(&Place::dir(PathName::parse(self.mount_point.as_str()).ok()?));
        ahead.ask_perhaps::<Read>(&Place::file(PathName::parse(Table(Source::Mounts).path()).ok()?));
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<FileSystemStatus, Error> {
        let path = PathName::parse(self.mount_point.as_str())?;
        let permit = call.authorize::<Stat, _>(MountPoint { path })?;
        let Some(filling) = file_systems::filling(&permit)? else {
            return Ok(FileSystemStatus::NotAccessible);
        };
        call.authorize::<Read, _>(Table(Source::Mounts))?;
        Ok(FileSystemStatus::Known {
            fragment_bytes: filling.fragment_bytes,
            blocks: filling.blocks,
            available_blocks: filling.available_blocks,
            inodes: filling.inodes,
            free_inodes: filling.free_inodes,
        })
    }
}
