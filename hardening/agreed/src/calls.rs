//! The system calls that the child of the broker and the jail both make; none allocates, so all may run between fork and exec.

use std::ffi::{c_int, c_long, c_uint, c_ulong};

/// What a call answers when it fails; a plain number, because the child must not build an `io::Error`.
pub type Errno = i32;

/// The prctl(2) options in use, all of which take integers only.
///
/// An enum and not a number, so that an option which writes through a pointer cannot be passed to [`prctl`].
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
#[expect(missing_docs, reason = "prctl(2) has each of them by this name")]
pub enum Prctl {
    SetDeathSignal = 1,
    GetDumpable = 3,
    SetDumpable = 4,
    CapbsetDrop = 24,
    SetTsc = 26,
    GetSecurebits = 27,
    SetSecurebits = 28,
    SetNoNewPrivs = 38,
    GetNoNewPrivs = 39,
    CapAmbient = 47,
    GetSpeculation = 52,
    SetSpeculation = 53,
    SchedCore = 62,
    SetMdwe = 65,
    GetMdwe = 66,
}

/// prctl(2) with integers.
///
/// # Errors
/// Those of prctl(2).
pub fn prctl(option: Prctl, arguments: [c_ulong; 4]) -> Result<c_long, Errno> {
    let [second, third, fourth, fifth] = arguments;
    // JUSTIFICATION: nix wraps only some of these options.
    // SAFETY: every option of the enum takes integers and touches no memory of the caller.
    let status = unsafe { libc::syscall(libc::SYS_prctl, option as c_int, second, third, fourth, fifth) };
    errno(status)
}

/// Closes the descriptors from `first` to `last`.
///
/// # Errors
/// Those of close_range(2).
pub fn close_range(first: c_uint, last: c_uint) -> Result<(), Errno> {
    // JUSTIFICATION: the standard library cannot close a range of descriptors.
    // SAFETY: takes integers only; called in a process whose descriptors in the range have no owner in Rust.
    let status = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    errno(status).map(drop)
}

/// Gives the default action back to every signal, and unblocks all of them.
pub fn reset_signals() {
    for signal in 1..=SIGNALS {
        // SIGKILL and SIGSTOP answer EINVAL: nothing to undo there.
        let _ = default_action(signal);
    }
    let none = nix::sys::signal::SigSet::empty();
    // The call fails only for an unknown `how`.
    let _ = none.thread_set_mask();
}

/// Gives the default action back to `signal`.
///
/// # Errors
/// Those of sigaction(2).
pub fn default_action(signal: c_int) -> Result<(), Errno> {
    // `struct sigaction` of the kernel: handler SIG_DFL, no flags, no restorer, an empty mask.
    let default = [0_u64; 4];
    // JUSTIFICATION: the C library refuses the two signals it uses itself, and a parent that came from posix_spawn(3) has
    // them ignored.
    // SAFETY: the kernel reads one structure of at most four words; the old one is not asked for.
    let status = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            default.as_ptr(),
            std::ptr::null::<u64>(),
            size_of::<u64>(),
        )
    };
    errno(status).map(drop)
}

/// Turns the C convention, minus one and `errno`, into a `Result`.
///
/// # Errors
/// The `errno` of the call that has just answered `status`.
pub fn errno(status: c_long) -> Result<c_long, Errno> {
    if status < 0 {
        return Err(last_errno());
    }
    Ok(status)
}

/// What the last call that failed has left behind.
pub fn last_errno() -> Errno {
    nix::errno::Errno::last_raw()
}

/// signal(7): 64 signals on x86-64 and aarch64.
const SIGNALS: c_int = 64;
