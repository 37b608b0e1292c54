//! What can happen next: a frame, the end of the jail, a signal, the deadline.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};
use std::{fmt, io};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rex_outside::socket::BRIEFLY;

use crate::gate::error::LimitReached;
use crate::watch::halted::Word;
use crate::watch::inherited::TIMERS;
use crate::watch::processor::Processor;
use crate::watch::together::Together;
use crate::watch::watchdog::Watched;

/// What happened first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The socket has something to read, or was closed by the jail.
    Readable,
    /// The socket takes more.
    Writable,
    /// The time that was waited for has come.
    Elapsed,
    /// The jail waits in a system call that it does not have; only where the operator asked for forensics.
    ForbiddenCall,
    /// The jail has ended.
    JailEnded,
    /// Somebody has stopped the run, and said so in the register.
    Halted,
    /// Somebody wants the run to end.
    Signal(i32),
    /// The time of the run is over.
    Deadline,
    /// The processor time of the run is used up.
    Limit(LimitReached),
}

/// Waits for the socket, the jail, signals and the deadline at once.
///
/// SIGTERM, SIGINT, SIGHUP and the signals of inherited timers are blocked for this process and read from a descriptor, so that none is missed between
/// two calls and none interrupts a write of the record.
#[derive(Debug)]
pub struct Waiter {
    signals: SignalFd,
    jail: Option<OwnedFd>,
    calls: Option<OwnedFd>,
    deadline: Option<Instant>,
    processor: Option<Processor>,
    watched: Option<Watched>,
    halted: Option<Word>,
    together: Option<Together>,
    tick: Option<Tick>,
    grace: Option<Duration>,
    terminated: Option<i32>,
    /// When everything was last looked at.
    looked: Option<Instant>,
    /// Since when the next request is waited for, if a brief wait was the beginning.
    awaited: Option<Instant>,
}

/// Something that is done again and again while nothing happens.
struct Tick {
    every: Duration,
    next: Instant,
    act: Box<dyn FnMut() + Send>,
}

impl Waiter {
    /// Takes over the signals that end a run.
    ///
    /// # Errors
    /// Those of sigprocmask(2) and signalfd(2).
    pub fn new() -> io::Result<Self> {
        ending_signals().thread_block()?;
        Ok(Self {
            signals: signals()?,
            jail: None,
            calls: None,
            deadline: None,
            processor: None,
            watched: None,
            halted: None,
            together: None,
            tick: None,
            grace: None,
            terminated: None,
            looked: None,
            awaited: None,
        })
    }

    /// Has SIGTERM ask for the end after this time, instead of ending the run at once, whatever is waited for meanwhile.
    pub fn set_grace(&mut self, grace: Option<Duration>) {
        self.grace = grace;
    }

    /// The signal that has asked for the end of the run, while it may still go on.
    pub fn terminated(&self) -> Option<i32> {
        self.terminated
    }

    /// Looks at this word from now on.
    pub fn heed(&mut self, word: Word) {
        self.halted = Some(word);
    }

    /// Whether somebody has stopped the run; one pread(2) where it is in the register.
    pub fn is_halted(&self) -> bool {
        self.halted.as_ref().is_some_and(Word::is_set)
    }

    /// Has the watchdog know what is set here.
    pub fn tell(&mut self, watched: Watched) {
        self.watched = Some(watched);
    }

    /// Watches for the end of the jail from now on.
    ///
    /// # Errors
    /// When the watchdog cannot have a descriptor of its own.
    pub fn watch_jail(&mut self, pidfd: OwnedFd) -> io::Result<()> {
        if let Some(watched) = &self.watched {
            watched.set_jail(pidfd.try_clone()?);
        }
        self.jail = Some(pidfd);
        Ok(())
    }

    /// Watches for forbidden system calls from now on.
    pub fn watch_calls(&mut self, listener: OwnedFd) {
        self.calls = Some(listener);
    }

    /// Watches the processor time of the run from now on.
    pub fn watch_processor(&mut self, processor: Processor) {
        self.processor = Some(processor);
    }

    /// Keeps this thread and the jail on one processor from now on, while they exchange.
    pub fn keep_together(&mut self, together: Option<Together>) {
        self.together = together;
    }

    /// Does this again and again from now on, whenever somebody waits.
    pub fn set_tick(&mut self, every: Duration, act: Box<dyn FnMut() + Send>) {
        self.tick = Some(Tick { every, next: Instant::now() + every, act });
    }

