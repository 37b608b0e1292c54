//! Puts a filter into force, as the last step of the lockdown.

use std::fmt;
use std::os::fd::RawFd;

use rex_agreed::calls::{Errno, errno};
use seccompiler::sock_filter;

use super::{Filter, Otherwise};

/// Why the kernel did not take the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstallError(
    /// The errno of seccomp(2).
    pub Errno,
);

impl fmt::Display for InstallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = std::io::Error::from_raw_os_error(self.0);
        write!(formatter, "cannot install the system call filter: {error}")
    }
}

impl std::error::Error for InstallError {}

/// Installs `filter` for this process, for good; with [`Otherwise::Notify`] answers the number of the listener.
///
/// Refusals are logged by the kernel (`SECCOMP_FILTER_FLAG_LOG`). The flag that would trade the mitigation of speculative
/// store bypass for speed is never given.
///
/// # Errors
/// [`InstallError`]; `EACCES` when `no_new_privs` is not set.
///
/// # Source
/// seccomp(2).
pub fn install(filter: &Filter, otherwise: Otherwise) -> Result<Option<RawFd>, InstallError> {
    let length = u16::try_from(filter.instructions.len()).map_err(|_| InstallError(libc::E2BIG))?;
    let program = Program { length, instructions: filter.instructions.as_ptr() };
    let flags = match otherwise {
        Otherwise::Kill => libc::SECCOMP_FILTER_FLAG_LOG,
        Otherwise::Notify => libc::SECCOMP_FILTER_FLAG_LOG | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
    };
    // JUSTIFICATION: seccompiler installs without the log flag and without a listener.
    // SAFETY: the kernel reads `length` instructions from a vector that lives until after the call.
    let status =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    let listener = errno(status).map_err(InstallError)?;
    Ok((otherwise == Otherwise::Notify).then_some(listener as RawFd))
}

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const sock_filter,
}
