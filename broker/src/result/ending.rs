//! The ways a run can end, and what each means for the caller: class, message, exit status.

use serde::Serialize;

use super::document::LimitObject;
use crate::gate::limits::{self, TIME};
use crate::result::Exit;

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// The script ran to its end; the text form of its last value.
    Value(String),
    /// The script does not compile; the interpreter's message.
    CompileError(String),
    /// The script failed.
    ScriptError {
        /// The interpreter's message.
        message: String,
        /// What failed. Known from what the broker answered, never from the message.
        class: ErrorClass,
    },
    /// A limit of the run was reached.
    Limit {
        /// Its name, as on the command line.
        name: String,
        /// Its value.
        value: u64,
        /// The line of the script, as the jail claims.
        line: Option<u32>,
        /// Whether the jail noticed it, and not the broker.
        claimed_by_jail: bool,
    },
    /// The time of the run was over.
    Deadline {
        /// How long that was.
        seconds: u64,
        /// The line of the script, as the jail claims.
        line: Option<u32>,
        /// The call that the broker waited for, and what became of it.
        abandoned: Option<String>,
    },
    /// Somebody has stopped the run; who, and why.
    Stopped(String),
    /// Somebody sent a signal.
    Terminated {
        /// Its number.
        signal: u8,
        /// The interpreter's message, or [`termination_text`].
        message: String,
    },
    /// The jail ended and no script error explains it.
    Crashed {
        /// How.
        how: Crash,
        /// More about it.
        detail: String,
    },
    /// The audit log cannot be written, so the run was stopped.
    AuditFailed(String),
    /// The events of the run cannot be written, so the run was stopped.
    OutputFailed(String),
    /// The broker itself failed while the script ran.
    BrokerFailed(String),
    /// The script was never started.
    NotStarted(NotStarted),
}

/// What failed in a script that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// A request that the policy denied, or could not be asked about.
    Denied,
    /// A request that the kernel refused with EACCES or EPERM.
    SystemAccess,
    /// Anything else.
    Other,
}

/// How a jail ended that did not finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Its memory was used up; it says so itself.
    Arena,
    /// The interpreter panicked; it says so itself.
    Panic,
    /// It touched memory that it does not have: often a stack that was used up.
    MemoryFault,
    /// It broke the protocol, or called the kernel for what it may not.
    Violation,
    /// Something else ended it.
    Killed,
}

/// Why a script was never started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotStarted {
    /// An input file cannot be read or decoded.
    Input {
        /// The whole message.
        message: String,
        /// Whether a file is missing or unreadable, and not merely wrong.
        missing: bool,
    },
    /// The command line makes no sense; the whole message.
    Words(String),
    /// The policy is not valid; the reason.
    Policy(String),
    /// The arguments are nested too deep; the whole message.
    Arguments(String),
    /// The jail could not be made.
    Jail(String),
    /// The audit log cannot be used.
    Audit(String),
    /// What was asked for is refused on this host.
    Refused(String),
    /// The broker itself failed.
    Internal(String),
    /// Somebody has stopped the run before there was a script to end; who, and why.
    Stopped(String),
    /// Somebody sent a signal before there was a script to end; its number.
    Signal(u8),
    /// The time of the run was over before its script could begin; how many seconds that were.
    Deadline(u64),
}

/// The class of an error in the document.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorType {
    /// A denial ended the script.
    AccessDeniedException,
    /// The script failed.
    ScriptException,
    /// The command line makes no sense, or the arguments are nested too deep.
    ValidationException,
    /// The policy is not valid, or this program failed.
    InternalException,
    /// An input file cannot be read or decoded.
    CommunicationException,
}

impl ErrorType {
    /// Every class.
    pub fn each() -> impl Iterator<Item = Self> {
        [
            Self::AccessDeniedException,
            Self::ScriptException,
            Self::ValidationException,
            Self::InternalException,
            Self::CommunicationException,
        ]
        .into_iter()
    }

    /// The name in the document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessDeniedException => "ACCESS_DENIED_EXCEPTION",
            Self::ScriptException => "SCRIPT_EXCEPTION",
            Self::ValidationException => "VALIDATION_EXCEPTION",
            Self::InternalException => "INTERNAL_EXCEPTION",
            Self::CommunicationException => "COMMUNICATION_EXCEPTION",
        }
    }
}

