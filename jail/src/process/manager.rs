//! The manager that a script holds, and what it remembers of processes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rex_ipc::process_system::PidNamespace;
use rhai::ImmutableString;

/// Remembers the processes that were told to the script, so that they can be meant by what they were called. Copies share it.
#[derive(Clone, Default)]
pub struct ProcessManager(Rc<RefCell<Known>>);

#[derive(Default)]
struct Known {
    is_listed: bool,
    processes: BTreeMap<u32, Remembered>,
}

/// What is remembered of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// What it called itself.
    pub name: ImmutableString,
    /// The name of its real user.
    pub username: ImmutableString,
    /// Its command line.
    pub command: ImmutableString,
    /// When it was started, in ticks since the host was.
    pub started_ticks: u64,
    /// Its pid namespace, and what it is called there, where that was told.
    pub namespace: Option<PidNamespace>,
}

impl ProcessManager {
    /// Says that all processes were listed.
    pub fn set_listed(&self) {
        self.0.borrow_mut().is_listed = true;
    }

    /// Whether all processes were listed before.
    pub fn is_listed(&self) -> bool {
        self.0.borrow().is_listed
    }

    /// Remembers a process, whatever was remembered of its number.
    pub fn remember(&self, pid: u32, process: Remembered) {
        self.0.borrow_mut().processes.insert(pid, process);
    }

    /// The pid namespace of a process, as far as it was told.
    pub fn namespace_of(&self, pid: u32) -> Option<u64> {
        let known = self.0.borrow();
        known.processes.get(&pid)?.namespace.map(|namespace| namespace.inode)
    }

    /// The process that has this number in a namespace.
    pub fn named_within(&self, namespace: u64, pid: u32) -> Option<u32> {
        let wanted = Some(PidNamespace { inode: namespace, pid });
        let known = self.0.borrow();
        known.processes.iter().find(|(_, process)| process.namespace == wanted).map(|(pid, _)| *pid)
    }

    /// The processes of which this is true, by number.
    pub fn select(&self, is_wanted: impl Fn(&Remembered) -> bool) -> Vec<(u32, Remembered)> {
        let known = self.0.borrow();
        let wanted = known.processes.iter().filter(|(_, process)| is_wanted(process));
        wanted.map(|(pid, process)| (*pid, process.clone())).collect()
    }
}
