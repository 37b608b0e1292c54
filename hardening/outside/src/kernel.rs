//! The kernel calls for which no crate has a safe signature: thin, checked, and each doing one thing.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::Mode;

/// Opens `path` beneath `directory`, as openat2(2) does; `O_CLOEXEC` is always added.
///
/// `flags`, `mode` and `resolve` are the kernel's bits (`O_*`, permission bits, `RESOLVE_*`).
///
/// # Errors
/// Those of openat2(2): `ELOOP` for a refused link, `EXDEV` for an escape, `EAGAIN` when a concurrent rename
/// made the answer uncertain and the caller should try again a bounded number of times.
///
/// # Source
/// openat2(2).
pub fn openat2(
    directory: BorrowedFd<'_>,
    path: &CStr,
    flags: i32,
    mode: u32,
    resolve: u64,
) -> io::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::from_bits_retain(flags) | OFlag::O_CLOEXEC)
        .mode(Mode::from_bits_retain(mode))
        .resolve(ResolveFlag::from_bits_retain(resolve));
    Ok(nix::fcntl::openat2(directory, path, how)?)
}

/// Reads directory entries in the kernel's own layout, and gives the number of bytes written; 0 at the end.
///
/// The position lives in the open file description, so consecutive calls continue. Each record is
/// `d_ino: u64, d_off: i64, d_reclen: u16, d_type: u8, d_name` with a closing zero byte.
///
/// # Errors
/// `EINVAL` when `buffer` is too small for one record; otherwise those of getdents64(2).
///
/// # Source
/// getdents64(2).
pub fn getdents(directory: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // JUSTIFICATION: nix reads directories through the C library, which allocates and hides the bound.
    // SAFETY: the kernel writes at most `buffer.len()` bytes into a buffer borrowed exclusively for the call.
    let count = unsafe {
        libc::syscall(libc::SYS_getdents64, directory.as_raw_fd(), buffer.as_mut_ptr(), buffer.len())
    };
    checked(count).map(|count| count as usize)
}

/// The attributes of an open file, with birth time and mount id, which fstat(2) does not have.
///
/// `mask` is a set of `STATX_*`; which of them were answered stands in `stx_mask`. Works on `O_PATH` descriptors.
///
/// # Errors
/// Those of statx(2).
///
/// # Source
/// statx(2).
pub fn statx(file: BorrowedFd<'_>, mask: u32) -> io::Result<libc::statx> {
    let mut attributes = MaybeUninit::<libc::statx>::zeroed();
    // JUSTIFICATION: neither std nor nix gives birth time and mount id of an open file.
    // SAFETY: the path is a constant empty string, and the kernel writes one `statx` into storage of that type.
    let status = unsafe {
        libc::statx(
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_STATX_SYNC_AS_STAT,
            mask,
            attributes.as_mut_ptr(),
        )
    };
    checked(status.into())?;
    // JUSTIFICATION: the C interface returns through a pointer.
    // SAFETY: zeroed storage is a valid `statx`, which holds integers only, and the call has filled it.
    Ok(unsafe { attributes.assume_init() })
}

/// The attributes of an entry of an open directory, which is neither followed nor mounted upon first.
///
/// As [`statx`], with `STATX_ATTR_MOUNT_ROOT` telling an entry on which something is mounted.
///
/// # Errors
/// Those of statx(2).
///
/// # Source
/// statx(2).
pub fn statx_entry(directory: BorrowedFd<'_>, name: &CStr, mask: u32) -> io::Result<libc::statx> {
    let mut attributes = MaybeUninit::<libc::statx>::zeroed();
    // JUSTIFICATION: neither std nor nix says whether something is mounted on an entry.
    // SAFETY: `name` ends with a zero byte, and the kernel writes one `statx` into storage of that type.
    let status = unsafe {
        libc::statx(
            directory.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT | libc::AT_STATX_SYNC_AS_STAT,
            mask,
            attributes.as_mut_ptr(),
        )
    };
    checked(status.into())?;
    // JUSTIFICATION: the C interface returns through a pointer.
    // SAFETY: zeroed storage is a valid `statx`, which holds integers only, and the call has filled it.
    Ok(unsafe { attributes.assume_init() })
}

/// A descriptor for a process, which cannot come to mean another process later.
///
/// # Errors
/// `ESRCH` when there is no such process.
///
/// # Source
/// pidfd_open(2).
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // JUSTIFICATION: nix does not wrap pidfd_open.
    // SAFETY: takes integers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = checked(fd)?;
    // JUSTIFICATION: the kernel returns a bare number.
    // SAFETY: the call has just created this descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Sends `signal` to the process behind `process`; 0 only checks.
///
/// # Errors
/// `ESRCH` when the process has ended and was reaped, `EPERM` when the signal may not be sent.
///
/// # Source
/// pidfd_send_signal(2).
pub fn pidfd_send_signal(process: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // JUSTIFICATION: nix does not wrap pidfd_send_signal.
    // SAFETY: takes integers and a null pointer, which asks the kernel to fill in the usual siginfo.
    let status = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    checked(status).map(drop)
}

/// A copy, closed at exec and numbered 3 or higher, of the descriptor `number` that this process inherited.
///
/// This is how a number from the command line (`fd:N`) becomes an owned descriptor; the original stays open.
///
/// # Errors
/// `EBADF` when no such descriptor is open.
pub fn duplicate_inherited(number: RawFd) -> io::Result<OwnedFd> {
    // JUSTIFICATION: a number from the command line has no owner yet, so there is nothing safe to borrow.
    // SAFETY: takes integers only; a number that is not open makes the call fail with EBADF.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    let copy = checked(copy.into())?;
    // JUSTIFICATION: the kernel returns a bare number.
    // SAFETY: the call has just created this descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(copy as RawFd) })
}

