//! What the broker gives up itself before a script begins: files, capabilities, and calls that it has no use for.
//!
//! Landlock domains and capabilities belong to a thread, and Landlock below version 8 takes only the thread that calls. So a
//! [`Ceiling`] is made once, every thread calls [`Ceiling::enter`], and [`close_calls`] takes the whole process.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use caps::CapSet;
pub use caps::Capability;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr,
};

use crate::kernel::checked;

/// What may still be done at a place and at everything below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(BitFlags<AccessFs>);

impl Rights {
    /// Files are opened for reading.
    pub fn read_files() -> Self {
        Self(AccessFs::ReadFile.into())
    }

    /// Directories are opened for reading, which is what listing them takes.
    pub fn read_directories() -> Self {
        Self(AccessFs::ReadDir.into())
    }

    /// Files that are there are opened for writing.
    pub fn write_files() -> Self {
        Self(AccessFs::WriteFile.into())
    }

    /// Names of files are removed from it.
    pub fn remove_files() -> Self {
        Self(AccessFs::RemoveFile.into())
    }

    /// Directories are removed from it.
    pub fn remove_directories() -> Self {
        Self(AccessFs::RemoveDir.into())
    }

    /// Everything but that programs are executed: names made, changed and removed, content read and written.
    ///
    /// It has no parts, because the kernel refuses to move what would have more rights at its new place.
    pub fn change() -> Self {
        Self(AccessFs::from_all(FILES) & !BitFlags::from(AccessFs::Execute))
    }

    /// These and those.
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether these include those.
    pub fn include(self, others: Self) -> bool {
        self.0.contains(others.0)
    }
}

/// What every thread of the broker is to be held to.
#[derive(Debug)]
pub struct Ceiling {
    ruleset: OwnedFd,
    kept: HashSet<Capability>,
    abi: u32,
}

impl Ceiling {
    /// A domain in which files are opened, made and removed at these places only, and no TCP socket is bound or connected;
    /// of the capabilities that a thread has it keeps those of `kept`.
    ///
    /// A rule holds for the object that stands at the place now, and for what is below it at the time of the call.
    ///
    /// # Errors
    /// `EOPNOTSUPP` before version 3 of Landlock (Linux 6.2), in whose domains no file can move between directories or
    /// none be kept from being cut short; what the kernel says to the rules.
    pub fn new<F: AsFd>(
        places: impl IntoIterator<Item = (F, Rights)>,
        kept: impl IntoIterator<Item = Capability>,
    ) -> io::Result<Self> {
        let abi = crate::spawn::landlock_abi().unwrap_or(0);
        if abi < OLDEST {
            return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
        }
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(FILES))
            .map_err(io::Error::other)?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessNet::from_all(NETWORK))
            .map_err(io::Error::other)?
            .create()
            .map_err(io::Error::other)?;
        for (file, rights) in places {
            let stat = nix::sys::stat::fstat(file.as_fd())?;
            let is_directory = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
            let rights = if is_directory { rights.0 } else { rights.0 & AccessFs::from_file(FILES) };
            if !rights.is_empty() {
                let rule = PathBeneath::new(file, rights).set_compatibility(CompatLevel::HardRequirement);
                ruleset = ruleset.add_rule(rule).map_err(io::Error::other)?;
            }
        }
        let ruleset: Option<OwnedFd> = ruleset.into();
        let ruleset = ruleset.ok_or_else(|| io::Error::from_raw_os_error(libc::EOPNOTSUPP))?;
        Ok(Self { ruleset, kept: kept.into_iter().collect(), abi })
    }

    /// The version of Landlock.
    pub fn abi(&self) -> u32 {
        self.abi
    }

    /// Holds the calling thread to it, for good. Files that are open stay open.
    ///
    /// # Errors
    /// The first call that failed; the thread may be held to a part of it then.
    pub fn enter(&self) -> io::Result<()> {
        nix::sys::prctl::set_no_new_privs()?;
        let of = |set| caps::read(None, set).map_err(io::Error::other);
        let left: HashSet<Capability> = of(CapSet::Permitted)?.intersection(&self.kept).copied().collect();
        let effective: HashSet<Capability> = of(CapSet::Effective)?.intersection(&left).copied().collect();
        let set = |set, to: &HashSet<Capability>| caps::set(None, set, to).map_err(io::Error::other);
        set(CapSet::Inheritable, &HashSet::new())?;
        set(CapSet::Effective, &effective)?;
        set(CapSet::Permitted, &left)?;
        // JUSTIFICATION: the landlock crate's call takes the rule set away from the thread that comes next.
        // SAFETY: takes integers only.
        let status =
            unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.ruleset.as_raw_fd(), 0_u32) };
        checked(status).map(drop)
    }
}

/// Every capability that there is, for what nobody can say which it takes.
pub fn every_capability() -> Vec<Capability> {
    caps::all().into_iter().collect()
}

/// The capabilities that the calling thread has, by the names of capabilities(7), in their order.
///
/// # Errors
/// Those of capget(2).
pub fn capabilities_left() -> io::Result<Vec<String>> {
    let left = caps::read(None, CapSet::Permitted).map_err(io::Error::other)?;
    let mut left: Vec<Capability> = left.into_iter().collect();
    left.sort_by_key(Capability::index);
    Ok(left.iter().map(ToString::to_string).collect())
}

