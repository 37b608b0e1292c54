//! A running jail as its broker holds it: killed and reaped when it is dropped.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::cgroup::Cgroup;
use crate::identity::UidLock;
use crate::kernel::pidfd_send_signal;
use crate::measure::Measure;
use crate::observe::Observation;
use crate::socket::Link;

/// A jail that was spawned and may still run.
#[derive(Debug)]
pub struct Jail {
    pid: i32,
    pidfd: OwnedFd,
    /// The broker's end of the socket.
    pub socket: Link,
    /// What was done from outside before the jail's program ran.
    pub steps: Vec<Measure>,
    /// What was seen from outside right after the program was started.
    pub(crate) observed: Observation,
    /// Given back after the jail has been reaped, so that no two jails have one user.
    pub(crate) uid_lock: Option<UidLock>,
    /// Removed after the jail has been reaped.
    pub(crate) cgroup: Option<Cgroup>,
    exit: Option<JailExit>,
}

/// How a jail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JailExit {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
}

impl Jail {
    /// The control group of the jail, which is emptied and removed when this is dropped.
    pub fn control_group(&self) -> Option<&std::path::Path> {
        self.cgroup.as_ref().map(Cgroup::path)
    }

    pub(crate) fn new(pid: i32, pidfd: OwnedFd, socket: Link) -> Self {
        Self {
            pid,
            pidfd,
            socket,
            steps: Vec::new(),
            observed: Observation::default(),
            uid_lock: None,
            cgroup: None,
            exit: None,
        }
    }

    /// The process id, as seen from the broker's pid namespace.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The descriptor of the process; becomes readable when the jail ends.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Kills the jail; no error when it has ended already.
    ///
    /// # Errors
    /// Those of pidfd_send_signal(2); `EPERM` when the broker has confined itself so that it cannot reach the jail.
    pub fn kill(&mut self) -> io::Result<()> {
        if self.exit.is_some() {
            return Ok(());
        }
        match pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            outcome => outcome,
        }
    }

    /// Waits for the end of the jail; answers the same again when asked again.
    ///
    /// # Errors
    /// Those of waitid(2).
    pub fn wait(&mut self) -> io::Result<JailExit> {
        if let Some(exit) = self.exit {
            return Ok(exit);
        }
        loop {
            match waitid(Id::PIDFd(self.pidfd.as_fd()), WaitPidFlag::WEXITED) {
                Ok(status) => {
                    let exit = exit_of(status);
                    self.exit = Some(exit);
                    return Ok(exit);
                }
                Err(nix::errno::Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// How the jail ended, if it has.
    ///
    /// # Errors
    /// Those of waitid(2).
    pub fn try_wait(&mut self) -> io::Result<Option<JailExit>> {
        if self.exit.is_none() {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
            self.exit = match waitid(Id::PIDFd(self.pidfd.as_fd()), flags)? {
                WaitStatus::StillAlive => None,
                status => Some(exit_of(status)),
            };
        }
        Ok(self.exit)
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        // A jail that cannot be killed any more was reaped or is out of reach; waiting for it would hang then.
        if self.kill().is_ok() {
            let _ = self.wait();
        }
    }
}

fn exit_of(status: WaitStatus) -> JailExit {
    match status {
        WaitStatus::Exited(_, code) => JailExit::Exited(code),
        WaitStatus::Signaled(_, signal, _) => JailExit::Signaled(signal as i32),
        // waitid(2) was asked for ends only.
        _ => JailExit::Exited(-1),
    }
}
