//! How a file is opened whose content decides something: along a way on which nobody else could have put another one.
//!
//! Whoever may write to a directory decides what its names lead to, and whoever owns a link decides where it leads. So
//! each directory and each link on the way is looked at, and what is looked at is what is opened.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};

/// Whose files are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Believed {
    owners: Vec<u32>,
    /// Whether a group may write to a directory on the way. For ordinary users it is often a group of their own.
    pub(crate) groups_may_write: bool,
}

/// What was found at the end of the way.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Open for reading; does not wait.
    pub(crate) file: File,
    /// What it is like.
    pub(crate) metadata: Metadata,
    /// Whether it has no name of its own: somebody gave it to this process as a descriptor.
    pub(crate) is_handed_over: bool,
}

impl Believed {
    /// Those of this process: root believes root, and others themselves as well.
    pub(crate) fn usual() -> Self {
        Self::of(&[nix::unistd::geteuid().as_raw()])
    }

    /// Those of these users, and of root, to whom the way belongs in any case.
    pub(crate) fn of(owners: &[u32]) -> Self {
        let owners: Vec<u32> = owners.iter().copied().chain([0]).collect();
        let groups_may_write = owners.iter().any(|owner| *owner != 0);
        Self { owners, groups_may_write }
    }

    /// Whether files of this user are believed.
    pub(crate) fn is_owner(&self, user: u32) -> bool {
        self.owners.contains(&user)
    }

    /// The users, for people.
    pub(crate) fn names(&self) -> String {
        match self.owners.iter().find(|owner| **owner != 0) {
            Some(owner) => format!("user {owner} or root"),
            None => "root".to_owned(),
        }
    }

    /// Refuses what belongs to somebody else, or what others may write.
    pub(crate) fn judge(&self, metadata: &Metadata) -> io::Result<()> {
        if !self.is_owner(metadata.uid()) {
            return Err(refused(format!(
                "it belongs to user {} and has to belong to {}",
                metadata.uid(),
                self.names()
            )));
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(refused("others may write to it; take that away with chmod go-w".to_owned()));
        }
        Ok(())
    }

    /// Opens a file or directory; what it is itself is for the caller to judge.
    ///
    /// # Errors
    /// Those of the system; and, without a number of the system's, `PermissionDenied` when somebody else could have put
    /// something else there.
    pub(crate) fn open(&self, path: &Path) -> io::Result<Opened> {
        if path.as_os_str().is_empty() {
            return Err(Errno::ENOENT.into());
        }
        let mut way = Way::begin(self, path)?;
        let mut rest = components(path.as_os_str());
        let mut links = 0;
        while let Some(name) = rest.pop() {
            match name.as_bytes() {
                b"" | b"." => continue,
                b".." => {
                    // What is above was judged on the way to here.
                    way.at = openat(&way.at, "..", DIRECTORY, Mode::empty())?;
                    way.name.pop();
                    continue;
                }
                _ => {}
            }
            let found = openat(&way.at, name.as_os_str(), OFlag::O_NOFOLLOW | HELD, Mode::empty())?;
            let stat = fstat(&found)?;
            let is_last = rest.iter().all(|name| name.as_bytes().is_empty());
            match kind(&stat) {
                SFlag::S_IFLNK => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::ELOOP.into());
                    }
                    self.owned(&stat, &way.name.join(&name))?;
                    if is_magic(&way.at, &name, &found) {
                        return handed_over(&way.at, &name, is_last);
                    }
                    let target = readlinkat(&found, "")?;
                    if target.as_bytes().starts_with(b"/") {
                        way = Way::begin(self, Path::new("/"))?;
                    }
                    rest.extend(components(&target));
                }
                SFlag::S_IFDIR if !is_last => {
                    way.name.push(&name);
                    self.passable(&stat, &way.name)?;
                    way.at = found;
                }
                // A slash at the end means a directory.
                kind if kind != SFlag::S_IFDIR && !rest.is_empty() => return Err(Errno::ENOTDIR.into()),
                _ => return opened(&way.at, &name, &stat),
            }
        }
        let stat = fstat(&way.at)?;
        opened(&way.at, OsStr::new("."), &stat)
    }

    /// Refuses what belongs to somebody else.
    fn owned(&self, stat: &FileStat, path: &Path) -> io::Result<()> {
        if self.is_owner(stat.st_uid) {
            return Ok(());
        }
        Err(refused(format!(
            "{} belongs to user {} and has to belong to {}",
            path.display(),
            stat.st_uid,
            self.names()
        )))
    }

    /// Refuses a directory in which somebody else could exchange what is on the way.
    ///
    /// With the sticky bit nobody but the owner of an entry can, and the entry that follows is judged by its owner.
    fn passable(&self, stat: &FileStat, path: &Path) -> io::Result<()> {
        self.owned(stat, path)?;
        let writable = if self.groups_may_write { 0o002 } else { 0o022 };
        if stat.st_mode & writable != 0 && stat.st_mode & STICKY == 0 {
            return Err(refused(format!(
                "others may write to {}, which leads to it; take that away with chmod go-w",
                path.display()
            )));
        }
        Ok(())
    }
}

