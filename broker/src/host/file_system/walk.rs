//! How a path becomes an open object: once, with every link expanded by us and decided on before it is entered.

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, ResolveFlag};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use rex_ipc::action::file_system::Open;

use super::object::{DirBelow, DirPath, Directory, FileAt};
use super::openat2;
use super::places::{AtPath, Below, Entry};
use super::tools::Tools;
use crate::gate::error::{Error, is};
use crate::gate::{Bound, Inode, Permit, Resource};
use crate::policy::name::{EntryName, PathName};

pub use crate::gate::file_type;

/// Asks for the place that a link leads to, when there is one; gives the permit to go there.
pub type AskLink<'a, 'req, R> =
    &'a mut dyn FnMut(Option<&Reached<'req>>, PathName) -> Result<Permit<'req, Open, R>, Error>;

/// An object that is held with `O_PATH`.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) fd: OwnedFd,
    /// Its attributes, read through the descriptor.
    pub(super) stat: FileStat,
    /// The path without links that led to it.
    pub(super) name: PathName,
}

impl Object {
    pub(super) fn into_directory(self) -> Directory {
        Directory { inode: inode(&self.stat), fd: self.fd, name: self.name, listing: Default::default() }
    }
}

/// Proof that an object was reached under a permit for `A`, within one request; with the object, held with `O_PATH`.
#[derive(Debug)]
pub struct Reached<'req, A = Open> {
    pub(super) object: Object,
    /// The directory that it is in, where that is held.
    pub(super) parent: Option<Rc<Directory>>,
    /// The name of a file that was asked for, whether or not this is what has it.
    pub(super) named: Option<FileAt>,
    /// The first link on the way to it.
    pub(super) link: Option<Inode>,
    bound: Bound<'req, A>,
}

impl<A> Reached<'_, A> {
    /// What a permit for `A` has led to, as whoever calls this has seen to.
    pub(super) fn by_permit(object: Object) -> Self {
        Self { object, parent: None, named: None, link: None, bound: PhantomData }
    }

    /// Its attributes.
    pub fn stat(&self) -> &FileStat {
        &self.object.stat
    }

    /// What it is.
    pub fn inode(&self) -> Inode {
        inode(&self.object.stat)
    }

    /// Its type.
    pub fn kind(&self) -> SFlag {
        file_type(&self.object.stat)
    }

    /// The path without links that led to it.
    pub fn name(&self) -> &PathName {
        &self.object.name
    }

    /// The directory that it is in, where that is held.
    pub fn parent(&self) -> Option<&Directory> {
        self.parent.as_deref()
    }

    /// The descriptor, for this layer.
    pub(in crate::host) fn fd(&self) -> BorrowedFd<'_> {
        self.object.fd.as_fd()
    }

    /// The object as a directory of the handle table.
    pub fn into_directory(self) -> Directory {
        self.object.into_directory()
    }
}

/// Where links led, and the permit for it; none when there was no link, so that the first one counts.
#[derive(Debug)]
pub struct Led<'req, R> {
    /// What was found.
    pub found: Found<'req>,
    /// The answer to the last question.
    pub permit: Option<Permit<'req, Open, R>>,
}

/// What stands at the end of a walk.
#[derive(Debug)]
pub enum Found<'req> {
    /// An object.
    Object(Reached<'req>),
    /// Nothing, in a directory that exists.
    Missing(Missing<'req>),
}

/// Proof that a name was found missing in a directory that exists, under a permit for the way there.
#[derive(Debug)]
pub struct Missing<'req> {
    place: FileAt,
    /// The name of a file that was asked for, which led here.
    pub(super) named: Option<FileAt>,
    /// The first link on the way.
    pub(super) link: Option<Inode>,
    bound: Bound<'req, Open>,
}

impl Missing<'_> {
    /// Where a file would be.
    pub fn place(&self) -> &FileAt {
        &self.place
    }
}

impl<'req> Found<'req> {
    /// The path without links.
    fn name(&self) -> &PathName {
        match self {
            Self::Object(reached) => reached.name(),
            Self::Missing(missing) => &missing.place.path,
        }
    }

    /// The object.
    ///
    /// # Errors
    /// `ENOENT` when it is missing.
    pub fn object(self) -> io::Result<Reached<'req>> {
        match self {
            Self::Object(reached) => Ok(reached),
            Self::Missing(_) => Err(Errno::ENOENT.into()),
        }
    }
}

/// What an open object is.
pub fn inode(stat: &FileStat) -> Inode {
    Inode::of(stat)
}

