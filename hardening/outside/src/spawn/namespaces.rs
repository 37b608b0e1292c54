//! The fork, into as many namespaces as this host allows, and the id maps of the new user namespace.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use rex_agreed::Layer;
use rex_agreed::calls::{Errno, errno};

use super::child::{self, Orders};
use crate::identity::Identity;
use crate::plan::Plan;

/// The namespaces that a child got, as clone flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granted(u64);

impl Granted {
    /// Whether the fork went into the jail's control group.
    pub(super) fn has_cgroup(self) -> bool {
        self.0 & CLONE_INTO_CGROUP != 0
    }

    pub(super) fn has(self, layer: Layer) -> bool {
        NAMESPACES.iter().any(|(candidate, flag)| *candidate == layer && self.0 & flag != 0)
    }
}

/// A child that waits to be released.
pub(super) struct Forked {
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    pub(super) granted: Granted,
    /// Why the first try, with all namespaces of the plan, was refused.
    pub(super) refusal: Option<Errno>,
}

/// The layers that are namespaces.
pub(super) fn layers() -> impl Iterator<Item = Layer> {
    NAMESPACES.iter().map(|(layer, _)| *layer)
}

/// Forks a child that carries out `orders`: with all namespaces of the plan, else without the user namespace (which
/// serves root), else without any; each time first into the control group.
///
/// `user_refusal` says why a user namespace is not tried at all.
pub(super) fn fork(plan: &Plan, orders: &Orders<'_>, user_refusal: Option<Errno>) -> Result<Forked, Errno> {
    let wanted = NAMESPACES
        .iter()
        .filter(|(layer, _)| plan.wants(*layer) && plan.fault(*layer).is_none())
        .fold(0, |flags, (_, flag)| flags | flag);
    let without_user = wanted & !(libc::CLONE_NEWUSER as u64);
    let wanted = if user_refusal.is_some() { without_user } else { wanted };
    let cgroup = if orders.cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 };
    // Rather without a control group than without namespaces: it is the one that bounds nothing new.
    let attempts = [wanted | cgroup, wanted, without_user | cgroup, without_user, cgroup, 0];

    let mut refusal = user_refusal;
    for flags in attempts {
        match clone(flags, orders) {
            Ok((pid, pidfd)) => {
                return Ok(Forked { pid, pidfd, granted: Granted(flags), refusal });
            }
            Err(errno) => refusal = refusal.or(Some(errno)),
        }
    }
    Err(refusal.unwrap_or(libc::EAGAIN))
}

/// Maps one user and one group of the child's namespace, each to itself.
///
/// # Source
/// user_namespaces(7): a caller without `CAP_SETGID` must deny setgroups first.
pub(super) fn write_maps(pid: i32, identity: &Identity) -> io::Result<()> {
    if !identity.is_privileged {
        std::fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
    }
    let Identity { uid, gid, .. } = identity;
    std::fs::write(format!("/proc/{pid}/gid_map"), format!("{gid} {gid} 1\n"))?;
    std::fs::write(format!("/proc/{pid}/uid_map"), format!("{uid} {uid} 1\n"))
}

/// Forks; the child does not return.
fn clone(flags: u64, orders: &Orders<'_>) -> Result<(i32, OwnedFd), Errno> {
    let flags = flags | libc::CLONE_PIDFD as u64;
    let (pid, pidfd) = match clone3(flags, orders.cgroup) {
        // Containers answer ENOSYS where they filter the older call by its flags and cannot look into the newer one's.
        Err(libc::ENOSYS) if flags & CLONE_INTO_CGROUP == 0 => clone2(flags)?,
        answer => answer?,
    };
    if pid == 0 {
        child::run(orders, Granted(flags));
    }
    // JUSTIFICATION: the kernel stores a bare number.
    // SAFETY: the kernel has just created this descriptor for us, and nobody else knows its number.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok((pid, pidfd))
}

fn clone3(flags: u64, cgroup: Option<RawFd>) -> Result<(i32, RawFd), Errno> {
    let mut pidfd: RawFd = -1;
    let arguments = CloneArguments {
        flags,
        pidfd: &raw mut pidfd as u64,
        exit_signal: libc::SIGCHLD as u64,
        // Looked at only with the flag.
        cgroup: cgroup.unwrap_or(0) as u64,
        ..CloneArguments::default()
    };
    // JUSTIFICATION: std's and nix's forks know neither namespaces nor pidfds.
    // SAFETY: without CLONE_VM this is a fork: the child has its own copy of everything, and goes straight to code that
    // neither allocates nor takes locks. The kernel writes one descriptor number to `pidfd`.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<CloneArguments>()) };
    errno(pid).map(|pid| (pid as i32, pidfd))
}

fn clone2(flags: u64) -> Result<(i32, RawFd), Errno> {
    let mut pidfd: RawFd = -1;
    // JUSTIFICATION: std's and nix's forks know neither namespaces nor pidfds.
    // SAFETY: as for clone3. A null stack means a copy of the caller's; the last two arguments are null on every
    // architecture, so their order, which differs, does not matter.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone,
            flags | libc::SIGCHLD as u64,
            0_usize,
            &raw mut pidfd,
            0_usize,
            0_usize,
        )
    };
    errno(pid).map(|pid| (pid as i32, pidfd))
}

/// `struct clone_args`.
#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// `linux/sched.h`; for clone3 only.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const NAMESPACES: [(Layer, u64); 7] = [
    (Layer::UserNamespace, libc::CLONE_NEWUSER as u64),
    (Layer::PidNamespace, libc::CLONE_NEWPID as u64),
    (Layer::MountNamespace, libc::CLONE_NEWNS as u64),
    (Layer::NetworkNamespace, libc::CLONE_NEWNET as u64),
    (Layer::IpcNamespace, libc::CLONE_NEWIPC as u64),
    (Layer::UtsNamespace, libc::CLONE_NEWUTS as u64),
    (Layer::CgroupNamespace, libc::CLONE_NEWCGROUP as u64),
];
