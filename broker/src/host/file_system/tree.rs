//! A directory with everything below it, entry by entry: without recursion, without following a link, and without
//! entering what is mounted there.
//!
//! However deep the tree is, only a few of its directories are held open; however large, only the names of directories
//! that are still to be entered are in memory.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, ResolveFlag};
use nix::libc::{STATX_ATTR_MOUNT_ROOT, STATX_INO, STATX_MODE, STATX_MTIME, STATX_SIZE, STATX_TYPE, makedev};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use rex_ipc::action::Action;
use rex_outside::kernel::{getdents, statx_entry};

use super::list::parse;
use super::object::Directory;
use super::places::Walkable;
use super::{openat2, walk};
use crate::gate::error::is;
use crate::gate::{Bound, Inode, Permit};
use crate::policy::name::{EntryName, PathName};

/// A walk through a tree, which begins at the directory of a permit for `A` and never leaves it.
///
/// It goes by itself only: what comes next, and what is descended into, is not for anybody else to say.
#[derive(Debug)]
pub struct Tree<'req, A> {
    walk: Walk,
    bound: Bound<'req, A>,
}

/// The walk of a [`Tree`] without its permit; by itself it goes through what the broker has made, and sees whether a
/// directory is empty.
#[derive(Debug)]
struct Walk {
    chain: Chain,
    levels: Vec<Level>,
    /// The directory that the last step was about.
    last: Option<(EntryName, Inode)>,
}

/// What comes next in a walk.
#[derive(Debug)]
pub enum Step<'req, A> {
    /// An entry, a directory too; a directory is walked through when [`Tree::descend`] is called before the next step.
    Entry(Item),
    /// The next entries are in this directory.
    Enter(Item),
    /// All that is in this directory has been seen. The root of the walk is not among them.
    Leave(Left<'req, A>),
}

/// Proof that a directory was gone through in a walk that began under a permit for `A`; with the directory, still open.
#[derive(Debug)]
pub struct Left<'req, A> {
    item: Item,
    pub(super) directory: Rc<Directory>,
    bound: Bound<'req, A>,
}

impl<A> Left<'_, A> {
    /// The directory as an entry.
    pub fn item(&self) -> &Item {
        &self.item
    }
}

/// An entry of a directory of the tree, as the walk has met it.
#[derive(Clone, Debug)]
pub struct Item {
    parent: Rc<Directory>,
    pub(super) entry: EntryName,
    inode: Inode,
    kind: SFlag,
    is_mounted: bool,
    version: Version,
}

/// Length and last modification of a file: seconds and nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Version(pub u64, pub i64, pub u32);

/// A directory on the way to where the walk is.
#[derive(Debug)]
struct Level {
    inode: Inode,
    /// The last component of its name; the root of the walk has none.
    entry: Option<EntryName>,
    listing: Option<Listing>,
    queue: Queue,
}

#[derive(Debug)]
struct Listing {
    fd: OwnedFd,
    records: Vec<u8>,
    taken: usize,
}

/// Names of directories that are still to be entered, one behind the other.
#[derive(Debug, Default)]
struct Queue(Vec<u8>);

/// Directories, each in the one before, of which only the last few are held open.
#[derive(Debug, Default)]
pub(super) struct Chain(Vec<Link>);

#[derive(Debug)]
struct Link {
    /// Nothing while the end of the chain is far below.
    directory: Option<Rc<Directory>>,
    inode: Inode,
}

impl<'req, A: Action> Tree<'req, A> {
    /// A walk that begins at the directory of the permit.
    ///
    /// Who may do this to a directory with all that is in it may have the broker look at what that is.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn new<R: Walkable>(permit: &Permit<'req, A, R>) -> io::Result<Self> {
        Ok(Self { walk: Walk::of(permit.resource().directory())?, bound: PhantomData })
    }

    /// How many directories the walk is in; the root of the walk is one.
    pub fn depth(&self) -> usize {
        self.walk.levels.len()
    }

    /// The next step, or nothing at the end.
    ///
    /// # Errors
    /// Those of reading a directory; `EXDEV` for a directory on which something is mounted; `ENOENT` when a directory
    /// that the walk goes back to has been moved away.
    pub fn advance(&mut self) -> io::Result<Option<Step<'req, A>>> {
        let bound = PhantomData;
        Ok(self.walk.advance()?.map(|next| match next {
            Next::Entry(item) => Step::Entry(item),
            Next::Enter(item) => Step::Enter(item),
            Next::Leave(item, directory) => Step::Leave(Left { item, directory, bound }),
        }))
    }

    /// Walks through the directory that the last step was about, when everything else beside it has been seen.
    pub fn descend(&mut self) {
        self.walk.descend();
    }

    /// Looks once more at the directory that was just left.
    ///
    /// # Errors
    /// Those of openat2(2), among them `EXDEV` when something is mounted on it. That it is gone is no failure.
    pub fn again(&mut self) -> io::Result<()> {
        let (Some(parent), Some((entry, inode))) = (self.walk.chain.last(), self.walk.last.take()) else {
            return Ok(());
        };
        match enter(&parent, &entry, inode)? {
            Some(directory) => self.walk.begin(Rc::new(directory), Some(entry)),
            None => Ok(()),
        }
    }
}

