//! The names of the confinement steps: stable identifiers, the kernel each one needs, and what an operator can do.

use std::fmt;

/// One confinement step; its number and identifier are stable, and reports, requirements and fault injection use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the table below holds one line of explanation for each")]
pub enum Layer {
    Socket = 0,
    PassRights = 1,
    Image = 2,
    Exec = 3,
    UserNamespace = 4,
    PidNamespace = 5,
    MountNamespace = 6,
    NetworkNamespace = 7,
    IpcNamespace = 8,
    UtsNamespace = 9,
    CgroupNamespace = 10,
    Cgroup = 11,
    Session = 12,
    Stdio = 13,
    Descriptors = 14,
    Root = 15,
    Securebits = 16,
    Capabilities = 17,
    Uid = 18,
    Rlimits = 19,
    Keyring = 20,
    NoNewPrivs = 21,
    Landlock = 22,
    LandlockScopes = 23,
    DeathSignal = 24,
    Dumpable = 25,
    Speculation = 26,
    CoreScheduling = 27,
    Rseq = 28,
    Signals = 29,
    Vdso = 30,
    Tsc = 31,
    Mdwe = 32,
    Mseal = 33,
    Threads = 34,
    Seccomp = 35,
}

impl Layer {
    /// Every step, in the order of its number, which is roughly the order of application.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.layer)
    }

    /// The step with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        TABLE.get(usize::from(number)).map(|row| row.layer)
    }

    /// The step with this identifier.
    pub fn from_id(id: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.id == id).map(|row| row.layer)
    }

    /// The stable number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The stable identifier, as in `--require=+mdwe`.
    pub fn id(self) -> &'static str {
        self.row().id
    }

    /// The first kernel that has it; `any` when every supported kernel does.
    pub fn kernel_min(self) -> &'static str {
        self.row().kernel_min
    }

    /// What the step does.
    pub fn purpose(self) -> &'static str {
        self.row().purpose
    }

    /// What an operator can do where it is missing.
    pub fn hint(self) -> &'static str {
        self.row().hint
    }

    fn row(self) -> &'static Row {
        &TABLE[usize::from(self.number())]
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.id())
    }
}

struct Row {
    layer: Layer,
    id: &'static str,
    kernel_min: &'static str,
    purpose: &'static str,
    hint: &'static str,
}

const fn row(
    layer: Layer,
    id: &'static str,
    kernel_min: &'static str,
    purpose: &'static str,
    hint: &'static str,
) -> Row {
    Row { layer, id, kernel_min, purpose, hint }
}

const NEWER_KERNEL: &str = "use a newer kernel";
const USER_NAMESPACES: &str = "allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, \
     kernel.apparmor_restrict_unprivileged_userns), or start as root";
const NOTHING: &str = "report this: every supported kernel has it";

