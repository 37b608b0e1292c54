//! How much processor time the run has used, and when that has to be looked at again.

use std::io;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use crate::gate::error::LimitReached;
use crate::gate::limits::{JAIL_PROCESSOR_TIME, Limits, PROCESSOR_TIME};

/// Watches the processor time of the jail, and that of broker and jail together.
///
/// The kernel counts both; nothing here depends on what the jail says. Neither can grow faster than the clock on the
/// wall allows, so that nobody has to look before the rest of the limit could have been used.
#[derive(Debug)]
pub struct Processor {
    jail: ClockId,
    limits: Limits,
    look_at: Instant,
}

impl Processor {
    /// Watches this jail from now on.
    ///
    /// # Errors
    /// Those of clock_getcpuclockid(3).
    pub fn of_jail(pid: i32, limits: &Limits) -> io::Result<Self> {
        let jail = clock_getcpuclockid(Pid::from_raw(pid))?;
        Ok(Self { jail, limits: *limits, look_at: Instant::now() })
    }

    /// When to look next.
    pub fn look_at(&self) -> Instant {
        self.look_at
    }

    /// The limit that was reached, if one was.
    pub fn look(&mut self, now: Instant) -> Option<LimitReached> {
        // A jail that has been reaped has no clock any more, and its end is noticed by other means.
        let jail = self.jail.now().map(Duration::from).unwrap_or_default();
        let broker = ClockId::CLOCK_PROCESS_CPUTIME_ID.now().map(Duration::from).unwrap_or_default();
        let allowed = [
            (JAIL_PROCESSOR_TIME, self.limits.max_jail_cpu_seconds, jail, 1),
            // Two processes can use two processors.
            (PROCESSOR_TIME, self.limits.max_cpu_seconds, jail + broker, 2),
        ];
        let mut soonest = LONGEST_WAIT;
        for (name, value, used, processors) in allowed {
            match Duration::from_secs(value).checked_sub(used) {
                Some(left) if !left.is_zero() => soonest = soonest.min(left / processors),
                _ => return Some(LimitReached { name, value }),
            }
        }
        self.look_at = now + soonest.max(SHORTEST_WAIT);
        None
    }
}

/// Looking more often would cost more than it tells.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn own(limits: Limits) -> Processor {
        Processor::of_jail(Pid::this().as_raw(), &limits).unwrap()
    }

    #[test]
    fn nobody_looks_before_the_rest_could_have_been_used() {
        let now = Instant::now();
        let mut processor =
            own(Limits { max_jail_cpu_seconds: 1000, max_cpu_seconds: 1000, ..Limits::default() });

        assert_eq!(processor.look(now), None);

        let wait = processor.look_at() - now;
        assert!(wait > Duration::from_secs(300) && wait <= Duration::from_secs(500), "{wait:?}");
    }

    #[test]
    fn what_was_used_up_is_told_by_name() {
        let mut none = own(Limits { max_jail_cpu_seconds: 0, ..Limits::default() });
        let mut neither = own(Limits { max_cpu_seconds: 0, ..Limits::default() });

        let name = |processor: &mut Processor| processor.look(Instant::now()).map(|limit| limit.name);
        assert_eq!(name(&mut none), Some(JAIL_PROCESSOR_TIME));
        assert_eq!(name(&mut neither), Some(PROCESSOR_TIME));
    }

    #[test]
    fn a_process_that_is_gone_has_no_clock() {
        // proc(5): "On 64-bit systems, pid_max can be set to any value up to 2^22".
        assert!(Processor::of_jail((1 << 22) + 1, &Limits::default()).is_err());
    }
}
