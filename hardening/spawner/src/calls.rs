//! The kernel calls for which no crate has a safe signature: thin, each doing one thing.

use std::ffi::{CStr, CString, c_char, c_int, c_uint};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rex_agreed::calls::{Errno, errno, last_errno};

/// Forks into new namespaces; gives 0 in the child. The caller has one thread, so that the child may do anything.
pub(crate) fn fork(namespaces: u64) -> Result<i32, Errno> {
    // JUSTIFICATION: no crate forks into namespaces.
    // SAFETY: without CLONE_VM this is a fork: the child has its own copy of everything, and this process has one thread,
    // so no lock is held by another. A null stack means a copy of the caller's; the other pointers are null.
    let pid = unsafe {
        libc::syscall(libc::SYS_clone, namespaces | libc::SIGCHLD as u64, 0_usize, 0_usize, 0_usize, 0_usize)
    };
    errno(pid).map(|pid| pid as i32)
}

/// Takes charge of descriptors that the kernel has just made for this process.
pub(crate) fn adopt(numbers: &[RawFd]) -> Vec<OwnedFd> {
    numbers
        .iter()
        // JUSTIFICATION: the crate gives what a message brings as bare numbers.
        // SAFETY: the kernel has just created these descriptors for this message, and nobody else knows their numbers.
        .map(|number| unsafe { OwnedFd::from_raw_fd(*number) })
        .collect()
}

/// Ends the process without running anything of the C library.
pub(crate) fn exit(code: c_int) -> ! {
    loop {
        // JUSTIFICATION: after fork, the parent's exit handlers must not run.
        // SAFETY: takes an integer and does not return.
        unsafe { libc::syscall(libc::SYS_exit_group, code) };
    }
}

/// Makes `target` a copy of `fd`, which stays open at exec.
pub(crate) fn duplicate_onto(fd: RawFd, target: RawFd) -> Result<(), Errno> {
    // JUSTIFICATION: the program's descriptors are numbers that have no owner here.
    // SAFETY: takes integers only; what `target` meant before is used by nobody in this process any more.
    errno(unsafe { libc::syscall(libc::SYS_dup3, fd, target, 0) }).map(drop)
}

/// Copies `fd` to the lowest free number from `minimum` on, closed at exec.
pub(crate) fn duplicate_above(fd: RawFd, minimum: RawFd) -> Result<RawFd, Errno> {
    // JUSTIFICATION: the program's descriptors are numbers that have no owner here.
    // SAFETY: takes integers only.
    errno(unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_DUPFD_CLOEXEC, minimum) })
        .map(|copy| copy as RawFd)
}

/// Has every descriptor from `first` on closed at exec.
pub(crate) fn close_from_at_exec(first: c_uint) -> Result<(), Errno> {
    const CLOSE_RANGE_CLOEXEC: c_uint = 1 << 2;
    // JUSTIFICATION: the standard library cannot mark a range of descriptors.
    // SAFETY: takes integers only, and closes nothing now.
    errno(unsafe { libc::syscall(libc::SYS_close_range, first, c_uint::MAX, CLOSE_RANGE_CLOEXEC) }).map(drop)
}

/// Whether this process may execute the open file, as what it is now.
pub(crate) fn may_execute(fd: RawFd) -> Result<(), Errno> {
    // JUSTIFICATION: nix has no faccessat2 for an open file.
    // SAFETY: the path is a constant empty string.
    let status = unsafe {
        libc::syscall(
            libc::SYS_faccessat2,
            fd,
            c"".as_ptr(),
            libc::X_OK,
            libc::AT_EMPTY_PATH | libc::AT_EACCESS,
        )
    };
    errno(status).map(drop)
}

/// Executes the open file; returns only when that failed.
pub(crate) fn execute(program: RawFd, arguments: &[CString], environment: &[CString]) -> Errno {
    let list = |texts: &[CString]| -> Vec<*const c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, environment) = (list(arguments), list(environment));
    // JUSTIFICATION: the C library's fexecve may go through /proc, which need not be there.
    // SAFETY: both lists end with a null pointer, their texts with a zero byte, and they outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program,
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    last_errno()
}

