//! What ends a run whose broker waits for a kernel call that does not come back, such as one on a dead file server.
//!
//! The thread that serves notices signals and the deadline whenever it waits by itself. While it is in a system call it
//! cannot; then the watchdog, a second thread, ends the run in its place. It makes no system call for a script.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signalfd::SignalFd;

use crate::watch::shared::Shared;
use crate::watch::wait::signals;

/// What the serving thread tells the watchdog.
#[derive(Clone)]
pub struct Watched(Arc<Inner>);

struct Inner {
    state: Shared<State>,
    /// Wakes the watchdog when the state has changed.
    changed: EventFd,
}

struct State {
    phase: Phase,
    deadline: Instant,
    work: Option<Work>,
    jail: Option<OwnedFd>,
    /// What the watchdog is to do before it waits again.
    errand: Option<Errand>,
}

/// Something that the watchdog does to itself.
type Errand = Box<dyn FnOnce() + Send>;

/// How far the run is, and so who ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The script may run.
    Serving,
    /// The serving thread has been making the document and the closing record since then.
    Closing(Instant),
    /// It has made them.
    Concluded,
    /// The watchdog ends the run.
    TakenOver,
}

/// What the broker does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// The operation, by its name in the interface table, or a step of the start.
    pub name: &'static str,
    /// The line of the script, as the jail claims; 0 when there is none.
    pub line: u32,
    /// Since when.
    pub since: Instant,
}

/// A run that its broker did not end in time.
pub struct Abandoned {
    /// The signal that asked for the end; without one it was the deadline.
    pub signal: Option<i32>,
    /// What the broker was doing, and is perhaps still doing.
    pub work: Option<Work>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Watched")
    }
}

impl Watched {
    /// Watches the calling thread, and has `rescue` end the run when that does not; with `grace`, SIGTERM asks for the
    /// end only that much later. The program then exits with what `rescue` returns.
    ///
    /// The signals have to be blocked, as [`crate::watch::wait::Waiter::new`] does it.
    ///
    /// # Errors
    /// When there is no descriptor or thread to be had.
    pub fn start(
        deadline: Instant,
        grace: Option<Duration>,
        rescue: impl FnOnce(Abandoned) -> u8 + Send + 'static,
    ) -> io::Result<Self> {
        let watched = Self::alone(deadline)?;
        let signals = signals()?;
        let guard = watched.clone();
        let watch = move || {
            if let Some(abandoned) = guard.watch(&signals, grace) {
                std::process::exit(rescue(abandoned).into());
            }
        };
        thread::Builder::new().name("watchdog".to_owned()).stack_size(STACK_BYTES).spawn(watch)?;
        Ok(watched)
    }

    /// The state of a run that no thread watches, for what has no document to write.
    ///
    /// # Errors
    /// When there is no descriptor to be had.
    pub fn alone(deadline: Instant) -> io::Result<Self> {
        let start = Work { name: "start of the run", line: 0, since: Instant::now() };
        let state = State { phase: Phase::Serving, deadline, work: Some(start), jail: None, errand: None };
        let changed = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self(Arc::new(Inner { state: Shared::new(state), changed })))
    }

    /// Says what is done from now on; nothing when the broker only waits for the jail.
    pub fn work(&self, work: Option<Work>) {
        self.0.state.lock().work = work;
    }

    /// Moves the end of the run.
    pub fn set_deadline(&self, deadline: Instant) {
        self.0.state.lock().deadline = deadline;
        self.wake();
    }

    /// This jail is killed with the run.
    pub fn set_jail(&self, pidfd: OwnedFd) {
        self.0.state.lock().jail = Some(pidfd);
    }

    /// Has the watchdog do something to itself, and gives what came of it; nothing when it does not come to it in time, as where
    /// there is none.
    pub fn have_done<T: Send + 'static>(&self, errand: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (done, wait) = mpsc::sync_channel(1);
        // Whoever does not wait any more has given up the run.
        self.0.state.lock().errand = Some(Box::new(move || drop(done.send(errand()))));
        self.wake();
        wait.recv_timeout(PATIENCE * 4).ok()
    }

    /// The calling thread ends the run; neither signals nor the deadline matter from now on. Does not return when the
    /// watchdog is about to end it.
    pub fn close(&self) {
        self.advance(Phase::Closing(Instant::now()));
    }

    /// The closing record is written, and the result is all that is left. Does not return when that took so long that
    /// the watchdog ends the run.
    pub fn conclude(&self) {
        self.advance(Phase::Concluded);
    }

    fn advance(&self, phase: Phase) {
        let mut state = self.0.state.lock();
        if state.phase == Phase::TakenOver {
            drop(state);
            // The watchdog ends the process.
            loop {
                thread::park();
            }
        }
        state.phase = phase;
        drop(state);
        self.wake();
    }

    fn wake(&self) {
        // It fails only when it was woken 2^64 times and has not come to look.
        let _ = self.0.changed.write(1);
    }

    /// Waits until the run is concluded, or has to be ended from here.
    fn watch(&self, signals: &SignalFd, grace: Option<Duration>) -> Option<Abandoned> {
        let mut signal = None;
        loop {
            let errand = self.0.state.lock().errand.take();
            if let Some(errand) = errand {
                errand();
            }
            let (patient, heeded) = {
                let state = self.0.state.lock();
                match state.phase {
                    Phase::Serving => (state.deadline + PATIENCE, Some(signals)),
                    // A slow disk is no reason to give up a record. One that does not answer at all is.
                    Phase::Closing(since) => (since + PATIENCE_WITH_RECORD, None),
                    Phase::Concluded | Phase::TakenOver => return None,
                }
            };
            if Instant::now() >= patient {
                return self.take_over(signal);
            }
            if !self.wait(heeded, patient) {
                continue;
            }
            // The serving thread takes the signal as soon as it waits by itself.
            let noticed = Instant::now();
            while Instant::now() < noticed + PATIENCE && self.0.state.lock().phase == Phase::Serving {
                self.wait(None, noticed + PATIENCE);
            }
            if self.0.state.lock().phase != Phase::Serving {
                continue;
            }
            let Some(left) = left_signal(signals) else { continue };
            match grace {
                Some(grace) if left == nix::libc::SIGTERM => {
                    signal = signal.or(Some(left));
                    let mut state = self.0.state.lock();
                    state.deadline = state.deadline.min(noticed + grace);
                }
                _ => return self.take_over(Some(left)),
            }
        }
    }

    /// Whether there is a signal; waits for one, for a change of the state, or for that time.
    fn wait(&self, signals: Option<&SignalFd>, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now()).as_millis().saturating_add(1);
        let timeout =
            PollTimeout::try_from(i32::try_from(left).unwrap_or(i32::MAX)).unwrap_or(PollTimeout::MAX);
        let changed = PollFd::new(self.0.changed.as_fd(), PollFlags::POLLIN);
        let signal = match signals {
            Some(signals) => PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            None => PollFd::new(self.0.changed.as_fd(), PollFlags::empty()),
        };
        let mut fds = [changed, signal];
        if let Err(errno) = poll(&mut fds, timeout)
            && errno != Errno::EINTR
        {
            // Without poll there is still the deadline.
            thread::sleep(PATIENCE);
        }
        let [changed, signal] = fds.map(|fd| fd.any().unwrap_or(false));
        if changed {
            // Only so that it is not told again.
            let _ = self.0.changed.read();
        }
        signal
    }

    /// Ends the run from here, unless it was concluded meanwhile.
    fn take_over(&self, signal: Option<i32>) -> Option<Abandoned> {
        let mut state = self.0.state.lock();
        if state.phase == Phase::Concluded {
            return None;
        }
        state.phase = Phase::TakenOver;
        if let Some(jail) = &state.jail {
            // The kernel would end it with this process, but only when the last call of that has come back.
            let _ = rex_outside::kernel::pidfd_send_signal(jail.as_fd(), nix::libc::SIGKILL);
        }
        Some(Abandoned { signal, work: state.work })
    }
}

