//! The root that a confined program sees: its places, a `/proc` of its own, and nothing else.

use std::ffi::{CString, OsStr};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use rex_agreed::calls::Errno;

use crate::calls;
use crate::order::{Place, Rights, Thing};

/// `MOUNT_ATTR_*`; `linux/mount.h`.
const READ_ONLY: u64 = 1;
const NO_SET_USER_ID: u64 = 2;
const NO_DEVICES: u64 = 4;
const NO_PROGRAMS: u64 = 8;

/// Copies of the mounts of places, attached to nothing. Made where the descriptors come from.
///
/// # Errors
/// Those of open_tree(2) and mount_setattr(2).
pub(crate) fn copies(places: &[Place], objects: &[OwnedFd]) -> Result<Vec<OwnedFd>, Errno> {
    let rights = places.iter().filter_map(|place| match place.what {
        Thing::Object { rights, .. } => Some(rights),
        Thing::Link(_) => None,
    });
    rights
        .zip(objects)
        .map(|(rights, object)| {
            let copy = calls::copy_tree(object.as_fd())?;
            calls::set_mount(copy.as_fd(), attributes(rights))?;
            Ok(copy)
        })
        .collect()
}

fn attributes(rights: Rights) -> u64 {
    let mut attributes = NO_SET_USER_ID;
    if !rights.contains(Rights::DEVICE) {
        attributes |= NO_DEVICES;
        if !rights.change_something() {
            attributes |= READ_ONLY;
        }
    }
    if !rights.contains(Rights::EXECUTE) && !rights.contains(Rights::MAP) {
        attributes |= NO_PROGRAMS;
    }
    attributes
}

/// Makes the root of this mount namespace one that has only these places.
///
/// # Errors
/// Whatever call failed.
pub(crate) fn enter(places: &[Place], copies: &[OwnedFd]) -> Result<(), Errno> {
    nix::mount::mount(
        None::<&str>,
        "/",
        None::<&str>,
        nix::mount::MsFlags::MS_REC | nix::mount::MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .map_err(|errno| errno as Errno)?;
    let root =
        calls::new_mount(c"tmpfs", Some((c"mode", c"0755")), NO_SET_USER_ID | NO_DEVICES | NO_PROGRAMS)?;
    calls::attach(root.as_fd(), c"/")?;
    nix::unistd::fchdir(&root).map_err(|errno| errno as Errno)?;
    // pivot_root(2): with "." for both, the old root ends up on top of the new one and can be unmounted by ".".
    nix::unistd::pivot_root(".", ".").map_err(|errno| errno as Errno)?;
    nix::mount::umount2(".", nix::mount::MntFlags::MNT_DETACH).map_err(|errno| errno as Errno)?;
    nix::unistd::chdir("/").map_err(|errno| errno as Errno)?;

    let proc =
        calls::new_mount(c"proc", Some((c"subset", c"pid")), NO_SET_USER_ID | NO_DEVICES | NO_PROGRAMS)?;
    fs::create_dir("/proc").map_err(number_of)?;
    calls::attach(proc.as_fd(), c"/proc")?;
    fill(places, copies)?;
    let root = fs::File::open("/").map_err(number_of)?;
    let attributes = READ_ONLY | NO_SET_USER_ID | NO_DEVICES | NO_PROGRAMS;
    calls::set_mount(root.as_fd(), attributes)
}

fn fill(places: &[Place], copies: &[OwnedFd]) -> Result<(), Errno> {
    let mut copies = copies.iter();
    for place in places {
        let path = Path::new(OsStr::from_bytes(&place.path));
        let is_plain = path.components().enumerate().all(|(at, component)| {
            matches!((at, component), (0, Component::RootDir) | (1.., Component::Normal(_)))
        });
        // It is the broker that says where things stand; a path that climbs is nothing it would say.
        if !is_plain || !path.is_absolute() {
            return Err(libc::EINVAL);
        }
        match &place.what {
            Thing::Link(target) => {
                make_parent(path)?;
                match std::os::unix::fs::symlink(OsStr::from_bytes(target), path) {
                    Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                        return Err(number_of(error));
                    }
                    _ => {}
                }
            }
            Thing::Object { is_directory, .. } => {
                let copy = copies.next().ok_or(libc::EBADMSG)?;
                make_target(path, *is_directory)?;
                let target = CString::new(place.path.as_slice()).map_err(|_| libc::EINVAL)?;
                calls::attach(copy.as_fd(), &target)?;
            }
        }
    }
    Ok(())
}

/// Something to attach a mount to, which is there already below another place.
fn make_target(path: &Path, is_directory: bool) -> Result<(), Errno> {
    if fs::symlink_metadata(path).is_ok() {
        return Ok(());
    }
    make_parent(path)?;
    if is_directory { fs::create_dir(path) } else { fs::File::create(path).map(drop) }.map_err(number_of)
}

fn make_parent(path: &Path) -> Result<(), Errno> {
    path.parent().map_or(Ok(()), |parent| fs::create_dir_all(parent).map_err(number_of))
}

pub(crate) fn number_of(error: std::io::Error) -> Errno {
    error.raw_os_error().unwrap_or(libc::EIO)
}
