//! The keeper of one program: the first process of its namespace, with whose end everything ends that it has started.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno as Number;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rex_agreed::calls::{Errno, Prctl, prctl, reset_signals};

use crate::confine::{self, Program};
use crate::order::Confinement;
use crate::report::{EVENT_BYTES, Event, Step};
use crate::{calls, mounts};

/// What a keeper watches and whom it tells.
pub(crate) struct Ends {
    /// Closed by the broker when the program is to end, and by its death.
    pub(crate) lifeline: OwnedFd,
    /// Closed by the spawner's death.
    pub(crate) spawner: OwnedFd,
    /// Where the broker reads.
    pub(crate) report: File,
}

/// Starts the program, waits for its end or for that of the run, and leaves nothing of it behind.
pub(crate) fn keep(program: Program, copies: &[OwnedFd], mut ends: Ends) -> ! {
    let confinement = program.order.confinement;
    let kept = watch(program, copies, &mut ends);
    let event = match kept {
        Ok(event) => event,
        Err((step, errno)) => Event::Failed(step, errno),
    };
    end_family(confinement);
    // Whoever does not hear it sees the end of the pipe.
    drop(ends.report.write_all(&event.to_bytes()));
    calls::exit(0)
}

fn watch(program: Program, copies: &[OwnedFd], ends: &mut Ends) -> Result<Event, (Step, Errno)> {
    let order = program.order;
    reset_signals();
    let at = |step: Step| move |errno: Errno| (step, errno);
    let fork_failed = |errno: Number| (Step::Fork, errno as Errno);

    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    if !order.confinement.has_own_processes() {
        // Here it has to end others before it ends.
        signals.add(Signal::SIGTERM);
        calls::adopt_orphans().map_err(at(Step::Namespaces))?;
        prctl(Prctl::SetDeathSignal, [Signal::SIGTERM as u64, 0, 0, 0]).map_err(at(Step::Namespaces))?;
    } else {
        prctl(Prctl::SetDeathSignal, [Signal::SIGKILL as u64, 0, 0, 0]).map_err(at(Step::Namespaces))?;
        prctl(Prctl::SetDumpable, [0, 0, 0, 0]).map_err(at(Step::Namespaces))?;
    }
    // Nobody ends it by a signal from a terminal: it would leave others behind.
    SigSet::all().thread_block().map_err(fork_failed)?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(fork_failed)?;
    drop(tell(ends, Event::Taken(Step::Namespaces)));
    if order.confinement.has_own_processes() {
        bound_processes(order.processes, order.user).map_err(at(Step::Processes))?;
        drop(tell(ends, Event::Taken(Step::Processes)));
    }
    if order.confinement == Confinement::Confined {
        mounts::enter(&program.text.places, copies).map_err(at(Step::Root))?;
        drop(tell(ends, Event::Taken(Step::Root)));
    }
    let (mut told, tells) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)
        .map(|(reader, writer)| (File::from(reader), File::from(writer)))
        .map_err(fork_failed)?;
    let child = match calls::fork(0).map_err(at(Step::Fork))? {
        0 => confine::run(&program, tells),
        child => Pid::from_raw(child),
    };
    // What belongs to the program must not stay open here: its end is what readers wait for.
    drop((program, tells));
    if order.confinement.has_own_processes() {
        // It waits, ends its family, which may be of another user, and writes a few bytes.
        let own = calls::permitted_capabilities().map_err(at(Step::Fork))? & KILL;
        calls::set_capabilities(0, own, own).map_err(at(Step::Fork))?;
    }
    let mut steps = Vec::new();
    let mut is_told = false;
    loop {
        let mut watched = vec![
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(ends.lifeline.as_fd(), PollFlags::empty()),
            PollFd::new(ends.spawner.as_fd(), PollFlags::empty()),
        ];
        if !is_told {
            watched.push(PollFd::new(told.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut watched, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Number::EINTR) => continue,
            Err(errno) => return Err((Step::Fork, errno as Errno)),
        }
        let happened: Vec<bool> =
            watched.iter().map(|fd| fd.revents().is_some_and(|events| !events.is_empty())).collect();
        if happened[1] || happened[2] {
            return Ok(Event::Signaled(Signal::SIGKILL as i32));
        }
        if happened.get(3) == Some(&true) {
            let mut buffer = [0; 32 * EVENT_BYTES];
            match told.read(&mut buffer) {
                Ok(0) => {
                    is_told = true;
                    pass_on(ends, &steps)?;
                }
                Ok(count) => steps.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err((Step::Fork, mounts::number_of(error))),
            }
        }
        if happened[0] {
            while let Ok(Some(signal)) = signals.read_signal() {
                if signal.ssi_signo == Signal::SIGTERM as u32 {
                    return Ok(Event::Signaled(Signal::SIGKILL as i32));
                }
            }
            if let Some(event) = reap(child) {
                if !is_told {
                    // It has ended, so that everything it has told is in the pipe.
                    told.read_to_end(&mut steps).map_err(|error| (Step::Fork, mounts::number_of(error)))?;
                    pass_on(ends, &steps)?;
                }
                return Ok(event);
            }
        }
    }
}