/// The message of a script that a signal ended; with the place in the script where that is known.
///
/// Rex calls SIGTERM a timeout, which it is only there: the script may go on for ten seconds.
pub fn termination_text(signal: u8, place: Option<(u32, u32)>, compat: bool) -> String {
    let reason = match signal {
        SIGTERM if compat => "SIGTERM timeout exceeded".to_owned(),
        SIGTERM => "SIGTERM".to_owned(),
        SIGINT if !compat => "SIGINT".to_owned(),
        SIGHUP if !compat => "SIGHUP".to_owned(),
        number => format!("signal {number}"),
    };
    match place {
        Some((line, position)) => format!("Script terminated: {reason} (line {line}, position {position})"),
        None => format!("Script terminated: {reason}"),
    }
}

/// What is said of a limit that was reached, where in the script, and how that is known.
fn limit_texts(name: &str, value: u64, line: Option<u32>) -> (String, String) {
    let told = limits::in_words_at(name, value, line.unwrap_or(0));
    (format!("Script terminated: limit reached: {told}"), limits::in_words(name, value))
}

/// What an ending means.
pub(super) struct Meaning {
    /// Class and message, unless it is a success.
    pub(super) error: Option<(ErrorType, String)>,
    pub(super) exit: Exit,
    pub(super) jail_end: &'static str,
    pub(super) claimed_by_jail: bool,
    pub(super) detail: Option<String>,
}

impl Ending {
    /// Whether a script was handed to the interpreter.
    pub(super) fn was_started(&self) -> bool {
        !matches!(self, Self::NotStarted(_))
    }

    /// The limit that was reached, where the ending itself names one.
    pub(super) fn limit(&self) -> Option<LimitObject> {
        match self {
            Self::Limit { name, value, line, .. } => {
                Some(LimitObject { name: name.clone(), value: *value, line: line.unwrap_or(0) })
            }
            Self::NotStarted(NotStarted::Deadline(seconds)) => {
                Some(LimitObject { name: TIME.to_owned(), value: *seconds, line: 0 })
            }
            Self::Deadline { seconds, line, .. } => {
                Some(LimitObject { name: TIME.to_owned(), value: *seconds, line: line.unwrap_or(0) })
            }
            _ => None,
        }
    }

    pub(super) fn meaning(&self, compat: bool) -> Meaning {
        match self {
            Self::Value(_) => Meaning::finished(None, Exit::Done),
            Self::CompileError(message) => {
                Meaning::finished(Some((ErrorType::ScriptException, message.clone())), Exit::ScriptInvalid)
            }
            Self::ScriptError { message, class } => {
                let (error_type, exit) = match class {
                    ErrorClass::Denied => (ErrorType::AccessDeniedException, Exit::Denied),
                    ErrorClass::SystemAccess => (ErrorType::AccessDeniedException, Exit::ScriptFailed),
                    ErrorClass::Other => (ErrorType::ScriptException, Exit::ScriptFailed),
                };
                Meaning::finished(Some((error_type, message.clone())), exit)
            }
            Self::Limit { name, value, line, claimed_by_jail } => {
                let (message, detail) = limit_texts(name, *value, *line);
                Meaning::script(message, Exit::LimitReached).ended("limit", *claimed_by_jail, detail)
            }
            Self::Deadline { seconds, line, abandoned } => {
                let (mut message, mut detail) = limit_texts(TIME, *seconds, *line);
                for text in [&mut message, &mut detail] {
                    text.extend(abandoned.iter().flat_map(|abandoned| ["; ", abandoned]));
                }
                Meaning::script(message, Exit::Deadline).ended("limit", false, detail)
            }
            Self::Terminated { signal, message } => {
                let detail = format!("the broker got signal {signal}");
                Meaning::script(message.clone(), Exit::Signal(*signal)).ended("killed", false, detail)
            }
            Self::Stopped(detail) => {
                let message = format!("Script terminated: {detail}");
                Meaning::script(message, Exit::Stopped).ended("killed", false, detail.clone())
            }
            Self::Crashed { how, detail } => how.meaning(detail),
            Self::AuditFailed(detail) => {
                let message = format!("Script terminated: {detail}");
                Meaning::internal(message, Exit::AuditNotWritten).ended("killed", false, detail.clone())
            }
            Self::OutputFailed(detail) => {
                let message = format!("Script terminated: the events of the run cannot be written: {detail}");
                Meaning::internal(message, Exit::OutputNotWritten).ended("killed", false, detail.clone())
            }
            Self::BrokerFailed(detail) => {
                let message = format!("Script terminated: {detail}");
                Meaning::internal(message, Exit::Internal).ended("killed", false, detail.clone())
            }
            Self::NotStarted(reason) => reason.meaning(compat),
        }
    }
}

