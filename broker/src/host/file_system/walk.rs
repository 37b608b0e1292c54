//! How a path becomes an open object: once, with every link expanded by us and decided on before it is entered.

use std::collections::VecDeque;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, ResolveFlag};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use rex_ipc::action::file_system::Open;

use super::openat2;
use crate::gate::error::Error;
use crate::gate::{self, Inode, Permit, Resource};
use crate::host::file_system::object::{DirPath, Directory};
use crate::policy::name::{EntryName, PathName};

/// Asks for the place that a link leads to, when there is one; gives the permit to go there.
pub type AskLink<'a, 'req, R> =
    &'a mut dyn FnMut(Option<&Reached>, PathName) -> Result<Permit<'req, Open, R>, Error>;

/// An object that was reached, held with `O_PATH`.
#[derive(Debug)]
pub struct Reached {
    /// The object.
    pub fd: OwnedFd,
    /// Its attributes, read through the descriptor.
    pub stat: FileStat,
    /// The path without links that led to it.
    pub name: PathName,
}

impl Reached {
    /// The object as a directory of the handle table.
    pub fn into_directory(self) -> Directory {
        Directory { inode: inode(&self.stat), fd: self.fd, name: self.name, listing: Default::default() }
    }
}

/// Where links led, and the permit for it; none when there was no link, so that the first one counts.
#[derive(Debug)]
pub struct Led<'req, R> {
    /// What was found.
    pub found: Found,
    /// The answer to the last question.
    pub permit: Option<Permit<'req, Open, R>>,
}

/// What stands at the end of a walk.
#[derive(Debug)]
pub enum Found {
    /// An object.
    Object(Reached),
    /// Nothing, in a directory that exists.
    Missing {
        /// The directory.
        parent: Reached,
        /// The name that is missing in it.
        entry: EntryName,
        /// Both together.
        path: PathName,
    },
}

impl Found {
    /// The path without links.
    pub fn name(&self) -> &PathName {
        match self {
            Self::Object(reached) => &reached.name,
            Self::Missing { path, .. } => path,
        }
    }

    /// The object.
    ///
    /// # Errors
    /// `ENOENT` when it is missing.
    pub fn object(self) -> io::Result<Reached> {
        match self {
            Self::Object(reached) => Ok(reached),
            Self::Missing { .. } => Err(Errno::ENOENT.into()),
        }
    }
}

/// What an open object is.
pub fn inode(stat: &FileStat) -> Inode {
    Inode::of(stat)
}

/// The type bits of an object's mode.
pub fn file_type(stat: &FileStat) -> SFlag {
    gate::file_type(stat)
}

/// Opens the directory of the permit; a link anywhere in its path is refused with `ELOOP`.
///
/// The kernel refuses links in every component, so the name that was judged is the real one.
pub fn directory<R: Resource>(
    permit: &Permit<'_, Open, R>,
    path: impl Fn(&R) -> &PathName,
    root: BorrowedFd<'_>,
) -> io::Result<Reached> {
    let name = path(permit.resource());
    let fd = openat2(root, &name.below_root(), O_PATH_DIRECTORY, Mode::empty(), ResolveFlag::empty())?;
    let stat = fstat(&fd)?;
    Ok(Reached { fd, stat, name: name.clone() })
}

/// Opens the directory that the permit's object is in, to look at who may make names there or to make one.
///
/// A link anywhere in its path is refused with `ELOOP`.
pub fn parent_directory<R: Resource>(
    permit: &Permit<'_, Open, R>,
    path: impl Fn(&R) -> &PathName,
    root: BorrowedFd<'_>,
) -> io::Result<Reached> {
    let name = path(permit.resource()).parent();
    let fd = openat2(root, &name.below_root(), O_PATH_DIRECTORY, Mode::empty(), ResolveFlag::empty())?;
    let stat = fstat(&fd)?;
    Ok(Reached { fd, stat, name })
}

/// Opens the directory of the permit from an open one that it is below; a link on the way is refused with `ELOOP`.
pub fn directory_below(permit: &Permit<'_, Open, DirPath>, from: &Directory) -> io::Result<Reached> {
    let name = &permit.resource().0;
    let below = name.below(&from.name).ok_or(Errno::EXDEV)?;
    let fd = openat2(from.fd.as_fd(), &below, O_PATH_DIRECTORY, Mode::empty(), ResolveFlag::RESOLVE_BENEATH)?;
    let stat = fstat(&fd)?;
    Ok(Reached { fd, stat, name: name.clone() })
}

