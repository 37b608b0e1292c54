//! What no policy can permit: the files of this run, what leads to them, and the entries of `/proc` that show broker and
//! jail.

mod ways;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::sys::stat::{FileStat, SFlag, fstat, stat};
use rex_ipc::action::ActionId;

use super::object::{InDirectory, Inode, file_type};
use crate::policy::name::{EntryName, PathName};
use crate::policy::{Question, ResourceRef};
use ways::{Is, Step, Ways};

/// The places that are closed to every script, by path, by device and inode, and by their name in a directory.
#[derive(Debug, Default)]
pub struct Forbidden {
    trees: Vec<(PathName, &'static str)>,
    inodes: HashMap<Inode, &'static str>,
    /// The directories whose policies are those of a run, whatever they are called.
    policy_directories: Vec<(PathName, Option<Inode>)>,
    /// The paths that lead to closed files, as they were given.
    given: Vec<(PathBuf, &'static str)>,
    ways: RefCell<Ways>,
    /// Whether a directory that was missing on a way may have been made.
    is_stale: Cell<bool>,
    /// The redaction dictionary, which has rules of its own.
    dictionary: Option<Inode>,
}

/// What is asked about, as far as it is known beside its path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// What it is, when it is open.
    pub inode: Option<Inode>,
    /// The directory that it is in, and its name there.
    pub place: Option<(InDirectory<'a>, &'a EntryName)>,
    /// Why it is closed whatever it is called.
    pub closed: Option<&'static str>,
}

impl Forbidden {
    /// The entries of `/proc` that lead to this process, to the jail, and to whoever asks; and the way to the
    /// dictionary.
    pub fn new() -> Self {
        let dictionary = stat(DICTIONARY_PATH).ok().map(|stat| Inode::of(&stat));
        let mut forbidden = Self { dictionary, ..Self::default() };
        forbidden.add_tree("/proc/self", OWN_PROC);
        forbidden.add_tree("/proc/thread-self", OWN_PROC);
        // In the namespace of this `/proc` the broker can have another number than it has in its own.
        if let Ok(own) = std::fs::read_link("/proc/self") {
            forbidden.add_proc_entry(&Path::new("/proc").join(own));
        }
        forbidden.note_way(DICTIONARY_PATH.into(), DICTIONARY);
        forbidden
    }

    /// Closes the entry of `/proc` of a process, by name and by inode.
    pub fn add_process(&mut self, pid: u32) {
        self.add_proc_entry(Path::new(&format!("/proc/{pid}")));
    }

    fn add_proc_entry(&mut self, path: &Path) {
        self.trees.push((PathName::from_os(path), OWN_PROC));
        if let Ok(stat) = stat(path) {
            self.inodes.insert(Inode::of(&stat), OWN_PROC);
        }
    }

    /// Closes a file of this run under the given path, under every path that this leads to through links, by its inode,
    /// and by its name in the directory that it is in. Everything on the way to it stays where it is.
    ///
    /// # Errors
    /// Those of resolving the path. When something is missing on the way, what is there is closed all the same.
    pub fn add_file(&mut self, path: &Path, reason: &'static str) -> io::Result<()> {
        self.add_path(path, reason)?;
        self.inodes.insert(Inode::of(&stat(path)?), reason);
        Ok(())
    }

    /// Closes a path, and every path that it leads to through links, whatever stands there now or will.
    ///
    /// # Errors
    /// When the path is relative and there is no working directory.
    pub fn add_path(&mut self, path: &Path, reason: &'static str) -> io::Result<()> {
        let path = ways::absolute(path)?;
        self.trees.push((PathName::from_os(&path), reason));
        self.note_way(path, reason);
        Ok(())
    }

    /// Closes all policies in a directory, those that are not there yet included; and the directory stays.
    ///
    /// # Errors
    /// When the path is relative and there is no working directory.
    pub fn add_policy_directory(&mut self, path: &Path) -> io::Result<()> {
        let path = ways::absolute(path)?;
        let found = stat(&path).ok().map(|stat| Inode::of(&stat));
        self.policy_directories.push((PathName::from_os(&path), found));
        if let Ok(real) = path.canonicalize() {
            self.policy_directories.push((PathName::from_os(&real), found));
        }
        // A name that is not a policy's: the directory itself may be read, and everything else in it.
        self.note_way(path.join(NOTHING), POLICY);
        Ok(())
    }

