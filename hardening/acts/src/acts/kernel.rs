//! Rights, limits and interfaces to the kernel itself.

use super::{Act, Class, act, root_act};
use crate::call::{Errno, input, length, number, output, succeeds};
use crate::targets::Targets;

pub(super) const ACTS: &[Act] = &[
    act("load_program_into_kernel", Class::Kernel, |_| {
        // BPF_MAP_CREATE of an array: kind, bytes of key, bytes of value, entries.
        let mut attributes = [0_u32; 32];
        attributes[..4].copy_from_slice(&[2, 4, 4, 1]);
        succeeds(libc::SYS_bpf, &[number(0), input(&attributes), length(&attributes)])
    })
    .for_root(),
    root_act("count_events", Class::Kernel, |_| {
        // PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, of this process on any processor.
        let mut attributes = [0_u32; 32];
        (attributes[0], attributes[1], attributes[2]) = (1, 128, 1);
        let none = number(-1);
        succeeds(libc::SYS_perf_event_open, &[input(&attributes), number(0), none, none, number(0)])
    }),
    root_act("read_kernel_log", Class::Kernel, |_| {
        let mut log = [0_u8; 64];
        let room = length(&log);
        succeeds(libc::SYS_syslog, &[number(3), output(&mut log), room])
    }),
    root_act("tune_clock", Class::Kernel, |_| {
        // `struct timex`: what is set is what was read.
        let mut time = [0_u64; 26];
        succeeds(libc::SYS_adjtimex, &[output(&mut time)])?;
        time[0] = ADJ_STATUS;
        succeeds(libc::SYS_adjtimex, &[output(&mut time)])
    }),
    root_act("stop_accounting", Class::Kernel, |_| succeeds(libc::SYS_acct, &[number(0)])),
    root_act("make_reboot_key_restart", Class::Kernel, |_| {
        // The state that the kernel starts with.
        let (first, second) = (number(0xfee1_dead_u32), number(672_274_793));
        succeeds(libc::SYS_reboot, &[first, second, number(0x89AB_CDEF_u32), number(0)])
    }),
    root_act("become_root", Class::Kernel, |_| {
        let root = number(0);
        succeeds(libc::SYS_setresuid, &[root, root, root])
    }),
    root_act("become_roots_group", Class::Kernel, |_| {
        let root = number(0);
        succeeds(libc::SYS_setresgid, &[root, root, root])
    }),
    root_act("take_groups", Class::Kernel, |_| {
        let groups = [0_u32];
        succeeds(libc::SYS_setgroups, &[number(1), input(&groups)])
    }),
    root_act("take_capabilities", Class::Kernel, |_| {
        // Effective and permitted CAP_CHOWN.
        let header = [0x2008_0522_u32, 0];
        let sets = [1_u32, 1, 0, 0, 0, 0];
        succeeds(libc::SYS_capset, &[input(&header), input(&sets)])
    }),
    root_act("raise_limit", Class::Kernel, |_| {
        let limit = [u64::MAX; 2];
        let resource = number(libc::RLIMIT_RTPRIO);
        succeeds(libc::SYS_prlimit64, &[number(0), resource, input(&limit), number(0)])
    }),
    root_act("run_in_real_time", Class::Kernel, |_| {
        let priority = [1_i32];
        let fifo = number(libc::SCHED_FIFO);
        succeeds(libc::SYS_sched_setscheduler, &[number(0), fifo, input(&priority)])
    }),
    root_act("raise_priority", Class::Kernel, |_| {
        succeeds(libc::SYS_setpriority, &[number(0), number(0), number(-5)])
    }),
    act("run_code_with_a_looser_filter", Class::Kernel, loosen_filter),
    #[cfg(target_arch = "x86_64")]
    root_act("use_ports", Class::Kernel, |_| {
        succeeds(libc::SYS_ioperm, &[number(0x80), number(1), number(1)])
    }),
    root_act("hang_up_terminal", Class::Kernel, |_| succeeds(libc::SYS_vhangup, &[])),
];

impl Act {
    /// This act, for one that some systems refuse to ordinary users.
    const fn for_root(mut self) -> Self {
        self.needs_root = true;
        self
    }
}

/// A filter with a listener would let calls be answered by somebody else; it makes a descriptor.
fn loosen_filter(_: &Targets) -> Result<(), Errno> {
    const SET_MODE_FILTER: i32 = 1;
    const NEW_LISTENER: i32 = 1 << 3;

    succeeds(
        libc::SYS_prctl,
        &[number(libc::PR_SET_NO_NEW_PRIVS), number(1), number(0), number(0), number(0)],
    )?;
    // `struct sock_filter`: return SECCOMP_RET_ALLOW.
    let program = [0x7fff_0000_0000_0006_u64];
    let filter = [1_usize, program.as_ptr() as usize];
    succeeds(libc::SYS_seccomp, &[number(SET_MODE_FILTER), number(NEW_LISTENER), input(&filter)])
}

const ADJ_STATUS: u64 = 0x10;
