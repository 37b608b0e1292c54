//! The start of a jail: a process of the sealed image, watched from its first moment, and told what it has to know.

use rex_ipc::control::{EngineLimits, Hello};
use rex_ipc::interface::FINGERPRINT;
use rex_ipc::runtime::LogLevel;
use rex_outside::{Jail, Plan, SealedImage, spawn};

use crate::gate::limits::{Limits, engine_limits};
use crate::run::session::{RunEnd, send_hello};
use crate::watch::wait::Waiter;

/// What a jail is told of its run, beside what its plan says.
#[derive(Debug)]
pub struct Terms {
    /// What the engine is bounded by.
    pub limits: EngineLimits,
    /// Below this level the script's log lines stay in the jail.
    pub log_threshold: LogLevel,
    /// Whether the script has to find what it finds in Rex.
    pub rex_compat: bool,
}

impl Terms {
    /// Those of a jail that runs no script of anybody's.
    pub fn of_probe() -> Self {
        Self { limits: engine_limits(&Limits::default()), log_threshold: LogLevel::Info, rex_compat: false }
    }
}

/// Starts a jail and sends it the first frame; it then locks itself down, which nobody waits for here. When it ends, the
/// waiter says so.
///
/// # Errors
/// What could not be done, as `Internal` with a clause that may follow "jail could not be established: "; or what ended
/// the run meanwhile.
pub fn start(image: &SealedImage, plan: &Plan, waiter: &mut Waiter, terms: Terms) -> Result<Jail, RunEnd> {
    let jail = spawn(image, plan).map_err(|error| RunEnd::Internal(error.to_string()))?;
    let pidfd = jail.pidfd().try_clone_to_owned().map_err(unwatched)?;
    waiter.watch_jail(pidfd).map_err(unwatched)?;
    let hello = Hello {
        fingerprint: FINGERPRINT,
        lockdown_bits: plan.prepare_plan().to_bits(),
        arena_bytes: plan.arena_bytes,
        log_threshold: terms.log_threshold,
        limits: terms.limits,
        rex_compat: terms.rex_compat,
    };
    send_hello(&jail.socket, waiter, &hello)?;
    Ok(jail)
}

fn unwatched(error: std::io::Error) -> RunEnd {
    RunEnd::Internal(format!("cannot watch it: {error}"))
}