/// Opens the directory of the permit; a link anywhere in its path is refused with `ELOOP`.
///
/// The kernel refuses links in every component, so the name that was judged is the real one.
///
/// # Errors
/// Those of openat2(2).
pub fn directory<'req, R: AtPath>(
    permit: &Permit<'req, Open, R>,
    tools: &Tools,
) -> io::Result<Reached<'req>> {
    hold_directory(permit.resource().path().clone(), tools).map(Reached::by_permit)
}

/// Opens the directory that the permit's own is in, to make that there.
///
/// # Errors
/// Those of openat2(2), among them `ELOOP` for a link anywhere in its path.
pub fn parent_directory<'req>(
    permit: &Permit<'req, Open, DirPath>,
    tools: &Tools,
) -> io::Result<Reached<'req>> {
    hold_directory(permit.resource().0.parent(), tools).map(Reached::by_permit)
}

fn hold_directory(name: PathName, tools: &Tools) -> io::Result<Object> {
    let path = name.below_root();
    let fd = openat2(tools.root(), &path, O_PATH_DIRECTORY, Mode::empty(), ResolveFlag::empty())?;
    let stat = fstat(&fd)?;
    Ok(Object { fd, stat, name })
}

/// Opens the directory of the permit from the open one that it is below; a link on the way is refused with `ELOOP`.
///
/// # Errors
/// Those of openat2(2); `EXDEV` when it is not below it.
pub fn directory_below<'req>(permit: &Permit<'req, Open, DirBelow>) -> io::Result<Reached<'req>> {
    let (top, name) = (permit.resource().top(), permit.resource().path());
    let below = name.below(&top.name).ok_or(Errno::EXDEV)?;
    let fd = openat2(top.fd.as_fd(), &below, O_PATH_DIRECTORY, Mode::empty(), ResolveFlag::RESOLVE_BENEATH)?;
    let stat = fstat(&fd)?;
    Ok(Reached::by_permit(Object { fd, stat, name: name.clone() }))
}

/// Opens the last directory that exists on the way to the permit's own, and names those that are missing behind it,
/// the first one first.
///
/// # Errors
/// Those of openat2(2), among them `ELOOP` for a link anywhere in its path. What is missing is no failure.
pub fn last_existing<'req>(
    permit: &Permit<'req, Open, DirPath>,
    tools: &Tools,
) -> io::Result<(Reached<'req>, Vec<PathName>)> {
    let mut name = permit.resource().0.clone();
    let mut missing = Vec::new();
    loop {
        match hold_directory(name.clone(), tools) {
            Ok(object) => {
                missing.reverse();
                return Ok((Reached::by_permit(object), missing));
            }
            Err(error) if is(&error, Errno::ENOENT) && name != PathName::root() => {
                let parent = name.parent();
                missing.push(std::mem::replace(&mut name, parent));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Opens what has the name of the permit as itself: links are not followed, nothing is triggered.
///
/// # Errors
/// Those of openat2(2).
pub fn entry<'req, R: Entry>(permit: &Permit<'req, Open, R>) -> io::Result<Reached<'req>> {
    let place = permit.resource();
    let object = hold_entry(place.parent().fd.as_fd(), place.entry(), place.path())?;
    let (parent, named) = (Some(Rc::clone(place.parent())), place.as_file().cloned());
    Ok(Reached { parent, named, ..Reached::by_permit(object) })
}

/// Goes to the place of the permit, asking for the whole path anew at every link on the way.
///
/// The last component may be of any type but a link. Where the permit's place is in an open directory, the walk has to
/// pass that before its first link, or it fails with `ENOENT`: somebody has moved it since it was opened.
///
/// # Errors
/// Those of openat2(2), and of `ask`.
pub fn follow<'req, P: AtPath, R: Resource>(
    permit: &Permit<'req, Open, P>,
    tools: &Tools,
    ask: AskLink<'_, 'req, R>,
) -> Result<Led<'req, R>, Error> {
    let place = permit.resource();
    go(place.path(), place.from(), place.as_file(), tools, ask)
}

/// Goes to the directory that the permit's own is in, asking for the whole path anew at every link on the way.
///
/// # Errors
/// Those of openat2(2), and of `ask`.
pub fn follow_to_parent<'req, R: Resource>(
    permit: &Permit<'req, Open, DirPath>,
    tools: &Tools,
    ask: AskLink<'_, 'req, R>,
) -> Result<Led<'req, R>, Error> {
    go(&permit.resource().0.parent(), None, None, tools, ask)
}

