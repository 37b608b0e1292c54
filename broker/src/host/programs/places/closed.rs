//! What no policy opens, as it is called at the moment a program starts.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::fcntl::{OFlag, open};
use nix::libc::STATX_MNT_ID;
use nix::sys::stat::{Mode, SFlag, fstat, stat};
use rex_outside::kernel::statx;

use super::open_plain;
use crate::gate::{Inode, file_type};
use crate::policy::name::PathName;

/// What is closed to programs, held so that it is known by what it is when it is called differently.
#[derive(Debug, Default)]
pub struct Closed {
    held: Vec<(PathName, OwnedFd)>,
}

/// What is closed at this moment.
pub(super) struct Now {
    /// What it is.
    pub(super) inodes: HashSet<Inode>,
    /// Where it is.
    pub(super) names: Vec<PathName>,
    /// The directories that lead there, however they are reached.
    pub(super) directories: HashSet<Inode>,
    /// Files with more names than the one that is known, with their mounts.
    unknown: Vec<(PathName, Inode, Option<u64>)>,
}

impl Closed {
    /// Holds whatever stands at these paths; what is not there is closed by name alone.
    pub fn hold(paths: &[PathName]) -> Self {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let hold = |path: &PathName| {
            let held = open(&path.to_os(), flags, Mode::empty()).ok()?;
            Some((path.clone(), held))
        };
        Self { held: paths.iter().filter_map(hold).collect() }
    }

    pub(super) fn now(&self) -> Now {
        let (inodes, names) = (HashSet::new(), Vec::new());
        let mut now = Now { inodes, names, directories: HashSet::new(), unknown: Vec::new() };
        for (path, held) in &self.held {
            // What has no answer any more has no name, either.
            let Ok(found) = fstat(held) else { continue };
            let inode = Inode::of(&found);
            now.inodes.insert(inode);
            let place = place_of(held.as_fd(), inode);
            let known = u64::from(place.is_some());
            if let Some(place) = place {
                let mut above = place.clone();
                while above.as_str() != "/" {
                    above = above.parent();
                    if let Ok(directory) = stat(&above.to_os()) {
                        now.directories.insert(Inode::of(&directory));
                    }
                }
                now.names.push(place);
            }
            if file_type(&found) == SFlag::S_IFREG && found.st_nlink > known {
                now.unknown.push((path.clone(), inode, mount_of(held.as_fd())));
            }
        }
        now
    }
}

impl Now {
    /// Whether a directory can be given as a whole although nobody knows every name of what is closed.
    ///
    /// # Errors
    /// That it cannot, with the name of the file that is the reason.
    pub(super) fn has_no_unknown_name(&self, directory: BorrowedFd<'_>, inode: Inode) -> io::Result<()> {
        if self.unknown.is_empty() {
            return Ok(());
        }
        let mount = mount_of(directory);
        // A file system can number its files by another device than its directories.
        let could_be_in = |(_, file, of): &&(PathName, Inode, Option<u64>)| {
            file.device == inode.device || mount.is_none() || of.is_none() || mount == *of
        };
        match self.unknown.iter().find(could_be_in) {
            None => Ok(()),
            Some((path, ..)) => Err(io::Error::other(format!(
                "{path}, which is closed to programs, has further hard links that could lie in what is given to one"
            ))),
        }
    }
}

/// Where an open object is now; nothing when the name that it was opened by is gone.
fn place_of(held: BorrowedFd<'_>, inode: Inode) -> Option<PathName> {
    let path: PathBuf = std::fs::read_link(format!("/proc/self/fd/{}", held.as_raw_fd())).ok()?;
    let (found, _) = open_plain(&path).ok()?;
    (Inode::of(&fstat(found).ok()?) == inode).then(|| PathName::from_os(&path))
}

fn mount_of(object: BorrowedFd<'_>) -> Option<u64> {
    let found = statx(object, STATX_MNT_ID).ok()?;
    (found.stx_mask & STATX_MNT_ID != 0).then_some(found.stx_mnt_id)
}
