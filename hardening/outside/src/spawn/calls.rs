//! One safe function per system call of the child; none allocates, so all may run between fork and exec.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint};

use rex_agreed::calls::{Errno, errno, last_errno};

/// Copies `fd` to the lowest free number from `minimum` on, closed at exec.
pub(super) fn duplicate_above(fd: c_int, minimum: c_int) -> Result<c_int, Errno> {
    // JUSTIFICATION: the child moves descriptors by number and must not own them.
    // SAFETY: takes integers only.
    let copy = unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_DUPFD_CLOEXEC, c_long::from(minimum)) };
    errno(copy).map(|copy| copy as c_int)
}

/// Makes `target` a copy of `fd`; `flags` is 0 or `O_CLOEXEC`.
pub(super) fn duplicate_onto(fd: c_int, target: c_int, flags: c_int) -> Result<(), Errno> {
    // JUSTIFICATION: the child moves descriptors by number and must not own them.
    // SAFETY: takes integers only; what `target` meant before has no owner in this process.
    let status = unsafe { libc::syscall(libc::SYS_dup3, fd, target, flags) };
    errno(status).map(drop)
}

/// Reads one byte; `Ok(None)` at the end of the file.
pub(super) fn read_byte(fd: c_int) -> Result<Option<u8>, Errno> {
    let mut byte = 0_u8;
    loop {
        // JUSTIFICATION: the child reads by number, without owning the descriptor.
        // SAFETY: the kernel writes at most one byte into a variable of one byte.
        let count = unsafe { libc::syscall(libc::SYS_read, fd, &raw mut byte, 1) };
        match errno(count) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte)),
            Err(libc::EINTR) => continue,
            Err(error) => return Err(error),
        }
    }
}

/// Writes `bytes` with one call.
pub(super) fn write(fd: c_int, bytes: &[u8]) -> Result<usize, Errno> {
    // JUSTIFICATION: the child writes by number, without owning the descriptor.
    // SAFETY: the kernel reads `bytes.len()` bytes of a borrowed slice.
    let count = unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
    errno(count).map(|count| count as usize)
}

/// Whether nobody holds the writing end of the pipe `fd` any more.
pub(super) fn has_hung_up(fd: c_int) -> bool {
    let mut poll = libc::pollfd { fd, events: 0, revents: 0 };
    // JUSTIFICATION: the child polls by number, without owning the descriptor.
    // SAFETY: the pointer is to one `pollfd`, and the count says one.
    let status = unsafe { libc::poll(&raw mut poll, 1, 0) };
    status != 0 && poll.revents != 0
}

/// Ends the process without running anything of the C library.
pub(super) fn exit(code: c_int) -> ! {
    loop {
        // JUSTIFICATION: after fork, the parent's exit handlers must not run.
        // SAFETY: takes an integer and does not return.
        unsafe { libc::syscall(libc::SYS_exit_group, code) };
    }
}

/// Empties the list of supplementary groups.
pub(super) fn drop_groups() -> Result<(), Errno> {
    // JUSTIFICATION: the C library's wrapper speaks to threads which the child does not have.
    // SAFETY: a count of zero makes the kernel ignore the pointer.
    let status = unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) };
    errno(status).map(drop)
}

/// Sets real, effective and saved group.
pub(super) fn set_group(gid: u32) -> Result<(), Errno> {
    // JUSTIFICATION: the C library's wrapper speaks to threads which the child does not have.
    // SAFETY: takes integers only.
    let status = unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) };
    errno(status).map(drop)
}

/// Sets real, effective and saved user.
pub(super) fn set_user(uid: u32) -> Result<(), Errno> {
    // JUSTIFICATION: the C library's wrapper speaks to threads which the child does not have.
    // SAFETY: takes integers only.
    let status = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
    errno(status).map(drop)
}

/// Empties the inheritable, permitted and effective capability sets.
pub(super) fn drop_capabilities() -> Result<(), Errno> {
    // capset(2): version 3 of the interface, which has two words for each set; pid 0 is the caller.
    let header: [u32; 2] = [0x2008_0522, 0];
    let none = [0_u32; 6];
    // JUSTIFICATION: the caps crate allocates, which the child must not.
    // SAFETY: the kernel reads a header of two words and two triples of words, which is what is there.
    let status = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) };
    errno(status).map(drop)
}

/// Leaves the session keyring for a new, empty one that grants nobody anything.
pub(super) fn new_keyring() -> Result<(), Errno> {
    const JOIN_SESSION_KEYRING: c_int = 1;
    const SETPERM: c_int = 5;
    const SESSION_KEYRING: c_int = -3;

    // JUSTIFICATION: no crate in use wraps keyctl.
    // SAFETY: a null name asks for an anonymous keyring.
    let joined = unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<c_char>()) };
    errno(joined)?;
    // JUSTIFICATION: no crate in use wraps keyctl.
    // SAFETY: takes integers only.
    let limited = unsafe { libc::syscall(libc::SYS_keyctl, SETPERM, SESSION_KEYRING, 0) };
    errno(limited).map(drop)
}

