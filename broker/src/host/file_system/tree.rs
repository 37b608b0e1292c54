//! A directory with everything below it, entry by entry: without recursion, without following a link, and without
//! entering what is mounted there.
//!
//! However deep the tree is, only a few of its directories are held open; however large, only the names of directories
//! that are still to be entered are in memory.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, ResolveFlag};
use nix::libc::{STATX_ATTR_MOUNT_ROOT, STATX_INO, STATX_MODE, STATX_MTIME, STATX_SIZE, STATX_TYPE, makedev};
use nix::sys::stat::{Mode, SFlag, fstat};
use rex_ipc::action::Action;
use rex_outside::kernel::{getdents, statx_entry};

use super::list::parse;
use super::{openat2, walk};
use crate::gate::{Inode, Permit, Resource, resource_text};
use crate::host::file_system::object::Directory;
use crate::policy::name::{EntryName, PathName};

/// A walk through a tree, which begins at the directory of a permit and never leaves it.
#[derive(Debug)]
pub struct Tree {
    chain: Chain,
    levels: Vec<Level>,
}

/// What comes next in a walk.
#[derive(Debug)]
pub enum Step {
    /// An entry, a directory too; a directory is walked through when [`Tree::descend_into`] is called for it.
    Entry(Item),
    /// The next entries are in this directory.
    Enter(Item),
    /// All that is in this directory has been seen, which is still open. The root of the walk is not among them.
    Leave(Item, Rc<Directory>),
}

/// An entry of a directory of the tree.
#[derive(Clone, Debug)]
pub struct Item {
    /// The directory it is in.
    pub parent: Rc<Directory>,
    /// Its name there.
    pub entry: EntryName,
    /// What it is.
    pub inode: Inode,
    /// Its type.
    pub kind: SFlag,
    /// Whether something is mounted on it.
    pub is_mounted: bool,
    /// What changes with its content; nothing once it was left.
    pub version: Version,
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
pub struct Chain(Vec<Link>);

#[derive(Debug)]
struct Link {
    /// Nothing while the end of the chain is far below.
    directory: Option<Rc<Directory>>,
    inode: Inode,
}

impl Tree {
    /// A walk that begins at this directory, of which the permit is.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn new<A: Action, R: Resource>(
        permit: &Permit<'_, A, R>,
        directory: &Rc<Directory>,
    ) -> io::Result<Self> {
        // Who may do this to a directory with all that is in it may have the broker look at what that is.
        if resource_text(&permit.resource().as_question()) != directory.name.as_str() {
            return Err(Errno::EINVAL.into());
        }
        Self::of(directory)
    }

    /// A walk through what the broker itself has made.
    pub(super) fn of(directory: &Rc<Directory>) -> io::Result<Self> {
        let mut tree = Self { chain: Chain::default(), levels: Vec::new() };
        tree.begin(Rc::clone(directory), None)?;
        Ok(tree)
    }

    /// How many directories the walk is in; the root of the walk is one.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// The next step, or nothing at the end.
    ///
    /// # Errors
    /// Those of reading a directory; `EXDEV` for a directory on which something is mounted; `ENOENT` when a directory
    /// that the walk goes back to has been moved away.
    pub fn advance(&mut self) -> io::Result<Option<Step>> {
        loop {
            let (Some(level), Some(directory)) = (self.levels.last_mut(), self.chain.last()) else {
                return Ok(None);
            };
            if let Some(listing) = &mut level.listing {
                match listing.next(&directory)? {
                    Some(item) => return Ok(Some(Step::Entry(item))),
                    None => level.listing = None,
                }
            } else if let Some((entry, inode)) = level.queue.pop() {
                if let Some(below) = enter(&directory, &entry, inode)? {
                    self.begin(Rc::new(below), Some(entry.clone()))?;
                    return Ok(Some(Step::Enter(Item::directory(directory, entry, inode))));
                }
            } else if let Some(left) = self.levels.pop() {
                self.chain.pop()?;
                if let (Some(parent), Some(entry)) = (self.chain.last(), left.entry) {
                    return Ok(Some(Step::Leave(Item::directory(parent, entry, left.inode), directory)));
                }
            }
        }
    }

    /// Walks through this directory, which the last step was about, when everything else beside it has been seen.
    pub fn descend_into(&mut self, item: &Item) {
        if let Some(level) = self.levels.last_mut() {
            level.queue.push(&item.entry, item.inode);
        }
    }

    /// Looks once more at a directory that was left.
    ///
    /// # Errors
    /// As [`Tree::advance`].
    pub fn again(&mut self, item: &Item) -> io::Result<()> {
        match enter(&item.parent, &item.entry, item.inode)? {
            Some(directory) => self.begin(Rc::new(directory), Some(item.entry.clone())),
            None => Ok(()),
        }
    }

    fn begin(&mut self, directory: Rc<Directory>, entry: Option<EntryName>) -> io::Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NONBLOCK;
        let fd = openat2(&directory.fd, c".", flags, Mode::empty(), ResolveFlag::RESOLVE_BENEATH)?;
        let listing = Some(Listing { fd, records: Vec::new(), taken: 0 });
        self.levels.push(Level { inode: directory.inode, entry, listing, queue: Queue::default() });
        self.chain.push(directory);
        Ok(())
    }
}

impl Item {
    fn directory(parent: Rc<Directory>, entry: EntryName, inode: Inode) -> Self {
        let kind = SFlag::S_IFDIR;
        Self { parent, entry, inode, kind, is_mounted: false, version: Version::default() }
    }

    /// The whole path.
    pub fn path(&self) -> PathName {
        self.parent.name.join(self.entry.as_bytes())
    }
}

impl Chain {
    /// Goes on into this directory, which is in the last one.
    pub fn push(&mut self, directory: Rc<Directory>) {
        self.0.push(Link { inode: directory.inode, directory: Some(directory) });
        // The one that is too far above to be needed soon is closed.
        let far_above = self.0.len().checked_sub(MAX_HELD).and_then(|index| self.0.get_mut(index));
        if let Some(link) = far_above {
            link.directory = None;
        }
    }

    /// The last directory.
    pub fn last(&self) -> Option<Rc<Directory>> {
        self.0.last().and_then(|link| link.directory.clone())
    }

    /// Goes back by one, to a directory that is opened from the one below it if it had been closed.
    ///
    /// # Errors
    /// `ENOENT` when it is not the one any more that it was.
    pub fn pop(&mut self) -> io::Result<()> {
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
                    Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => continue,
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
