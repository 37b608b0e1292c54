//! Directories are made one behind the other beneath held ones, and what is there already is entered without following a
//! link.

use std::cell::Cell;
use std::io;
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, mkdirat};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, unlinkat};
use rex_ipc::action::file_system::{Chmod, Chown, Create, Open};
use rex_ipc::file_system::{Instant, NewTime};

use super::attributes::{set_mode_of, set_owner_of, set_times_of, time};
use super::below::{Walked, enter};
use super::object::{DirBelow, DirPath, Directory};
use super::places::AtPath;
use super::tools::Tools;
use super::walk::{Object, Reached, file_type, hold_entry, inode, stat_entry};
use crate::gate::error::is;
use crate::gate::{Bound, Permit};
use crate::policy::name::{EntryName, PathName};

/// Directories on the way to a file or another directory, each in the one before; those that were made go again if that
/// does not come.
///
/// It begins at a directory that a permit holds or has led to, and goes on only to what another one is for.
#[derive(Debug)]
pub struct Way<'req> {
    /// Where the first one is, and each that was made or found, the first one first.
    steps: Vec<(Rc<Directory>, bool)>,
    last: Rc<Directory>,
    keep: Cell<bool>,
    bound: Bound<'req, Create>,
}

impl<'req> Way<'req> {
    /// From a directory that was reached.
    pub fn from(reached: Reached<'req, Open>) -> Self {
        Self::begin(Rc::new(reached.into_directory()))
    }

    /// From the open directory that the permit's own is below.
    pub fn below(create: &Permit<'req, Create, DirBelow>) -> Self {
        Self::begin(Rc::clone(&create.resource().top))
    }