/// Removes everything in a directory that the broker has made; `go_on` is asked at each step.
pub(super) fn clear(top: &Rc<Directory>, go_on: &dyn Fn() -> io::Result<()>) -> io::Result<()> {
    let remove = |item: Item, how| unlinkat(&item.parent.fd, item.entry.as_c_str(), how);
    let mut walk = Walk::of(top)?;
    while let Some(next) = walk.advance()? {
        go_on()?;
        match next {
            Next::Entry(item) if item.kind == SFlag::S_IFDIR => walk.descend(),
            Next::Entry(item) => remove(item, UnlinkatFlags::NoRemoveDir)?,
            Next::Enter(_) => {}
            Next::Leave(item, _) => remove(item, UnlinkatFlags::RemoveDir)?,
        }
    }
    Ok(())
}

/// Whether there is nothing in a directory.
pub(super) fn is_empty(directory: &Rc<Directory>) -> io::Result<bool> {
    Ok(Walk::of(directory)?.advance()?.is_none())
}

enum Next {
    Entry(Item),
    Enter(Item),
    Leave(Item, Rc<Directory>),
}

impl Walk {
    fn of(directory: &Rc<Directory>) -> io::Result<Self> {
        let mut walk = Self { chain: Chain::default(), levels: Vec::new(), last: None };
        walk.begin(Rc::clone(directory), None)?;
        Ok(walk)
    }

    fn advance(&mut self) -> io::Result<Option<Next>> {
        loop {
            let (Some(level), Some(directory)) = (self.levels.last_mut(), self.chain.last()) else {
                return Ok(None);
            };
            if let Some(listing) = &mut level.listing {
                match listing.next(&directory)? {
                    Some(item) => {
                        let is_directory = item.kind == SFlag::S_IFDIR;
                        self.last = is_directory.then(|| (item.entry.clone(), item.inode));
                        return Ok(Some(Next::Entry(item)));
                    }
                    None => level.listing = None,
                }
            } else if let Some((entry, inode)) = level.queue.pop() {
                if let Some(below) = enter(&directory, &entry, inode)? {
                    self.begin(Rc::new(below), Some(entry.clone()))?;
                    return Ok(Some(Next::Enter(Item::directory(directory, entry, inode))));
                }
            } else if let Some(left) = self.levels.pop() {
                self.chain.pop()?;
                if let (Some(parent), Some(entry)) = (self.chain.last(), left.entry) {
                    self.last = Some((entry.clone(), left.inode));
                    return Ok(Some(Next::Leave(Item::directory(parent, entry, left.inode), directory)));
                }
            }
        }
    }

    fn descend(&mut self) {
        if let (Some(level), Some((entry, inode))) = (self.levels.last_mut(), self.last.take()) {
            level.queue.push(&entry, inode);
        }
    }

    fn begin(&mut self, directory: Rc<Directory>, entry: Option<EntryName>) -> io::Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NONBLOCK;
        let fd = openat2(&directory.fd, c".", flags, Mode::empty(), ResolveFlag::RESOLVE_BENEATH)?;
        let listing = Some(Listing { fd, records: Vec::new(), taken: 0 });
        self.levels.push(Level { inode: directory.inode, entry, listing, queue: Queue::default() });
        self.chain.push(directory);
        self.last = None;
        Ok(())
    }
}

impl Item {
    fn directory(parent: Rc<Directory>, entry: EntryName, inode: Inode) -> Self {
        let kind = SFlag::S_IFDIR;
        Self { parent, entry, inode, kind, is_mounted: false, version: Version::default() }
    }

    /// The directory it is in.
    pub fn parent(&self) -> &Rc<Directory> {
        &self.parent
    }

    /// Its name there.
    pub fn entry(&self) -> &EntryName {
        &self.entry
    }

    /// What it is.
    pub fn inode(&self) -> Inode {
        self.inode
    }

    /// Its type.
    pub fn kind(&self) -> SFlag {
        self.kind
    }

    /// Whether something is mounted on it.
    pub fn is_mounted(&self) -> bool {
        self.is_mounted
    }

    /// What changes with its content; nothing once it was left.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The whole path.
    pub fn path(&self) -> PathName {
        self.parent.name.join(self.entry.as_bytes())
    }
}

impl Chain {
    /// Goes on into this directory, which is in the last one.
    pub(super) fn push(&mut self, directory: Rc<Directory>) {
        self.0.push(Link { inode: directory.inode, directory: Some(directory) });
        // The one that is too far above to be needed soon is closed.
        let far_above = self.0.len().checked_sub(MAX_HELD).and_then(|index| self.0.get_mut(index));
        if let Some(link) = far_above {
            link.directory = None;
        }
    }

    /// The last directory.
    pub(super) fn last(&self) -> Option<Rc<Directory>> {
        self.0.last().and_then(|link| link.directory.clone())
    }

