//! What this run has moved, and what it was called before: whatever the policy says about an object under one of its
//! earlier names holds under its new one.
//!
//! The policy knows names. Without this, who may move a file but not read it would move it to where everything may be
//! read. An object is known by device, inode and time of birth, so that one which later gets the same number is another;
//! what is below a directory that has moved is known by the name of that directory, and by the directory it is in.

use std::collections::HashMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use nix::libc::{STATX_BTIME, STATX_INO, makedev};
use rex_outside::kernel::{statx, statx_entry};

use super::error::LimitReached;
use super::object::{Held, Identity, InDirectory, Inode};
use crate::policy::name::{EntryName, PathName};

/// The objects that this run has moved.
#[derive(Debug, Default)]
pub struct Moved {
    objects: HashMap<Identity, Rc<[PathName]>>,
    /// Directories by the name that they have now.
    directories: HashMap<PathName, Rc<[PathName]>>,
    /// How many bytes all these names have.
    bytes: usize,
}

/// An object that is about to move.
#[derive(Debug)]
pub struct Departure {
    from: PathName,
    earlier: Rc<[PathName]>,
}

/// What an operation may tell about what it moves, and nothing else: what was moved before cannot be forgotten through it.
#[derive(Debug)]
pub struct Moving<'a>(&'a mut Moved);

impl Moved {
    /// What an operation may tell.
    pub(super) fn moving(&mut self) -> Moving<'_> {
        Moving(self)
    }

    /// The names that an object had before this run moved it, or moved a directory it is in.
    pub fn earlier(&self, name: &str, held: Held<'_>) -> Vec<PathName> {
        let mut earlier = Vec::new();
        if self.objects.is_empty() {
            return earlier;
        }
        let (own, parent) = match held {
            Held::Nothing => (None, None),
            Held::Object(object, parent) => (identity(object).ok(), parent),
            Held::Entry(parent, entry) => (identity_at(parent, entry).ok(), Some(parent)),
        };
        earlier.extend(
            own.and_then(|own| self.objects.get(&own)).into_iter().flat_map(|names| names.iter().cloned()),
        );
        let entry = name.rsplit_once('/').and_then(|(_, entry)| EntryName::parse(entry));
        let parent = parent.and_then(|parent| identity(parent.fd).ok());
        if let (Some(names), Some(entry)) = (parent.and_then(|parent| self.objects.get(&parent)), entry) {
            earlier.extend(names.iter().map(|parent| parent.join(entry.as_bytes())));
        }
        if !self.directories.is_empty() {
            self.by_name(name, &mut earlier);
        }
        let mut seen = std::collections::HashSet::new();
        earlier.retain(|earlier| earlier.as_str() != name && seen.insert(earlier.clone()));
        earlier
    }

    fn by_name(&self, name: &str, earlier: &mut Vec<PathName>) {
        let Ok(path) = PathName::parse(name) else { return };
        let mut above = Some(path.clone());
        while let Some(directory) = above {
            for before in self.directories.get(&directory).into_iter().flat_map(|names| names.iter()) {
                earlier.extend(moved_along(&path, &directory, before));
            }
            above = (directory.as_str() != "/").then(|| directory.parent());
        }
    }

    fn keep(&mut self, what: Identity, earlier: Rc<[PathName]>) {
        self.bytes = self.bytes.saturating_add(size(&earlier));
        self.objects.insert(what, earlier);
    }
}

impl Moving<'_> {
    /// Notes that an object is about to move, before anything has.
    ///
    /// # Errors
    /// When there are more names than can be kept: what would be forgotten could be read.
    pub fn depart(&self, from: &PathName, held: Held<'_>) -> Result<Departure, LimitReached> {
        let mut earlier = self.0.earlier(from.as_str(), held);
        earlier.push(from.clone());
        let bytes = self.0.bytes.saturating_add(size(&earlier));
        if earlier.len() > MAX_NAMES {
            return Err(LimitReached { name: "names-of-a-moved-object", value: MAX_NAMES as u64 });
        }
        if bytes > MAX_BYTES {
            return Err(LimitReached { name: "moved-names-bytes", value: MAX_BYTES as u64 });
        }
        Ok(Departure { from: from.clone(), earlier: earlier.into() })
    }

    /// Notes that a file, or what else is no directory, has arrived.
    pub fn file_arrived(&mut self, departure: Departure, what: Identity) {
        self.0.keep(what, departure.earlier);
    }

    /// Notes that a directory has arrived at this place, with everything below it.
    pub fn directory_arrived(&mut self, departure: Departure, to: &PathName, what: Identity) {
        let Departure { from, earlier } = departure;
        self.directory_is_gone(to);
        let below: Vec<PathName> =
            self.0.directories.keys().filter(|name| name.is_within(&from)).cloned().collect();
        for name in below {
            if let (Some(names), Some(now)) =
                (self.0.directories.remove(&name), moved_along(&name, &from, to))
            {
                self.0.directories.insert(now, names);
            }
        }
        self.0.directories.insert(to.clone(), Rc::clone(&earlier));
        self.0.keep(what, earlier);
    }

    /// Forgets the name of a directory that is no more; another one may have it from now on.
    pub fn directory_is_gone(&mut self, name: &PathName) {
        if !self.0.directories.is_empty() {
            self.0.directories.retain(|kept, _| !kept.is_within(name));
        }
    }
}