/// Opens the last directory that exists on the way to the permit's own, and names those that are missing behind it,
/// the first one first.
///
/// A link anywhere in its path is refused with `ELOOP`.
pub fn last_existing(
    permit: &Permit<'_, Open, DirPath>,
    root: BorrowedFd<'_>,
) -> io::Result<(Reached, Vec<PathName>)> {
    let mut name = permit.resource().0.clone();
    let mut missing = Vec::new();
    loop {
        match openat2(root, &name.below_root(), O_PATH_DIRECTORY, Mode::empty(), ResolveFlag::empty()) {
            Ok(fd) => {
                let stat = fstat(&fd)?;
                missing.reverse();
                return Ok((Reached { fd, stat, name }, missing));
            }
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) && name != PathName::root() => {
                let parent = name.parent();
                missing.push(std::mem::replace(&mut name, parent));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Opens an entry of the permit's parent as itself: links are not followed, nothing is triggered.
pub fn entry<R: Resource>(
    permit: &Permit<'_, Open, R>,
    place: impl Fn(&R) -> (&Rc<Directory>, &EntryName, &PathName),
) -> io::Result<Reached> {
    let (parent, entry, path) = place(permit.resource());
    hold_entry(parent.fd.as_fd(), entry, path)
}

/// Goes to the place of the permit, asking for the whole path anew at every link on the way.
///
/// The last component may be of any type but a link. With `from`, the walk has to pass that directory before its
/// first link, or it fails with `ENOENT`: somebody has moved it since it was opened.
pub fn follow<'req, P: Resource, R: Resource>(
    permit: &Permit<'req, Open, P>,
    path: impl Fn(&P) -> &PathName,
    root: BorrowedFd<'_>,
    from: Option<&Directory>,
    ask: AskLink<'_, 'req, R>,
) -> Result<Led<'req, R>, Error> {
    let judged = path(permit.resource());
    let mut walk = Walk::begin(root, judged)?;
    let mut permitted = judged.clone();
    let mut last = None;
    let mut passed = from.is_none_or(|from| from.name == PathName::root());
    let depth = from.map_or(0, |from| from.name.components().count());
    let found = loop {
        if let Some(from) = from.filter(|_| !passed && walk.entered.len() == depth)
            && walk.name() == from.name
        {
            passed = walk.entered.last().is_some_and(|here| inode(&here.stat) == from.inode);
            if !passed {
                return Err(Errno::ENOENT.into());
            }
        }
        let Some(component) = walk.pending.pop_front() else { break walk.end()? };
        match walk.step(&component) {
            Ok(Step::Entered) => {}
            Ok(Step::Link(_)) if !passed => return Err(Errno::ENOENT.into()),
            Ok(Step::Link(link)) => {
                // The whole path that the link makes of ours is judged before any of it is touched.
                permitted = walk.expand(&link_target(&link.fd)?)?;
                last = Some(ask(Some(&link), permitted.clone())?);
                for detour in walk.detours() {
                    ask(None, detour)?;
                }
            }
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) && walk.pending.is_empty() => {
                break walk.end_before(component)?;
            }
            Err(error) => return Err(error.into()),
        }
    };
    if *found.name() != permitted {
        // A target with `..` behind a further link: where it really led has not been judged yet.
        last = Some(ask(None, found.name().clone())?);
    }
    Ok(Led { found, permit: last })
}

/// Where a link points, read through a descriptor on the link itself.
fn link_target(link: &OwnedFd) -> io::Result<PathBuf> {
    Ok(nix::fcntl::readlinkat(link, c"")?.into())
}

/// A walk in progress: the directories that were entered, and the components still to come.
struct Walk<'r> {
    root: BorrowedFd<'r>,
    entered: Vec<Entered>,
    pending: VecDeque<Vec<u8>>,
    expansions: usize,
}

struct Entered {
    fd: OwnedFd,
    stat: FileStat,
    component: Vec<u8>,
}

enum Step {
    Entered,
    Link(Reached),
}

impl<'r> Walk<'r> {
    fn begin(root: BorrowedFd<'r>, path: &PathName) -> io::Result<Self> {
        Ok(Self { root, entered: Vec::new(), pending: path.components().collect(), expansions: 0 })
    }

