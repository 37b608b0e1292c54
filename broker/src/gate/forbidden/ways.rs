//! What leads to a closed file: the directories it is in, and the links on the way to it.
//!
//! Whoever gives another directory the name of one of these has put another file in the place of the closed one, for
//! whoever comes next. So none of them may be moved, removed or replaced, and what is missing on the way may only be
//! made, not brought from elsewhere. They are known by their paths, by what they are, and by their name in the
//! directory that they are in, whatever other path leads to that.

use std::collections::HashMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{FileStat, SFlag, lstat};

use crate::gate::object::{Inode, file_type};
use crate::policy::name::PathName;

/// Everything that leads to closed files.
#[derive(Debug, Default)]
pub(super) struct Ways {
    pub(super) paths: HashMap<PathName, Step>,
    objects: HashMap<Inode, &'static str>,
    entries: HashMap<Inode, HashMap<Vec<u8>, Step>>,
    /// What is missing first on each way.
    missing: Vec<PathBuf>,
}

/// One name on a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) reason: &'static str,
    pub(super) is: Is,
}

/// What has the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    /// A directory or a link on the way.
    Leading,
    /// Nothing yet, on the way.
    Missing,
    /// The closed file's own name, or that of a link which is its last component.
    Closed,
}

/// A name at the end of a way, and what has it.
#[derive(Debug)]
pub(super) struct End {
    pub(super) path: PathName,
    pub(super) inode: Option<Inode>,
}

impl Ways {
    /// Notes every step on the way to this absolute path; gives the names that are the file's own: that at the end, and
    /// those of the links that were followed to it.
    pub(super) fn note(&mut self, path: &Path, reason: &'static str) -> Vec<End> {
        let mut ends = Vec::new();
        let mut here = Here::root();
        let mut ahead: Vec<Vec<u8>> = components(path).rev().collect();
        let mut links = 0;
        while let Some(component) = ahead.pop() {
            if component == b".." {
                here.leave();
                continue;
            }
            let path = here.path.join(std::ffi::OsStr::from_bytes(&component));
            let found = here.look(&path);
            let is_last = ahead.is_empty();
            let is = match &found {
                _ if is_last => Is::Closed,
                Some(_) => Is::Leading,
                None => Is::Missing,
            };
            self.note_step(&here, &component, &path, found.as_ref(), Step { reason, is });
            if is_last {
                ends.push(End { path: PathName::from_os(&path), inode: found.as_ref().map(Inode::of) });
            }
            match found {
                Some(stat) if file_type(&stat) == SFlag::S_IFLNK && links < MAX_LINKS => {
                    links += 1;
                    // What cannot be read any more leads nowhere.
                    let Ok(target) = std::fs::read_link(&path) else { continue };
                    if target.is_absolute() {
                        here = Here::root();
                    }
                    ahead.extend(components(&target).rev());
                }
                found => here.enter(path, found.as_ref().map(Inode::of)),
            }
        }
        ends
    }

    fn note_step(
        &mut self,
        here: &Here,
        component: &[u8],
        path: &Path,
        found: Option<&FileStat>,
        step: Step,
    ) {
        // A closed directory may lead to another closed file.
        let closed_wins = |was: &mut Step| {
            if was.is != Is::Closed {
                *was = step;
            }
        };
        self.paths.entry(PathName::from_os(path)).and_modify(closed_wins).or_insert(step);
        if let Some(parent) = here.inode {
            if step.is == Is::Missing {
                self.missing.push(path.to_owned());
            }
            let names = self.entries.entry(parent).or_default();
            names.entry(component.to_vec()).and_modify(closed_wins).or_insert(step);
        }
        if let Some(stat) = found {
            self.objects.insert(Inode::of(stat), step.reason);
        }
    }

    /// Whether something has come to stand where something was missing.
    pub(super) fn have_changed(&self) -> bool {
        self.missing.iter().any(|path| lstat(path.as_path()).is_ok())
    }

    /// The step of this path.
    pub(super) fn by_text(&self, path: &str) -> Option<Step> {
        self.paths.get(path).copied()
    }

    /// The step of this name in a directory, whatever that is called.
    pub(super) fn by_entry(&self, directory: Inode, name: &[u8]) -> Option<Step> {
        self.entries.get(&directory)?.get(name).copied()
    }

