//! How a new file comes to stand somewhere below an open directory, with the directories that lead to it.

use std::io;
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, fchmod, futimens};
use nix::sys::time::TimeSpec;
use rex_ipc::action::file_system::{Chmod, Chown, Create, Write};
use rex_ipc::file_system::{Instant, NewTime};

use super::attributes::{set_owner_of, time};
use super::object::{DirBelow, Directory};
use super::places::Below;
use super::walk::{file_type, hold_entry};
use super::writer::NewWriter;
use crate::gate::error::is;
use crate::gate::{Bound, Permit};
use crate::policy::name::{EntryName, PathName};

/// Proof of how far the way to a new file exists, which may be written.
#[derive(Debug)]
pub struct Walked<'req> {
    /// The last directory that is there.
    pub(super) held: Rc<Directory>,
    missing: Vec<PathName>,
    bound: Bound<'req, Write>,
}

impl Walked<'_> {
    /// The directories that are missing behind the last one that is there, the first one first.
    pub fn missing(&self) -> &[PathName] {
        &self.missing
    }
}

/// Goes from the open directory towards the permit's file as far as there are directories.
///
/// Each is held as itself, without following links.
///
/// # Errors
/// `ELOOP` for a link on the way, `ENOTDIR` for anything else that is no directory; those of openat2(2).
pub fn walk<'req, R: Below>(write: &Permit<'req, Write, R>) -> io::Result<Walked<'req>> {
    let new = write.resource();
    let mut held = Rc::clone(new.top());
    let mut levels = new.path().parent().levels_below(&held.name).into_iter();
    let mut missing = Vec::new();
    while let Some(level) = levels.next() {
        match enter(&held, &level) {
            Ok(entered) => held = Rc::new(entered),
            Err(error) if is(&error, Errno::ENOENT) => {
                missing.push(level);
                missing.extend(levels.by_ref());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Walked { held, missing, bound: PhantomData })
}

/// Where the permit's file is to stand when the first link among the directories on its way is followed; nothing when there
/// is none.
///
/// Nothing behind the link was looked at.
///
/// # Errors
/// `ELOOP` for a link that leads out of the open directory, or nobody knows where; those of openat2(2) and readlink(2).
pub fn led<R: Below>(write: &Permit<'_, Write, R>) -> io::Result<Option<PathName>> {
    let new = write.resource();
    led_from(new.top(), &new.path().parent().levels_below(&new.top().name), new.path())
}

/// Where the permit's directory is to stand when the first link on its way, or under its name, is followed.
///
/// # Errors
/// `ELOOP` for a link that leads out of the open directory, or nobody knows where; those of openat2(2) and readlink(2).
pub fn directory_led(create: &Permit<'_, Create, DirBelow>) -> io::Result<Option<PathName>> {
    let DirBelow { top, path } = create.resource();
    led_from(top, &path.levels_below(&top.name), path)
}

fn led_from(top: &Rc<Directory>, levels: &[PathName], whole: &PathName) -> io::Result<Option<PathName>> {
    let mut held = Rc::clone(top);
    for level in levels {
        let entry = level.file_name().and_then(EntryName::parse).ok_or(Errno::EINVAL)?;
        let reached = match hold_entry(held.fd.as_fd(), &entry, level) {
            Ok(reached) => reached,
            Err(error) if is(&error, Errno::ENOENT) => return Ok(None),
            Err(error) => return Err(error),
        };
        match file_type(&reached.stat) {
            SFlag::S_IFDIR => held = Rc::new(reached.into_directory()),
            SFlag::S_IFLNK => {
                let target = nix::fcntl::readlinkat(&reached.fd, c"")?;
                let start = expanded(&held.name, top, target.as_bytes()).ok_or(Errno::ELOOP)?;
                let rest = whole.components().skip(level.components().count());
                return Ok(Some(rest.fold(start, |path, component| path.join(&component))));
            }
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// Where a link in this directory leads; nothing when that is not below `top`, or not told by the text alone, as for
/// `a/..`, where `a` may be a link itself.
fn expanded(directory: &PathName, top: &Directory, target: &[u8]) -> Option<PathName> {
    if target.is_empty() || target.starts_with(b"/") {
        return None;
    }
    let mut path = directory.clone();
    let mut down = false;
    for component in target.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if down || path == top.name => return None,
            b".." => path = path.parent(),
            component => {
                down = true;
                path = path.join(component);
            }
        }
    }
    path.is_within(&top.name).then_some(path)
}

pub(super) fn enter(parent: &Directory, level: &PathName) -> io::Result<Directory> {
    let entry = level.file_name().and_then(EntryName::parse).ok_or(Errno::EINVAL)?;
    let reached = hold_entry(parent.fd.as_fd(), &entry, level)?;
    match file_type(&reached.stat) {
        SFlag::S_IFDIR => Ok(reached.into_directory()),
        SFlag::S_IFLNK => Err(Errno::ELOOP.into()),
        _ => Err(Errno::ENOTDIR.into()),
    }
}

/// Gives the writer's content a user and a group before it has a name.
///
/// # Errors
/// Those of chown(2).
pub fn set_owner(
    permit: &Permit<'_, Chown, Rc<NewWriter>>,
    user: Option<u32>,
    group: Option<u32>,
) -> io::Result<()> {
    set_owner_of(permit.resource().content.borrow().file()?, user, group)
}

/// Gives the writer's content this mode, with whatever bits it has.
///
/// # Errors
/// Those of fchmod(2).
pub fn set_mode(permit: &Permit<'_, Chmod, Rc<NewWriter>>, bits: u16) -> io::Result<()> {
    Ok(fchmod(permit.resource().content.borrow().file()?, Mode::from_bits_truncate(bits.into()))?)
}

/// Gives the writer's content the mode of any new file, of which nothing is left that is not among these bits.
///
/// # Errors
/// Those of fchmod(2).
pub fn set_usual_mode(permit: &Permit<'_, Write, Rc<NewWriter>>, among: u16) -> io::Result<()> {
    let content = permit.resource().content.borrow();
    Ok(fchmod(content.file()?, Mode::from_bits_truncate(content.usual_mode & u32::from(among)))?)
}

/// Says when the writer's content was last modified.
///
/// # Errors
/// Those of futimens(3); `EINVAL` for a time whose nanoseconds make a second or more.
pub fn set_modified(permit: &Permit<'_, Write, Rc<NewWriter>>, modified: Instant) -> io::Result<()> {
    let modified = time(Some(NewTime::At(modified)))?;
    let content = permit.resource().content.borrow();
    Ok(futimens(content.file()?, &TimeSpec::UTIME_OMIT, &modified)?)
}