/// Has these calls fail with `EPERM` in every thread of the process, for good: programs, namespaces, mounts, other processes'
/// memory, modules, asynchronous calls, and sockets that are neither local nor the kernel's own.
///
/// # Errors
/// `EBUSY` when a thread has a filter of its own; those of seccomp(2).
///
/// # Source
/// seccomp(2), `SECCOMP_FILTER_FLAG_TSYNC`.
pub fn close_calls() -> io::Result<()> {
    nix::sys::prctl::set_no_new_privs()?;
    let mut program = program();
    let description = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_mut_ptr(),
    };
    // JUSTIFICATION: no crate in use installs a filter in every thread.
    // SAFETY: the description points to `len` instructions that live until the call has copied them.
    let status = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const description,
        )
    };
    match checked(status)? {
        0 => Ok(()),
        // The number of the first thread that could not follow.
        _ => Err(io::Error::from_raw_os_error(libc::EBUSY)),
    }
}

fn program() -> Vec<libc::sock_filter> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const ANY_OF: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    // struct seccomp_data: number, architecture, instruction pointer, arguments; the low word first.
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    const FIRST_ARGUMENT: u32 = 16;
    let make = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = vec![
        make(LOAD, 0, 0, ARCHITECTURE),
        make(EQUAL, 1, 0, AUDIT_ARCH),
        make(RETURN, 0, 0, REFUSE),
        make(LOAD, 0, 0, NUMBER),
        // Numbers of another interface of the kernel, such as x32.
        make(AT_LEAST, 0, 1, 0x4000_0000),
        make(RETURN, 0, 0, REFUSE),
    ];
    for number in CLOSED {
        program.push(make(EQUAL, 0, 1, *number as u32));
        program.push(make(RETURN, 0, 0, REFUSE));
    }
    for number in [libc::SYS_socket, libc::SYS_socketpair] {
        program.extend([
            make(EQUAL, 0, 4, number as u32),
            make(LOAD, 0, 0, FIRST_ARGUMENT),
            make(EQUAL, 2, 0, libc::AF_UNIX as u32),
            make(EQUAL, 1, 0, libc::AF_NETLINK as u32),
            make(RETURN, 0, 0, REFUSE),
            make(LOAD, 0, 0, NUMBER),
        ]);
    }
    // Its flags lie in memory, where no filter looks; whoever hears that it is not there takes the other one.
    program.push(make(EQUAL, 0, 1, libc::SYS_clone3 as u32));
    program.push(make(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32));
    program.extend([
        make(EQUAL, 0, 3, libc::SYS_clone as u32),
        make(LOAD, 0, 0, FIRST_ARGUMENT),
        make(ANY_OF, 0, 1, NAMESPACES),
        make(RETURN, 0, 0, REFUSE),
    ]);
    program.push(make(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    program
}

/// The flags by which clone(2) makes namespaces.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// What no statement can need that is bounded at all.
const CLOSED: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_personality,
    libc::SYS_fanotify_init,
];

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 0xc000_00b7;

/// The rights to files that are taken: those of Linux 6.2, which every later kernel has.
const FILES: ABI = ABI::V3;
const OLDEST: u32 = 3;
/// Of later kernels; sockets are closed by their families as well.
const NETWORK: ABI = ABI::V4;

#[cfg(test)]
mod tests {
    use super::*;

    // What is refused by number here is refused in every thread, so each look has a process of its own in tests/.
    #[test]
    fn the_program_fits_and_every_jump_stays_in_it() {
        let program = program();

        assert!(program.len() < 256, "{}", program.len());
        for (at, instruction) in program.iter().enumerate() {
            let furthest = at + 1 + usize::from(instruction.jt.max(instruction.jf));
            assert!(furthest < program.len() || at + 1 == program.len(), "{at}");
        }
    }

    // In a child, because the filter is for good.
    #[test]
    fn no_namespace_is_made_by_clone_and_children_are() {
        let clone = |flags: i32| {
            // SAFETY: without a stack of its own the child goes on like that of fork(2), and ends at once.
            let child = unsafe {
                libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0_usize, 0_usize, 0_usize, 0_usize)
            };
            match child {
                // SAFETY: takes an integer only.
                0 => unsafe { libc::_exit(0) },
                -1 => std::io::Error::last_os_error().raw_os_error(),
                _ => None,
            }
        };
        // SAFETY: the child makes system calls only.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let is_open = clone(libc::CLONE_NEWUTS | libc::CLONE_NEWUSER).is_none();
            let is_closed = close_calls().is_ok()
                && clone(libc::CLONE_NEWUSER) == Some(libc::EPERM)
                && clone(libc::CLONE_NEWNS) == Some(libc::EPERM)
                && clone(0).is_none();
            // SAFETY: takes an integer only.
            unsafe { libc::_exit(i32::from(!is_open) | (i32::from(!is_closed) << 1)) };
        }
        let mut status = 0;
        // SAFETY: the status lives until the call is over.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!((libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (true, 0));
    }

    #[test]
    fn in_a_thread_that_entered_nothing_else_opens_and_other_threads_go_on() {
        let own = std::fs::File::open("/proc/self/status").unwrap();
        let ceiling = Ceiling::new([(own.as_fd(), Rights::read_files())], []).unwrap();

        std::thread::scope(|scope| {
            let entered = scope.spawn(|| {
                ceiling.enter().unwrap();
                assert!(capabilities_left().unwrap().is_empty());
                std::fs::File::open("/etc/passwd").map(drop).map_err(|error| error.raw_os_error())
            });
            assert_eq!(entered.join().unwrap(), Err(Some(libc::EACCES)));
        });

        assert!(std::fs::File::open("/etc/passwd").is_ok());
    }
}
