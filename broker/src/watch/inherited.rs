//! What the caller leaves to this process: limits, timers and signals, which must never end a run without a word.

use std::io;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};

use crate::gate::limits::Limits;

/// A limit of the kernel with the least that a run needs of it.
struct Need {
    resource: Resource,
    name: &'static str,
    least: u64,
}

/// The timers and the limits whose signal ends a process that does not heed it. A run heeds them, as it does SIGTERM.
pub const TIMERS: [Signal; 4] = [Signal::SIGALRM, Signal::SIGVTALRM, Signal::SIGPROF, Signal::SIGXCPU];

/// Why there is no further thread, in words that name the caller's limit where that is the reason.
///
/// pthread_create(3): EAGAIN where the soft limit RLIMIT_NPROC was reached, which counts the user's processes and threads.
pub fn why_no_thread(error: &io::Error) -> String {
    match getrlimit(Resource::RLIMIT_NPROC) {
        Ok((soft, _)) if error.kind() == io::ErrorKind::WouldBlock && soft != RLIM_INFINITY => {
            format!(
                "{error}; the caller has left RLIMIT_NPROC of {soft} to this user's processes and threads"
            )
        }
        _ => error.to_string(),
    }
}

/// Raises what can be raised, as far as the hard limits go, of what is needed before anything is known of a run. To be
/// called first.
pub fn raise() {
    for need in usual_needs() {
        raise_soft(&need);
    }
}

/// Has the signals of inherited timers wait until somebody heeds them, and gives the signals that waited before.
///
/// A timer that fires while the command line and the configuration are read would end the process without a word. To be
/// called before there are other threads, and before anything that takes time; what happens between execve(2) and this
/// is the kernel's and the loader's.
pub fn hold_timers() -> SigSet {
    let timers: SigSet = TIMERS.into_iter().collect();
    // Neither fails: both know the way and the set.
    timers.thread_swap_mask(SigmaskHow::SIG_BLOCK).unwrap_or_else(|_| SigSet::empty())
}

/// Gives the timers their way again, for what is no run: there they end the process, as its caller has asked for.
pub fn release_timers(before: &SigSet) {
    let _ = before.thread_set_mask();
}

/// Whether the main thread has less stack than the program needs, so that another has to do its work.
pub fn lacks_stack() -> bool {
    let Ok((soft, _)) = getrlimit(Resource::RLIMIT_STACK) else { return false };
    soft < STACK_BYTES
}

/// Has the signals of inherited timers and limits wait until the run heeds them, and brings that of processor time
/// ahead of the kernel's last word, which is SIGKILL. To be called before there are other threads.
///
/// # Errors
/// Those of sigprocmask(2), sigaction(2) and setrlimit(2).
pub fn take_over() -> io::Result<()> {
    let mut waiting: SigSet = TIMERS.into_iter().collect();
    // setrlimit(2), RLIMIT_FSIZE: "a process can catch this signal instead, in which case the relevant system call […]
    // fails with the error EFBIG".
    waiting.add(Signal::SIGXFSZ);
    waiting.thread_block()?;
    // wait(2): where SIGCHLD is ignored, nobody learns how a child has ended.
    rex_outside::kernel::heed_children()?;
    let (soft, hard) = getrlimit(Resource::RLIMIT_CPU)?;
    if hard != RLIM_INFINITY && hard > 1 && soft >= hard {
        setrlimit(Resource::RLIMIT_CPU, hard - 1, hard)?;
    }
    Ok(())
}

/// Whether the hard limits leave any run what it needs; to be asked before the first file is opened.
///
/// # Errors
/// Which one does not, and how much it would have to be.
pub fn examine_start() -> Result<(), String> {
    usual_needs().iter().try_for_each(examine_need)
}

/// Whether the hard limits leave a run with these limits of its own what it needs.
///
/// # Errors
/// Which one does not, and how much it would have to be.
pub fn examine(limits: &Limits) -> Result<(), String> {
    let memory = limits.memory_bytes().saturating_add(MEMORY_BYTES);
    let needs = [
        Need { resource: Resource::RLIMIT_AS, name: "RLIMIT_AS", least: memory },
        Need { resource: Resource::RLIMIT_DATA, name: "RLIMIT_DATA", least: memory },
        Need { resource: Resource::RLIMIT_CPU, name: "RLIMIT_CPU", least: PROCESSOR_SECONDS },
    ];
    examine_start()?;
    needs.iter().try_for_each(examine_need)
}

fn examine_need(need: &Need) -> Result<(), String> {
    raise_soft(need);
    let (soft, hard) = getrlimit(need.resource).map_err(|errno| errno.to_string())?;
    // Of processor time the soft limit is meant to be lower; the rest could not be raised.
    let has = if need.resource == Resource::RLIMIT_CPU { hard } else { soft };
    let Need { name, least, .. } = need;
    if has < *least {
        return Err(format!(
            "the caller has left it {name} of {has}, and it needs at least {least} (see getrlimit(2) and ulimit)"
        ));
    }
    Ok(())
}

fn usual_needs() -> [Need; 2] {
    [
        Need { resource: Resource::RLIMIT_STACK, name: "RLIMIT_STACK", least: STACK_BYTES },
        Need { resource: Resource::RLIMIT_NOFILE, name: "RLIMIT_NOFILE", least: DESCRIPTORS },
    ]
}

/// What cannot be raised is found out when it matters.
fn raise_soft(need: &Need) {
    let Ok((soft, hard)) = getrlimit(need.resource) else { return };
    if soft < need.least && need.resource != Resource::RLIMIT_CPU {
        // getrlimit(2): an unprivileged process may raise its soft limit up to the hard one.
        let _ = setrlimit(need.resource, need.least.min(hard), hard);
    }
}

/// The stack of a main thread, for which nesting is bounded; see `policy/guard.rs`.
pub const STACK_BYTES: u64 = 8 * 1024 * 1024;
/// Streams, socket, jail, signals, log, and what a start opens for a moment.
const DESCRIPTORS: u64 = 64;
/// What broker and jail need beside the interpreter's own memory: programs, stacks, policy, script and result.
const MEMORY_BYTES: u64 = 256 * 1024 * 1024;
/// The last second is the kernel's.
const PROCESSOR_SECONDS: u64 = 2;