    /// Why this object has to stay where it is.
    pub(super) fn by_object(&self, object: Inode) -> Option<&'static str> {
        self.objects.get(&object).copied()
    }
}

/// How far a walk has come.
struct Here {
    path: PathBuf,
    /// What each directory on the path is, the root first; nothing for those that are missing.
    inodes: Vec<Option<Inode>>,
    inode: Option<Inode>,
}

impl Here {
    fn root() -> Self {
        let root = lstat("/").ok().map(|stat| Inode::of(&stat));
        Self { path: PathBuf::from("/"), inodes: Vec::new(), inode: root }
    }

    /// What has this path; nothing when the directory that it is in is missing, too.
    fn look(&self, path: &Path) -> Option<FileStat> {
        self.inode.and_then(|_| lstat(path).ok())
    }

    fn enter(&mut self, path: PathBuf, inode: Option<Inode>) {
        self.path = path;
        self.inodes.push(std::mem::replace(&mut self.inode, inode));
    }

    fn leave(&mut self) {
        self.path.pop();
        if let Some(parent) = self.inodes.pop() {
            self.inode = parent;
        }
    }
}

fn components(path: &Path) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    let bytes = path.as_os_str().as_bytes();
    let parts = bytes.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter()
}

/// A path that is absolute, as seen from the working directory.
pub(super) fn absolute(path: &Path) -> io::Result<PathBuf> {
    if path.is_absolute() { Ok(path.to_owned()) } else { Ok(std::env::current_dir()?.join(path)) }
}

/// path_resolution(7): at most 40 links in one resolution.
const MAX_LINKS: usize = 40;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory `real/below` with a file, `link` to `real`, `last` to the file.
    fn scene(name: &str) -> PathBuf {
        let root = std::env::temp_dir().canonicalize().unwrap();
        let root = root.join(format!("rex-ways-{name}-{}", std::process::id()));
        std::fs::create_dir_all(root.join("real/below")).unwrap();
        std::fs::write(root.join("real/below/file"), "").unwrap();
        symlink("real/../real", root.join("link")).unwrap();
        symlink("link/below/file", root.join("last")).unwrap();
        root
    }

    fn is(ways: &Ways, path: &Path) -> Option<Is> {
        ways.by_text(PathName::from_os(path).as_str()).map(|step| step.is)
    }

    #[test]
    fn every_directory_and_link_on_the_way_is_noted() {
        let root = scene("links");
        let mut ways = Ways::default();

        let ends = ways.note(&root.join("last"), "why");

        let paths = ["link", "real", "real/below"].map(|name| is(&ways, &root.join(name)));
        let objects = ["link", "real", "real/below", "real/below/file", "last"]
            .map(|name| ways.by_object(Inode::of(&lstat(&root.join(name)).unwrap())));
        let parent = Inode::of(&lstat(&root).unwrap());
        let entry = ways.by_entry(parent, b"link").map(|step| step.is);
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(paths, [Some(Is::Leading); 3]);
        assert_eq!(objects, [Some("why"); 5]);
        assert_eq!(entry, Some(Is::Leading));
        assert!(is(&ways, &root).is_some(), "and what the tree is in");
        let ends: Vec<PathName> = ends.into_iter().map(|end| end.path).collect();
        assert_eq!(ends, ["last", "real/below/file"].map(|name| PathName::from_os(&root.join(name))));
    }

    #[test]
    fn what_is_missing_on_the_way_is_noted_as_missing() {
        let root = scene("missing");
        let mut ways = Ways::default();

        ways.note(&root.join("link/no/such/file"), "why");

        let parent = Inode::of(&lstat(&root.join("real")).unwrap());
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(is(&ways, &root.join("real/no")), Some(Is::Missing));
        assert_eq!(is(&ways, &root.join("real/no/such")), Some(Is::Missing));
        assert_eq!(is(&ways, &root.join("real/no/such/file")), Some(Is::Closed));
        assert_eq!(ways.by_entry(parent, b"no").map(|step| step.is), Some(Is::Missing));
        assert_eq!(is(&ways, &root.join("real/other")), None);
    }

    #[test]
    fn links_in_a_circle_come_to_an_end() {
        let root = scene("circle");
        symlink("round", root.join("round")).unwrap();
        let mut ways = Ways::default();

        ways.note(&root.join("round/file"), "why");

        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(is(&ways, &root.join("round")), Some(Is::Leading));
    }
}