    /// Closes an open file by its inode.
    ///
    /// # Errors
    /// Those of fstat(2).
    pub fn add_open(&mut self, file: impl AsFd, reason: &'static str) -> io::Result<()> {
        self.inodes.insert(Inode::of(&fstat(file)?), reason);
        Ok(())
    }

    /// Why this question is answered with no, before the policy is asked.
    pub fn reason(&self, question: &Question<'_>, known: Known<'_>) -> Option<&'static str> {
        if known.closed.is_some() {
            return known.closed;
        }
        let (ResourceRef::File(text) | ResourceRef::Dir(text)) = question.resource else { return None };
        if self.is_dictionary(text, known.inode) {
            // It may be opened, as in Rex, to be told that it is not given away; that reveals nothing.
            let harmless =
                matches!(question.action, ActionId::FileSystemOpen | ActionId::FileSystemRedactedRead);
            return if harmless { None } else { Some(DICTIONARY) };
        }
        let by_path = self.trees.iter().find(|(tree, _)| within(text, tree.as_str()));
        by_path
            .map(|(_, reason)| *reason)
            .or_else(|| known.inode.and_then(|inode| self.inode_reason(inode)))
            .or_else(|| self.policy_reason(text))
            .or_else(|| known.place.and_then(|(parent, entry)| self.entry_reason(parent.inode, entry)))
            .or_else(|| self.way_reason(question, text, known))
    }

    /// Every path that is closed, with the directories of policies.
    pub fn paths(&self) -> impl Iterator<Item = &PathName> {
        self.trees.iter().map(|(path, _)| path).chain(self.policy_directories.iter().map(|(path, _)| path))
    }

    /// Every name on the ways to what is closed, whatever has it.
    pub fn on_ways(&self) -> Vec<PathName> {
        self.ways().paths.keys().cloned().collect()
    }

    /// Whether this is the redaction dictionary, under its own name or another.
    pub fn is_dictionary(&self, path: &str, inode: Option<Inode>) -> bool {
        path == DICTIONARY_PATH || (inode.is_some() && inode == self.dictionary)
    }

