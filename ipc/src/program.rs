//! The requests and replies about programs that a script executes.

use serde::{Deserialize, Serialize};

use crate::bounded::{Bytes, List, Text, number};
use crate::file_system::IdentityText;
use crate::handle::FileId;
use crate::limits::{
    MAX_CAPABILITY, MAX_CHUNK_BYTES, MAX_PROGRAM_ARGUMENTS, MAX_PROGRAM_TEXT_BYTES, MAX_PROGRAM_VARIABLES,
    MAX_VARIABLE_BYTES, MAX_VARIABLES,
};

/// A word that a program is given.
pub type ProgramText = Text<MAX_PROGRAM_TEXT_BYTES>;

/// Executes an open file. `execute` is asked for it, with everything that it is given; for a script, for its interpreter as well.
///
/// One program runs at a time: this ends the one before it, with everything that it has started.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct BeginProgram {
    /// The file.
    pub file: FileId,
    /// The arguments, after the name of the program.
    pub arguments: List<ProgramArgument, MAX_PROGRAM_ARGUMENTS>,
    /// Every variable that it receives.
    pub environment: List<ProgramVariable, MAX_PROGRAM_VARIABLES>,
    /// The user it becomes, if it is to be another.
    pub user: Option<IdentityText>,
    /// The group it becomes, if it is to be another.
    pub group: Option<IdentityText>,
    /// The capabilities that it keeps.
    pub capabilities: List<Capability, CAPABILITIES>,
}

/// One argument.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ProgramArgument {
    /// A word that stands alone, or a key.
    pub word: ProgramText,
    /// The value of a key, which is a word of its own.
    pub value: Option<ProgramText>,
}

/// A variable of the environment.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ProgramVariable {
    /// Its name.
    pub name: ProgramText,
    /// Its value.
    pub value: ProgramText,
}

number! {
    /// A capability by its number, as in capabilities(7): 0 to [`MAX_CAPABILITY`].
    Capability("u8" u8), 0..MAX_CAPABILITY, get -> u8, "no such capability"
}

const CAPABILITIES: usize = MAX_CAPABILITY as usize + 1;

/// Waits for the next bytes of the program that runs, or for its end. What [`BeginProgram`] has asked is asked again.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ReadProgram {}

/// What a program has written since it was asked last.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ProgramOutput {
    /// To its standard output.
    pub output: Bytes<MAX_CHUNK_BYTES>,
    /// To its standard error.
    pub error: Bytes<MAX_CHUNK_BYTES>,
    /// How it has ended; nothing as long as there is more to come.
    pub end: Option<ProgramEnd>,
}

/// Has gdb look into what a program has left behind, and waits for nothing: what it writes, and its end, are read as those of an
/// executed program. `read` on the program and on what it has left, `execute` on the debugger.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct BeginAnalysis {
    /// The debugger, open.
    pub debugger: FileId,
    /// The program, open for reading.
    pub program: FileId,
    /// What it has left, open for reading.
    pub core: FileId,
    /// What is wanted.
    pub wanted: Wanted,
}

/// What is wanted of a core dump.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum Wanted {
    /// Threads and frames, behind the mark 0.
    Backtrace,
    /// Values, each behind the mark of its number.
    Variables {
        /// The thread, as the debugger counts; without one that which has ended the program.
        thread: Option<u32>,
        /// The frame, 0 for the innermost.
        frame: u32,
        /// Their names: `name`, `scope::name`, with members and indices as in `list[3].next->size`.
        names: List<Text<MAX_VARIABLE_BYTES>, MAX_VARIABLES>,
    },
}

/// What stands at the beginning of a line, before a number, where the debugger begins with something else.
pub const MARK: &str = "rex-broker: ";

/// How a program has ended.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramEnd {
    /// With this status.
    Exited {
        /// As waitpid(2) has it.
        status: u8,
    },
    /// By this signal.
    Signaled {
        /// Its number.
        signal: u8,
    },
}

/// The names of the capabilities that there are, by number; see capabilities(7).
pub const CAPABILITY_NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];
