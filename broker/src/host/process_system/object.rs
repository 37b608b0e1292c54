//! A process that is held, and what the kernel says of it.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use rex_ipc::process_system::Signal;

/// A process, or a task of one, held by its directory in `/proc`.
///
/// The directory belongs to this very process: when that is gone, everything in it answers `ESRCH`, whoever has the
/// number by then. So what is read through it never describes another one.
#[derive(Debug)]
pub struct Process {
    /// The directory; held with `O_PATH`.
    pub(in crate::host) directory: OwnedFd,
    /// What signals are sent by, where one is to be sent.
    pub(in crate::host) pidfd: Option<OwnedFd>,
    /// Its number in that `/proc`; that of the task for a task.
    pub pid: u32,
    /// The number of its process, which is its own but for a task.
    pub group: u32,
    /// Whether it belongs to this run.
    pub is_of_run: bool,
    /// What it says of itself, and the kernel of it.
    pub about: About,
}

impl Process {
    /// What a signal is called, as in signal(7).
    pub fn name_of(signal: Signal) -> &'static str {
        super::signal::number(signal).as_str()
    }
}

/// What is known of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// `comm`: what it calls itself.
    pub name: String,
    /// Its words joined by spaces, the first without its directory.
    pub command: String,
    /// The program that it runs, where the kernel tells.
    pub exe: Option<String>,
    /// The number of its real user.
    pub uid: u32,
    /// The name of that user; empty when it has none.
    pub username: String,
    /// Its parent; 0 when it has none.
    pub parent: u32,
    /// The letter of its state.
    pub state: u8,
    /// Time on a processor, in ticks.
    pub cpu_ticks: u64,
    /// When it was started, in ticks since the host was.
    pub started_ticks: u64,
    /// Resident memory in pages.
    pub resident_pages: u64,
    /// Its number in the innermost of its namespaces.
    pub innermost: u32,
}

/// An entry of `/proc` of a process, which tells in what pid namespace that is.
#[derive(Debug)]
pub struct NamespaceEntry {
    /// The process.
    pub(in crate::host) process: Rc<Process>,
    /// The path that the policy is asked about.
    pub path: String,
}

impl NamespaceEntry {
    /// The entry of this name in the directory of a process.
    pub fn new(process: &Rc<Process>, entry: &str) -> Self {
        Self { path: format!("/proc/{}/{entry}", process.pid), process: Rc::clone(process) }
    }
}
