//! How a run ends, and what an error, an event or a failure of the socket means for it.

use std::fmt;
use std::io;

use rex_ipc::control::{EngineLimit, Fatal, ScriptEnd};
use rex_ipc::failure::FailureClass;
use rex_outside::socket::LinkError;

use crate::gate::error::{Error, LimitReached, NotRecorded};
use crate::gate::limits::{Limits, VALUE_SIZE, VARIABLES, engine_limits};
use crate::run::services::Services;
use crate::watch::wait::{Event, Waiter};

/// How a run ended, as far as the broker knows by itself or was told by the jail.
#[derive(Debug)]
pub enum RunEnd {
    /// The script ended and said so. The text is its output or the message of its error.
    Script {
        /// What the jail says.
        end: ScriptEnd,
        /// Output or error message.
        text: String,
        /// What the broker answered to the request that ended the script.
        class: Option<FailureClass>,
    },
    /// The jail says that it cannot go on.
    Fatal(Fatal),
    /// The jail broke the protocol.
    Violation(String),
    /// The jail is gone, without a word.
    JailGone,
    /// The jail waits in a system call that it does not have.
    ForbiddenCall,
    /// A limit of the run was reached.
    Limit(LimitReached),
    /// Somebody has stopped the run, and said so in the register.
    Halted,
    /// Somebody sent a signal.
    Signal(i32),
    /// The time of the run is over.
    Deadline,
    /// The record cannot be written.
    Audit(NotRecorded),
    /// The events of the run cannot be written.
    Output(String),
    /// The broker itself failed.
    Internal(String),
}

impl fmt::Display for RunEnd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script { .. } => out.write_str("the script ended"),
            Self::Fatal(fatal) => write!(out, "{}", fatal.message),
            Self::Violation(text) | Self::Output(text) | Self::Internal(text) => out.write_str(text),
            Self::ForbiddenCall => out.write_str("the jail called the kernel for what it may not"),
            Self::JailGone => out.write_str("the jail ended before it was ready"),
            Self::Limit(limit) => write!(out, "limit reached: {} of {}", limit.name, limit.value),
            Self::Halted => out.write_str("the run was stopped"),
            Self::Signal(number) => write!(out, "the broker got signal {number}"),
            Self::Deadline => out.write_str("the time of the run is over"),
            Self::Audit(error) => write!(out, "{error}"),
        }
    }
}

/// What an error ends that is not answered.
pub(super) fn of(services: &Services, error: Error) -> RunEnd {
    match error {
        Error::Limit(limit) => RunEnd::Limit(limit),
        Error::Violation(text) => RunEnd::Violation(text),
        Error::Audit(error) => RunEnd::Audit(error),
        Error::Output(reason) => RunEnd::Output(reason),
        Error::Interrupted => {
            let event = services.pace.interruption.event();
            event.and_then(|event| by(event, &services.pace.waiter)).unwrap_or(RunEnd::JailGone)
        }
        Error::Denied(_) | Error::Failed { .. } => RunEnd::Internal("a failure was not answered".into()),
    }
}

/// The end that a limit of the engine has brought, as the jail says.
pub(super) fn by_engine(limit: EngineLimit, limits: &Limits) -> RunEnd {
    let engine = engine_limits(limits);
    let (name, value) = match limit {
        EngineLimit::Operations => ("max-operations", engine.operations),
        EngineLimit::DataSize => (VALUE_SIZE, engine.string_bytes),
        EngineLimit::Variables => (VARIABLES, engine.variables),
    };
    RunEnd::Limit(LimitReached { name, value })
}

/// Whether the socket is as it was waited for; or the run ends.
pub(super) fn goes_on(event: io::Result<Event>, waiter: &Waiter) -> Result<bool, RunEnd> {
    let event = event.map_err(|error| RunEnd::Internal(error.to_string()))?;
    match by(event, waiter) {
        Some(end) => Err(end),
        None => Ok(matches!(event, Event::Readable | Event::Writable)),
    }
}

/// The end that an event brings, if it does.
fn by(event: Event, waiter: &Waiter) -> Option<RunEnd> {
    match event {
        Event::Halted => Some(RunEnd::Halted),
        Event::Signal(number) => Some(RunEnd::Signal(number)),
        // SIGTERM may have brought the end of the run's time nearer.
        Event::Deadline => Some(waiter.terminated().map_or(RunEnd::Deadline, RunEnd::Signal)),
        Event::JailEnded => Some(RunEnd::JailGone),
        Event::ForbiddenCall => Some(RunEnd::ForbiddenCall),
        Event::Limit(limit) => Some(RunEnd::Limit(limit)),
        Event::Readable | Event::Writable | Event::Elapsed => None,
    }
}

/// What a failure of the socket means: the jail's doing, its death, or ours.
pub(super) fn link_end(error: &LinkError) -> RunEnd {
    match error {
        LinkError::TooLong(_) | LinkError::Ancillary => RunEnd::Violation(error.to_string()),
        LinkError::Call(_, cause) if cause.kind() == io::ErrorKind::BrokenPipe => RunEnd::JailGone,
        LinkError::Call(_, cause) if cause.kind() == io::ErrorKind::ConnectionReset => RunEnd::JailGone,
        LinkError::Full | LinkError::Short(_) | LinkError::Call(..) => RunEnd::Internal(error.to_string()),
    }
}