/// Where a walk is.
struct Way {
    at: OwnedFd,
    name: PathBuf,
}

impl Way {
    /// At the root, or where the process was started; there everything above counts as well.
    fn begin(believed: &Believed, path: &Path) -> io::Result<Self> {
        let name = if path.is_absolute() { "/" } else { "." };
        let at = open(name, DIRECTORY, Mode::empty())?;
        let mut stat = fstat(&at)?;
        believed.passable(&stat, Path::new(name))?;
        let mut above = at.try_clone()?;
        let mut above_name = PathBuf::from(name);
        // A relative way begins in the middle: what leads to its beginning counts, up to the root, which is its own parent.
        while !path.is_absolute() {
            above = openat(&above, "..", DIRECTORY, Mode::empty())?;
            let parent = fstat(&above)?;
            if (parent.st_dev, parent.st_ino) == (stat.st_dev, stat.st_ino) {
                break;
            }
            above_name.push("..");
            believed.passable(&parent, &above_name)?;
            stat = parent;
        }
        Ok(Self { at, name: PathBuf::from(if name == "/" { "/" } else { "" }) })
    }
}

/// The components of a path, the first one last. An empty one at the end stands for a slash there.
fn components(path: &OsStr) -> Vec<OsString> {
    path.as_bytes().rsplit(|byte| *byte == b'/').map(|name| OsStr::from_bytes(name).to_owned()).collect()
}

/// Whether this is no link by name but one of the kernel's to an open object, such as `/proc/self/fd/0`.
fn is_magic(directory: &OwnedFd, name: &OsStr, link: &OwnedFd) -> bool {
    let in_proc = fstatfs(link).is_ok_and(|statfs| statfs.filesystem_type() == PROC_SUPER_MAGIC);
    let how = OpenHow::new().flags(HELD).resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS);
    in_proc && openat2(directory, name, how).is_err_and(|errno| errno == Errno::ELOOP)
}

/// What a descriptor of this process leads to; how it came to be open is its giver's business.
fn handed_over(directory: &OwnedFd, name: &OsStr, is_last: bool) -> io::Result<Opened> {
    if !is_last {
        return Err(refused("a descriptor leads to no way that could be judged".to_owned()));
    }
    let file = File::from(openat(directory, name, FOR_USE, Mode::empty())?);
    let metadata = file.metadata()?;
    Ok(Opened { file, metadata, is_handed_over: true })
}

fn opened(directory: &OwnedFd, name: &OsStr, expected: &FileStat) -> io::Result<Opened> {
    let file = File::from(openat(directory.as_fd(), name, FOR_USE | OFlag::O_NOFOLLOW, Mode::empty())?);
    let metadata = file.metadata()?;
    if (metadata.dev(), metadata.ino()) != (expected.st_dev, expected.st_ino) {
        return Err(Errno::ESTALE.into());
    }
    Ok(Opened { file, metadata, is_handed_over: false })
}

