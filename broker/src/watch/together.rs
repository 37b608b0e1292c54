//! Keeps broker and jail on one processor while they exchange.
//!
//! The two take turns: while one works the other waits, so that one processor is enough for both. On two, each turn has to
//! wake the other processor, which costs several times what a request does, most of all on a virtual machine. Who has
//! to share the processor with others is set free, and so is a jail that computes for itself.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

/// Where broker and jail may run, and where they run now. Belongs to the thread that serves.
#[derive(Debug)]
pub struct Together {
    jail: Pid,
    /// Where this thread may run when it is free. The jail was started with the same.
    usual: CpuSet,
    /// What the kernel tells of this thread: time on the processor and time of waiting for it, in nanoseconds.
    schedule: File,
    state: State,
    /// How long both are left free the next time that they have to wait for their processor.
    pause: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Wherever the kernel likes; not together again before then.
    Free(Instant),
    /// On one processor; looked at then, when the time of waiting had been this before.
    Joined { look_at: Instant, since: Instant, waited_ns: u64 },
    /// The kernel does not let it be done.
    Never,
}

impl Together {
    /// For this jail and the calling thread; nothing where there is only one processor for them.
    ///
    /// # Errors
    /// Those of sched_getaffinity(2), and of opening what the kernel tells of this thread.
    pub fn with(jail: i32) -> io::Result<Option<Self>> {
        let usual = sched_getaffinity(THIS_THREAD)?;
        if processors(&usual).nth(1).is_none() {
            return Ok(None);
        }
        let schedule = File::open("/proc/thread-self/schedstat")?;
        let state = State::Free(Instant::now());
        Ok(Some(Self { jail: Pid::from_raw(jail), usual, schedule, state, pause: SHORTEST_PAUSE }))
    }

    /// To be called when the jail has asked for something, and so waits for the answer.
    pub fn asked(&mut self, now: Instant) {
        match self.state {
            State::Free(until) if until <= now => self.join(now),
            State::Joined { look_at, since, waited_ns } if look_at <= now => self.look(now, since, waited_ns),
            State::Free(_) | State::Joined { .. } | State::Never => {}
        }
    }

    /// In words: whether the two can share a processor on this host. For a jail that only waits.
    pub fn told(jail: i32) -> &'static str {
        match Self::with(jail) {
            Ok(Some(mut together)) => {
                together.asked(Instant::now());
                if together.patience().is_some() {
                    "broker and jail share one while they exchange"
                } else {
                    "the jail cannot be moved: broker and jail are wherever the kernel likes"
                }
            }
            Ok(None) => "there is one only",
            Err(_) => "unknown: broker and jail are wherever the kernel likes",
        }
    }

    /// When a jail that has not asked again by then counts as one that computes.
    pub fn patience(&self) -> Option<Duration> {
        matches!(self.state, State::Joined { .. }).then_some(PATIENCE)
    }

    /// The jail computes: whoever else wants this processor does not get in its way, nor it in theirs.
    pub fn computes(&mut self, now: Instant) {
        if matches!(self.state, State::Joined { .. }) {
            self.part(now);
        }
    }

    fn join(&mut self, now: Instant) {
        let joined = sched_getcpu().and_then(|processor| {
            let mut here = CpuSet::new();
            here.set(processor)?;
            // This thread first: what is refused for the jail can be taken back here.
            sched_setaffinity(THIS_THREAD, &here)?;
            sched_setaffinity(self.jail, &here)
        });
        self.state = match (joined, self.waited_ns()) {
            (Ok(()), Some(waited_ns)) => {
                State::Joined { look_at: now + BETWEEN_LOOKS, since: now, waited_ns }
            }
            _ => {
                self.set_free();
                State::Never
            }
        };
    }

    /// Whether others want the processor as well.
    fn look(&mut self, now: Instant, since: Instant, before_ns: u64) {
        let Some(waited_ns) = self.waited_ns() else {
            self.set_free();
            self.state = State::Never;
            return;
        };
        if is_contended(waited_ns.saturating_sub(before_ns), now.saturating_duration_since(since)) {
            let pause = self.pause;
            self.pause = (pause * 2).min(LONGEST_PAUSE);
            self.part(now + pause);
        } else {
            self.pause = SHORTEST_PAUSE;
            self.state = State::Joined { look_at: now + BETWEEN_LOOKS, since: now, waited_ns };
        }
    }

    fn part(&mut self, until: Instant) {
        self.set_free();
        self.state = State::Free(until);
    }

    fn set_free(&self) {
        // A jail that has ended needs nothing, and a set that was once in force is one that the kernel takes.
        let _ = sched_setaffinity(self.jail, &self.usual);
        let _ = sched_setaffinity(THIS_THREAD, &self.usual);
    }

    /// How long this thread has waited for a processor; Linux, Documentation/scheduler/sched-stats.rst: the second number.
    fn waited_ns(&self) -> Option<u64> {
        let mut text = [0; 96];
        let length = self.schedule.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..length)?).ok()?;
        text.split_ascii_whitespace().nth(1)?.parse().ok()
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        if matches!(self.state, State::Joined { .. }) {
            self.set_free();
        }
    }
}

/// Whether the time of waiting says that somebody else had the processor. The jail waits exactly while we do not.
fn is_contended(waited_ns: u64, of: Duration) -> bool {
    u128::from(waited_ns) * 4 > of.as_nanos()
}

/// The processors of a set, by number.
fn processors(set: &CpuSet) -> impl Iterator<Item = usize> {
    (0..CpuSet::count()).filter(|processor| set.is_set(*processor).unwrap_or(false))
}

/// sched_setaffinity(2): "If pid is zero, then the calling thread is used."
const THIS_THREAD: Pid = Pid::from_raw(0);
/// Much longer than a turn, and short enough that nobody notices a processor that is shared.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// A jail that asks less often than this gains nothing.
const PATIENCE: Duration = Duration::from_millis(10);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_time_is_too_much_to_wait() {
        let of = Duration::from_millis(4);

        assert!(!is_contended(1_000_000, of));
        assert!(is_contended(1_000_001, of));
    }
}
