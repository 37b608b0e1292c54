//! How a new file comes to stand somewhere below an open directory, with the directories that lead to it.

use std::cell::Cell;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, fchmod, futimens};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, unlinkat};
use rex_ipc::action::file_system::{Chmod, Chown, Create, Write};
use rex_ipc::file_system::{Instant, NewTime};

use super::attributes::{set_owner_of, time};
use super::open::create_directory_in;
use super::staged::Staged;
use super::walk::{file_type, hold_entry, inode, stat_entry};
use crate::gate::{Permit, Resource};
use crate::host::file_system::object::{DirPath, Directory};
use crate::host::file_system::writer::{NewFile, Writer};
use crate::policy::name::{EntryName, PathName};

/// How far a way below an open directory exists.
#[derive(Debug)]
pub struct Walked {
    /// The last directory that is there.
    pub held: Rc<Directory>,
    /// Those that are missing behind it, the first one first.
    pub missing: Vec<PathName>,
}

/// Goes from the open directory towards the permit's file as far as there are directories.
///
/// Each is held as itself: `ELOOP` for a link on the way, `ENOTDIR` for anything else.
pub fn walk<'p, R: Resource>(
    permit: &'p Permit<'_, Write, R>,
    new: impl FnOnce(&'p R) -> &'p NewFile,
) -> io::Result<Walked> {
    let new = new(permit.resource());
    let mut held = Rc::clone(&new.dir);
    let mut levels = new.levels().into_iter();
    while let Some(level) = levels.next() {
        match enter(&held, &level) {
            Ok(entered) => held = Rc::new(entered),
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => {
                return Ok(Walked { held, missing: std::iter::once(level).chain(levels).collect() });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Walked { held, missing: Vec::new() })
}

/// Where the permit's file is to stand when the first link among the directories on its way is followed; nothing when there
/// is none.
///
/// Nothing behind the link was looked at. `ELOOP` for a link that leads out of the open directory, or nobody knows where.
pub fn led<'p, R: Resource>(
    permit: &'p Permit<'_, Write, R>,
    new: impl FnOnce(&'p R) -> &'p NewFile,
) -> io::Result<Option<PathName>> {
    let new = new(permit.resource());
    led_from(&new.dir, &new.levels(), &new.path)
}

/// The same for a directory that is to be made, which is the last one of the permits.
pub fn directory_led(
    permits: &[Permit<'_, Create, DirPath>],
    top: &Rc<Directory>,
) -> io::Result<Option<PathName>> {
    let levels: Vec<PathName> = permits.iter().map(|permit| permit.resource().0.clone()).collect();
    match levels.last() {
        Some(whole) if *whole != top.name => led_from(top, &levels, whole),
        _ => Ok(None),
    }
}

fn led_from(top: &Rc<Directory>, levels: &[PathName], whole: &PathName) -> io::Result<Option<PathName>> {
    let mut held = Rc::clone(top);
    for level in levels {
        let entry = level.file_name().and_then(EntryName::parse).ok_or(Errno::EINVAL)?;
        let reached = match hold_entry(held.fd.as_fd(), &entry, level) {
            Ok(reached) => reached,
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => return Ok(None),
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

fn enter(parent: &Directory, level: &PathName) -> io::Result<Directory> {
    let entry = level.file_name().and_then(EntryName::parse).ok_or(Errno::EINVAL)?;
    let reached = hold_entry(parent.fd.as_fd(), &entry, level)?;
    match file_type(&reached.stat) {
        SFlag::S_IFDIR => Ok(reached.into_directory()),
        SFlag::S_IFLNK => Err(Errno::ELOOP.into()),
        _ => Err(Errno::ENOTDIR.into()),
    }
}

/// Directories that were made for a file or another directory, and go again if that does not come.
#[derive(Debug)]
pub struct Made {
    /// Where the first one is, and each that was made or found, the first one first.
    way: Vec<(Rc<Directory>, bool)>,
    keep: Cell<bool>,
}

impl Made {
    /// Nothing yet, in this directory.
    pub fn none_in(directory: Rc<Directory>) -> Self {
        Self { way: vec![(directory, false)], keep: Cell::new(false) }
    }

    /// Goes one directory further, which was made, or was there.
    pub fn push(&mut self, directory: Rc<Directory>, made: bool) {
        self.way.push((directory, made));
    }

    /// The directory that the file will be in.
    pub fn last(&self) -> io::Result<&Rc<Directory>> {
        self.way.last().map(|(directory, _)| directory).ok_or_else(|| Errno::ENOENT.into())
    }

    /// They stay.
    pub fn keep(&self) {
        self.keep.set(true);
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        while let Some((directory, made)) = self.way.pop() {
            let (Some((parent, _)), Some(entry)) = (self.way.last(), directory.name.file_name()) else {
                return;
            };
            let Some(entry) = EntryName::parse(entry).filter(|_| made && !self.keep.get()) else { continue };
            let is_there =
                stat_entry(parent.fd.as_fd(), &entry).is_ok_and(|stat| inode(&stat) == directory.inode);
            // What somebody has put into it meanwhile keeps it.
            if is_there {
                let _ = unlinkat(&parent.fd, entry.as_c_str(), UnlinkatFlags::RemoveDir);
            }
        }
    }
}

/// Makes the directories of the permits, each in the one before, the first one in `held`.
pub fn make(permits: &[Permit<'_, Create, DirPath>], held: Rc<Directory>) -> io::Result<Made> {
    let mut made = Made::none_in(held);
    for permit in permits {
        let parent = Rc::clone(made.last()?);
        match create_directory_in(permit, &parent) {
            Ok(directory) => made.push(Rc::new(directory), true),
            // Somebody else has made it meanwhile.
            Err(error) if error.raw_os_error() == Some(Errno::EEXIST as i32) => {
                made.push(Rc::new(enter(&parent, &permit.resource().0)?), false);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(made)
}

/// Gives the writer's content a user and a group before it has a name.
pub fn set_owner(
    permit: &Permit<'_, Chown, Rc<Writer>>,
    user: Option<u32>,
    group: Option<u32>,
) -> io::Result<()> {
    set_owner_of(permit.resource().staged.borrow().file()?, user, group)
}

/// Gives the writer's content this mode, with whatever bits it has.
pub fn set_mode(permit: &Permit<'_, Chmod, Rc<Writer>>, bits: u16) -> io::Result<()> {
    Ok(fchmod(permit.resource().staged.borrow().file()?, Mode::from_bits_truncate(bits.into()))?)
}

/// Gives the writer's content the mode of any new file, of which nothing is left that is not among these bits.
pub fn set_usual_mode(permit: &Permit<'_, Write, Rc<Writer>>, among: u16) -> io::Result<()> {
    let staged = permit.resource().staged.borrow();
    Ok(fchmod(staged.file()?, Mode::from_bits_truncate(staged.usual_mode & u32::from(among)))?)
}

/// Says when the writer's content was last modified.
pub fn set_modified(permit: &Permit<'_, Write, Rc<Writer>>, modified: Instant) -> io::Result<()> {
    let modified = time(Some(NewTime::At(modified)))?;
    let staged: &Staged = &permit.resource().staged.borrow();
    Ok(futimens(staged.file()?, &TimeSpec::UTIME_OMIT, &modified)?)
}
