//! One safe function per system call of the lockdown; the jail makes them before its filter stands.

use std::ffi::{c_int, c_long, c_uint};

use rex_agreed::calls::{Errno, close_range, errno};

/// The signal the kernel sends when the parent ends; 0 when none was asked for.
pub(crate) fn death_signal() -> Result<c_int, Errno> {
    let mut signal: c_int = 0;
    // JUSTIFICATION: nix returns its own enum, which has no room for real-time signals.
    // SAFETY: the kernel writes one `int` into a variable of that type.
    let status = unsafe { libc::syscall(libc::SYS_prctl, libc::PR_GET_PDEATHSIG, &raw mut signal) };
    errno(status).map(|_| signal)
}

/// Whether `fd` is open.
pub(crate) fn is_open(fd: c_int) -> bool {
    // JUSTIFICATION: asks about numbers, not about descriptors that are known to be open.
    // SAFETY: takes integers only.
    let flags = unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_GETFD, 0) };
    flags >= 0
}

/// No alternative stack for signal handlers.
pub(crate) fn disable_signal_stack() -> Result<(), Errno> {
    let none = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // JUSTIFICATION: no crate wraps sigaltstack.
    // SAFETY: the kernel reads one `stack_t`; the old one is not asked for.
    let status = unsafe { libc::sigaltstack(&raw const none, std::ptr::null_mut()) };
    errno(status.into()).map(drop)
}

/// Forgets the list of robust futexes, which the kernel would walk when the process ends.
pub(crate) fn clear_robust_list() -> Result<(), Errno> {
    // The kernel accepts exactly the size of `struct robust_list_head`: three words.
    let size = 3 * size_of::<usize>();
    // JUSTIFICATION: no crate wraps set_robust_list.
    // SAFETY: a null list is valid and means none.
    let status = unsafe { libc::syscall(libc::SYS_set_robust_list, std::ptr::null::<u8>(), size) };
    errno(status).map(drop)
}

/// Whether the inheritable, permitted and effective capability sets are empty.
pub(crate) fn has_no_capabilities() -> Result<bool, Errno> {
    let header: [u32; 2] = [0x2008_0522, 0];
    let mut sets = [u32::MAX; 6];
    // JUSTIFICATION: the jail asks this just before the lockdown, without allocating.
    // SAFETY: the kernel reads a header of two words and writes two triples of words, which is what there is room for.
    let status = unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) };
    errno(status)?;
    Ok(sets == [0; 6])
}

/// Whether the directory `/` can be opened; under a deny-all Landlock domain it cannot.
pub(crate) fn try_open_root() -> Result<(), Errno> {
    // JUSTIFICATION: std's function allocates a C string.
    // SAFETY: the path is a constant string.
    let fd = unsafe {
        libc::openat(libc::AT_FDCWD, c"/".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC)
    };
    let fd = errno(fd.into())?;
    close_range(fd as c_uint, fd as c_uint)
}

/// Forbids for good that the mapping of `length` bytes at `address` is removed, moved or given other rights.
pub(crate) fn mseal(address: usize, length: usize) -> Result<(), Errno> {
    // JUSTIFICATION: no crate wraps mseal.
    // SAFETY: changes no content and no right, only whether they can be changed; takes integers only.
    let status = unsafe { libc::syscall(SYS_MSEAL, address, length, 0) };
    errno(status).map(drop)
}

/// One number on every architecture; libc lacks it on some.
const SYS_MSEAL: c_long = 462;