/// Sets the groups this process is in beside its own.
pub(crate) fn set_no_groups() -> Result<(), Errno> {
    // JUSTIFICATION: the C library's wrapper speaks to threads.
    // SAFETY: a count of zero makes the kernel ignore the pointer.
    errno(unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) }).map(drop)
}

/// Sets the inheritable, permitted and effective capabilities, each given as one bit for each capability.
pub(crate) fn set_capabilities(inheritable: u64, permitted: u64, effective: u64) -> Result<(), Errno> {
    // capset(2): version 3 of the interface, which has two words for each set; pid 0 is the caller.
    let header: [u32; 2] = [0x2008_0522, 0];
    let mut words = [0_u32; 6];
    for (half, triple) in words.chunks_exact_mut(3).enumerate() {
        let part = |set: u64| (set >> (32 * half)) as u32;
        triple.copy_from_slice(&[part(effective), part(permitted), part(inheritable)]);
    }
    // JUSTIFICATION: no crate in use sets all three at once.
    // SAFETY: the kernel reads a header of two words and two triples of words, which is what is there.
    errno(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), words.as_ptr()) }).map(drop)
}

/// The permitted capabilities of this process.
pub(crate) fn permitted_capabilities() -> Result<u64, Errno> {
    let header: [u32; 2] = [0x2008_0522, 0];
    let mut words = [0_u32; 6];
    // JUSTIFICATION: no crate in use reads the set as a whole.
    // SAFETY: the kernel reads a header of two words and writes two triples of words.
    errno(unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), words.as_mut_ptr()) })?;
    Ok(u64::from(words[1]) | u64::from(words[4]) << 32)
}

/// Leaves the session keyring for a new, empty one that grants nobody anything.
pub(crate) fn new_keyring() -> Result<(), Errno> {
    const JOIN_SESSION_KEYRING: c_int = 1;
    // JUSTIFICATION: no crate in use wraps keyctl.
    // SAFETY: a null name asks for an anonymous keyring.
    errno(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<c_char>()) })
        .map(drop)
}

/// Has processes whose parents have ended become children of this one.
pub(crate) fn adopt_orphans() -> Result<(), Errno> {
    // JUSTIFICATION: it is done once, next to the calls it belongs to.
    // SAFETY: this option takes integers only.
    errno(unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }).map(drop)
}

/// Installs a filter of system calls for good.
pub(crate) fn install_filter(program: &[libc::sock_filter]) -> Result<(), Errno> {
    let length = u16::try_from(program.len()).map_err(|_| libc::E2BIG)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // JUSTIFICATION: no crate in use installs a program that is given as instructions.
    // SAFETY: the kernel copies `len` instructions from a slice that outlives the call, and writes nothing.
    errno(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) })
        .map(drop)
}

/// The Landlock version of this kernel.
pub(crate) fn landlock_version() -> Result<u32, Errno> {
    const CREATE_RULESET_VERSION: c_uint = 1;
    // JUSTIFICATION: no crate in use makes a rule set out of rights as numbers.
    // SAFETY: with the version flag, the kernel requires a null pointer and a size of zero.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, CREATE_RULESET_VERSION)
    };
    errno(version).map(|version| version as u32)
}

/// A Landlock rule set that handles these rights: on files, on the network, and the scopes.
pub(crate) fn landlock_ruleset(handled: [u64; 3], words: usize) -> Result<OwnedFd, Errno> {
    let bytes = words.min(handled.len()) * size_of::<u64>();
    // JUSTIFICATION: no crate in use makes a rule set out of rights as numbers.
    // SAFETY: the kernel reads at most the three words that are there.
    let ruleset = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, handled.as_ptr(), bytes, 0) };
    let ruleset = errno(ruleset)?;
    // JUSTIFICATION: the kernel returns a bare number.
    // SAFETY: the call has just created this descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(ruleset as RawFd) })
}

/// Gives back `rights` on what is open as `object`, and on everything below it.
pub(crate) fn landlock_allow(
    ruleset: BorrowedFd<'_>,
    object: BorrowedFd<'_>,
    rights: u64,
) -> Result<(), Errno> {
    const RULE_PATH_BENEATH: c_int = 1;
    /// `struct landlock_path_beneath_attr`.
    #[repr(C, packed)]
    struct Beneath {
        rights: u64,
        object: i32,
    }

    let rule = Beneath { rights, object: object.as_raw_fd() };
    // JUSTIFICATION: no crate in use makes a rule out of rights as numbers.
    // SAFETY: the kernel reads one structure of that layout.
    errno(unsafe {
        libc::syscall(libc::SYS_landlock_add_rule, ruleset.as_raw_fd(), RULE_PATH_BENEATH, &raw const rule, 0)
    })
    .map(drop)
}