    /// Goes back by one, to a directory that is opened from the one below it if it had been closed.
    ///
    /// # Errors
    /// `ENOENT` when it is not the one any more that it was.
    pub(super) fn pop(&mut self) -> io::Result<()> {
        let Some(Link { directory: Some(below), .. }) = self.0.pop() else { return Ok(()) };
        let Some(link) = self.0.last_mut().filter(|link| link.directory.is_none()) else { return Ok(()) };
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        let fd = openat2(&below.fd, c"..", flags, Mode::empty(), ResolveFlag::RESOLVE_NO_XDEV)?;
        let inode = walk::inode(&fstat(&fd)?);
        if inode != link.inode {
            return Err(Errno::ENOENT.into());
        }
        let name = below.name.parent();
        link.directory = Some(Rc::new(Directory { fd, name, inode, listing: Default::default() }));
        Ok(())
    }
}

impl Listing {
    /// The next entry that is still there when it is looked at.
    fn next(&mut self, directory: &Rc<Directory>) -> io::Result<Option<Item>> {
        loop {
            if let Some((raw, next)) = parse(&self.records, self.taken)? {
                self.taken = next;
                // `.` and `..` are no names of entries.
                let Some(entry) = EntryName::from_bytes(raw.name.to_vec()) else { continue };
                match look_at(directory, &entry) {
                    Ok(item) => return Ok(Some(item)),
                    Err(error) if is(&error, Errno::ENOENT) => continue,
                    Err(error) => return Err(error),
                }
            }
            self.records.resize(BUFFER_BYTES, 0);
            let count = getdents(self.fd.as_fd(), &mut self.records)?;
            self.records.truncate(count);
            self.taken = 0;
            if count == 0 {
                return Ok(None);
            }
        }
    }
}

fn look_at(directory: &Rc<Directory>, entry: &EntryName) -> io::Result<Item> {
    let mask = STATX_TYPE | STATX_MODE | STATX_INO | STATX_SIZE | STATX_MTIME;
    let found = statx_entry(directory.fd.as_fd(), entry.as_c_str(), mask)?;
    let device = makedev(found.stx_dev_major, found.stx_dev_minor);
    Ok(Item {
        parent: Rc::clone(directory),
        entry: entry.clone(),
        inode: Inode { device, number: found.stx_ino },
        kind: SFlag::from_bits_truncate(found.stx_mode.into()) & SFlag::S_IFMT,
        is_mounted: found.stx_attributes & STATX_ATTR_MOUNT_ROOT as u64 != 0,
        version: Version(found.stx_size, found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec),
    })
}

/// Holds a directory of the tree; nothing when it is gone or has been exchanged.
fn enter(parent: &Directory, entry: &EntryName, expected: Inode) -> io::Result<Option<Directory>> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV;
    let fd = match openat2(&parent.fd, entry.as_c_str(), flags, Mode::empty(), resolve) {
        Ok(fd) => fd,
        Err(error) => {
            return match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
                _ => Err(error),
            };
        }
    };
    let inode = walk::inode(&fstat(&fd)?);
    let name = parent.name.join(entry.as_bytes());
    let found = inode == expected;
    Ok(found.then(|| Directory { fd, name, inode, listing: Default::default() }))
}

impl Queue {
    fn push(&mut self, entry: &EntryName, inode: Inode) {
        let name = entry.as_bytes();
        self.0.extend_from_slice(name);
        self.0.extend_from_slice(&inode.device.to_ne_bytes());
        self.0.extend_from_slice(&inode.number.to_ne_bytes());
        // Linux has no name of more than 255 bytes.
        self.0.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_ne_bytes());
    }

    fn pop(&mut self) -> Option<(EntryName, Inode)> {
        let length = u16::from_ne_bytes(self.take()?);
        let number = u64::from_ne_bytes(self.take()?);
        let device = u64::from_ne_bytes(self.take()?);
        let name = self.0.split_off(self.0.len().checked_sub(length.into())?);
        Some((EntryName::from_bytes(name)?, Inode { device, number }))
    }

    fn take<const BYTES: usize>(&mut self) -> Option<[u8; BYTES]> {
        let taken = *self.0.last_chunk::<BYTES>()?;
        self.0.truncate(self.0.len() - BYTES);
        Some(taken)
    }
}

const BUFFER_BYTES: usize = 32 * 1024;
/// How many directories of a walk are held open; two descriptors each while they are listed.
const MAX_HELD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_queued_last_comes_first_and_whole() {
        let mut queue = Queue::default();
        let entries = [(&b"a"[..], 1), (&[0xff; 255][..], 2), (b"b c\n", 3)];
        let queued = entries.map(|(name, number)| {
            (EntryName::from_bytes(name.to_vec()).unwrap(), Inode { device: 7, number })
        });

        for (entry, inode) in &queued {
            queue.push(entry, *inode);
        }

        for expected in queued.iter().rev() {
            assert_eq!(queue.pop().as_ref(), Some(expected));
        }
        assert!(queue.pop().is_none());
    }
}
