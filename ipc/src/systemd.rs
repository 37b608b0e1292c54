//! The requests and replies about the units of the manager of system services.

use serde::{Deserialize, Serialize};

use crate::bounded::{Text, number};
use crate::limits::{MAX_JOB_SECONDS, MAX_UNIT_NAME_BYTES};

/// The name of a unit, as the script gave it.
pub type UnitName = Text<MAX_UNIT_NAME_BYTES>;

/// Starts, stops or restarts a unit. `start`, `stop` or `restart` is asked for the name as given, and, where the manager has
/// another name for it, for that as well.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ActOnUnit {
    /// The unit.
    pub unit: UnitName,
    /// What is done.
    pub verb: UnitVerb,
    /// How long its job is waited for, if it is.
    pub wait: Option<JobSeconds>,
}

/// What is done to a unit.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitVerb {
    /// `StartUnit`.
    Start,
    /// `StopUnit`.
    Stop,
    /// `RestartUnit`.
    Restart,
    /// `TryRestartUnit`: only if it runs.
    TryRestart,
}

number! {
    /// How long a job is waited for: 1 to [`MAX_JOB_SECONDS`] seconds.
    JobSeconds("u32" u32), 1..MAX_JOB_SECONDS, seconds -> u32, "waiting time out of range"
}

/// What became of the job.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct UnitJob {
    /// Such as `done` or `failed`, when it was waited for; see org.freedesktop.systemd1(5).
    pub result: Option<Text<64>>,
}

/// Reads part of a unit's properties, which are an array `a{sv}` as D-Bus writes it in little-endian order; `status` is asked for the name as given, and, where the manager has another name for
/// it, for that as well.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct UnitStatus {
    /// The unit.
    pub unit: UnitName,
    /// Which of its properties.
    pub interface: UnitInterface,
    /// Bytes from their beginning; 0 asks the manager anew, anything else goes on in what it said last.
    pub offset_bytes: u32,
}

/// Which properties of a unit.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitInterface {
    /// What every unit has.
    Unit,
    /// What a service has beside that.
    Service,
}

/// Has the manager read its unit files again; `daemon_reload` is asked for the manager.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ReloadManager {}