/// Not one of the kernel's errors, which is how a refusal is told from a file that may not be read.
pub(crate) fn refused(reason: String) -> io::Error {
    io::Error::new(ErrorKind::PermissionDenied, reason)
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

const STICKY: u32 = 0o1000;
const HELD: OFlag = OFlag::O_PATH.union(OFlag::O_CLOEXEC);
const DIRECTORY: OFlag = HELD.union(OFlag::O_DIRECTORY);
/// Without `O_NONBLOCK`, opening a FIFO waits for a writer, and no deadline would end that.
const FOR_USE: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);
/// `MAXSYMLINKS` of the kernel.
const MAX_LINKS: u32 = 40;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    struct Place(PathBuf);

    impl Place {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("rex-way-{}-{number}", std::process::id()));
            drop(std::fs::remove_dir_all(&path));
            for directory in ["a/b", "other"] {
                std::fs::create_dir_all(path.join(directory)).unwrap();
            }
            let place = Self(path);
            for directory in ["", "a", "a/b", "other"] {
                place.mode(directory, 0o755);
            }
            std::fs::write(place.path("a/b/f"), "x").unwrap();
            place
        }

        fn path(&self, name: &str) -> PathBuf {
            if name.is_empty() { self.0.clone() } else { self.0.join(name) }
        }

        fn mode(&self, name: &str, mode: u32) {
            std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
        }

        /// Why it is refused; nothing when it is opened.
        fn refusal(&self, name: &str, believed: &Believed) -> Option<String> {
            let error = believed.open(&self.path(name)).err()?;
            assert_eq!(error.raw_os_error(), None, "{error}");
            Some(error.to_string().replace(&self.0.display().to_string(), ""))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    fn own() -> u32 {
        nix::unistd::geteuid().as_raw()
    }

    #[test]
    fn everything_on_the_way_that_others_may_write_is_refused() {
        let place = Place::new();
        assert_eq!(place.refusal("a/b/f", &Believed::usual()), None);

        for (mode, is_refused) in [
            (0o757, true),
            (0o775, own() == 0),
            (0o777, true),
            (0o1777, false),
            (0o1757, false),
            (0o755, false),
        ] {
            for directory in ["", "a", "a/b"] {
                place.mode(directory, mode);
                let refusal = place.refusal("a/b/f", &Believed::usual());
                assert_eq!(refusal.is_some(), is_refused, "{directory} {mode:o}: {refusal:?}");
                place.mode(directory, 0o755);
            }
        }
    }

    #[test]
    fn every_owner_on_the_way_counts_and_every_owner_of_a_link() {
        if own() != 0 {
            return;
        }
        let place = Place::new();
        symlink(place.path("a/b"), place.path("other/l")).unwrap();
        symlink("../a/b/f", place.path("other/f")).unwrap();
        symlink("../other", place.path("a/o")).unwrap();
        let root = Believed::of(&[]);
        let ways = ["a/b/f", "other/l/f", "other/f", "a/o/f", "a/o/../a/./b//f", "a/o/l/f"];
        for way in ways {
            assert_eq!(place.refusal(way, &root), None, "{way}");
        }

        for (owned, led_by) in [
            ("a/b", &ways[..]),
            ("a", &ways[..]),
            ("", &ways[..]),
            ("other", &ways[1..]),
            ("other/l", &["other/l/f", "a/o/l/f"]),
            ("other/f", &["other/f", "a/o/f"]),
            ("a/o", &ways[3..]),
        ] {
            std::os::unix::fs::lchown(place.path(owned), Some(4_000_001), None).unwrap();
            for way in ways {
                let refusal = place.refusal(way, &root);
                assert_eq!(refusal.is_some(), led_by.contains(&way), "{owned} on {way}: {refusal:?}");
                // The user it belongs to believes it; a third one does not.
                assert_eq!(place.refusal(way, &Believed::of(&[4_000_001])), None);
                let third = place.refusal(way, &Believed::of(&[4_000_002]));
                assert_eq!(third.is_some(), led_by.contains(&way));
            }
            std::os::unix::fs::lchown(place.path(owned), Some(0), None).unwrap();
        }
    }

    #[test]
    fn a_sticky_directory_is_as_good_as_the_owner_of_what_is_in_it() {
        if own() != 0 {
            return;
        }
        let place = Place::new();
        place.mode("a", 0o1777);
        assert_eq!(place.refusal("a/b/f", &Believed::of(&[])), None);

        chown(place.path("a/b"), Some(4_000_001), None).unwrap();

        assert!(place.refusal("a/b/f", &Believed::of(&[])).unwrap().contains("/a/b belongs to user 4000001"));
    }

    #[test]
    fn links_in_a_circle_and_what_is_missing_are_errors_of_the_system() {
        let place = Place::new();
        symlink("l", place.path("a/l")).unwrap();
        let errno = |name: &str| Believed::usual().open(&place.path(name)).unwrap_err().raw_os_error();

        assert_eq!(errno("a/l"), Some(Errno::ELOOP as i32));
        assert_eq!(errno("a/none"), Some(Errno::ENOENT as i32));
        assert_eq!(errno("a/b/f/x"), Some(Errno::ENOTDIR as i32));
        assert_eq!(errno("a/b/f/"), Some(Errno::ENOTDIR as i32));
    }

    #[test]
    fn a_descriptor_is_what_was_handed_over() {
        let (mine, _theirs) = nix::unistd::pipe().unwrap();
        let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&mine));

        let opened = Believed::usual().open(Path::new(&path)).unwrap();

        assert!(opened.is_handed_over);
    }
}
