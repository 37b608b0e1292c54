//! What happens between fork and exec: no allocation, no lock, no unwinding; one report at the end.

use std::ffi::{c_int, c_ulong};

use nix::sys::resource::{Resource, setrlimit};
use rex_agreed::calls::{Errno, Prctl, close_range, prctl, reset_signals};
use rex_agreed::kept::{no_new_code, no_time_stamps};
use rex_agreed::{Layer, SOCKET_FD};

use super::calls;
use super::namespaces::Granted;
use crate::plan::Plan;

/// Everything the child needs, prepared by the parent, because the child must not allocate.
pub(super) struct Orders<'a> {
    pub(super) plan: &'a Plan,
    /// The jail's end of the socket.
    pub(super) socket: c_int,
    /// The sealed program.
    pub(super) image: c_int,
    /// The writing end of the pipe that the report goes into.
    pub(super) report: c_int,
    /// The reading end of the pipe on which the parent says that the id maps are written.
    pub(super) release: c_int,
    /// The Landlock rule set, where the kernel has one.
    pub(super) ruleset: Option<c_int>,
    /// The flags that go with it.
    pub(super) landlock_flags: u32,
    /// The control group to be forked into, where there is one.
    pub(super) cgroup: Option<c_int>,
    /// User and group to become, where that is possible.
    pub(super) identity: Option<u32>,
    /// The highest capability this kernel knows.
    pub(super) last_capability: u32,
    /// Limits with their values, soft and hard.
    pub(super) limits: &'a [(Resource, u64, u64)],
    /// Whether the parent may write the maps only after the child has become dumpable.
    pub(super) announces: bool,
}

/// Confines this process and becomes the jail.
pub(super) fn run(orders: &Orders<'_>, granted: Granted) -> ! {
    let mut report = Report::new(orders);
    reset_signals();
    if let Err(errno) = take_descriptors(orders) {
        // The pipe may not be where it belongs, so the report goes out by the number it had.
        report.record(Layer::Descriptors, Err(errno));
        report.send(orders.report);
        calls::exit(FAILED);
    }
    report.attempt(Layer::Descriptors, || close_range(REPORT_FD as u32 + 1, u32::MAX));
    wait_for_release(orders, granted);

    report.attempt(Layer::Session, new_session);
    report.attempt(Layer::Root, || enter_root(granted));
    report.attempt(Layer::Securebits, set_securebits);
    report.attempt(Layer::Capabilities, || drop_bounding_set(orders.last_capability));
    report.attempt(Layer::Uid, || become_nobody(orders.identity));
    report.attempt(Layer::Capabilities, drop_capabilities);
    report.attempt(Layer::Rlimits, || set_limits(orders.limits));
    report.attempt(Layer::Keyring, calls::new_keyring);
    report.attempt(Layer::NoNewPrivs, || prctl(Prctl::SetNoNewPrivs, [1, 0, 0, 0]).map(drop));
    report.attempt(Layer::Landlock, || match orders.ruleset {
        Some(_) => calls::landlock_restrict_self(RULESET_FD, orders.landlock_flags),
        None => Err(libc::ENOSYS),
    });
    // After the change of user, which clears it; and before exec, which keeps it.
    report.attempt(Layer::DeathSignal, || {
        prctl(Prctl::SetDeathSignal, [libc::SIGKILL as c_ulong, 0, 0, 0]).map(drop)
    });
    if calls::has_hung_up(RELEASE_FD) {
        // The parent ended before it could be watched.
        calls::exit(FAILED);
    }
    // The program that follows keeps both: what the jail says of them later is a second word and not the only one.
    report.attempt(Layer::Tsc, no_time_stamps);
    report.attempt(Layer::Mdwe, no_new_code);
    report.attempt(Layer::Stdio, || close_range(0, 2));

    report.send(REPORT_FD);
    let errno = match orders.plan.fault(Layer::Exec) {
        Some(errno) => errno,
        None => calls::execute(IMAGE_FD, c"rex-jail"),
    };
    let mut failure = Report::new(orders);
    failure.record(Layer::Exec, Err(errno));
    failure.send(REPORT_FD);
    calls::exit(FAILED)
}

/// Puts the descriptors at fixed numbers, and closes those below; what lies above is a step of its own.
fn take_descriptors(orders: &Orders<'_>) -> Result<(), Errno> {
    let wanted = [
        (orders.socket, SOCKET_FD, 0),
        (orders.image, IMAGE_FD, libc::O_CLOEXEC),
        (orders.release, RELEASE_FD, libc::O_CLOEXEC),
        (orders.ruleset.unwrap_or(orders.image), RULESET_FD, libc::O_CLOEXEC),
        (orders.report, REPORT_FD, libc::O_CLOEXEC),
    ];
    // First out of each other's way, because a source may have the number of another's destination.
    let mut moved = [0; 5];
    for (slot, (source, _, _)) in moved.iter_mut().zip(wanted) {
        *slot = calls::duplicate_above(source, OUT_OF_THE_WAY)?;
    }
    for (source, (_, target, flags)) in moved.into_iter().zip(wanted) {
        calls::duplicate_onto(source, target, flags)?;
    }
    close_range(0, 2)
}

