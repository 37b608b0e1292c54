//! The acts by class; each is one attempt and says with which errno it failed.

mod descriptor;
mod exec;
mod file;
mod interprocess;
mod kernel;
mod keyring;
mod memory;
mod namespace;
mod network;
mod process;
mod signal;
mod time;

use std::fmt;

pub use descriptor::use_inherited;

use crate::call::Errno;
use crate::targets::Targets;

/// One forbidden act.
#[derive(Clone, Copy, Debug)]
pub struct Act {
    /// Unique, and what the test's report calls it.
    pub name: &'static str,
    /// What kind of thing it is.
    pub class: Class,
    /// Whether only root can do it unconfined.
    pub needs_root: bool,
    /// Tries it; does not allocate more than a path.
    pub attempt: fn(&Targets) -> Result<(), Errno>,
}

/// The kinds of act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Names and contents of files.
    File,
    /// Programs and threads.
    Exec,
    /// Sockets of every family.
    Network,
    /// System V objects, message queues, pipes.
    Interprocess,
    /// Signals to others.
    Signal,
    /// Reading, writing and changing other processes.
    Process,
    /// Executable memory, sealed memory, much memory.
    Memory,
    /// New descriptors and inherited ones.
    Descriptor,
    /// Namespaces and mounts.
    Namespace,
    /// Keys.
    Keyring,
    /// Rights, limits and interfaces to the kernel itself.
    Kernel,
    /// Clocks.
    Time,
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{self:?}"))
    }
}

/// Every act, class by class.
pub fn all() -> impl Iterator<Item = &'static Act> {
    [
        file::ACTS,
        exec::ACTS,
        network::ACTS,
        interprocess::ACTS,
        signal::ACTS,
        process::ACTS,
        memory::ACTS,
        descriptor::ACTS,
        namespace::ACTS,
        keyring::ACTS,
        kernel::ACTS,
        time::ACTS,
    ]
    .into_iter()
    .flatten()
}

/// The act with this name.
pub fn find(name: &str) -> Option<&'static Act> {
    all().find(|act| act.name == name)
}

/// An act that anybody can do unconfined.
const fn act(name: &'static str, class: Class, attempt: fn(&Targets) -> Result<(), Errno>) -> Act {
    Act { name, class, needs_root: false, attempt }
}

/// An act that root can do unconfined.
const fn root_act(name: &'static str, class: Class, attempt: fn(&Targets) -> Result<(), Errno>) -> Act {
    Act { name, class, needs_root: true, attempt }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_lead_back() {
        let names: BTreeSet<_> = all().map(|act| act.name).collect();

        assert_eq!(names.len(), all().count());
        assert!(names.iter().all(|name| find(name).is_some_and(|act| act.name == *name)));
    }
}
