//! What a jail does before it says that it is ready, so that a step which it claims is not in force.

use std::ffi::CStr;

use rex_agreed::SOCKET_FD;

use crate::call::{Errno, call, input, length, number, output, succeeds, text};

/// Keeps a descriptor besides the socket.
///
/// # Errors
/// Those of dup(2).
pub fn keep_descriptor() -> Result<(), Errno> {
    succeeds(libc::SYS_dup, &[number(SOCKET_FD)])
}

/// Can be attached to, and leaves a core, as before the step.
///
/// # Errors
/// Those of prctl(2).
pub fn become_dumpable() -> Result<(), Errno> {
    succeeds(libc::SYS_prctl, &[number(libc::PR_SET_DUMPABLE), number(1)])
}

/// Ignores SIGUSR1.
///
/// # Errors
/// Those of rt_sigaction(2).
pub fn ignore_signal() -> Result<(), Errno> {
    handle(libc::SIG_IGN as u64)
}

/// Has a handler for SIGUSR1, which never runs.
///
/// # Errors
/// Those of rt_sigaction(2).
pub fn catch_signal() -> Result<(), Errno> {
    handle(NO_HANDLER)
}

/// Blocks SIGUSR1.
///
/// # Errors
/// Those of rt_sigprocmask(2).
pub fn block_signal() -> Result<(), Errno> {
    let set = 1_u64 << (libc::SIGUSR1 - 1);
    let how = number(libc::SIG_BLOCK);
    succeeds(libc::SYS_rt_sigprocmask, &[how, input(&set), number(0), length(&set)])
}

/// Becomes the program at [`OTHER_PROGRAM`] in the working directory, unless it is that already.
///
/// # Errors
/// Those of readlink(2) and execve(2); where it works it does not return.
pub fn become_other_program() -> Result<(), Errno> {
    let mut path = [0_u8; 256];
    let room = length(&path);
    call(libc::SYS_readlink, &[text(c"/proc/self/exe"), output(&mut path), room])?;
    if !path.starts_with(b"/memfd:") {
        return Ok(());
    }
    let (arguments, environment) = ([OTHER_PROGRAM.as_ptr() as usize, 0], [0_usize]);
    succeeds(libc::SYS_execve, &[text(OTHER_PROGRAM), input(&arguments), input(&environment)])
}

fn handle(handler: u64) -> Result<(), Errno> {
    // `struct sigaction` of the kernel: handler, flags, restorer, mask.
    let action = [handler, 0, 0, 0];
    let signal = number(libc::SIGUSR1);
    succeeds(libc::SYS_rt_sigaction, &[signal, input(&action), number(0), length(&0_u64)])
}

/// What [`become_other_program`] runs.
pub const OTHER_PROGRAM: &CStr = c"other-program";
/// An address at which there is no code: nobody sends the signal.
const NO_HANDLER: u64 = 0x1000;
