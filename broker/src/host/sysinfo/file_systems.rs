//! How full mounted file systems are, and how one is taken away.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::sys::statvfs::fstatvfs;
use rex_ipc::action::file_system::{Stat, Unmount};
use rex_ipc::name;

use super::object::{Filling, MountPoint};
use crate::gate::{Bound, Inode, Permit, file_type};
use crate::policy::name::{EntryName, PathName};

/// Looks how full the file system at a mount point is; no link leads there. Nothing where the system does not let the broker
/// look.
///
/// # Errors
/// Those of openat2(2) and statvfs(3), but for `EACCES`.
pub fn filling(permit: &Permit<'_, Stat, MountPoint>) -> io::Result<Option<Filling>> {
    match without_links(&permit.resource().path).and_then(fstatvfs) {
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

/// Holds what stands at a path to which no link leads.
fn without_links(path: &PathName) -> Result<OwnedFd, Errno> {
    use std::os::unix::ffi::OsStrExt;

    let bytes = name::to_bytes(path.as_str());
    let root = nix::fcntl::open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_IN_ROOT);
    openat2(&root, std::ffi::OsStr::from_bytes(&bytes), how)
}

/// Proof that something is mounted at a place where a permit lets it be taken away.
#[derive(Debug)]
pub struct Mounted<'req> {
    parent: OwnedFd,
    entry: EntryName,
    inode: Inode,
    bound: Bound<'req, Unmount>,
}

impl<'req> Mounted<'req> {
    /// Looks what is mounted at the permit's place; no link leads there.
    ///
    /// # Errors
    /// Those of openat2(2) and statx(2); `EINVAL` where nothing is mounted, `EBUSY` for the root.
    pub fn find(permit: &Permit<'req, Unmount, MountPoint>) -> io::Result<Self> {
        let path = &permit.resource().path;
        let entry = path.file_name().and_then(EntryName::parse).ok_or(Errno::EBUSY)?;
        let parent = without_links(&path.parent())?;
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let top = openat2(&parent, entry.as_c_str(), how)?;
        let stat = fstat(&top)?;
        // The last mount of several, whose root has the name.
        let is_mounted = rex_outside::kernel::statx(std::os::fd::AsFd::as_fd(&top), 0)?.stx_attributes
            & nix::libc::STATX_ATTR_MOUNT_ROOT as u64
            != 0;
        if file_type(&stat) == SFlag::S_IFLNK || !is_mounted {
            return Err(Errno::EINVAL.into());
        }
        Ok(Self { parent, entry, inode: Inode::of(&stat), bound: PhantomData })
    }

    /// The root of what is mounted there.
    pub fn inode(&self) -> Inode {
        self.inode
    }

    /// Takes it away. A place cannot be renamed or removed as long as something is mounted there, so that it is still the one
    /// that was judged.
    ///
    /// # Errors
    /// Those of umount2(2); `EBUSY` where it is in use.
    pub fn unmount(self) -> io::Result<()> {
        // The directory is held, so that this path leads through nothing but it. umount2(2) takes no descriptor.
        let parent = format!("/proc/self/fd/{}/", self.parent.as_raw_fd());
        let path = [parent.as_bytes(), self.entry.as_bytes()].concat();
        Ok(umount2(path.as_slice(), MntFlags::UMOUNT_NOFOLLOW)?)
    }
}
