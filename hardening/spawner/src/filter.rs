//! The system calls that a program may not make, whatever it is permitted to reach.
//!
//! A list of what is refused and not of what is let through: it is for programs that nobody here has written. What a kernel
//! knows beyond the calls that were known when this was written does not exist for them.

use libc::{c_long, sock_filter};

/// The filter of a program; with `may_rename` names may be changed, and files be given further ones, and with `may_connect`
/// Unix sockets be made: what it can connect them to is what it sees.
pub(crate) fn program(may_rename: bool, may_connect: bool) -> Vec<sock_filter> {
    let mut program = vec![
        load(ARCHITECTURE),
        unless_equal(THIS_ARCHITECTURE),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER),
        // Calls of the x32 interface have this bit; newer ones a number beyond.
        unless_at_least(NEWEST + 1),
        refuse(libc::ENOSYS),
    ];
    let mut deny = |calls: &[c_long], errno| {
        for call in calls {
            program.extend([skip_unless_equal(*call as u32), refuse(errno)]);
        }
    };
    deny(REFUSED, libc::EPERM);
    deny(REFUSED_OF_OLD, libc::EPERM);
    if !may_rename {
        deny(&[libc::SYS_renameat2], libc::EPERM);
        deny(RENAMES, libc::EPERM);
        // What stands under a second name is what it was, and is no longer what the policy says of the first.
        deny(&[libc::SYS_linkat], libc::EPERM);
        deny(LINKS, libc::EPERM);
    }
    // A filter cannot see its flags, and every C library falls back to clone(2), whose flags it sees.
    deny(&[libc::SYS_clone3], libc::ENOSYS);
    // Nor can it see the mode that is asked for here; there is openat(2), where it can.
    deny(&[libc::SYS_openat2], libc::ENOSYS);
    if may_connect {
        program.extend(only(libc::SYS_socket, 0, &[libc::AF_UNIX as u32]));
    } else {
        deny(&[libc::SYS_socket], libc::EACCES);
    }
    program
        .extend(argument(libc::SYS_clone, 0, |word| vec![with_bits(NAMESPACES), word, refuse(libc::EPERM)]));
    program.extend(only(libc::SYS_socketpair, 0, &[libc::AF_UNIX as u32]));
    // PER_LINUX, and the question which it is.
    program.extend(only(libc::SYS_personality, 0, &[0, u32::MAX]));
    program.extend(argument(libc::SYS_ioctl, 1, |_| requests()));
    for (call, flags, mode) in MAKING {
        program.extend(argument(*call, *mode, |_| set_id_refused(*flags)));
    }
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    program
}

/// What is asked of a device or a file system beside reading and writing: what types on a terminal is refused, and of file
/// systems everything but what copies content or tells something. They change attributes, labels, and whole file systems.
fn requests() -> Vec<sock_filter> {
    let mut checks = Vec::new();
    for request in [libc::TIOCSTI, libc::TIOCLINUX] {
        checks.extend([skip_unless_equal(request as u32), refuse(libc::EPERM)]);
    }
    for request in HARMLESS_REQUESTS {
        checks.extend([skip_unless_equal(*request), answer(libc::SECCOMP_RET_ALLOW)]);
    }
    // `_IOC_TYPE`.
    checks.push(instruction(AND, 0, 0, 0xff00));
    for kind in REQUESTS_OF_FILE_SYSTEMS {
        checks.extend([skip_unless_equal(u32::from(*kind) << 8), refuse(libc::EPERM)]);
    }
    checks
}

/// The type bytes of the requests of file systems: `f` and `v` (ext4, and what all have taken over from it), `X` (XFS, and
/// requests of all), 0x94 (btrfs, and requests of all), 0xf5 (f2fs).
const REQUESTS_OF_FILE_SYSTEMS: &[u8] = &[b'f', b'v', b'X', 0x94, 0xf5];

/// `linux/fs.h`, `linux/fiemap.h`: of these types, what tells something, and what copies content between files that are
/// open for reading and for writing.
const HARMLESS_REQUESTS: &[u32] = &[
    0x8008_6601, // FS_IOC_GETFLAGS
    0x8004_6601, // FS_IOC32_GETFLAGS
    0x8008_7601, // FS_IOC_GETVERSION
    0xc020_660b, // FS_IOC_FIEMAP
    0x801c_581f, // FS_IOC_FSGETXATTR
    0x8100_9431, // FS_IOC_GETFSLABEL
    0x4004_9409, // FICLONE
    0x4020_940d, // FICLONERANGE
    0xc018_9436, // FIDEDUPERANGE
];