/// Reads the extended attribute `name` of an open file; an empty buffer asks for the size.
///
/// # Errors
/// `ENODATA` when there is no such attribute, `ERANGE` when `value` is too small.
///
/// # Source
/// fgetxattr(2).
pub fn fgetxattr(file: BorrowedFd<'_>, name: &CStr, value: &mut [u8]) -> io::Result<usize> {
    // JUSTIFICATION: neither std nor nix has extended attributes.
    // SAFETY: `name` ends with a zero byte, and the kernel writes at most `value.len()` bytes into `value`.
    let size =
        unsafe { libc::fgetxattr(file.as_raw_fd(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    checked(size as libc::c_long).map(|size| size as usize)
}

/// Lists the names of the extended attributes of an open file, each closed by a zero byte; an empty buffer asks for the size.
///
/// # Errors
/// `ERANGE` when `names` is too small.
///
/// # Source
/// flistxattr(2).
pub fn flistxattr(file: BorrowedFd<'_>, names: &mut [u8]) -> io::Result<usize> {
    // JUSTIFICATION: neither std nor nix has extended attributes.
    // SAFETY: the kernel writes at most `names.len()` bytes into a buffer borrowed exclusively for the call.
    let size = unsafe { libc::flistxattr(file.as_raw_fd(), names.as_mut_ptr().cast(), names.len()) };
    checked(size as libc::c_long).map(|size| size as usize)
}

/// Sets the extended attribute `name` of an open file; `flags` is 0, `XATTR_CREATE` or `XATTR_REPLACE`.
///
/// # Errors
/// Those of fsetxattr(2).
///
/// # Source
/// fsetxattr(2).
pub fn fsetxattr(file: BorrowedFd<'_>, name: &CStr, value: &[u8], flags: i32) -> io::Result<()> {
    // JUSTIFICATION: neither std nor nix has extended attributes.
    // SAFETY: `name` ends with a zero byte, and the kernel only reads `value.len()` bytes of `value`.
    let status = unsafe {
        libc::fsetxattr(file.as_raw_fd(), name.as_ptr(), value.as_ptr().cast(), value.len(), flags)
    };
    checked(status.into()).map(drop)
}

/// Removes the extended attribute `name` of an open file.
///
/// # Errors
/// `ENODATA` when there is no such attribute.
///
/// # Source
/// fremovexattr(2).
pub fn fremovexattr(file: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    // JUSTIFICATION: neither std nor nix has extended attributes.
    // SAFETY: `name` ends with a zero byte, and the kernel only reads it.
    let status = unsafe { libc::fremovexattr(file.as_raw_fd(), name.as_ptr()) };
    checked(status.into()).map(drop)
}

/// Makes the content of `to` that of `from`, both sharing their blocks until one of them is written.
///
/// # Errors
/// `EOPNOTSUPP`, `EXDEV`, `EINVAL` and others where the file system cannot do that; nothing is changed then.
///
/// # Source
/// ioctl_ficlone(2).
pub fn clone_content(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    // JUSTIFICATION: nix makes ioctl wrappers, which are unsafe to call as well.
    // SAFETY: this request takes a descriptor as its argument and no pointer.
    let status = unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONE, from.as_raw_fd()) };
    checked(status.into()).map(drop)
}

/// Gives SIGCHLD its usual meaning back, which a caller may have taken: that somebody waits for children.
///
/// # Errors
/// Those of sigaction(2).
///
/// # Source
/// wait(2), "POSIX.1-2001 specifies that if the disposition of SIGCHLD is set to SIG_IGN".
pub fn heed_children() -> io::Result<()> {
    rex_agreed::calls::default_action(libc::SIGCHLD).map_err(io::Error::from_raw_os_error)
}

/// What the kernel does to the broker itself before it reads anything it did not write.
///
/// Nobody of the same user can attach to it or read its memory, it leaves no core file, and no program started from
/// here can gain rights through a set-uid bit or file capabilities.
///
/// # Errors
/// The first call that failed; the start then ends with 71.
///
/// # Source
/// prctl(2), getrlimit(2).
pub fn broker_self_protection() -> io::Result<()> {
    nix::sys::prctl::set_dumpable(false)?;
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0)?;
    nix::sys::prctl::set_no_new_privs()?;
    Ok(())
}

/// Turns the C convention, minus one and `errno`, into a `Result`.
pub(crate) fn checked(status: libc::c_long) -> io::Result<libc::c_long> {
    if status < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn openat2_refuses_a_step_upwards_under_resolve_beneath() {
        let root = std::fs::File::open("/proc").unwrap();

        let escape = openat2(root.as_fd(), c"../etc", libc::O_PATH, 0, libc::RESOLVE_BENEATH);

        assert_eq!(escape.unwrap_err().raw_os_error(), Some(libc::EXDEV));
    }

    #[test]
    fn getdents_reaches_the_end_of_a_directory() {
        let directory = std::fs::File::open("/proc/self").unwrap();
        let mut buffer = [0; 4096];
        let mut total = 0;

        loop {
            match getdents(directory.as_fd(), &mut buffer).unwrap() {
                0 => break,
                count => total += count,
            }
        }

        assert!(total > 0);
    }

    #[test]
    fn statx_agrees_with_fstat() {
        let file = std::fs::File::open("/proc/self/status").unwrap();

        let attributes = statx(file.as_fd(), libc::STATX_BASIC_STATS).unwrap();

        assert_eq!(attributes.stx_ino, nix::sys::stat::fstat(&file).unwrap().st_ino);
    }

    #[test]
    fn a_descriptor_that_is_not_open_cannot_be_adopted() {
        let error = duplicate_inherited(1_000_000).unwrap_err();

        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
    }
}
