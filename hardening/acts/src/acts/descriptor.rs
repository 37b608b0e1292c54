//! New descriptors and inherited ones.

use rex_agreed::SOCKET_FD;

use super::{Act, Class, act, root_act};
use crate::call::{Errno, input, length, number, output, succeeds, text};
use crate::targets::Targets;

pub(super) const ACTS: &[Act] = &[
    act("duplicate", Class::Descriptor, |_| succeeds(libc::SYS_dup, &[number(SOCKET_FD)])),
    act("duplicate_by_fcntl", Class::Descriptor, |_| {
        succeeds(libc::SYS_fcntl, &[number(SOCKET_FD), number(libc::F_DUPFD), number(0)])
    }),
    act("duplicate_to_zero", Class::Descriptor, |_| {
        succeeds(libc::SYS_dup3, &[number(SOCKET_FD), number(0), number(0)])
    }),
    act("make_event_descriptor", Class::Descriptor, |_| {
        succeeds(libc::SYS_eventfd2, &[number(0), number(0)])
    }),
    act("make_poll_descriptor", Class::Descriptor, |_| succeeds(libc::SYS_epoll_create1, &[number(0)])),
    act("make_timer_descriptor", Class::Descriptor, |_| {
        succeeds(libc::SYS_timerfd_create, &[number(libc::CLOCK_MONOTONIC), number(0)])
    }),
    act("make_signal_descriptor", Class::Descriptor, |_| {
        let mask = [0_u64];
        succeeds(libc::SYS_signalfd4, &[number(-1), input(&mask), length(&mask), number(0)])
    }),
    act("make_memory_file", Class::Descriptor, |_| {
        succeeds(libc::SYS_memfd_create, &[text(c"x"), number(0)])
    }),
    act("make_process_descriptor", Class::Descriptor, |targets| {
        succeeds(libc::SYS_pidfd_open, &[number(targets.neighbour), number(0)])
    }),
    root_act("make_fault_descriptor", Class::Descriptor, |_| succeeds(libc::SYS_userfaultfd, &[number(0)])),
    act("use_io_uring", Class::Descriptor, |_| {
        let mut parameters = [0_u32; 30];
        succeeds(libc::SYS_io_uring_setup, &[number(1), output(&mut parameters)])
    }),
    act("use_landlock", Class::Descriptor, |_| {
        let rights = [1_u64];
        let none = number(0);
        succeeds(libc::SYS_landlock_create_ruleset, &[input(&rights), length(&rights), none])
    }),
];

/// Looks for a descriptor other than the socket; not in the table, because its control needs an open one.
///
/// # Errors
/// `EBADF` when there is none.
pub fn use_inherited(_: &Targets) -> Result<(), Errno> {
    let open = (0..1024).filter(|fd| *fd != SOCKET_FD);
    for fd in open {
        if succeeds(libc::SYS_fcntl, &[number(fd), number(libc::F_GETFD)]).is_ok() {
            return Ok(());
        }
    }
    Err(libc::EBADF)
}