/// With the mode in what is loaded: set-user-ID and set-group-ID are refused; where it counts only with some flags, which
/// stand in this argument, then.
fn set_id_refused(flags: Option<u32>) -> Vec<sock_filter> {
    match flags {
        None => vec![instruction(JUMP_WITH_BITS, 0, 1, SET_ID), refuse(libc::EPERM)],
        Some(flags) => vec![
            instruction(JUMP_WITH_BITS, 0, 3, SET_ID),
            load(ARGUMENTS + 8 * flags),
            instruction(JUMP_WITH_BITS, 0, 1, MAKES),
            refuse(libc::EPERM),
        ],
    }
}

/// `S_ISUID` and `S_ISGID`.
const SET_ID: u32 = 0o6000;
/// `O_CREAT` and the bit of `O_TMPFILE` that is its own: only with these open(2) has a mode.
const MAKES: u32 = (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY) as u32;

/// What makes something with a mode, the argument with the flags that say whether it does, and that with the mode.
#[cfg(target_arch = "x86_64")]
const MAKING: &[(c_long, Option<u32>, u32)] = &[
    (libc::SYS_openat, Some(2), 3),
    (libc::SYS_open, Some(1), 2),
    (libc::SYS_creat, None, 1),
    (libc::SYS_mknodat, None, 2),
    (libc::SYS_mknod, None, 1),
    (libc::SYS_mkdirat, None, 2),
    (libc::SYS_mkdir, None, 1),
];
#[cfg(not(target_arch = "x86_64"))]
const MAKING: &[(c_long, Option<u32>, u32)] =
    &[(libc::SYS_openat, Some(2), 3), (libc::SYS_mknodat, None, 2), (libc::SYS_mkdirat, None, 2)];

/// What looks into others, changes the host, makes places, changes what a file is beside its content, or is a part of the
/// kernel in which mistakes have been found more often than uses here.
const REFUSED: &[c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_kexec_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    OPEN_TREE_ATTR,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_inotify_add_watch,
    libc::SYS_vhangup,
    libc::SYS_memfd_secret,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semctl,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgctl,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    SETXATTRAT,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    REMOVEXATTRAT,
    FILE_SETATTR,
    libc::SYS_utimensat,
];

/// Of these some architectures have none.
#[cfg(target_arch = "x86_64")]
const REFUSED_OF_OLD: &[c_long] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_OF_OLD: &[c_long] = &[libc::SYS_kexec_file_load];

#[cfg(target_arch = "x86_64")]
const RENAMES: &[c_long] = &[libc::SYS_renameat, libc::SYS_rename];
#[cfg(not(target_arch = "x86_64"))]
const RENAMES: &[c_long] = &[libc::SYS_renameat];

#[cfg(target_arch = "x86_64")]
const LINKS: &[c_long] = &[libc::SYS_link];
#[cfg(not(target_arch = "x86_64"))]
const LINKS: &[c_long] = &[];

/// Since 424 every architecture has the same numbers; libc does not have all of them.
const FCHMODAT2: c_long = 452;
const SETXATTRAT: c_long = 463;
const REMOVEXATTRAT: c_long = 466;
const OPEN_TREE_ATTR: c_long = 467;
const FILE_SETATTR: c_long = 469;
/// `file_setattr`, of Linux 6.17.
const NEWEST: u32 = 469;

/// `CLONE_NEW*` but that of time, which clone(2) does not take.
const NAMESPACES: u32 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u32;

/// `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// `AUDIT_ARCH_*`.
#[cfg(target_arch = "x86_64")]
const THIS_ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const THIS_ARCHITECTURE: u32 = 0xc000_00b7;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const JUMP_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const JUMP_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const JUMP_WITH_BITS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}

fn load(offset: u32) -> sock_filter {
    instruction(LOAD, 0, 0, offset)
}

/// Passes the next instruction over if what was loaded is `value`.
fn unless_equal(value: u32) -> sock_filter {
    instruction(JUMP_EQUAL, 1, 0, value)
}

/// Passes the next instruction over unless what was loaded is `value`.
fn skip_unless_equal(value: u32) -> sock_filter {
    instruction(JUMP_EQUAL, 0, 1, value)
}

