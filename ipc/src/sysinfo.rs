//! The requests and replies about the host as a whole, its kernel and its disks.

use serde::{Deserialize, Serialize};

use crate::bounded::{Bytes, List, Text};
use crate::file_system::PathText;
use crate::handle::FileId;
use crate::limits::{
    MAX_ADDRESSES, MAX_KERNEL_MESSAGE_BYTES, MAX_KERNEL_MESSAGES, MAX_KERNEL_NAME_BYTES, MAX_PAGE_INTERFACES,
    MAX_PARAMETER_BYTES,
};

/// What the kernel calls itself and the host.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Uname {}

/// The texts of uname(2).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct KernelNames {
    /// `sysname`.
    pub kernel_name: Text<MAX_KERNEL_NAME_BYTES>,
    /// `nodename`.
    pub node_name: Text<MAX_KERNEL_NAME_BYTES>,
    /// `release`.
    pub release: Text<MAX_KERNEL_NAME_BYTES>,
    /// `version`.
    pub version: Text<MAX_KERNEL_NAME_BYTES>,
    /// `machine`.
    pub machine: Text<MAX_KERNEL_NAME_BYTES>,
}

/// The name of the host.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct HostName {}

/// What gethostname(2) gives.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct HostNameText {
    /// The name.
    pub name: Text<MAX_KERNEL_NAME_BYTES>,
}

/// How many processors are online, whatever this process may use of them.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct CountProcessors {}

/// A number of processors.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ProcessorCount {
    /// At least 1.
    pub count: u32,
}

/// The network interfaces, by number.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ListInterfaces {
    /// How many to pass over.
    pub skip: u32,
}

/// Some network interfaces.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct InterfacePage {
    /// The interfaces.
    pub interfaces: List<Interface, MAX_PAGE_INTERFACES>,
    /// Whether these are the last ones.
    pub end: bool,
}

/// A network interface.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Interface {
    /// Its name.
    pub name: Text<MAX_KERNEL_NAME_BYTES>,
    /// Its addresses; an interface with very many is told in several parts of one name.
    pub addresses: List<Address, MAX_ADDRESSES>,
}

/// An address of the Internet Protocol.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// Of version 4.
    V4([u8; 4]),
    /// Of version 6, without a zone.
    V6([u8; 16]),
}

/// Reads part of one of the kernel's tables.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ReadSource {
    /// Which.
    pub source: Source,
    /// Bytes from its beginning; 0 looks anew, anything else goes on in what was looked at last.
    pub offset_bytes: u64,
}

/// The kernel's tables that the broker reads on a script's behalf, each with what is asked for it.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// `/proc/meminfo`; `read` on that file.
    Memory,
    /// `/proc/stat`; `read` on that file.
    Statistics,
    /// The mounts that the broker sees; `read` on the file `/proc/mounts`.
    Mounts,
    /// The mounts that PID 1 sees, as block devices are listed with; `open` on the directory `/proc` and on the files
    /// `/proc/mounts` and `/proc/1/mounts`, `read` on the latter.
    MountsOfInit,
    /// `/proc/diskstats`; `read` on that file.
    DiskStatistics,
    /// `/proc/net/tcp`; `open` and `read` on that file.
    Tcp,
    /// `/proc/net/tcp6`; `open` and `read` on that file.
    Tcp6,
    /// `/proc/net/udp`; `open` and `read` on that file.
    Udp,
    /// `/proc/net/udp6`; `open` and `read` on that file.
    Udp6,
    /// `/proc/net/unix`; `open` and `read` on that file.
    Unix,
}

/// Reads messages of the kernel; `read` on the file `/dev/kmsg`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ReadKernelLog {
    /// The number of the last message that is known already, if any is.
    pub after: Option<u64>,
}

/// Some messages of the kernel.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct KernelLogPage {
    /// Records as `/dev/kmsg` gives them, oldest first.
    pub records: List<Bytes<MAX_KERNEL_MESSAGE_BYTES>, MAX_KERNEL_MESSAGES>,
    /// The number of the last of them, when there are more.
    pub next: Option<u64>,
}

/// Sets a kernel parameter; `open` on its directory, `open` and `write` on its file below `/proc/sys`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct WriteParameter {
    /// The file, below `/proc/sys/`.
    pub path: PathText,
    /// What is written, in one piece.
    pub value: Text<MAX_PARAMETER_BYTES>,
}

/// Has sysctl(8) set every kernel parameter that the files of the host name, and waits for nothing: what it writes, and its end,
/// are read as those of an executed program. `load` on the parameters as a whole, `execute` on the program.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct LoadParameters {
    /// The program, open; without one it is only asked whether parameters may be loaded.
    pub program: Option<FileId>,
}

/// Takes away what is mounted at a place; `unmount` on the directory.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Unmount {
    /// An absolute path.
    pub path: PathText,
}

/// Looks how full a mounted file system is; `stat` on the directory where it is mounted, then `read` on the file
/// `/proc/mounts`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct StatFileSystem {
    /// An absolute path.
    pub mount_point: PathText,
}

/// How full a file system is.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub enum FileSystemStatus {
    /// The numbers of statvfs(3).
    Known {
        /// Unit of the blocks, in bytes.
        fragment_bytes: u64,
        /// All blocks.
        blocks: u64,
        /// Those that an unprivileged user can still use.
        available_blocks: u64,
        /// All inodes.
        inodes: u64,
        /// Those that are free.
        free_inodes: u64,
    },
    /// The system does not let the broker look.
    NotAccessible,
}
