//! What no policy can permit: the files of this run, and the entries of `/proc` that show broker and jail.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use nix::sys::stat::{FileStat, fstat, stat};
use rex_ipc::action::ActionId;

use crate::object::Inode;
use crate::path::PathName;
use crate::policy::{Question, ResourceRef};

/// The places that are closed to every script, by path and by device and inode.
#[derive(Debug, Default)]
pub struct Forbidden {
    trees: Vec<(PathName, &'static str)>,
    inodes: Vec<(Inode, &'static str)>,
    /// The redaction dictionary, which has rules of its own.
    dictionary: Option<Inode>,
}

impl Forbidden {
    /// The entries of `/proc` that lead to this process, to the jail, and to whoever asks.
    pub fn new() -> Self {
        let dictionary = stat(crate::redaction::DICTIONARY_PATH).ok().map(|stat| inode(&stat));
        let mut forbidden = Self { dictionary, ..Self::default() };
        forbidden.add_tree("/proc/self", OWN_PROC);
        forbidden.add_tree("/proc/thread-self", OWN_PROC);
        forbidden.add_process(std::process::id());
        forbidden
    }

    /// Closes the entry of `/proc` of a process, by name and by inode.
    pub fn add_process(&mut self, pid: u32) {
        let path = format!("/proc/{pid}");
        self.add_tree(&path, OWN_PROC);
        if let Ok(stat) = stat(path.as_str()) {
            self.inodes.push((inode(&stat), OWN_PROC));
        }
    }

    /// Closes a file of this run by its real path and, since it exists, by its inode.
    ///
    /// # Errors
    /// Those of resolving the path: what cannot be found cannot be protected.
    pub fn add_file(&mut self, path: &Path, reason: &'static str) -> io::Result<()> {
        let real = path.canonicalize()?;
        self.trees.push((PathName::from_os(&real), reason));
        // The given name as well: a link to the file is closed too.
        if path.is_absolute() {
            self.trees.push((PathName::from_os(path), reason));
        }
        self.inodes.push((inode(&stat(&real)?), reason));
        Ok(())
    }

    /// Closes an open file by its inode.
    ///
    /// # Errors
    /// Those of fstat(2).
    pub fn add_open(&mut self, file: impl AsFd, reason: &'static str) -> io::Result<()> {
        self.inodes.push((inode(&fstat(file)?), reason));
        Ok(())
    }

    /// Why this question is answered with no, before the policy is asked.
    pub fn reason(&self, question: &Question<'_>, inode: Option<Inode>) -> Option<&'static str> {
        let (ResourceRef::File(path) | ResourceRef::Dir(path)) = question.resource else { return None };
        if self.is_dictionary(path, inode) {
            // It may be opened, as in Rex, to be told that it is not given away; that reveals nothing.
            let harmless =
                matches!(question.action, ActionId::FileSystemOpen | ActionId::FileSystemRedactedRead);
            return if harmless { None } else { Some(DICTIONARY) };
        }
        let by_path = self.trees.iter().find(|(tree, _)| within(path, tree.as_str()));
        let by_inode = || inode.and_then(|inode| self.inodes.iter().find(|(closed, _)| *closed == inode));
        by_path.map(|(_, reason)| *reason).or_else(|| by_inode().map(|(_, reason)| *reason))
    }

    /// Whether this is the redaction dictionary, under its own name or another.
    pub fn is_dictionary(&self, path: &str, inode: Option<Inode>) -> bool {
        path == crate::redaction::DICTIONARY_PATH || (inode.is_some() && inode == self.dictionary)
    }

    /// Why this object may not be opened, whatever it is called.
    pub fn inode_reason(&self, inode: Inode) -> Option<&'static str> {
        self.inodes.iter().find(|(closed, _)| *closed == inode).map(|(_, reason)| *reason)
    }

    fn add_tree(&mut self, path: &str, reason: &'static str) {
        self.trees.push((PathName::from_os(Path::new(path)), reason));
    }
}

fn within(path: &str, tree: &str) -> bool {
    path.strip_prefix(tree).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn inode(stat: &FileStat) -> Inode {
    Inode { device: stat.st_dev, number: stat.st_ino }
}

const OWN_PROC: &str = "built-in: broker and jail are not shown to scripts";

/// Why the audit log is closed.
pub const AUDIT_LOG: &str = "built-in: the audit log of this run";
/// Why the policy is closed.
pub const POLICY: &str = "built-in: the policy of this run";
/// Why a configuration file is closed.
pub const CONFIGURATION: &str = "built-in: the configuration of this run";
/// Why the redaction dictionary is closed.
pub const DICTIONARY: &str = "built-in: the redaction dictionary of this run";

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(forbidden: &Forbidden, path: &str) -> Option<&'static str> {
        let question = Question::new(ActionId::FileSystemOpen, ResourceRef::File(path));
        forbidden.reason(&question, None)
    }

    #[test]
    fn the_brokers_own_proc_entries_are_closed_and_those_of_others_are_not() {
        let forbidden = Forbidden::new();
        let own = format!("/proc/{}/environ", std::process::id());

        assert!(reason(&forbidden, &own).is_some());
        assert!(reason(&forbidden, "/proc/self/maps").is_some());
        assert!(reason(&forbidden, "/proc/thread-self").is_some());
        assert!(reason(&forbidden, "/proc/selfish").is_none());
        assert!(reason(&forbidden, "/proc/1x/maps").is_none());
        assert!(reason(&forbidden, "/proc/mounts").is_none());
    }
}
