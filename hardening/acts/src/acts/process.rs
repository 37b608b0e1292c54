//! Reading, writing and changing other processes.

use super::{Act, Class, act, root_act};
use crate::call::{Errno, call, input, length, number, output, succeeds};
use crate::targets::Targets;

pub(super) const ACTS: &[Act] = &[
    root_act("trace", Class::Process, |targets| {
        let none = number(0);
        succeeds(libc::SYS_ptrace, &[number(PTRACE_SEIZE), number(targets.neighbour), none, none])
    }),
    root_act("read_brokers_memory", Class::Process, |targets| copy_word(libc::SYS_process_vm_readv, targets)),
    root_act("write_brokers_memory", Class::Process, |targets| {
        copy_word(libc::SYS_process_vm_writev, targets)
    }),
    root_act("compare_with_broker", Class::Process, |targets| {
        let broker = number(targets.broker);
        let own = call(libc::SYS_getpid, &[])? as i64;
        let kind = number(KCMP_VM);
        succeeds(libc::SYS_kcmp, &[broker, number(own), kind, number(0), number(0)])
    }),
    root_act("take_descriptor_of_neighbour", Class::Process, |targets| {
        let pidfd = call(libc::SYS_pidfd_open, &[number(targets.neighbour), number(0)])?;
        succeeds(libc::SYS_pidfd_getfd, &[number(pidfd as i64), number(0), number(0)])
    }),
    act("read_neighbours_limits", Class::Process, |targets| {
        let mut limit = [0_u64; 2];
        let resource = number(libc::RLIMIT_NOFILE);
        let pid = number(targets.neighbour);
        succeeds(libc::SYS_prlimit64, &[pid, resource, number(0), output(&mut limit)])
    }),
    act("change_neighbours_limits", Class::Process, |targets| {
        let limit = [0_u64; 2];
        let pid = number(targets.neighbour);
        let resource = number(libc::RLIMIT_CORE);
        succeeds(libc::SYS_prlimit64, &[pid, resource, input(&limit), number(0)])
    }),
    act("bind_neighbour_to_processor", Class::Process, |targets| {
        let pid = number(targets.neighbour);
        let mask = [1_u64];
        succeeds(libc::SYS_sched_setaffinity, &[pid, length(&mask), input(&mask)])
    }),
    act("slow_neighbour_down", Class::Process, |targets| {
        let pid = number(targets.neighbour);
        succeeds(libc::SYS_setpriority, &[number(PRIO_PROCESS), pid, number(19)])
    }),
    act("reschedule_neighbour", Class::Process, |targets| {
        let pid = number(targets.neighbour);
        let parameter = [0_i32];
        succeeds(libc::SYS_sched_setscheduler, &[pid, number(libc::SCHED_IDLE), input(&parameter)])
    }),
    act("slow_neighbours_disk_down", Class::Process, |targets| {
        let pid = number(targets.neighbour);
        succeeds(libc::SYS_ioprio_set, &[number(IOPRIO_WHO_PROCESS), pid, number(IDLE_CLASS)])
    }),
    act("read_neighbours_session", Class::Process, |targets| {
        succeeds(libc::SYS_getsid, &[number(targets.neighbour)])
    }),
    root_act("read_neighbours_futexes", Class::Process, |targets| {
        let (mut head, mut size) = (0_usize, 0_usize);
        let pid = number(targets.neighbour);
        succeeds(libc::SYS_get_robust_list, &[pid, output(&mut head), output(&mut size)])
    }),
    root_act("move_neighbours_pages", Class::Process, |targets| {
        let none = number(0);
        let pid = number(targets.neighbour);
        succeeds(libc::SYS_move_pages, &[pid, none, none, none, none, none])
    }),
    act("outlive_broker", Class::Process, |_| {
        succeeds(libc::SYS_prctl, &[number(libc::PR_SET_PDEATHSIG), number(0)])
    }),
];

/// Copies one word between the broker and here; what is written is what was there.
fn copy_word(number_of_call: libc::c_long, targets: &Targets) -> Result<(), Errno> {
    let mut word = WORD;
    let here = [(&raw mut word) as usize, size_of::<u64>()];
    let there = [targets.address as usize, size_of::<u64>()];
    let one = number(1);
    let arguments = [number(targets.broker), input(&here), one, input(&there), one, number(0)];
    succeeds(number_of_call, &arguments)?;
    if word == WORD { Ok(()) } else { Err(libc::EIO) }
}

/// What the test keeps at [`Targets::address`].
const WORD: u64 = 0x6578_6563_7265_7473;
const PTRACE_SEIZE: i32 = 0x4206;
const KCMP_VM: i32 = 1;
const PRIO_PROCESS: i32 = 0;
const IOPRIO_WHO_PROCESS: i32 = 1;
const IDLE_CLASS: i32 = 3 << 13;
