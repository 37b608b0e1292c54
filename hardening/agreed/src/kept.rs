//! What execve(2) keeps: set and looked at by the broker's child, and once more by the jail, so that neither word stands alone.

use std::ffi::c_ulong;

use crate::calls::{Errno, Prctl, prctl};

/// Makes reading the time stamp counter raise SIGSEGV, and looks.
///
/// # Errors
/// `ENOSYS` on a processor without one; those of prctl(2).
#[cfg(target_arch = "x86_64")]
pub fn no_time_stamps() -> Result<(), Errno> {
    const RAISE_SIGSEGV: std::ffi::c_int = 2;

    prctl(Prctl::SetTsc, [RAISE_SIGSEGV as c_ulong, 0, 0, 0])?;
    match tsc_mode()? {
        RAISE_SIGSEGV => Ok(()),
        _ => Err(libc::EPERM),
    }
}

/// There is no such counter here.
///
/// # Errors
/// `ENOSYS`, always.
#[cfg(not(target_arch = "x86_64"))]
pub fn no_time_stamps() -> Result<(), Errno> {
    Err(libc::ENOSYS)
}

/// Sees to it that no page which is or was writable becomes executable, and looks.
///
/// # Errors
/// `ENOSYS` on a kernel that does not know it; those of prctl(2).
pub fn no_new_code() -> Result<(), Errno> {
    const REFUSE_EXEC_GAIN: c_ulong = 1;

    match prctl(Prctl::SetMdwe, [REFUSE_EXEC_GAIN, 0, 0, 0]) {
        // A kernel that does not know the option.
        Err(libc::EINVAL) => return Err(libc::ENOSYS),
        answer => answer?,
    };
    match prctl(Prctl::GetMdwe, [0; 4])? {
        bits if bits as c_ulong & REFUSE_EXEC_GAIN != 0 => Ok(()),
        _ => Err(libc::EPERM),
    }
}

/// Whether reading the time stamp counter is allowed (1) or raises SIGSEGV (2).
#[cfg(target_arch = "x86_64")]
fn tsc_mode() -> Result<std::ffi::c_int, Errno> {
    let mut mode: std::ffi::c_int = 0;
    // JUSTIFICATION: no crate wraps PR_GET_TSC.
    // SAFETY: the kernel writes one `int` into a variable of that type.
    let status = unsafe { libc::syscall(libc::SYS_prctl, libc::PR_GET_TSC, &raw mut mode) };
    crate::calls::errno(status).map(|_| mode)
}