    fn here(&self) -> BorrowedFd<'_> {
        self.entered.last().map_or(self.root, |entered| entered.fd.as_fd())
    }

    fn name(&self) -> PathName {
        let mut path = PathBuf::from("/");
        path.extend(self.entered.iter().map(|entered| std::ffi::OsStr::from_bytes(&entered.component)));
        PathName::from_os(&path)
    }

    /// The directories that are still to be entered only to be left again: `a/b` on the way of `a/b/../c`.
    ///
    /// They are not on the path that is judged, and yet whether they exist would show.
    fn detours(&self) -> Vec<PathName> {
        let mut detours = Vec::new();
        if !self.pending.iter().any(|component| component == b"..") {
            return detours;
        }
        let mut path = self.name();
        let mut ahead = 0_usize;
        for component in &self.pending {
            match component.as_slice() {
                b"." => {}
                b".." => {
                    if ahead > 0 {
                        detours.push(path.clone());
                    }
                    ahead = ahead.saturating_sub(1);
                    path = path.parent();
                }
                component => {
                    ahead += 1;
                    path = path.join(component);
                }
            }
        }
        detours
    }

    fn step(&mut self, component: &[u8]) -> io::Result<Step> {
        if let Some(here) = self.entered.last()
            && file_type(&here.stat) != SFlag::S_IFDIR
        {
            return Err(Errno::ENOTDIR.into());
        }
        if component == b".." {
            // Within our own list of entered directories: the parent that was walked through, not a new look-up.
            self.entered.pop();
            return Ok(Step::Entered);
        }
        let Some(entry) = EntryName::from_bytes(component.to_vec()) else { return Ok(Step::Entered) };
        let fd = openat2(
            self.here(),
            entry.as_c_str(),
            OFlag::O_PATH | OFlag::O_NOFOLLOW,
            Mode::empty(),
            ResolveFlag::RESOLVE_BENEATH,
        )?;
        let stat = fstat(&fd)?;
        if file_type(&stat) == SFlag::S_IFLNK {
            return Ok(Step::Link(Reached { fd, stat, name: self.name().join(component) }));
        }
        self.entered.push(Entered { fd, stat, component: component.to_vec() });
        Ok(Step::Entered)
    }

    /// Puts a link's target in front of what is still to come; gives the whole path, lexically.
    fn expand(&mut self, target: &std::path::Path) -> io::Result<PathName> {
        self.expansions += 1;
        // path_resolution(7): at most 40 links in one resolution.
        if self.expansions > 40 {
            return Err(Errno::ELOOP.into());
        }
        let target = target.as_os_str().as_bytes();
        if target.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        // path_resolution(7): a path that ends with a slash has to be that of a directory.
        if self.pending.is_empty() && target.ends_with(b"/") {
            self.pending.push_back(b".".to_vec());
        }
        if target.starts_with(b"/") {
            self.entered.clear();
        }
        let parts = target.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".");
        for part in parts.rev() {
            self.pending.push_front(part.to_vec());
        }
        let mut whole = self.name().to_os();
        for part in &self.pending {
            whole.push(std::ffi::OsStr::from_bytes(part));
        }
        Ok(PathName::from_os(&whole))
    }

    fn end(self) -> io::Result<Found> {
        self.reached().map(Found::Object)
    }

    /// The end of a walk whose last component is not there.
    fn end_before(self, component: Vec<u8>) -> io::Result<Found> {
        let parent = self.reached()?;
        let path = parent.name.join(&component);
        let entry = EntryName::from_bytes(component).ok_or(Errno::ENOENT)?;
        Ok(Found::Missing { parent, entry, path })
    }

    fn reached(mut self) -> io::Result<Reached> {
        let name = self.name();
        match self.entered.pop() {
            Some(last) => Ok(Reached { fd: last.fd, stat: last.stat, name }),
            None => {
                let fd = openat2(self.root, c".", O_PATH_DIRECTORY, Mode::empty(), ResolveFlag::empty())?;
                let stat = fstat(&fd)?;
                Ok(Reached { fd, stat, name })
            }
        }
    }
}

/// Holds an entry as itself.
pub(super) fn hold_entry(parent: BorrowedFd<'_>, entry: &EntryName, path: &PathName) -> io::Result<Reached> {
    let fd = openat2(
        parent,
        entry.as_c_str(),
        OFlag::O_PATH | OFlag::O_NOFOLLOW,
        Mode::empty(),
        ResolveFlag::RESOLVE_BENEATH,
    )?;
    let stat = fstat(&fd)?;
    Ok(Reached { fd, stat, name: path.clone() })
}

/// The attributes of an entry, without opening it.
pub(super) fn stat_entry(parent: BorrowedFd<'_>, entry: &EntryName) -> io::Result<FileStat> {
    let name: &CString = &entry.as_c_str().to_owned();
    Ok(nix::sys::stat::fstatat(parent, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?)
}

const O_PATH_DIRECTORY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY);