/// Passes the next instruction over unless what was loaded is at least `value`.
fn unless_at_least(value: u32) -> sock_filter {
    instruction(JUMP_AT_LEAST, 0, 1, value)
}

/// Passes the two next instructions over unless what was loaded has one of these bits.
fn with_bits(bits: u32) -> sock_filter {
    instruction(JUMP_WITH_BITS, 0, 2, bits)
}

fn answer(action: u32) -> sock_filter {
    instruction(RETURN, 0, 0, action)
}

fn refuse(errno: i32) -> sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | errno as u32)
}

/// For one call, with the low word of this argument loaded, what `checks` says; then the number is loaded again.
///
/// `checks` gets an instruction that does nothing to what was loaded.
fn argument(
    call: c_long,
    argument: u32,
    checks: impl FnOnce(sock_filter) -> Vec<sock_filter>,
) -> Vec<sock_filter> {
    // The words of an argument are in the order of a little-endian machine.
    let word = load(ARGUMENTS + 8 * argument);
    let mut part = vec![word];
    part.extend(checks(word));
    part.push(load(NUMBER));
    let length = u8::try_from(part.len()).unwrap_or(u8::MAX);
    part.insert(0, instruction(JUMP_EQUAL, 0, length, call as u32));
    part
}

/// Lets one call through only with one of these values as the low word of this argument.
fn only(call: c_long, index: u32, values: &[u32]) -> Vec<sock_filter> {
    argument(call, index, |_| {
        let count = values.len();
        let mut checks: Vec<_> = values
            .iter()
            .enumerate()
            // Behind the checks that are left stands the refusal.
            .map(|(at, value)| instruction(JUMP_EQUAL, (count - at) as u8, 0, *value))
            .collect();
        checks.push(refuse(libc::EPERM));
        checks
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter answers to a call, by the rules of bpf(4).
    fn answered(program: &[sock_filter], number: u32, arguments: &[u32]) -> u32 {
        let mut at = 0;
        let mut loaded = 0;
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            at += 1;
            let is = match u32::from(code) {
                LOAD => {
                    loaded = match k {
                        NUMBER => number,
                        ARCHITECTURE => THIS_ARCHITECTURE,
                        k => arguments.get(((k - ARGUMENTS) / 8) as usize).copied().unwrap_or(0),
                    };
                    continue;
                }
                AND => {
                    loaded &= k;
                    continue;
                }
                RETURN => return k,
                JUMP_EQUAL => loaded == k,
                JUMP_AT_LEAST => loaded >= k,
                JUMP_WITH_BITS => loaded & k != 0,
                code => panic!("instruction {code:#x}"),
            };
            at += usize::from(if is { jt } else { jf });
        }
    }

    fn is_let_through(may_rename: bool, call: c_long, arguments: impl AsRef<[u32]>) -> bool {
        answered(&program(may_rename, false), call as u32, arguments.as_ref()) == libc::SECCOMP_RET_ALLOW
    }

    #[test]
    fn what_is_listed_is_refused_and_what_programs_live_by_is_not() {
        for call in REFUSED.iter().chain(REFUSED_OF_OLD) {
            assert!(!is_let_through(true, *call, [0, 0]), "{call}");
        }
        for call in [
            libc::SYS_read,
            libc::SYS_write,
            libc::SYS_openat,
            libc::SYS_execve,
            libc::SYS_exit_group,
            libc::SYS_mmap,
            libc::SYS_wait4,
            libc::SYS_unlinkat,
            libc::SYS_symlinkat,
            libc::SYS_prlimit64,
        ] {
            assert!(is_let_through(false, call, [0, 0]), "{call}");
        }
    }

    #[test]
    fn sockets_are_those_of_unix_and_only_where_some_were_named() {
        let outcome = |may_connect, family: i32| {
            answered(&program(false, may_connect), libc::SYS_socket as u32, &[family as u32])
        };
        for family in 0..64 {
            assert_eq!(outcome(false, family), libc::SECCOMP_RET_ERRNO | libc::EACCES as u32, "{family}");
            let is_permitted = outcome(true, family) == libc::SECCOMP_RET_ALLOW;
            assert_eq!(is_permitted, family == libc::AF_UNIX, "{family}");
        }
    }

    #[test]
    fn what_depends_on_an_argument_does() {
        assert!(is_let_through(false, libc::SYS_clone, [libc::SIGCHLD as u32, 0]));
        assert!(!is_let_through(false, libc::SYS_clone, [(libc::SIGCHLD | libc::CLONE_NEWUSER) as u32, 0]));
        assert!(is_let_through(false, libc::SYS_socketpair, [libc::AF_UNIX as u32, 0]));
        assert!(!is_let_through(false, libc::SYS_socketpair, [libc::AF_INET as u32, 0]));
        assert!(!is_let_through(false, libc::SYS_socket, [libc::AF_UNIX as u32, 0]));
        assert!(is_let_through(false, libc::SYS_personality, [u32::MAX, 0]));
        assert!(is_let_through(false, libc::SYS_personality, [0, 0]));
        assert!(!is_let_through(false, libc::SYS_personality, [0x0040_0000, 0]));
        assert!(is_let_through(false, libc::SYS_ioctl, [0, libc::TCGETS as u32]));
        assert!(!is_let_through(false, libc::SYS_ioctl, [0, libc::TIOCSTI as u32]));
        assert!(!is_let_through(false, libc::SYS_ioctl, [0, libc::TIOCLINUX as u32]));
        assert!(is_let_through(true, libc::SYS_renameat2, [0, 0]));
        assert!(!is_let_through(false, libc::SYS_renameat2, [0, 0]));
        for call in LINKS.iter().chain(&[libc::SYS_linkat]) {
            assert!(is_let_through(true, *call, [0, 0]), "{call}");
            assert!(!is_let_through(false, *call, [0, 0]), "{call}");
        }
    }

    #[test]
    fn what_changes_more_than_content_is_no_request_and_what_tells_something_is() {
        for request in [
            0x4008_6602_u32, // FS_IOC_SETFLAGS
            0x4004_6602,     // FS_IOC32_SETFLAGS
            0x4008_7602,     // FS_IOC_SETVERSION
            0x401c_5820,     // FS_IOC_FSSETXATTR
            0x4100_9432,     // FS_IOC_SETFSLABEL
            0xc018_5879,     // FITRIM
            0xc004_5877,     // FIFREEZE
            0x8004_587d,     // FS_IOC_SHUTDOWN
            0x800c_6613,     // FS_IOC_SET_ENCRYPTION_POLICY
            0xc050_6617,     // FS_IOC_ADD_ENCRYPTION_KEY
            0x4080_6685,     // FS_IOC_ENABLE_VERITY
            0x4008_6604,     // EXT4_IOC_SETVERSION
            0x5000_9401,     // BTRFS_IOC_SNAP_CREATE
        ] {
            assert!(!is_let_through(true, libc::SYS_ioctl, [3, request]), "{request:#x}");
        }
        for request in
            HARMLESS_REQUESTS.iter().copied().chain([libc::FIONREAD as u32, libc::TIOCGWINSZ as u32])
        {
            assert!(is_let_through(false, libc::SYS_ioctl, [3, request]), "{request:#x}");
        }
    }

    #[test]
    fn nothing_is_made_that_gives_its_owner_or_group_to_whoever_executes_it() {
        let (makes, reads) = (libc::O_CREAT as u32, libc::O_RDONLY as u32);
        let nameless = libc::O_TMPFILE as u32;
        for (call, flags, mode) in MAKING {
            let with = |bits: u32, flag: u32| {
                let mut arguments = [0; 4];
                arguments[*mode as usize] = bits;
                if let Some(flags) = flags {
                    arguments[*flags as usize] = flag;
                }
                is_let_through(true, *call, arguments)
            };
            assert!(with(0o1777, makes), "{call}");
            for bits in [0o4755, 0o2755, 0o6000] {
                assert!(!with(bits, makes), "{call} {bits:o}");
                assert!(!with(bits, nameless), "{call} {bits:o}");
                // Without it the mode is whatever the register had.
                assert_eq!(with(bits, reads), flags.is_some(), "{call} {bits:o}");
                assert_eq!(with(bits, libc::O_DIRECTORY as u32), flags.is_some(), "{call} {bits:o}");
            }
        }
        assert!(!is_let_through(true, libc::SYS_openat2, [0, 0]));
    }

    #[test]
    fn what_was_not_known_does_not_exist() {
        let unknown = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

        assert_eq!(answered(&program(true, false), NEWEST + 1, &[]), unknown);
        // The x32 interface numbers the calls anew above this bit.
        assert_eq!(answered(&program(true, false), 0x4000_0000, &[]), unknown);
        assert_eq!(answered(&program(true, false), libc::SYS_clone3 as u32, &[]), unknown);
    }
}