    /// Sets or moves the end of the run.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
        if let (Some(watched), Some(deadline)) = (&self.watched, deadline) {
            watched.set_deadline(deadline);
        }
    }

    /// The end of the run, if there is one.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Waits until the socket can be read; or says so at once where the reader may wait for it by itself, as briefly as
    /// [`BRIEFLY`].
    ///
    /// # Errors
    /// Those of poll(2) and of reading the signal.
    pub fn readable(&mut self, socket: BorrowedFd<'_>) -> io::Result<Event> {
        if self.may_be_brief(Instant::now()) {
            return Ok(Event::Readable);
        }
        self.wait(Some((socket, PollFlags::POLLIN, Event::Readable)), None)
    }

    /// Whether nothing but the socket has to be waited for during a time as short as [`BRIEFLY`].
    ///
    /// Everything else was looked at shortly before, and nothing falls due in that time. The end of the jail closes the
    /// socket. A signal is noticed a little later, long before the watchdog loses its patience.
    fn may_be_brief(&mut self, now: Instant) -> bool {
        let is_far = |due: Option<Instant>| due.is_none_or(|due| due.saturating_duration_since(now) > MARGIN);
        let is_brief = self.calls.is_none()
            && self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < BRIEFLY)
            && is_far(self.deadline)
            && is_far(self.processor.as_ref().map(Processor::look_at))
            && is_far(self.tick.as_ref().map(|tick| tick.next));
        if is_brief {
            self.awaited.get_or_insert(now);
        }
        is_brief
    }

    /// The jail has asked for something, and waits for the answer.
    pub fn asked(&mut self, now: Instant) {
        self.awaited = None;
        if let Some(together) = &mut self.together {
            together.asked(now);
        }
    }

    /// Waits until the socket can be written.
    ///
    /// # Errors
    /// Those of poll(2) and of reading the signal.
    pub fn writable(&mut self, socket: BorrowedFd<'_>) -> io::Result<Event> {
        self.wait(Some((socket, PollFlags::POLLOUT, Event::Writable)), None)
    }

    /// Waits for a while, as a script asked.
    ///
    /// # Errors
    /// Those of poll(2) and of reading the signal.
    pub fn pause(&mut self, duration: Duration) -> io::Result<Event> {
        self.wait(None, Some(Instant::now() + duration))
    }

    /// What has happened already that ends a run, without waiting for it.
    ///
    /// # Errors
    /// Those of poll(2) and of reading the signal.
    pub fn glance(&mut self) -> io::Result<Option<Event>> {
        if self.is_halted() {
            return Ok(Some(Event::Halted));
        }
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return Ok(Some(Event::Deadline));
        }
        if let Some(processor) = self.processor.as_mut().filter(|processor| processor.look_at() <= now)
            && let Some(limit) = processor.look(now)
        {
            return Ok(Some(Event::Limit(limit)));
        }
        let ready = self.poll(None, Some(Duration::ZERO))?;
        if ready.signal
            && let Some(number) = self.take_signal()?
        {
            return Ok(Some(Event::Signal(number)));
        }
        let event = if ready.call { Some(Event::ForbiddenCall) } else { None };
        Ok(event.or(ready.jail.then_some(Event::JailEnded)))
    }

    fn wait(
        &mut self,
        socket: Option<(BorrowedFd<'_>, PollFlags, Event)>,
        until: Option<Instant>,
    ) -> io::Result<Event> {
        let begun = self.awaited.unwrap_or_else(Instant::now);
        loop {
            let now = Instant::now();
            let computes_at =
                self.together.as_ref().and_then(Together::patience).map(|patience| begun + patience);
            if let Some(together) = &mut self.together
                && computes_at.is_some_and(|at| at <= now)
            {
                together.computes(now);
                continue;
            }
            if self.deadline.is_some_and(|deadline| deadline <= now) {
                return Ok(Event::Deadline);
            }
            if until.is_some_and(|until| until <= now) {
                return Ok(Event::Elapsed);
            }
            if let Some(processor) = self.processor.as_mut().filter(|processor| processor.look_at() <= now)
                && let Some(limit) = processor.look(now)
            {
                return Ok(Event::Limit(limit));
            }
            if let Some(tick) = self.tick.as_mut().filter(|tick| tick.next <= now) {
                tick.next = now + tick.every;
                (tick.act)();
            }
            let look_at = self.processor.as_ref().map(Processor::look_at);
            let tick = self.tick.as_ref().map(|tick| tick.next);
            let next = [self.deadline, until, look_at, tick, computes_at].into_iter().flatten().min();
            let ready = self.poll(socket, next.map(|next| next.saturating_duration_since(now)))?;
            self.looked = Some(Instant::now());
            if ready.signal
                && let Some(number) = self.take_signal()?
            {
                return Ok(Event::Signal(number));
            }
            if ready.call {
                return Ok(Event::ForbiddenCall);
            }
            // What the jail sent before it ended is read first.
            if ready.socket
                && let Some((_, _, event)) = socket
            {
                return Ok(event);
            }
            if ready.jail {
                return Ok(Event::JailEnded);
            }
        }
    }

    fn poll(
        &self,
        socket: Option<(BorrowedFd<'_>, PollFlags, Event)>,
        timeout: Option<Duration>,
    ) -> io::Result<Ready> {
        // A place that is not used asks for nothing of a descriptor that is open, so it never becomes ready.
        let signals = PollFd::new(self.signals.as_fd(), PollFlags::POLLIN);
        let unused = || PollFd::new(self.signals.as_fd(), PollFlags::empty());
        let jail = match &self.jail {
            Some(fd) => PollFd::new(fd.as_fd(), PollFlags::POLLIN),
            None => unused(),
        };
        let calls = match &self.calls {
            Some(fd) => PollFd::new(fd.as_fd(), PollFlags::POLLIN),
            None => unused(),
        };
        let socket = match socket {
            Some((fd, flags, _)) => PollFd::new(fd, flags),
            None => unused(),
        };
        let mut fds = [signals, jail, calls, socket];
        // Rounded up, so that the time has really come when poll returns.
        let timeout = timeout.map(|timeout| match timeout {
            Duration::ZERO => 0,
            timeout => timeout.as_millis().saturating_add(1),
        });
        let timeout = match timeout {
            None => PollTimeout::NONE,
            Some(milliseconds) => PollTimeout::try_from(i32::try_from(milliseconds).unwrap_or(i32::MAX))
                .unwrap_or(PollTimeout::MAX),
        };
        match nix::poll::poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let [signals, jail, calls, socket] = fds.map(|fd| fd.any().unwrap_or(false));
        Ok(Ready { signal: signals, jail, call: calls, socket })
    }

    /// The signal that ends the run; one that lets it go on for a while moves the deadline, once.
    fn take_signal(&mut self) -> io::Result<Option<i32>> {
        let signal = self.signals.read_signal()?;
        let number = signal.and_then(|signal| i32::try_from(signal.ssi_signo).ok());
        // Whoever stops a run does not ask.
        let is_asked = number == Some(nix::libc::SIGTERM) && !self.is_halted();
        let Some(grace) = self.grace.filter(|_| is_asked) else {
            return Ok(number);
        };
        if self.terminated.is_none() {
            self.terminated = number;
            let end = Instant::now() + grace;
            self.set_deadline(Some(self.deadline.map_or(end, |deadline| deadline.min(end))));
        }
        Ok(None)
    }
}

/// What is due sooner than this is waited for with everything else. A brief wait may be longer by a tick of the kernel's
/// clock, and a busy processor comes late.
const MARGIN: Duration = BRIEFLY.saturating_mul(4);

/// The signals that end a run.
fn ending_signals() -> SigSet {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().chain(TIMERS) {
        mask.add(signal);
    }
    mask
}

/// A descriptor from which the signals that end a run can be read. They have to be blocked, as [`Waiter::new`] does it.
pub(crate) fn signals() -> io::Result<SignalFd> {
    Ok(SignalFd::with_flags(&ending_signals(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

impl fmt::Debug for Tick {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "every {:?}", self.every)
    }
}

/// What poll(2) found.
struct Ready {
    signal: bool,
    jail: bool,
    call: bool,
    socket: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A waiter that has just looked at everything, and when that was.
    fn waiter_that_looked() -> (Waiter, Instant) {
        let mut waiter = Waiter::new().unwrap();
        let (_reader, writer) = nix::unistd::pipe().unwrap();
        assert_eq!(waiter.writable(writer.as_fd()).unwrap(), Event::Writable);
        let looked = waiter.looked.unwrap();
        (waiter, looked)
    }

    #[test]
    fn a_reader_waits_by_itself_only_shortly_after_everything_was_looked_at() {
        assert!(!Waiter::new().unwrap().may_be_brief(Instant::now()));

        let (mut waiter, looked) = waiter_that_looked();

        assert!(waiter.may_be_brief(looked));
        assert!(!waiter.may_be_brief(looked + BRIEFLY));
    }

    #[test]
    fn a_reader_does_not_wait_by_itself_while_anything_else_is_due() {
        let far = Duration::from_secs(60);
        for (due, expected) in [(Duration::ZERO, false), (MARGIN, false), (far, true)] {
            let (mut waiter, looked) = waiter_that_looked();
            waiter.set_deadline(Some(looked + due));
            assert_eq!(waiter.may_be_brief(looked), expected, "the deadline after {due:?}");
            let (mut waiter, looked) = waiter_that_looked();
            waiter.tick = Some(Tick { every: far, next: looked + due, act: Box::new(|| {}) });
            assert_eq!(waiter.may_be_brief(looked), expected, "a tick after {due:?}");
        }
        let (mut waiter, looked) = waiter_that_looked();
        waiter.watch_calls(std::fs::File::open("/dev/null").unwrap().into());
        assert!(!waiter.may_be_brief(looked), "a forbidden call can be seen only by looking");
    }
}