    /// Why this object may not be opened, whatever it is called.
    pub fn inode_reason(&self, inode: Inode) -> Option<&'static str> {
        self.inodes.get(&inode).copied()
    }

    /// Why nothing may be done with this name in a directory, whatever path leads to that.
    pub fn entry_reason(&self, directory: Inode, entry: &EntryName) -> Option<&'static str> {
        let is_policys = |(_, found): &(PathName, Option<Inode>)| *found == Some(directory);
        if names_a_policy(entry.as_bytes()) && self.policy_directories.iter().any(is_policys) {
            return Some(POLICY);
        }
        let step = self.ways().by_entry(directory, entry.as_bytes());
        // The dictionary may be opened, as what it is.
        step.filter(|step| step.is == Is::Closed && step.reason != DICTIONARY).map(|step| step.reason)
    }

    /// Why this object may not lose its name: it is closed, or leads to something that is.
    pub fn displacing_reason(&self, object: Inode) -> Option<&'static str> {
        self.inode_reason(object).or_else(|| self.ways().by_object(object))
    }

    /// Why what has a name may not be replaced by a file. A directory never is.
    pub fn replacing_reason(&self, found: &FileStat) -> Option<&'static str> {
        let object = Inode::of(found);
        if file_type(found) == SFlag::S_IFDIR {
            return self.inode_reason(object);
        }
        self.displacing_reason(object)
    }

    /// Why nothing may be brought from elsewhere to this name in a directory: it is closed, or what it led to would be
    /// another thing than what is configured.
    pub fn bringing_reason(&self, directory: InDirectory<'_>, entry: &EntryName) -> Option<&'static str> {
        let ways = self.ways();
        let by_entry = ways.by_entry(directory.inode, entry.as_bytes());
        let step = by_entry.or_else(|| ways.by_text(directory.name.join(entry.as_bytes()).as_str()));
        let by_step = step.filter(|step| step.is != Is::Leading).map(|step| step.reason);
        drop(ways);
        by_step.or_else(|| self.entry_reason(directory.inode, entry))
    }

    /// A policy of one of the directories, by its path.
    fn policy_reason(&self, path: &str) -> Option<&'static str> {
        if self.policy_directories.is_empty() {
            return None;
        }
        let (parent, name) = path.rsplit_once('/')?;
        let parent = if parent.is_empty() { "/" } else { parent };
        let is_policys = |(directory, _): &(PathName, Option<Inode>)| directory.as_str() == parent;
        let is_closed = names_a_policy(name.as_bytes()) && self.policy_directories.iter().any(is_policys);
        is_closed.then_some(POLICY)
    }

    /// Why an act may not be done to what leads to a closed file.
    fn way_reason(&self, question: &Question<'_>, path: &str, known: Known<'_>) -> Option<&'static str> {
        let displaces = match question.action {
            ActionId::FileSystemMove | ActionId::FileSystemDelete => true,
            ActionId::FileSystemCreate => false,
            _ => return None,
        };
        let ways = self.ways();
        let by_entry =
            || known.place.and_then(|(parent, entry)| ways.by_entry(parent.inode, entry.as_bytes()));
        let step = ways.by_text(path).or_else(by_entry);
        let by_object = || known.inode.and_then(|inode| ways.by_object(inode));
        match step {
            Some(step) if displaces => Some(step.reason),
            None if displaces => by_object(),
            // A directory may be made, and is closed as what was missing. Anything else would lead elsewhere.
            Some(Step { is: Is::Missing, reason }) => match question.resource {
                ResourceRef::Dir(_) => {
                    self.is_stale.set(true);
                    None
                }
                _ => Some(reason),
            },
            _ => None,
        }
    }

    /// The ways as they are now.
    fn ways(&self) -> std::cell::Ref<'_, Ways> {
        if self.is_stale.get() && self.ways.borrow().have_changed() {
            let mut ways = Ways::default();
            for (path, reason) in &self.given {
                ways.note(path, reason);
            }
            self.ways.replace(ways);
        }
        self.ways.borrow()
    }

    fn note_way(&mut self, path: PathBuf, reason: &'static str) {
        for end in self.ways.get_mut().note(&path, reason) {
            // The dictionary and the files beside policies may be opened; they have rules of their own.
            if reason == DICTIONARY || path.ends_with(NOTHING) {
                continue;
            }
            self.trees.push((end.path, reason));
            if let Some(inode) = end.inode {
                self.inodes.insert(inode, reason);
            }
        }
        self.given.push((path, reason));
    }

    fn add_tree(&mut self, path: &str, reason: &'static str) {
        self.trees.push((PathName::from_os(Path::new(path)), reason));
    }
}

/// Whether a policy directory stands for a file of this name, among others.
fn names_a_policy(name: &[u8]) -> bool {
    name.ends_with(b".cedar") && !name.starts_with(b".")
}

fn within(path: &str, tree: &str) -> bool {
    path.strip_prefix(tree).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Why an entry of `/proc` is closed.
pub const OWN_PROC: &str = "built-in: broker and jail are not shown to scripts";

/// Why a process of the run is closed.
pub const OWN_PROCESS: &str = "built-in: broker, jail and workers are closed to scripts";
/// Why the first process gets no signal.
pub const INIT: &str = "built-in: PID 1 gets no signal from a script";

/// Why the audit log is closed.
pub const AUDIT_LOG: &str = "built-in: the audit log of this run";
/// Why the policy is closed.
pub const POLICY: &str = "built-in: the policy of this run";
/// Why a configuration file is closed.
pub const CONFIGURATION: &str = "built-in: the configuration of this run";
/// Why the journals of temporary names are closed.
pub const JOURNALS: &str = "built-in: the journals of temporary names";
/// Why the redaction dictionary is closed.
pub const DICTIONARY: &str = "built-in: the redaction dictionary of this run";
/// Where the redaction dictionary is, as for Rex.
pub const DICTIONARY_PATH: &str = "/etc/opt/rex/rex_redaction.config";
/// A file of this name is not looked for by anybody; it stands for whatever is in a directory.
const NOTHING: &str = ".rex-broker.nothing";

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(forbidden: &Forbidden, path: &str) -> Option<&'static str> {
        let question = Question::new(ActionId::FileSystemOpen, ResourceRef::File(path));
        forbidden.reason(&question, Known::default())
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