impl Crash {
    fn meaning(self, detail: &str) -> Meaning {
        let (name, claimed, text) = match self {
            Self::Arena => ("arena", true, "limit reached"),
            Self::Panic => ("panic", true, "the interpreter panicked"),
            Self::MemoryFault => ("memory_fault", false, "memory fault in the interpreter"),
            Self::Violation => ("violation", false, "the jail broke the rules"),
            Self::Killed => ("killed", false, "the jail was killed"),
        };
        let message = match detail {
            "" => format!("Script terminated: {text}"),
            detail => format!("Script terminated: {text}: {detail}"),
        };
        let meaning = match self {
            Self::Arena => Meaning::script(message, Exit::LimitReached),
            _ => Meaning::internal(message, Exit::Internal),
        };
        meaning.ended(name, claimed, detail.to_owned())
    }
}

impl NotStarted {
    fn meaning(&self, compat: bool) -> Meaning {
        let (error_type, message, exit) = match self {
            Self::Input { message, missing } => {
                let exit = if *missing { Exit::InputMissing } else { Exit::InputInvalid };
                (ErrorType::CommunicationException, message.clone(), exit)
            }
            Self::Policy(reason) => {
                let message = if compat { [POLICY_PREFIX, reason].concat() } else { reason.clone() };
                (ErrorType::InternalException, message, Exit::InputInvalid)
            }
            Self::Words(message) => (ErrorType::ValidationException, message.clone(), Exit::Usage),
            Self::Arguments(message) => (ErrorType::ValidationException, message.clone(), Exit::InputInvalid),
            Self::Jail(message) => (ErrorType::InternalException, message.clone(), Exit::JailNotEstablished),
            Self::Audit(message) => (ErrorType::InternalException, message.clone(), Exit::AuditNotWritten),
            Self::Refused(message) => (ErrorType::InternalException, message.clone(), Exit::Refused),
            Self::Internal(message) => (ErrorType::InternalException, message.clone(), Exit::Internal),
            Self::Stopped(detail) => {
                (ErrorType::ScriptException, format!("Script terminated: {detail}"), Exit::Stopped)
            }
            Self::Signal(signal) => {
                let message = termination_text(*signal, None, compat);
                (ErrorType::ScriptException, message, Exit::Signal(*signal))
            }
            Self::Deadline(seconds) => {
                let (message, _) = limit_texts(TIME, *seconds, None);
                (ErrorType::ScriptException, message, Exit::Deadline)
            }
        };
        Meaning { jail_end: "not_started", ..Meaning::finished(Some((error_type, message)), exit) }
            .unclaimed()
    }
}

impl Meaning {
    fn finished(error: Option<(ErrorType, String)>, exit: Exit) -> Self {
        Self { error, exit, jail_end: "finished", claimed_by_jail: true, detail: None }
    }

    fn script(message: String, exit: Exit) -> Self {
        Self::finished(Some((ErrorType::ScriptException, message)), exit)
    }

    fn internal(message: String, exit: Exit) -> Self {
        Self::finished(Some((ErrorType::InternalException, message)), exit)
    }

    fn ended(self, jail_end: &'static str, claimed_by_jail: bool, detail: String) -> Self {
        let detail = Some(detail).filter(|detail| !detail.is_empty());
        Self { jail_end, claimed_by_jail, detail, ..self }
    }

    fn unclaimed(self) -> Self {
        Self { claimed_by_jail: false, ..self }
    }
}

const SIGHUP: u8 = 1;
const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;
const POLICY_PREFIX: &str =
    "Failed to create Rhai engine: Failed to parse Cedar policy - check syntax and structure: ";