/// The name of something below a directory, once that is called differently.
fn moved_along(name: &PathName, directory: &PathName, now: &PathName) -> Option<PathName> {
    let rest = name.as_str().strip_prefix(directory.as_str())?;
    let now = now.as_str().strip_suffix('/').unwrap_or(now.as_str());
    PathName::parse(&format!("{now}/{rest}")).ok()
}

/// What a list of names takes, with what it takes to keep it.
fn size(names: &[PathName]) -> usize {
    names.iter().map(|name| name.as_str().len() + KEEPING_BYTES).sum()
}

/// What an open object is. Only what this run has moved is looked for by it, and that can only be denied more.
///
/// # Errors
/// Those of statx(2).
pub fn identity(object: BorrowedFd<'_>) -> io::Result<Identity> {
    Ok(identity_in(&statx(object, STATX_INO | STATX_BTIME)?))
}

/// What an object is that has this name in a directory; a link is not followed.
///
/// # Errors
/// Those of statx(2).
pub fn identity_at(directory: InDirectory<'_>, entry: &EntryName) -> io::Result<Identity> {
    Ok(identity_in(&statx_entry(directory.fd, entry.as_c_str(), STATX_INO | STATX_BTIME)?))
}

fn identity_in(found: &nix::libc::statx) -> Identity {
    let device = makedev(found.stx_dev_major, found.stx_dev_minor);
    let born = found.stx_mask & STATX_BTIME != 0;
    Identity {
        inode: Inode { device, number: found.stx_ino },
        born: born.then_some((found.stx_btime.tv_sec, found.stx_btime.tv_nsec)),
    }
}

const KEEPING_BYTES: usize = 64;
/// All names together.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Each is a question more.
const MAX_NAMES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> PathName {
        PathName::parse(text).unwrap()
    }

    fn identity(number: u64) -> Identity {
        Identity { inode: Inode { device: 1, number }, born: Some((1, 2)) }
    }

    fn move_directory(moved: &mut Moved, from: &str, to: &str, number: u64) {
        let departure = moved.moving().depart(&name(from), Held::Nothing).unwrap();
        moved.moving().directory_arrived(departure, &name(to), identity(number));
    }

    fn earlier(moved: &Moved, now: &str) -> Vec<String> {
        let mut names: Vec<String> =
            moved.earlier(now, Held::Nothing).iter().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn everything_below_keeps_every_earlier_name() {
        let mut moved = Moved::default();
        move_directory(&mut moved, "/a/b", "/x", 1);
        move_directory(&mut moved, "/x", "/y/z", 1);
        move_directory(&mut moved, "/y", "/w", 2);

        assert_eq!(earlier(&moved, "/w/z/f"), ["/a/b/f", "/x/f", "/y/z/f"]);
        assert_eq!(earlier(&moved, "/w/z"), ["/a/b", "/x", "/y/z"]);
    }

    #[test]
    fn a_name_that_something_else_has_since_is_not_meant() {
        let mut moved = Moved::default();
        move_directory(&mut moved, "/a", "/b", 1);
        moved.moving().directory_is_gone(&name("/b"));

        assert!(earlier(&moved, "/b/f").is_empty());
        assert!(earlier(&moved, "/a/f").is_empty());
        assert!(earlier(&moved, "/bc").is_empty());
    }

    #[test]
    fn names_without_end_are_refused_before_one_is_forgotten() {
        let mut moved = Moved::default();
        for number in 0..MAX_NAMES {
            move_directory(&mut moved, &format!("/{number}"), &format!("/{}", number + 1), 1);
        }

        assert!(moved.moving().depart(&name(&format!("/{MAX_NAMES}")), Held::Nothing).is_err());
    }
}