fn go<'req, R: Resource>(
    judged: &PathName,
    from: Option<&Directory>,
    named: Option<&FileAt>,
    tools: &Tools,
    ask: AskLink<'_, 'req, R>,
) -> Result<Led<'req, R>, Error> {
    let mut walk = Walk::begin(tools.root(), judged);
    let mut permitted = judged.clone();
    let (mut last, mut first_link) = (None, None);
    let mut passed = from.is_none_or(|from| from.name == PathName::root());
    let depth = from.map_or(0, |from| from.name.components().count());
    let end = loop {
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
                first_link.get_or_insert(inode(&link.stat));
                // The whole path that the link makes of ours is judged before any of it is touched.
                permitted = walk.expand(nix::fcntl::readlinkat(&link.fd, c"")?.as_bytes())?;
                last = Some(ask(Some(&Reached::by_permit(link)), permitted.clone())?);
                for detour in walk.detours() {
                    ask(None, detour)?;
                }
            }
            Err(error) if is(&error, Errno::ENOENT) && walk.pending.is_empty() => {
                break walk.end_before(component)?;
            }
            Err(error) => return Err(error.into()),
        }
    };
    let (named, link, bound) = (named.cloned(), first_link, PhantomData);
    let found = match end {
        End::At(object, parent) => Found::Object(Reached { object, parent, named, link, bound }),
        End::Before(place) => Found::Missing(Missing { place, named, link, bound }),
    };
    if *found.name() != permitted {
        // A target with `..` behind a further link: where it really led has not been judged yet.
        last = Some(ask(None, found.name().clone())?);
    }
    Ok(Led { found, permit: last })
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
    Link(Object),
}

enum End {
    /// At an object, which is in this directory.
    At(Object, Option<Rc<Directory>>),
    /// In a directory in which the name is missing.
    Before(FileAt),
}

impl<'r> Walk<'r> {
    fn begin(root: BorrowedFd<'r>, path: &PathName) -> Self {
        Self { root, entered: Vec::new(), pending: path.components().collect(), expansions: 0 }
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
            return Ok(Step::Link(Object { fd, stat, name: self.name().join(component) }));
        }
        self.entered.push(Entered { fd, stat, component: component.to_vec() });
        Ok(Step::Entered)
    }

    /// Puts a link's target in front of what is still to come; gives the whole path, lexically.
    fn expand(&mut self, target: &[u8]) -> io::Result<PathName> {
        self.expansions += 1;
        // path_resolution(7): at most 40 links in one resolution.
        if self.expansions > 40 {
            return Err(Errno::ELOOP.into());
        }
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

    fn end(mut self) -> io::Result<End> {
        let object = self.here_as_object()?;
        let parent = (object.name != PathName::root()).then(|| self.here_as_object()).transpose()?;
        Ok(End::At(object, parent.map(|parent| Rc::new(parent.into_directory()))))
    }

    /// The end of a walk whose last component is not there.
    fn end_before(mut self, component: Vec<u8>) -> io::Result<End> {
        let parent = self.here_as_object()?.into_directory();
        let entry = EntryName::from_bytes(component).ok_or(Errno::ENOENT)?;
        Ok(End::Before(FileAt::new(Rc::new(parent), entry)))
    }

    /// Takes what was entered last, or holds the root.
    fn here_as_object(&mut self) -> io::Result<Object> {
        let name = self.name();
        match self.entered.pop() {
            Some(last) => Ok(Object { fd: last.fd, stat: last.stat, name }),
            None => {
                let fd = openat2(self.root, c".", O_PATH_DIRECTORY, Mode::empty(), ResolveFlag::empty())?;
                let stat = fstat(&fd)?;
                Ok(Object { fd, stat, name })
            }
        }
    }
}

/// Holds an entry as itself.
pub(super) fn hold_entry(parent: BorrowedFd<'_>, entry: &EntryName, path: &PathName) -> io::Result<Object> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
    let fd = openat2(parent, entry.as_c_str(), flags, Mode::empty(), ResolveFlag::RESOLVE_BENEATH)?;
    let stat = fstat(&fd)?;
    Ok(Object { fd, stat, name: path.clone() })
}

/// The attributes of an entry, without opening it.
pub(super) fn stat_entry(parent: BorrowedFd<'_>, entry: &EntryName) -> io::Result<FileStat> {
    Ok(nix::sys::stat::fstatat(parent, entry.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?)
}

const O_PATH_DIRECTORY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY);
