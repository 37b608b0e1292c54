//! The requests and replies about processes.
//!
//! Processes are named by their number in the `/proc` of the host. What a process has chosen itself (its name, its command
//! line, the names of its files) crosses as text in which bytes that are no UTF-8 are U+FFFD, but for paths, which have the
//! form of [`crate::name`].

use serde::{Deserialize, Serialize};

use crate::bounded::{List, Text};
use crate::file_system::{EntryType, NameText, PathText};
use crate::handle::FileId;
use crate::limits::{
    MAX_COMMAND_BYTES, MAX_IDENTITY_BYTES, MAX_OPEN_ENTRIES, MAX_PAGE_PROCESSES, MAX_PROCESS_NAME_BYTES,
};

/// Describes processes; `list` is asked for each, and those that it denies are left out.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ListProcesses {
    /// Which.
    pub which: Processes,
    /// Whether the tasks of a process other than its first are described as well, each after its process.
    pub tasks: bool,
    /// Whether it is looked in which pid namespace a process is. Before `list`, `open` and `read` are asked for what tells
    /// it; where they are denied it stays unknown.
    pub namespaces: bool,
}

/// Which processes.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processes {
    /// All that come behind this one, by number; each task behind its process.
    After {
        /// The process.
        pid: u32,
        /// How far its tasks have been told: those with a larger number come next.
        task: u32,
    },
    /// The tasks of this one but its first, as far as they come behind this one, by number.
    TasksOf {
        /// The process.
        pid: u32,
        /// How far they have been told.
        task: u32,
    },
    /// This one alone, or this task of it, if it is there.
    One {
        /// The process.
        pid: u32,
        /// The task.
        task: Option<u32>,
    },
}

/// Some processes.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ProcessPage {
    /// What is told of each.
    pub processes: List<ProcessRecord, MAX_PAGE_PROCESSES>,
    /// Behind which process and task the next page begins; nothing when this is the last one.
    pub next: Option<(u32, u32)>,
    /// Nanoseconds since the host was started, when this was looked at.
    pub uptime_ns: u64,
    /// Clock ticks in a second, in which times of processes are counted; see sysconf(3).
    pub ticks_per_second: u64,
    /// Memory of the host in bytes.
    pub memory_bytes: u64,
}

/// What is told of a process, or of one of its tasks.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ProcessRecord {
    /// Its number; that of the task for a task.
    pub pid: u32,
    /// The number of its parent, 0 when it has none; that of the process for a task.
    pub parent: u32,
    /// Whether it is a task of a process and not its first.
    pub is_task: bool,
    /// Its real user.
    pub uid: u32,
    /// The name of that user; nothing when it has none.
    pub user: Option<Text<MAX_IDENTITY_BYTES>>,
    /// The name that it has given itself, or the first bytes of its program's.
    pub name: Text<MAX_PROCESS_NAME_BYTES>,
    /// Its words joined by single spaces, the first without its directory; cut where it is longer than that.
    pub command: Text<MAX_COMMAND_BYTES>,
    /// The letter of its state; see proc_pid_stat(5).
    pub state: u8,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Time on a processor, in ticks.
    pub cpu_ticks: u64,
    /// When it was started, in ticks since the host was.
    pub started_ticks: u64,
    /// Its pid namespace, when that was asked for and could be told.
    pub namespace: Option<PidNamespace>,
}

/// A pid namespace, and what a process is called in it.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct PidNamespace {
    /// The inode number of the namespace.
    pub inode: u64,
    /// The number of the process in it.
    pub pid: u32,
}

/// Sends a signal to a process; `interrupt` is asked for [`Signal::Hangup`], `kill` for the others.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SignalProcess {
    /// The process.
    pub pid: u32,
    /// When it was started, in ticks since the host was, if it has to be a process that was described before.
    pub started_ticks: Option<u64>,
    /// The signal.
    pub signal: Signal,
}

/// The signals that a script can send; see signal(7).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `SIGTERM`.
    Terminate,
    /// `SIGQUIT`.
    Quit,
    /// `SIGHUP`.
    Hangup,
    /// `SIGKILL`.
    Kill,
}

/// A process that got a signal.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Signalled {
    /// The name that it had.
    pub name: Text<MAX_PROCESS_NAME_BYTES>,
    /// Its command line, as in [`ProcessRecord::command`].
    pub command: Text<MAX_COMMAND_BYTES>,
}

/// Has a debugger tell where the threads of a process are; `trace` is asked for it. Then `mount_namespace` for the process whose
/// namespaces the caller means, and `execute` for the debugger, of which a script of Rex is asked for the forbids only.
///
/// What it says is read as that of any program.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct BeginTrace {
    /// The process.
    pub pid: u32,
    /// When it was started, in ticks since the host was, if it has to be a process that was described before.
    pub started_ticks: Option<u64>,
    /// A process whose pid namespace the caller has named it by.
    pub within: Option<u32>,
    /// The open [`Tracer`]; without one nothing is begun, and it is told which is to be opened.
    pub tracer: Option<FileId>,
}