#[rustfmt::skip]
static TABLE: [Row; 36] = [
    row(Layer::Socket, "socket", "any", "one datagram socket pair with room for two frames", "raise sysctl net.core.wmem_max to 262144"),
    row(Layer::PassRights, "passrights", "6.16", "the socket refuses to carry descriptors", NEWER_KERNEL),
    row(Layer::Image, "image", "6.3", "the program is a sealed memory file that nobody can change", "set sysctl vm.memfd_noexec to 0 or 1"),
    row(Layer::Exec, "exec", "any", "a fresh program by descriptor, with a fresh address space", "set sysctl vm.memfd_noexec to 0 or 1"),
    row(Layer::UserNamespace, "userns", "3.8", "capabilities mean nothing outside", USER_NAMESPACES),
    row(Layer::PidNamespace, "pidns", "3.8", "no other process has a number", USER_NAMESPACES),
    row(Layer::MountNamespace, "mountns", "2.4", "no mount of the host is in sight", USER_NAMESPACES),
    row(Layer::NetworkNamespace, "netns", "2.6.29", "no network interface but a dead loopback", "require it (--require strict); it costs about 0.5 ms a start"),
    row(Layer::IpcNamespace, "ipcns", "2.6.19", "no System V objects and message queues of the host", USER_NAMESPACES),
    row(Layer::UtsNamespace, "utsns", "2.6.19", "the host's name cannot be changed", USER_NAMESPACES),
    row(Layer::CgroupNamespace, "cgroupns", "4.6", "the host's control groups are not in sight", USER_NAMESPACES),
    row(Layer::Cgroup, "cgroup", "5.14", "memory, processors and processes are bounded by a control group", "delegate a cgroup v2 subtree to the broker (systemd: Delegate=yes)"),
    row(Layer::Session, "session", "any", "no controlling terminal", NOTHING),
    row(Layer::Stdio, "stdio", "any", "descriptors 0, 1 and 2 are closed", NOTHING),
    row(Layer::Descriptors, "fds", "5.9", "the socket is the only open descriptor", "start as root, so that /proc/PID/fd can be read"),
    row(Layer::Root, "root", "5.2", "the root directory is an empty, read-only file system", USER_NAMESPACES),
    row(Layer::Securebits, "securebits", "2.6.26", "being uid 0 gives no capability, locked", "start as root, or allow user namespaces"),
    row(Layer::Capabilities, "caps0", "any", "all five capability sets are empty", "start as root, or allow user namespaces"),
    row(Layer::Uid, "uid", "any", "a user id that no other process has", "start as root"),
    row(Layer::Rlimits, "rlimits", "any", "no files, no processes, no core; bounded memory, stack and processor time", NOTHING),
    row(Layer::Keyring, "keyring", "2.6.10", "an empty session keyring that grants nothing", "allow keyctl(2) in the surrounding container"),
    row(Layer::NoNewPrivs, "nnp", "3.5", "no program started from here gains rights", NOTHING),
    row(Layer::Landlock, "landlock", "5.13", "no file can be opened, whatever else fails", "enable Landlock (boot parameter lsm=landlock,...)"),
    row(Layer::LandlockScopes, "landlock6", "6.12", "no signal and no abstract socket leaves the domain", NEWER_KERNEL),
    row(Layer::DeathSignal, "pdeathsig", "any", "the jail dies with the broker", NOTHING),
    row(Layer::Dumpable, "dumpable", "any", "no core, and no attachment by the same user", NOTHING),
    row(Layer::Speculation, "spec", "4.20", "speculative store bypass and indirect branches are held back", "use a processor and kernel with prctl control (spec_store_bypass_disable=prctl)"),
    row(Layer::CoreScheduling, "core_sched", "5.14", "no sibling thread of the core runs another process", "use a kernel with CONFIG_SCHED_CORE"),
    row(Layer::Rseq, "rseq", "any", "no restartable sequence and no robust futex list", NOTHING),
    row(Layer::Signals, "signals", "any", "no signal handler and no signal stack", NOTHING),
    row(Layer::Vdso, "vdso", "any", "no kernel-supplied code in the address space", NEWER_KERNEL),
    row(Layer::Tsc, "tsc", "2.6.26", "the time stamp counter cannot be read", "x86 only"),
    row(Layer::Mdwe, "mdwe", "6.3", "no memory becomes executable", NEWER_KERNEL),
    row(Layer::Mseal, "mseal", "6.10", "the image and the arena's guards cannot be unmapped or changed", NEWER_KERNEL),
    row(Layer::Threads, "threads", "any", "one thread", NOTHING),
    row(Layer::Seccomp, "seccomp3", "4.14", "three system calls with pinned arguments", "use a kernel with CONFIG_SECCOMP_FILTER"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_numbers() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(usize::from(row.layer.number()), index, "{}", row.id);
        }
    }

    #[test]
    fn identifiers_are_unique_and_lead_back() {
        for layer in Layer::all() {
            assert_eq!(Layer::from_id(layer.id()), Some(layer));
            assert_eq!(Layer::from_number(layer.number()), Some(layer));
        }
        assert_eq!(Layer::from_number(36), None);
    }
}
