//! How full mounted file systems are.

use std::io;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;
use nix::sys::statvfs::fstatvfs;
use rex_ipc::action::file_system::Stat;
use rex_ipc::name;

use super::object::{Filling, MountPoint};
use crate::gate::Permit;

/// Looks how full the file system at a mount point is; no link leads there. Nothing where the system does not let the broker
/// look.
///
/// # Errors
/// Those of openat2(2) and statvfs(3), but for `EACCES`.
pub fn filling(permit: &Permit<'_, Stat, MountPoint>) -> io::Result<Option<Filling>> {
    use std::os::unix::ffi::OsStrExt;

    let bytes = name::to_bytes(permit.resource().path.as_str());
    let root = nix::fcntl::open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_IN_ROOT);
    let looked = openat2(&root, std::ffi::OsStr::from_bytes(&bytes), how).and_then(fstatvfs);
    match looked {
        Err(Errno::EACCES) => Ok(None),
        Err(errno) => Err(errno.into()),
        Ok(status) => Ok(Some(Filling {
            fragment_bytes: status.fragment_size(),
            blocks: status.blocks(),
            available_blocks: status.blocks_available(),
            inodes: status.files(),
            free_inodes: status.files_free(),
        })),
    }
}
