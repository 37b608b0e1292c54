//! Programs, processes and threads.

use libc::AT_FDCWD;

use super::{Act, Class, act};
use crate::call::{Errno, call, input, length, number, succeeds, text};
use crate::targets::Targets;

pub(super) const ACTS: &[Act] = &[
    // Does not return when it works: the program ends with 0, which the test counts as success.
    act("execute", Class::Exec, |_| {
        let (arguments, environment) = (arguments(), [0_usize]);
        succeeds(libc::SYS_execve, &[text(PROGRAM), input(&arguments), input(&environment)])
    }),
    act("execute_at", Class::Exec, |_| {
        let (arguments, environment) = (arguments(), [0_usize]);
        succeeds(
            libc::SYS_execveat,
            &[number(AT_FDCWD), text(PROGRAM), input(&arguments), input(&environment), number(0)],
        )
    }),
    act("execute_by_descriptor", Class::Exec, |_| {
        let image = super::file::open(PROGRAM, libc::O_RDONLY)?;
        let (arguments, environment) = (arguments(), [0_usize]);
        let flags = number(libc::AT_EMPTY_PATH);
        succeeds(
            libc::SYS_execveat,
            &[number(image), text(c""), input(&arguments), input(&environment), flags],
        )
    }),
    act("fork", Class::Exec, |_| {
        let signal = number(libc::SIGCHLD);
        end_if_child(call(libc::SYS_clone, &[signal, number(0), number(0), number(0), number(0)])?)
    }),
    act("fork_by_clone3", Class::Exec, |_| {
        let mut arguments = [0_u64; 11];
        arguments[4] = libc::SIGCHLD as u64;
        end_if_child(call(libc::SYS_clone3, &[input(&arguments), length(&arguments)])?)
    }),
    act("start_thread", Class::Exec, start_thread),
];

const PROGRAM: &std::ffi::CStr = c"/bin/true";

fn arguments() -> [usize; 2] {
    [PROGRAM.as_ptr() as usize, 0]
}

fn end_if_child(pid: usize) -> Result<(), Errno> {
    if pid == 0 {
        succeeds(libc::SYS_exit_group, &[number(0)])?;
    }
    Ok(())
}

fn start_thread(_: &Targets) -> Result<(), Errno> {
    match std::thread::Builder::new().stack_size(64 * 1024).spawn(|| {}) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.raw_os_error().unwrap_or(libc::EAGAIN)),
    }
}
