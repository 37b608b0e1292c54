//! The jail's own part of its confinement: what only the new program can do, and the filter as the last step.
//!
//! ```text
//! main ── receive Hello ── Arena::init ── build everything, warm everything ── prepare ── seal ── send Ready
//! ```

mod address_space;
mod rseq;

use std::ffi::c_ulong;
use std::fmt;

use nix::sys::resource::{Resource, setrlimit};
use rex_agreed::calls::{Errno, Prctl, close_range, prctl, reset_signals};
use rex_agreed::kept::{no_new_code, no_time_stamps};
use rex_agreed::{LISTENER_FD, Layer, PreparePlan, SOCKET_FD, SelfReport};

use crate::calls;
use crate::channel::Pins;
use crate::filter::{self, InstallError, Otherwise};

/// Takes every step that comes before the filter, reads back what can be read back, and says how each ended.
///
/// To be called once, when everything that needs a system call has been built: afterwards no file can be opened. Steps
/// that fail are reported; whether they were required is for the broker to decide, before it sends a script.
pub fn prepare(plan: &PreparePlan) -> SelfReport {
    let mut prelude = Prelude { plan, report: SelfReport::default() };
    prelude.inherited();
    prelude.step(Layer::Dumpable, no_dump);
    prelude.step(Layer::Speculation, hold_speculation_back);
    prelude.step(Layer::CoreScheduling, own_core);
    prelude.step(Layer::Rseq, rseq::forget);
    prelude.step(Layer::Signals, no_handlers);
    prelude.step(Layer::Descriptors, only_the_socket);
    prelude.step(Layer::Threads, one_thread);
    prelude.step(Layer::Vdso, address_space::unmap_vdso);
    prelude.step(Layer::Tsc, no_time_stamps);
    prelude.step(Layer::Mdwe, no_new_code);
    prelude.step(Layer::Mseal, address_space::seal);
    prelude.step(Layer::Rlimits, || no_descriptors(plan.forensics));
    prelude.report
}

/// Installs the filter; from here on the process can read and write frames and exit.
///
/// # Errors
/// [`LockdownError`] when the kernel refuses the filter; the jail then has to exit, and the broker sends nothing.
pub fn seal(plan: &PreparePlan) -> Result<(), LockdownError> {
    if !plan.wants(Layer::Seccomp) {
        return Ok(());
    }
    if let Some(errno) = plan.fault(Layer::Seccomp) {
        return Err(LockdownError(InstallError(errno)));
    }
    let otherwise = match plan.forensics {
        true => Otherwise::Notify,
        false => Otherwise::Kill,
    };
    let filter = filter::build(&Pins::here(), otherwise);
    let listener = filter::install(&filter, otherwise).map_err(LockdownError)?;
    if listener.is_some_and(|listener| listener != LISTENER_FD) {
        // The broker could not find it; and it means that a descriptor was open that should not be.
        return Err(LockdownError(InstallError(libc::EBADF)));
    }
    // Freeing the program would be the first thing to happen under it; memory is given back with the process.
    std::mem::forget(filter);
    Ok(())
}

/// Why the jail is not locked down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockdownError(
    /// What the kernel said to the filter.
    pub InstallError,
);

impl fmt::Display for LockdownError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot lock the jail down: {}", self.0)
    }
}

impl std::error::Error for LockdownError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// The steps in the making.
struct Prelude<'a> {
    plan: &'a PreparePlan,
    report: SelfReport,
}

impl Prelude<'_> {
    /// Takes a step, if the plan has it and no test wants it to fail.
    fn step(&mut self, layer: Layer, step: impl FnOnce() -> Result<(), Errno>) {
        if !self.plan.wants(layer) {
            return self.report.skip(layer);
        }
        let outcome = match self.plan.fault(layer) {
            Some(errno) => Err(errno),
            None => step(),
        };
        self.report.record(layer, outcome);
    }

    /// Looks whether what was set before exec is still there.
    fn inherited(&mut self) {
        let equals = |answer: Result<i64, Errno>, wanted: i64| match answer {
            Ok(value) if value == wanted => Ok(()),
            Ok(_) => Err(libc::EPERM),
            Err(errno) => Err(errno),
        };
        let no_new_privs = prctl(Prctl::GetNoNewPrivs, [0; 4]);
        self.report.record(Layer::NoNewPrivs, equals(no_new_privs, 1));
        let death_signal = calls::death_signal().map(i64::from);
        self.report.record(Layer::DeathSignal, equals(death_signal, libc::SIGKILL.into()));
        let securebits = prctl(Prctl::GetSecurebits, [0; 4]).map(|bits| bits & 0xef);
        self.report.record(Layer::Securebits, equals(securebits, 0xef));
        let held = calls::has_no_capabilities().map(i64::from);
        self.report.record(Layer::Capabilities, equals(held, 1));
        self.step(Layer::Landlock, nothing_opens);
    }
}

