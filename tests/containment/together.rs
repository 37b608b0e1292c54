//! Broker and jail on one processor: the thread that serves, and a process in the place of the jail.

use std::process::{Child, Command};
use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;
use rex_broker::watch::together::Together;
use rex_tests::skip::skipped;

/// sched_setaffinity(2): "If pid is zero, then the calling thread is used."
const THIS_THREAD: Pid = Pid::from_raw(0);

/// A process that does nothing, or as much as it can on one processor, until it is dropped.
struct Other(Child);

impl Other {
    fn idle() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    fn busy(processor: usize) -> Self {
        let other = Self(Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap());
        let mut there = CpuSet::new();
        there.set(processor).unwrap();
        sched_setaffinity(other.pid(), &there).unwrap();
        other
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id().try_into().unwrap())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn where_may(pid: Pid) -> Vec<usize> {
    let set = sched_getaffinity(pid).unwrap();
    (0..CpuSet::count()).filter(|processor| set.is_set(*processor).unwrap()).collect()
}

/// The pair on a thread of its own; nothing where there is one processor only, which the output says.
fn together(test: impl FnOnce(&mut Together, Pid) + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let jail = Other::idle();
            match Together::with(jail.pid().as_raw()).unwrap() {
                Some(mut together) => test(&mut together, jail.pid()),
                None => skipped("there is one processor only"),
            }
        });
    });
}

#[test]
fn both_are_on_one_processor_from_the_first_request_until_the_jail_computes() {
    together(|together, jail| {
        let usual = where_may(THIS_THREAD);
        assert_eq!(together.patience(), None);

        together.asked(Instant::now());

        assert_eq!(where_may(jail), [sched_getcpu().unwrap()]);
        assert_eq!(where_may(THIS_THREAD), where_may(jail));
        assert!(together.patience().is_some());
        together.computes(Instant::now());
        assert_eq!((where_may(THIS_THREAD), where_may(jail)), (usual.clone(), usual.clone()));
        together.asked(Instant::now());
        assert_eq!(where_may(jail).len(), 1, "and again when it asks");
    });
}

#[test]
fn nothing_stays_pinned_when_the_run_is_over() {
    together(|together, jail| {
        let usual = where_may(THIS_THREAD);
        let mut other = Together::with(jail.as_raw()).unwrap().unwrap();
        other.asked(Instant::now());
        assert_eq!(where_may(THIS_THREAD).len(), 1);

        drop(other);

        assert_eq!((where_may(THIS_THREAD), where_may(jail)), (usual.clone(), usual));
        assert_eq!(together.patience(), None);
    });
}

#[test]
fn who_has_to_share_the_processor_is_set_free() {
    together(|together, jail| {
        together.asked(Instant::now());
        let [here] = where_may(THIS_THREAD)[..] else { panic!("it is joined") };
        let _others = [(); 3].map(|()| Other::busy(here));

        // As much work as it takes until the kernel has had others run instead of this thread for long enough.
        let mut work = 0_u64;
        while together.patience().is_some() {
            work = work.wrapping_mul(31).wrapping_add(7);
            if work.is_multiple_of(64) {
                together.asked(Instant::now());
            }
        }

        assert!(where_may(THIS_THREAD).len() > 1 && where_may(jail).len() > 1);
    });
}

#[test]
fn a_jail_that_may_not_be_moved_is_left_where_it_is() {
    together(|_, _| {
        // kill(2): no process has this number, so that the kernel refuses it as it would refuse another user's.
        let mut nobody = Together::with(i32::MAX).unwrap().unwrap();
        let usual = where_may(THIS_THREAD);

        nobody.asked(Instant::now());

        assert_eq!((nobody.patience(), where_may(THIS_THREAD)), (None, usual));
    });
}
