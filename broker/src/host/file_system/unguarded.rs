//! The system calls that need no permit, each with the reason.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, Mode};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{UnlinkatFlags, unlinkat};
use rex_ipc::file_system::Instant;
use rex_ipc::runtime::Clocks;

use super::tree::clear;
use super::walk;
use crate::gate::error::is;
use crate::gate::moved::{identity, identity_at};
use crate::gate::{Identity, Inode};
use crate::host::file_system::object::{Directory, File, FileAt};
use crate::policy::name::{EntryName, PathName};

/// The root directory, held for the whole run. Reveals nothing: every step from it needs a permit.
///
/// # Errors
/// Those of open(2).
pub fn root() -> io::Result<OwnedFd> {
    Ok(nix::fcntl::open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?)
}

/// The directory of the broker's own descriptors, through which a held object is opened for use.
///
/// Never reaches a script: it is not in the handle table, and `/proc/self` is forbidden by name.
///
/// # Errors
/// Those of open(2), among them `ENOENT` where `/proc` is not mounted.
pub fn own_fds() -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(nix::fcntl::open("/proc/self/fd", flags, Mode::empty())?)
}

/// Owner and mode of a directory that is held open. Only the hard-link rule looks at them, and no script sees them.
///
/// # Errors
/// Those of fstat(2).
pub fn status_of(directory: &Directory) -> io::Result<FileStat> {
    Ok(nix::sys::stat::fstat(&directory.fd)?)
}

/// What a file is that this run has just moved; where a link was followed, the link. Only so that its earlier names still
/// count.
///
/// # Errors
/// Those of statx(2).
pub fn identity_of_moved(moved: &File) -> io::Result<Identity> {
    if moved.at_named() == moved.inode {
        identity(moved.fd.as_fd())
    } else {
        identity_at(moved.origin.named.parent.in_place(), &moved.origin.named.entry)
    }
}

/// What a directory is that this run has just moved. Only so that its earlier names still count.
///
/// # Errors
/// Those of statx(2).
pub fn identity_of_moved_directory(moved: &Directory) -> io::Result<Identity> {
    identity(moved.fd.as_fd())
}

/// The time. Row `now` needs no permission: it says nothing about the host's data.
///
/// # Errors
/// Those of clock_gettime(2).
pub fn clocks() -> io::Result<Clocks> {
    let realtime = clock_gettime(ClockId::CLOCK_REALTIME)?;
    let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    let nanoseconds = u64::try_from(monotonic.tv_sec()).unwrap_or(0).saturating_mul(1_000_000_000);
    Ok(Clocks {
        realtime: Instant {
            seconds: realtime.tv_sec(),
            nanoseconds: u32::try_from(realtime.tv_nsec()).unwrap_or(0),
        },
        monotonic_ns: nanoseconds.saturating_add(u64::try_from(monotonic.tv_nsec()).unwrap_or(0)),
    })
}

/// Bytes from the kernel's generator. Row `random_bytes` needs no permission: they belong to nobody.
///
/// # Errors
/// Those of getrandom(2).
pub fn random(count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// The name of a user, from the host's user database.
///
/// Called only for owners of objects whose `stat` was permitted, and for the broker's own user.
pub fn user_name(uid: u32) -> Option<String> {
    nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|user| user.name)
}

/// The name of a group, from the host's group database.
///
/// Called only for groups of objects whose `stat` was permitted.
pub fn group_name(gid: u32) -> Option<String> {
    nix::unistd::Group::from_gid(gid.into()).ok().flatten().map(|group| group.name)
}

/// The number of a user, from the host's user database.
///
/// Called only when an owner may be changed to whom the script likes.
pub fn user_number(name: &str) -> Option<u32> {
    nix::unistd::User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
}

/// The number of a group, from the host's group database.
///
/// Called only when an owner may be changed to whom the script likes.
pub fn group_number(name: &str) -> Option<u32> {
    nix::unistd::Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
}

/// The group that a user has when it logs in, from the host's user database.
///
/// Called only for a user that a program is to become.
pub fn primary_group(uid: u32) -> Option<u32> {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok().flatten();
    user.map(|user| user.gid.as_raw())
}

/// Removes an empty file that this run has made for content which did not come.
///
/// It takes back what `create` was asked for, and no more: another file under the name, or one that has got content
/// from anybody, stays. Between the look and the removal somebody who may write to the directory can put another file
/// there, as with every removal by name; whoever does that could have removed it as well.
///
/// # Errors
/// Those of fstatat(2) and unlink(2), but for a file that is gone already.
pub fn remove_made(place: &FileAt, made: Inode) -> io::Result<()> {
    let FileAt { parent, entry, .. } = place;
    match walk::stat_entry(parent.fd.as_fd(), entry) {
        Ok(found) if walk::inode(&found) != made || found.st_size > 0 => Ok(()),
        Ok(_) => Ok(unlinkat(&parent.fd, entry.as_c_str(), UnlinkatFlags::NoRemoveDir)?),
        Err(error) if is(&error, Errno::ENOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes a directory that a dead run of the broker has begun to fill and could not put in its place.
///
/// It is what that run would have done; the name is one that only a broker makes. `go_on` is asked now and then.
///
/// # Errors
/// Those of opening, reading and removing what is in it, and of `go_on`; what was removed until then stays removed.
pub fn remove_left_behind(
    parent: &OwnedFd,
    entry: &EntryName,
    go_on: &dyn Fn() -> io::Result<()>,
) -> io::Result<()> {
    let reached = walk::hold_entry(parent.as_fd(), entry, &PathName::root().join(entry.as_bytes()))?;
    let top = Rc::new(reached.into_directory());
    clear(&top, go_on)?;
    Ok(unlinkat(parent, entry.as_c_str(), UnlinkatFlags::RemoveDir)?)
}