/// A trace was begun, or could be.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceBegun {
    /// When the process was started, in ticks since the host was.
    pub started_ticks: u64,
    /// What has to be open.
    pub tracer: Tracer,
}

/// What tells where threads are.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracer {
    /// `/usr/bin/gdb`.
    Debugger,
    /// `/usr/bin/gstack`, which a script of Rex needs; gdb does its work.
    Script,
}

/// Has connections, tables of sockets and interfaces be those of a network namespace, until it is left. What would be done elsewhere
/// is refused until then: programs, requests to servers, queries of name servers, and changes of parameters.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct EnterNamespaces {
    /// Which.
    pub of: Namespaces,
}

/// Namespaces that can be entered.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum Namespaces {
    /// Those of a process; `mount_namespace` and `network_namespace` are asked for it, whichever are wanted.
    OfProcess {
        /// The process.
        pid: u32,
        /// When it was started, in ticks since the host was, if it has to be a process that was described before.
        started_ticks: Option<u64>,
        /// That of its mounts, which is asked for and refused.
        mount: bool,
        /// That of its network.
        network: bool,
    },
    /// The network namespace that has this name in `/run/netns`; `network_namespace` and `open` are asked for the file.
    Named(NameText),
}

/// Leaves what was entered.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct LeaveNamespaces {}

/// Lists what processes hold open; `list_fds` is asked for each, and those that it denies are left out.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ListOpenFiles {
    /// Of whom.
    pub of: Holders,
    /// What of it.
    pub sought: Sought,
}

/// Whose open files.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum Holders {
    /// Those of this process, without so many that were told before. That it is denied is an error.
    One {
        /// The process.
        pid: u32,
        /// How many entries to pass over.
        skip: u32,
    },
    /// Those of all processes from this number on, without so many entries of the first that were told before.
    From {
        /// The first process.
        pid: u32,
        /// How many of its entries to pass over.
        skip: u32,
    },
}

/// Which open files.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum Sought {
    /// All. `open` and `read` are asked for the directory `/proc`.
    Everything,
    /// Those at this path, which is free of links. `open` and `read` are asked for the directory `/proc`.
    At {
        /// An absolute path.
        path: PathText,
        /// Those below it as well.
        below: bool,
    },
    /// Sockets among the descriptors. `open` and `read` are asked for the file `/proc`, as a table of connections does.
    Sockets,
}

/// Some open files.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct OpenFilesPage {
    /// The processes, with what they hold open.
    pub holders: List<Holder, MAX_PAGE_PROCESSES>,
    /// Where the next page begins: the process, and how many of its entries to pass over.
    pub next: Option<(u32, u32)>,
    /// Of whom the system keeps something from the broker, if there are such processes among those of this page.
    pub kept_back: Option<KeptBack>,
}

/// Processes of which the system does not tell everything.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptBack {
    /// How many.
    pub processes: u32,
    /// The number of the first.
    pub pid: u32,
    /// Why, in that case; see errno(3).
    pub errno: u16,
}

/// A process and what it holds open.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// When it was started, in ticks since the host was.
    pub started_ticks: u64,
    /// Its real user.
    pub uid: u32,
    /// The name of that user; nothing when it has none.
    pub user: Option<Text<MAX_IDENTITY_BYTES>>,
    /// The name that it has given itself.
    pub name: Text<MAX_PROCESS_NAME_BYTES>,
    /// Its command line, as in [`ProcessRecord::command`].
    pub command: Text<MAX_COMMAND_BYTES>,
    /// What it holds open: working directory, root, program, mapped files, descriptors, in this order.
    pub entries: List<OpenEntry, MAX_OPEN_ENTRIES>,
}

/// Something that a process holds open.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct OpenEntry {
    /// How.
    pub access: OpenAccess,
    /// What it is.
    pub entry_type: EntryType,
    /// What the kernel calls it: a path, or such as `socket:[123]`.
    pub target: PathText,
}

/// How a process holds something open.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenAccess {
    /// As its working directory.
    WorkingDirectory,
    /// As its root directory.
    Root,
    /// As the program that it runs.
    Executable,
    /// In its memory.
    Mapped,
    /// By a descriptor.
    Descriptor,
}

/// Follows every link of a path. Rex does it without a question; `stat` is asked for the file of that name, of which for
/// scripts of Rex only a forbid counts.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct FindRealPath {
    /// An absolute path.
    pub path: PathText,
}

/// A path without links.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct RealPath {
    /// The path, in the form of [`crate::name`].
    pub path: PathText,
    /// What stands there.
    pub entry_type: EntryType,
}
