//! What of the host as a whole the policy is asked about.

use nix::libc;
use rex_ipc::sysinfo::Source;

use crate::policy::name::PathName;

/// This host.
#[derive(Clone, Copy, Debug)]
pub struct ThisHost;

/// One of the kernel's tables, by the name that scripts know it by.
#[derive(Clone, Copy, Debug)]
pub struct Table(pub Source);

/// One of the tables of a network namespace that was entered, by the name that the policy is asked about.
#[derive(Clone, Debug)]
pub struct TableInside {
    /// Which.
    pub source: Source,
    /// The path.
    pub path: String,
}

impl Table {
    /// The path that the policy is asked about.
    pub fn path(self) -> &'static str {
        match self.0 {
            Source::Memory => "/proc/meminfo",
            Source::Statistics => "/proc/stat",
            Source::Mounts => "/proc/mounts",
            Source::MountsOfInit => "/proc/1/mounts",
            Source::DiskStatistics => "/proc/diskstats",
            Source::Tcp => "/proc/net/tcp",
            Source::Tcp6 => "/proc/net/tcp6",
            Source::Udp => "/proc/net/udp",
            Source::Udp6 => "/proc/net/udp6",
            Source::Unix => "/proc/net/unix",
        }
    }

    /// Whether each network namespace has its own.
    pub fn is_of_network(self) -> bool {
        matches!(self.0, Source::Tcp | Source::Tcp6 | Source::Udp | Source::Udp6 | Source::Unix)
    }

    /// Where the broker finds it below its `/proc`: what is a link there is the entry that it leads to.
    pub(super) fn below_proc(self) -> &'static str {
        match self.0 {
            Source::Mounts => "thread-self/mounts",
            Source::Tcp => "thread-self/net/tcp",
            Source::Tcp6 => "thread-self/net/tcp6",
            Source::Udp => "thread-self/net/udp",
            Source::Udp6 => "thread-self/net/udp6",
            Source::Unix => "thread-self/net/unix",
            _ => self.path().strip_prefix("/proc/").unwrap_or_default(),
        }
    }
}

/// The messages of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct KernelLog;

/// A kernel parameter, by its path.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The whole path.
    pub path: PathName,
}

/// All kernel parameters that the files of the host name.
#[derive(Clone, Copy, Debug)]
pub struct Parameters;

/// The directory of a mount point, by its path.
#[derive(Clone, Debug)]
pub struct MountPoint {
    /// The path.
    pub path: PathName,
}

/// The numbers of statvfs(3) that are told.
#[derive(Clone, Copy, Debug)]
pub struct Filling {
    /// Unit of the blocks, in bytes.
    pub fragment_bytes: u64,
    /// All blocks.
    pub blocks: libc::fsblkcnt_t,
    /// Those that an unprivileged user can still use.
    pub available_blocks: libc::fsblkcnt_t,
    /// All inodes.
    pub inodes: libc::fsfilcnt_t,
    /// Those that are free.
    pub free_inodes: libc::fsfilcnt_t,
}
