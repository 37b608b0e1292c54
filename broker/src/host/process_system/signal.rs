//! Signals, sent to the very process that was judged.

use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::signal::Signal as Number;
use rex_ipc::action::process_system::{Interrupt, Kill};
use rex_ipc::process_system::Signal;

use super::object::Process;
use crate::gate::Permit;

/// Sends a signal that ends a process, or may.
///
/// # Errors
/// Those of pidfd_send_signal(2): `ESRCH` when it is gone, `EPERM` when the broker may not.
pub fn kill(permit: &Permit<'_, Kill, Rc<Process>>, signal: Signal) -> io::Result<()> {
    send(permit.resource(), number(signal))
}

/// Sends `SIGHUP`.
///
/// # Errors
/// Those of pidfd_send_signal(2): `ESRCH` when it is gone, `EPERM` when the broker may not.
pub fn interrupt(permit: &Permit<'_, Interrupt, Rc<Process>>) -> io::Result<()> {
    send(permit.resource(), Number::SIGHUP)
}

fn send(process: &Process, signal: Number) -> io::Result<()> {
    let pidfd = process.pidfd.as_ref().ok_or(Errno::ESRCH)?;
    rex_outside::kernel::pidfd_send_signal(pidfd.as_fd(), signal as i32)
}

/// The number that the kernel knows a signal by.
pub(super) fn number(signal: Signal) -> Number {
    match signal {
        Signal::Terminate => Number::SIGTERM,
        Signal::Quit => Number::SIGQUIT,
        Signal::Hangup => Number::SIGHUP,
        Signal::Kill => Number::SIGKILL,
    }
}