/// Waits until the parent has written the id maps; its end means ours.
fn wait_for_release(orders: &Orders<'_>, granted: Granted) {
    if orders.announces && granted.has(Layer::UserNamespace) {
        // The maps of a process that is not dumpable belong to root, and the broker is not dumpable.
        let _ = prctl(Prctl::SetDumpable, [1, 0, 0, 0]);
        let _ = calls::write(REPORT_FD, &ANNOUNCEMENT);
    }
    match calls::read_byte(RELEASE_FD) {
        Ok(Some(_)) => {}
        Ok(None) | Err(_) => calls::exit(FAILED),
    }
}

fn new_session() -> Result<(), Errno> {
    match nix::unistd::setsid() {
        Ok(_) => Ok(()),
        Err(errno) => Err(errno as Errno),
    }
}

fn enter_root(granted: Granted) -> Result<(), Errno> {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_retain(0o077));
    match granted.has(Layer::MountNamespace) {
        true => calls::enter_empty_root(),
        false => calls::change_to_root(),
    }
}

/// Sets and locks the bits that take every special meaning from uid 0; newer ones where the kernel has them.
fn set_securebits() -> Result<(), Errno> {
    match prctl(Prctl::SetSecurebits, [SECUREBITS_WITH_EXEC, 0, 0, 0]) {
        Ok(_) => Ok(()),
        Err(_) => prctl(Prctl::SetSecurebits, [SECUREBITS, 0, 0, 0]).map(drop),
    }
}

fn drop_bounding_set(last_capability: u32) -> Result<(), Errno> {
    for capability in 0..=c_ulong::from(last_capability) {
        prctl(Prctl::CapbsetDrop, [capability, 0, 0, 0])?;
    }
    Ok(())
}

fn become_nobody(identity: Option<u32>) -> Result<(), Errno> {
    let Some(id) = identity else {
        return Ok(());
    };
    calls::drop_groups()?;
    calls::set_group(id)?;
    calls::set_user(id)
}

fn drop_capabilities() -> Result<(), Errno> {
    const CLEAR_ALL: c_ulong = 4;

    prctl(Prctl::CapAmbient, [CLEAR_ALL, 0, 0, 0])?;
    calls::drop_capabilities()
}

fn set_limits(limits: &[(Resource, u64, u64)]) -> Result<(), Errno> {
    for (resource, soft, hard) in limits {
        setrlimit(*resource, *soft, *hard).map_err(|errno| errno as Errno)?;
    }
    Ok(())
}

/// The outcome of each step, three bytes a step: number of the layer, errno in little endian.
struct Report<'a> {
    plan: &'a Plan,
    bytes: [u8; REPORT_BYTES],
    length: usize,
}

impl<'a> Report<'a> {
    fn new(orders: &Orders<'a>) -> Self {
        Self { plan: orders.plan, bytes: [0; REPORT_BYTES], length: 0 }
    }

    /// Takes the step, if the plan has it and no test wants it to fail.
    fn attempt(&mut self, layer: Layer, step: impl FnOnce() -> Result<(), Errno>) {
        if !self.plan.wants(layer) {
            return;
        }
        let outcome = match self.plan.fault(layer) {
            Some(errno) => Err(errno),
            None => step(),
        };
        self.record(layer, outcome);
    }

    fn record(&mut self, layer: Layer, outcome: Result<(), Errno>) {
        let [low, high] = (outcome.err().unwrap_or(0) as u16).to_le_bytes();
        // There is room for more steps than there are; should that change, the missing line fails the start.
        if let Some(slot) = self.bytes.get_mut(self.length..self.length + RECORD_BYTES) {
            slot.copy_from_slice(&[layer.number(), low, high]);
            self.length += RECORD_BYTES;
        }
    }

    fn send(&self, fd: c_int) {
        // A parent that does not get the report kills the child.
        let _ = calls::write(fd, &self.bytes[..self.length]);
    }
}

/// Written before the report when the child has to say that it is dumpable; no layer has this number.
pub(super) const ANNOUNCEMENT: [u8; RECORD_BYTES] = [0xff, 0, 0];
/// Bytes per step in the report.
pub(super) const RECORD_BYTES: usize = 3;

const REPORT_BYTES: usize = 32 * RECORD_BYTES;
const FAILED: c_int = 127;
/// Above the fixed numbers, and below the lowest limit on descriptors that a system has.
const OUT_OF_THE_WAY: c_int = 32;
const IMAGE_FD: c_int = SOCKET_FD + 1;
const RELEASE_FD: c_int = SOCKET_FD + 2;
const RULESET_FD: c_int = SOCKET_FD + 3;
/// The highest, because exec closes in ascending order and the parent takes its end for the end of all.
const REPORT_FD: c_int = SOCKET_FD + 4;
/// NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE set, KEEP_CAPS clear, all four locked.
const SECUREBITS: c_ulong = 0xef;
/// And EXEC_RESTRICT_FILE, EXEC_DENY_INTERACTIVE, locked; since 6.14.
const SECUREBITS_WITH_EXEC: c_ulong = 0xfef;
