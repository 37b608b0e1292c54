//! What stands at a path without links: what a process holds open is known by no other.

use std::io;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, fstat};
use rex_ipc::action::file_system::Stat;
use rex_ipc::file_system::EntryType;

use crate::gate::Permit;
use crate::host::file_system::object::FilePath;
use crate::host::file_system::stat::entry_type;

/// What stands there. A link that has come to the way meanwhile is not followed, nor one that leads to itself.
///
/// # Errors
/// Those of openat2(2) and fstat(2); `ELOOP` for such a link.
pub fn kind(permit: &Permit<'_, Stat, FilePath>) -> io::Result<EntryType> {
    let root = open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    let found = openat2(root, permit.resource().0.below_root().as_c_str(), how)?;
    match entry_type(&fstat(found)?) {
        EntryType::Symlink => Err(Errno::ELOOP.into()),
        kind => Ok(kind),
    }
}