/// Enters the domain that a rule set describes.
pub(crate) fn landlock_enter(ruleset: BorrowedFd<'_>) -> Result<(), Errno> {
    // JUSTIFICATION: no crate in use enters a domain without answering in a structure of its own.
    // SAFETY: takes integers only.
    errno(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) }).map(drop)
}

/// A copy of the mount below an open object, attached to nothing and without what is mounted in it.
pub(crate) fn copy_tree(object: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    const OPEN_TREE_CLONE: c_uint = 1;
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as c_uint | libc::AT_EMPTY_PATH as c_uint;
    // JUSTIFICATION: no crate wraps the new mount interface.
    // SAFETY: the path is a constant empty string.
    let tree = unsafe { libc::syscall(libc::SYS_open_tree, object.as_raw_fd(), c"".as_ptr(), flags) };
    let tree = errno(tree)?;
    // JUSTIFICATION: the kernel returns a bare number.
    // SAFETY: the call has just created this descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(tree as RawFd) })
}

/// Gives a mount these attributes (`MOUNT_ATTR_*`), and keeps it apart from all others.
pub(crate) fn set_mount(tree: BorrowedFd<'_>, attributes: u64) -> Result<(), Errno> {
    // `struct mount_attr`: set, clear, propagation, user namespace.
    let wanted: [u64; 4] = [attributes, 0, libc::MS_PRIVATE, 0];
    // JUSTIFICATION: no crate wraps the new mount interface.
    // SAFETY: the path is a constant empty string, and the kernel reads the four words that are there.
    errno(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            wanted.as_ptr(),
            size_of_val(&wanted),
        )
    })
    .map(drop)
}

/// Attaches a mount that is attached to nothing.
pub(crate) fn attach(mount: BorrowedFd<'_>, target: &CStr) -> Result<(), Errno> {
    const MOVE_MOUNT_F_EMPTY_PATH: c_uint = 0x4;
    // JUSTIFICATION: no crate wraps the new mount interface.
    // SAFETY: both paths end with a zero byte.
    errno(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// A new file system of this type with this option, as a mount with these attributes that is attached to nothing.
pub(crate) fn new_mount(
    kind: &CStr,
    option: Option<(&CStr, &CStr)>,
    attributes: u64,
) -> Result<OwnedFd, Errno> {
    const FSCONFIG_SET_STRING: c_uint = 1;
    const FSCONFIG_CMD_CREATE: c_uint = 6;
    const CLOEXEC: c_uint = 1;

    // JUSTIFICATION: no crate wraps the new mount interface.
    // SAFETY: the name ends with a zero byte.
    let context = errno(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), CLOEXEC) })?;
    // JUSTIFICATION: the kernel returns a bare number.
    // SAFETY: the call has just created this descriptor, and nobody else knows its number.
    let context = unsafe { OwnedFd::from_raw_fd(context as RawFd) };
    if let Some((key, value)) = option {
        // JUSTIFICATION: no crate wraps the new mount interface.
        // SAFETY: both texts end with a zero byte.
        errno(unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                context.as_raw_fd(),
                FSCONFIG_SET_STRING,
                key.as_ptr(),
                value.as_ptr(),
                0,
            )
        })?;
    }
    // JUSTIFICATION: no crate wraps the new mount interface.
    // SAFETY: the create command takes no key and no value.
    errno(unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            FSCONFIG_CMD_CREATE,
            std::ptr::null::<c_char>(),
            std::ptr::null::<u8>(),
            0,
        )
    })?;
    // JUSTIFICATION: no crate wraps the new mount interface.
    // SAFETY: takes integers only.
    let mount = unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), CLOEXEC, attributes) };
    let mount = errno(mount)?;
    // JUSTIFICATION: the kernel returns a bare number.
    // SAFETY: the call has just created this descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(mount as RawFd) })
}