    /// From the last directory on the way to a new file that is there, on through those that are missing and now made.
    ///
    /// # Errors
    /// Those of mkdirat(2); `ENOTDIR`, or `ELOOP` for a link, when something else has come to stand there.
    pub fn through(walked: Walked<'req>, missing: &[Permit<'req, Create, DirPath>]) -> io::Result<Self> {
        let mut way = Self::begin(walked.held);
        for create in missing {
            let path = create.resource().path();
            let (made, is_new) = way.make_or_hold(path, 0o777)?;
            let is_directory = file_type(&made.stat) == SFlag::S_IFDIR;
            let next = match is_new {
                // Somebody exchanged it between the two calls; what is there now was never permitted.
                true if !is_directory => return Err(Errno::ENOTDIR.into()),
                true => made.into_directory(),
                // Somebody else has made it meanwhile.
                false => enter(&way.last, path)?,
            };
            way.push(Rc::new(next), is_new);
        }
        Ok(way)
    }

    fn begin(first: Rc<Directory>) -> Self {
        let keep = Cell::new(false);
        Self { steps: vec![(Rc::clone(&first), false)], last: first, keep, bound: PhantomData }
    }

    fn push(&mut self, directory: Rc<Directory>, made: bool) {
        self.last = Rc::clone(&directory);
        self.steps.push((directory, made));
    }

    /// The last directory.
    pub fn last(&self) -> &Rc<Directory> {
        &self.last
    }

    /// They stay.
    pub fn keep(&self) {
        self.keep.set(true);
    }

    /// The directory of the permit, which is in the last one, made when it is missing, with no more than these bits; and
    /// whether it was.
    ///
    /// # Errors
    /// `EEXIST` when something else than a directory has its name, a link to one included.
    pub fn make<R: AtPath>(
        &self,
        create: &Permit<'req, Create, R>,
        among: u16,
    ) -> io::Result<(Reached<'req, Create>, bool)> {
        let (made, is_new) = self.make_or_hold(create.resource().path(), among)?;
        // What was exchanged for something else since it was made looks like what was there before.
        if file_type(&made.stat) != SFlag::S_IFDIR {
            return Err(Errno::EEXIST.into());
        }
        Ok((Reached::by_permit(made), is_new))
    }

    /// What has the name of the permit in the last directory, if anything has. Who may make it may know.
    ///
    /// # Errors
    /// Those of openat2(2).
    pub fn present<R: AtPath>(
        &self,
        create: &Permit<'req, Create, R>,
    ) -> io::Result<Option<Reached<'req, Create>>> {
        let path = create.resource().path();
        match hold_entry(self.last.fd.as_fd(), &self.entry(path)?, path) {
            Ok(found) => Ok(Some(Reached::by_permit(found))),
            Err(error) if is(&error, Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Goes one directory further, which was made, or was there.
    pub fn go(&mut self, reached: Reached<'req, Create>, made: bool) {
        self.push(Rc::new(reached.into_directory()), made);
    }

    /// Sets the whole mode of the last directory, which is the permit's.
    ///
    /// # Errors
    /// Those of fchmodat(2).
    pub fn set_mode(
        &self,
        chmod: &Permit<'req, Chmod, DirBelow>,
        tools: &Tools,
        bits: u16,
    ) -> io::Result<()> {
        set_mode_of(self.own(chmod.resource())?, tools, bits)
    }

    /// Sets user and group of the last directory, which is the permit's.
    ///
    /// # Errors
    /// Those of fchownat(2).
    pub fn set_owner(
        &self,
        chown: &Permit<'req, Chown, DirBelow>,
        user: Option<u32>,
        group: Option<u32>,
    ) -> io::Result<()> {
        set_owner_of(self.own(chown.resource())?, user, group)
    }

    /// Sets the last modification of the last directory, which is the permit's. Who may make it may say when it was made.
    ///
    /// # Errors
    /// Those of utimensat(2).
    pub fn set_modified(
        &self,
        create: &Permit<'req, Create, DirBelow>,
        tools: &Tools,
        modified: Instant,
    ) -> io::Result<()> {
        let modified = time(Some(NewTime::At(modified)))?;
        set_times_of(self.own(create.resource())?, tools, TimeSpec::UTIME_OMIT, modified)
    }

    fn own(&self, permitted: &DirBelow) -> io::Result<std::os::fd::BorrowedFd<'_>> {
        // Only a mistake of ours could bring a permit for another directory.
        if permitted.path == self.last.name { Ok(self.last.fd.as_fd()) } else { Err(Errno::EINVAL.into()) }
    }

    /// The last component of a path, which has to lie directly beneath the last directory.
    fn entry(&self, path: &PathName) -> io::Result<EntryName> {
        let entry = path.file_name().and_then(EntryName::parse);
        // Only a mistake of ours could ask for something beneath another directory than its own parent.
        entry.filter(|_| path.parent() == self.last.name).ok_or_else(|| Errno::EINVAL.into())
    }

    fn make_or_hold(&self, path: &PathName, among: u16) -> io::Result<(Object, bool)> {
        make_directory(&self.last, &self.entry(path)?, path, among)
    }
}

impl Drop for Way<'_> {
    fn drop(&mut self) {
        while let Some((directory, made)) = self.steps.pop() {
            let (Some((parent, _)), Some(entry)) = (self.steps.last(), directory.name.file_name()) else {
                return;
            };
            let Some(entry) = EntryName::parse(entry).filter(|_| made && !self.keep.get()) else { continue };
            let is_there =
                stat_entry(parent.fd.as_fd(), &entry).is_ok_and(|stat| inode(&stat) == directory.inode);
            // What somebody has put into it meanwhile keeps it.
            if is_there {
                unlinkat(&parent.fd, entry.as_c_str(), UnlinkatFlags::RemoveDir).ok();
            }
        }
    }
}

/// Holds what has the name, once a directory was made there unless something had it; and whether one was made.
pub(super) fn make_directory(
    parent: &Directory,
    entry: &EntryName,
    path: &PathName,
    among: u16,
) -> io::Result<(Object, bool)> {
    let is_new = match mkdirat(&parent.fd, entry.as_c_str(), Mode::from_bits_truncate(among.into())) {
        Ok(()) => true,
        Err(Errno::EEXIST) => false,
        Err(errno) => return Err(errno.into()),
    };
    Ok((hold_entry(parent.fd.as_fd(), entry, path)?, is_new))
}
