//! Signals to others; signal 0 throughout, which asks only whether it could be sent.

use rex_agreed::SOCKET_FD;

use super::{Act, Class, act};
use crate::call::{Errno, call, input, number, succeeds};
use crate::targets::Targets;

pub(super) const ACTS: &[Act] = &[
    act("signal_broker", Class::Signal, |targets| {
        succeeds(libc::SYS_kill, &[number(targets.broker), number(0)])
    }),
    act("signal_neighbour", Class::Signal, |targets| {
        succeeds(libc::SYS_kill, &[number(targets.neighbour), number(0)])
    }),
    act("signal_everybody", Class::Signal, |_| succeeds(libc::SYS_kill, &[number(-1), number(0)])),
    act("signal_thread", Class::Signal, |targets| {
        let broker = number(targets.broker);
        succeeds(libc::SYS_tgkill, &[broker, broker, number(0)])
    }),
    act("queue_signal", Class::Signal, queue_signal),
    act("signal_by_descriptor", Class::Signal, |targets| {
        let pidfd = call(libc::SYS_pidfd_open, &[number(targets.broker), number(0)])?;
        let none = [number(0); 3];
        succeeds(libc::SYS_pidfd_send_signal, &[number(pidfd as i64), none[0], none[1], none[2]])
    }),
    // fcntl(2), F_SETOWN: the kernel sends SIGIO to that process when the socket becomes readable.
    act("signal_by_socket_owner", Class::Signal, |targets| {
        let command = number(libc::F_SETOWN);
        succeeds(libc::SYS_fcntl, &[number(SOCKET_FD), command, number(targets.broker)])
    }),
];

fn queue_signal(targets: &Targets) -> Result<(), Errno> {
    // `siginfo_t`: number, errno, code; SI_QUEUE is what a process may claim about itself.
    let mut information = [0_i32; 32];
    information[2] = libc::SI_QUEUE;
    succeeds(libc::SYS_rt_sigqueueinfo, &[number(targets.broker), number(0), input(&information)])
}