fn tell(ends: &mut Ends, event: Event) -> std::io::Result<()> {
    ends.report.write_all(&event.to_bytes())
}

/// Hands the steps of the program on.
///
/// # Errors
/// The one that failed.
fn pass_on(ends: &mut Ends, steps: &[u8]) -> Result<(), (Step, Errno)> {
    for bytes in steps.chunks(EVENT_BYTES) {
        match Event::from_bytes(bytes) {
            Some(Event::Failed(step, errno)) => return Err((step, errno)),
            Some(event) => drop(tell(ends, event)),
            None => return Err((Step::Fork, libc::EBADMSG)),
        }
    }
    Ok(())
}

/// Takes note of everybody who has ended, and says how the program has.
fn reap(child: Pid) -> Option<Event> {
    let mut event = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => event = Some(Event::Exited(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                event = Some(Event::Signaled(signal as i32));
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return event,
            Ok(_) => {}
        }
    }
}

/// Ends what is left of the program, and waits until nothing is.
fn end_family(confinement: Confinement) {
    for _ in 0..MOST_ROUNDS {
        if !confinement.has_own_processes() {
            // What loses its parent becomes a child of this process.
            for child in children() {
                let _has_ended = kill(child, Signal::SIGKILL);
            }
        } else if nix::unistd::getpid().as_raw() == 1 {
            // The first process of a namespace sends to all others in it.
            let _none_left = kill(Pid::from_raw(-1), Signal::SIGKILL);
        }
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Err(Number::ECHILD) => return,
                Ok(WaitStatus::StillAlive) | Err(_) => break,
                Ok(_) => {}
            }
        }
        std::thread::sleep(ROUND);
    }
}

fn children() -> Vec<Pid> {
    let list = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
}

/// Has at most this many processes be in this process namespace, which is new; as another user than root the resource
/// limit does it as well.
///
/// # Errors
/// `ENOTSUP` where neither can bound them: a limit on processes does not bind root.
fn bound_processes(most: u64, user: Option<u32>) -> Result<(), Errno> {
    let becomes_root = user.map_or_else(|| nix::unistd::geteuid().is_root(), |user| user == 0);
    // Before, the same file was the bound of the whole host.
    if !is_at_least(FIRST_WITH_OWN_BOUND) {
        return if becomes_root { Err(libc::ENOTSUP) } else { Ok(()) };
    }
    let wanted = most.max(LOWEST_BOUND).to_string();
    let outcome = fs::OpenOptions::new()
        .write(true)
        .open(BOUND)
        .and_then(|mut file| file.write_all(wanted.as_bytes()))
        .and_then(|()| fs::read_to_string(BOUND));
    match outcome {
        Ok(found) if found.trim() == wanted => Ok(()),
        _ if !becomes_root => Ok(()),
        Ok(_) => Err(libc::ENOTSUP),
        Err(error) => Err(mounts::number_of(error)),
    }
}

/// Whether the kernel says that it is of this version or a newer one.
fn is_at_least(wanted: (u32, u32)) -> bool {
    let Ok(names) = nix::sys::utsname::uname() else { return false };
    let release = names.release().to_string_lossy().into_owned();
    let mut numbers =
        release.split(|character: char| !character.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= wanted
}

/// `CAP_KILL`.
const KILL: u64 = 1 << 5;
const BOUND: &str = "/proc/sys/kernel/pid_max";
const FIRST_WITH_OWN_BOUND: (u32, u32) = (6, 14);
/// Below it the kernel takes none: 300 numbers are kept back.
const LOWEST_BOUND: u64 = 302;
/// How often, and after what time, it is looked whether something is left.
const MOST_ROUNDS: u32 = 10_000;
const ROUND: Duration = Duration::from_micros(500);
