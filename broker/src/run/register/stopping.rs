//! How runs are stopped.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::libc::{SIGKILL, SIGTERM};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{About, Listed, Order, list, login, reading};
use crate::watch::halted::STOPPED;

/// Which runs are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// One run, by its identifier.
    Run(String),
    /// All that the policy is asked about this user for, and all with this user's rights.
    User(String),
    /// All of one delegation, by its `jti`.
    Delegation(String),
    /// All that this user may stop.
    All,
}

impl Which {
    /// Whether this run is meant.
    pub fn means(&self, about: &About) -> bool {
        match self {
            Self::Run(run) => about.run == *run,
            Self::User(user) => {
                about.principal == *user || about.uid.to_string() == *user || login(about.uid) == *user
            }
            Self::Delegation(id) => about.delegation.as_ref() == Some(id),
            Self::All => true,
        }
    }
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It has ended by itself, and tells in record and result who has stopped it.
    Stopped,
    /// It did not end in time and was killed, with nothing told.
    Killed,
    /// It begins no operation any more; that it has ended cannot be seen from here.
    Halted,
    /// It could not be told to stop.
    GoesOn,
}

impl Ended {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Halted => "halted",
            Self::GoesOn => "goes_on",
        }
    }
}

/// Stops runs: after this has returned, none of those begins anything any more that is told as stopped, killed or halted.
///
/// # Errors
/// When the register cannot be read.
pub fn stop(which: &Which, order: &Order) -> io::Result<Vec<(About, Ended)>> {
    let mut runs: Vec<Listed> = list()?.into_iter().filter(|run| which.means(&run.about)).collect();
    // All of them first, so that none goes on while another ends.
    let told: Vec<bool> = runs.iter_mut().map(|run| tell(run, order).is_ok()).collect();
    for run in &runs {
        signal(run, SIGTERM);
    }
    let patient = Instant::now() + PATIENCE;
    let mut ended = Vec::with_capacity(runs.len());
    for (run, told) in runs.into_iter().zip(told) {
        let how = match &run.process {
            // A process that is held up takes no signal but the last.
            Some(process) if !reading::is_held_up(run.about.pid) && is_over(process, patient) => {
                if told {
                    Ended::Stopped
                } else {
                    Ended::Killed
                }
            }
            Some(process) => {
                signal(&run, SIGKILL);
                match is_over(process, Instant::now() + PATIENCE) {
                    true => Ended::Killed,
                    false if told => Ended::Halted,
                    false => Ended::GoesOn,
                }
            }
            None if told => Ended::Halted,
            None => Ended::GoesOn,
        };
        ended.push((run.about, how));
    }
    // Entries of those that were killed go.
    list().map(|_| ended)
}

/// Says who stops it, and then that it is stopped.
fn tell(run: &mut Listed, order: &Order) -> io::Result<()> {
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    let end = run.file.metadata()?.len();
    // An order that does not fit, or cannot be written, is obeyed without its words.
    if end + line.len() as u64 <= super::place::MAX_ENTRY_BYTES as u64 {
        drop(run.file.write_all_at(&line, end));
    }
    run.file.write_all_at(&[STOPPED], 0)
}

fn signal(run: &Listed, signal: i32) {
    if let Some(process) = &run.process {
        // It fails when the process is gone.
        drop(rex_outside::kernel::pidfd_send_signal(process.as_fd(), signal));
    }
}

/// Waits for the end of a process, but not longer than until then.
fn is_over(process: &OwnedFd, until: Instant) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now()).as_millis();
        let timeout =
            PollTimeout::try_from(i32::try_from(left).unwrap_or(i32::MAX)).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(ready) if ready > 0 => return true,
            _ if left == 0 => return false,
            _ => {}
        }
    }
}

/// How long a run may take to tell its end before it is killed; the watchdog of a run that is stuck needs half a second.
const PATIENCE: Duration = Duration::from_secs(2);