/// Inside the domain, not even the root directory opens.
fn nothing_opens() -> Result<(), Errno> {
    match calls::try_open_root() {
        Err(libc::EACCES) => Ok(()),
        Err(errno) => Err(errno),
        Ok(()) => Err(libc::EPERM),
    }
}

/// Exec has made the process dumpable again, so this belongs here.
fn no_dump() -> Result<(), Errno> {
    prctl(Prctl::SetDumpable, [0; 4])?;
    match prctl(Prctl::GetDumpable, [0; 4])? {
        0 => Ok(()),
        _ => Err(libc::EPERM),
    }
}

/// Since 5.16 a filter no longer implies this.
fn hold_speculation_back() -> Result<(), Errno> {
    const STORE_BYPASS: c_ulong = 0;
    const INDIRECT_BRANCH: c_ulong = 1;
    const L1D_FLUSH: c_ulong = 2;
    const ENABLE: c_ulong = 1 << 1;
    const FORCE_DISABLE: c_ulong = 1 << 3;
    const NOT_AFFECTED: i64 = 0;
    const DISABLE: i64 = 1 << 2;

    // Flushing the first cache on every switch is for processors that need it and systems that allow it.
    let _ = prctl(Prctl::SetSpeculation, [L1D_FLUSH, ENABLE, 0, 0]);
    for kind in [STORE_BYPASS, INDIRECT_BRANCH] {
        let set = prctl(Prctl::SetSpeculation, [kind, FORCE_DISABLE, 0, 0]);
        let now = prctl(Prctl::GetSpeculation, [kind, 0, 0, 0])?;
        // A processor without the flaw, or a system that has switched it off for all, refuses to set what holds anyway.
        let holds = now == NOT_AFFECTED || now & (DISABLE | FORCE_DISABLE as i64) != 0;
        if !holds {
            return Err(set.err().unwrap_or(libc::EPERM));
        }
    }
    Ok(())
}

/// A core scheduling cookie of our own, so that no other process runs on the sibling thread.
fn own_core() -> Result<(), Errno> {
    const CREATE: c_ulong = 1;
    const THREAD_GROUP: c_ulong = 1;

    match prctl(Prctl::SchedCore, [CREATE, 0, THREAD_GROUP, 0]) {
        Ok(_) => Ok(()),
        // A kernel that is built without it does not know the option.
        Err(libc::EINVAL) => Err(libc::ENOSYS),
        Err(errno) => Err(errno),
    }
}

/// With the default action, a stack overflow ends in SIGSEGV and not in a handler that dies of the filter.
fn no_handlers() -> Result<(), Errno> {
    reset_signals();
    calls::disable_signal_stack()
}

/// Closes all but the socket once more, and looks.
fn only_the_socket() -> Result<(), Errno> {
    let socket = SOCKET_FD as u32;
    close_range(0, socket - 1)?;
    close_range(socket + 1, u32::MAX)?;
    let standard_is_open = (0..SOCKET_FD).any(calls::is_open);
    match !standard_is_open && calls::is_open(SOCKET_FD) {
        true => Ok(()),
        false => Err(libc::EBADF),
    }
}

/// unshare(2): leaving the thread group is refused to a process with several threads, and means nothing to one with one.
fn one_thread() -> Result<(), Errno> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_THREAD).map_err(|errno| errno as Errno)
}

/// No descriptor can be made any more; with forensics one, the listener, which gets the lowest number.
fn no_descriptors(forensics: bool) -> Result<(), Errno> {
    let limit = u64::from(forensics);
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit).map_err(|errno| errno as Errno)
}
