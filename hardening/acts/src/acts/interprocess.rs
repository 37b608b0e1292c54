//! System V objects, message queues and pipes.

use super::{Act, Class, act};
use crate::call::{Errno, number, output, succeeds, text};
use crate::targets::Targets;

pub(super) const ACTS: &[Act] = &[
    act("open_shared_memory", Class::Interprocess, |targets| {
        succeeds(libc::SYS_shmget, &[number(targets.ipc_key), number(0), number(0)])
    }),
    act("open_message_queue", Class::Interprocess, |targets| {
        succeeds(libc::SYS_msgget, &[number(targets.ipc_key), number(0)])
    }),
    act("open_semaphores", Class::Interprocess, |targets| {
        succeeds(libc::SYS_semget, &[number(targets.ipc_key), number(0), number(0)])
    }),
    act("make_posix_queue", Class::Interprocess, make_posix_queue),
    act("make_pipe", Class::Interprocess, |_| {
        let mut ends = [0_i32; 2];
        succeeds(libc::SYS_pipe2, &[output(&mut ends), number(0)])
    }),
    act("make_shared_file", Class::Interprocess, |_| {
        let path = c"/dev/shm/rex-containment";
        super::file::open(path, libc::O_RDWR | libc::O_CREAT)?;
        succeeds(libc::SYS_unlinkat, &[number(libc::AT_FDCWD), text(path), number(0)])
    }),
];

fn make_posix_queue(_: &Targets) -> Result<(), Errno> {
    let name = c"rex-containment";
    let flags = libc::O_RDWR | libc::O_CREAT;
    succeeds(libc::SYS_mq_open, &[text(name), number(flags), number(0o600), number(0)])?;
    succeeds(libc::SYS_mq_unlink, &[text(name)])
}