/// Enters the Landlock domain described by the rule set `ruleset`.
pub(super) fn landlock_restrict_self(ruleset: c_int, flags: u32) -> Result<(), Errno> {
    // JUSTIFICATION: the landlock crate's call allocates its answer, which the child must not.
    // SAFETY: takes integers only.
    let status = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, flags) };
    errno(status).map(drop)
}

/// The Landlock version of this kernel.
pub(crate) fn landlock_abi() -> Result<u32, Errno> {
    const CREATE_RULESET_VERSION: c_uint = 1;

    // JUSTIFICATION: the landlock crate does not tell the number to those who want to report it.
    // SAFETY: with the version flag, the kernel requires a null pointer and a size of zero.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0_usize,
            CREATE_RULESET_VERSION,
        )
    };
    errno(version).map(|version| version as u32)
}

/// Runs the program in the open file `image`; returns only when that failed.
pub(super) fn execute(image: c_int, argument: &CStr) -> Errno {
    let arguments = [argument.as_ptr(), std::ptr::null()];
    let environment: [*const c_char; 1] = [std::ptr::null()];
    // JUSTIFICATION: the C library's fexecve goes through /proc, which the child no longer sees.
    // SAFETY: both lists end with a null pointer, the path is empty, and `argument` ends with a zero byte.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            image,
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    last_errno()
}

/// Makes an empty, read-only tmpfs the root of this mount namespace and lets go of the old tree.
///
/// The new mount interface, because it needs no directory to mount on: the tree of the host may have none that is free.
pub(super) fn enter_empty_root() -> Result<(), Errno> {
    const FSCONFIG_CMD_CREATE: c_uint = 6;
    // Read-only, no set-uid programs, no devices, no programs.
    const ATTRIBUTES: c_uint = 0x1 | 0x2 | 0x4 | 0x8;
    const MOVE_MOUNT_F_EMPTY_PATH: c_uint = 0x4;
    const FSOPEN_CLOEXEC: c_uint = 1;
    const FSMOUNT_CLOEXEC: c_uint = 1;

    // Nothing that happens here may travel back into the host's tree.
    // JUSTIFICATION: the child works with raw numbers; the kernel's own null pointers are meant.
    // SAFETY: the target is a constant string, and the kernel ignores the null pointers when it changes propagation.
    let private = unsafe {
        libc::mount(
            std::ptr::null(),
            c"/".as_ptr(),
            std::ptr::null(),
            libc::MS_REC | libc::MS_PRIVATE,
            std::ptr::null(),
        )
    };
    errno(private.into())?;
    // JUSTIFICATION: no crate wraps the new mount interface.
    // SAFETY: the name is a constant string.
    let context = unsafe { libc::syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), FSOPEN_CLOEXEC) };
    let context = errno(context)?;
    // JUSTIFICATION: no crate wraps the new mount interface.
    // SAFETY: the create command takes no key and no value.
    let created = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context,
            FSCONFIG_CMD_CREATE,
            std::ptr::null::<c_char>(),
            std::ptr::null::<u8>(),
            0,
        )
    };
    errno(created)?;
    // JUSTIFICATION: no crate wraps the new mount interface.
    // SAFETY: takes integers only.
    let mount = unsafe { libc::syscall(libc::SYS_fsmount, context, FSMOUNT_CLOEXEC, ATTRIBUTES) };
    let mount = errno(mount)?;
    // JUSTIFICATION: no crate wraps the new mount interface.
    // SAFETY: both paths are constant strings.
    let attached = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount,
            c"".as_ptr(),
            libc::AT_FDCWD,
            c"/".as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    errno(attached)?;
    // JUSTIFICATION: the child works with raw numbers.
    // SAFETY: takes an integer only.
    let entered = unsafe { libc::syscall(libc::SYS_fchdir, mount) };
    errno(entered)?;
    // pivot_root(2): with "." for both, the old root ends up on top of the new one and can be unmounted by ".".
    // JUSTIFICATION: the child works with raw numbers.
    // SAFETY: both paths are constant strings.
    let pivoted = unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) };
    errno(pivoted)?;
    // JUSTIFICATION: the child works with raw numbers.
    // SAFETY: the path is a constant string.
    let detached = unsafe { libc::umount2(c".".as_ptr(), libc::MNT_DETACH) };
    errno(detached.into())?;
    change_to_root()
}

/// Makes `/` the working directory.
pub(super) fn change_to_root() -> Result<(), Errno> {
    // JUSTIFICATION: std's function allocates a C string.
    // SAFETY: the path is a constant string.
    let status = unsafe { libc::chdir(c"/".as_ptr()) };
    errno(status.into()).map(drop)
}