/// A signal that nobody has taken.
fn left_signal(signals: &SignalFd) -> Option<i32> {
    let signal = signals.read_signal().ok().flatten()?;
    i32::try_from(signal.ssi_signo).ok()
}

/// How long the closing record may take; as long as a reader of the record may take elsewhere.
const PATIENCE_WITH_RECORD: Duration = Duration::from_secs(10);
/// How long the serving thread may take to notice that the run is to end.
const PATIENCE: Duration = Duration::from_millis(500);
/// Room for writing a document.
const STACK_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(left: Duration) -> (Watched, SignalFd) {
        (Watched::alone(Instant::now() + left).unwrap(), signals().unwrap())
    }

    #[test]
    fn a_run_that_is_concluded_needs_no_watchdog() {
        let (watched, signals) = watched(Duration::from_secs(60));

        let abandoned = thread::scope(|scope| {
            let watch = scope.spawn(|| watched.watch(&signals, None).is_some());
            watched.close();
            watched.conclude();
            watch.join().unwrap()
        });

        assert!(!abandoned);
    }

    #[test]
    fn work_that_does_not_end_with_the_deadline_is_abandoned() {
        let (watched, signals) = watched(Duration::ZERO);
        let begun = Instant::now();
        watched.work(Some(Work { name: "read_chunk", line: 7, since: begun }));

        let abandoned = watched.watch(&signals, None).unwrap();

        assert!(begun.elapsed() >= PATIENCE);
        assert_eq!(abandoned.signal, None);
        assert_eq!(abandoned.work.map(|work| (work.name, work.line)), Some(("read_chunk", 7)));
    }

    #[test]
    fn a_run_that_is_being_closed_has_time_beyond_its_deadline() {
        let (watched, signals) = watched(Duration::ZERO);
        watched.close();

        let abandoned = thread::scope(|scope| {
            let watch = scope.spawn(|| watched.watch(&signals, None).is_some());
            thread::sleep(PATIENCE * 2);
            watched.conclude();
            watch.join().unwrap()
        });

        assert!(!abandoned);
    }

    #[test]
    fn the_watchdog_does_an_errand_in_its_own_thread() {
        let (watched, signals) = watched(Duration::from_secs(60));

        let (told, of_watchdog) = thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let _ = watched.watch(&signals, None);
                thread::current().id()
            });
            let told = watched.have_done(|| thread::current().id());
            watched.conclude();
            (told, watch.join().unwrap())
        });

        assert_eq!(told, Some(of_watchdog));
        let nobody = Watched::alone(Instant::now()).unwrap();
        assert_eq!(nobody.have_done(|| ()), None);
    }

    #[test]
    fn a_deadline_that_was_moved_is_heeded() {
        let (watched, signals) = watched(Duration::from_secs(60));

        let abandoned = thread::scope(|scope| {
            let watch = scope.spawn(|| watched.watch(&signals, None).is_some());
            watched.set_deadline(Instant::now());
            watch.join().unwrap()
        });

        assert!(abandoned);
    }
}
