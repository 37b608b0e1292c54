//! Clocks, and facts about the host that come by themselves.

use super::{Act, Class, act};
use crate::call::{number, output, succeeds};

pub(super) const ACTS: &[Act] = &[
    act("ask_for_time", Class::Time, |_| {
        let mut time = [0_u64; 2];
        succeeds(libc::SYS_clock_gettime, &[number(libc::CLOCK_REALTIME), output(&mut time)])
    }),
    act("ask_for_memory_and_uptime", Class::Time, |_| {
        let mut information = [0_u64; 14];
        succeeds(libc::SYS_sysinfo, &[output(&mut information)])
    }),
];
