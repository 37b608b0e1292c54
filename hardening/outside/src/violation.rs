//! Which forbidden call a jail tried, for those who asked for forensics: read once, recorded, and answered by death.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rex_agreed::LISTENER_FD;
use rex_agreed::calls::{Errno, errno};

use crate::jail::Jail;
use crate::kernel::checked;

/// The listener of a jail's filter; readable when the jail waits in a forbidden call.
///
/// If the broker ends, the listener closes and every forbidden call fails: nothing is ever let through.
#[derive(Debug)]
pub struct Watch {
    listener: OwnedFd,
}

/// A forbidden call, as the kernel saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The system call's number.
    pub number: i32,
    /// `AUDIT_ARCH_*` of the way the call was entered.
    pub architecture: u32,
    /// The address after the entering instruction.
    pub instruction_pointer: u64,
    /// The six arguments.
    pub arguments: [u64; 6],
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, architecture, instruction_pointer, arguments } = self;
        write!(
            formatter,
            "system call {number} ({architecture:#x}) at {instruction_pointer:#x} with {arguments:x?}"
        )
    }
}

impl Watch {
    /// Takes the listener out of `jail`, which must have been spawned with forensics and have said that it is ready.
    ///
    /// Afterwards the jail's limit on descriptors is lowered to 0, where the broker may; at 1 it cannot make one either,
    /// because the listener's copy stays where it is.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_PTRACE` over the jail: the start then ends with 71. `EBADF` or `EINVAL` when the jail has
    /// no listener.
    ///
    /// # Source
    /// pidfd_getfd(2), seccomp_unotify(2).
    pub fn take(jail: &Jail) -> io::Result<Self> {
        let fd = LISTENER_FD;
        // JUSTIFICATION: no crate in use wraps pidfd_getfd.
        // SAFETY: takes integers only.
        let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, jail.pidfd().as_raw_fd(), fd, 0) };
        let copy = checked(copy)?;
        // JUSTIFICATION: the kernel returns a bare number.
        // SAFETY: the call has just created this descriptor, and nobody else knows its number.
        let listener = unsafe { OwnedFd::from_raw_fd(copy as RawFd) };
        let target = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd()))?;
        if target.as_os_str() != "anon_inode:seccomp notify" {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // Refused to a broker without CAP_SYS_RESOURCE over the jail; see above why that is no harm.
        let _ = forbid_descriptors(jail.pid());
        Ok(Self { listener })
    }

    /// Waits for a forbidden call, kills the jail, and says what the call was. The call is never carried out.
    ///
    /// # Errors
    /// `ENOENT` when the jail ended meanwhile; the jail is killed in any case.
    pub fn catch(&self, jail: &mut Jail) -> io::Result<Violation> {
        let violation = self.receive();
        jail.kill()?;
        violation
    }

    fn receive(&self) -> io::Result<Violation> {
        let mut notification = MaybeUninit::<libc::seccomp_notif>::zeroed();
        // JUSTIFICATION: no crate in use wraps the listener's ioctl.
        // SAFETY: the kernel demands a zeroed structure of this type and fills it.
        let status = unsafe {
            libc::ioctl(self.listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, notification.as_mut_ptr())
        };
        checked(status.into())?;
        // JUSTIFICATION: the C interface returns through a pointer.
        // SAFETY: the structure holds integers only, and the call has filled it.
        let notification = unsafe { notification.assume_init() };
        Ok(Violation {
            number: notification.data.nr,
            architecture: notification.data.arch,
            instruction_pointer: notification.data.instruction_pointer,
            arguments: notification.data.args,
        })
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

fn forbid_descriptors(pid: i32) -> Result<(), Errno> {
    let nothing = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // JUSTIFICATION: nix sets limits of the calling process only.
    // SAFETY: the kernel reads one `rlimit`; the old one is not asked for.
    let status = unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &raw const nothing, std::ptr::null_mut()) };
    errno(status.into()).map(drop)
}
