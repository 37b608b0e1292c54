//! What the end of a conversation with a jail means for the run.

use std::time::Duration;

use rex_ipc::control::{FatalCause, ScriptEnd};
use rex_ipc::failure::FailureClass;
use rex_outside::violation::Watch;
use rex_outside::{Jail, JailExit};

use super::Run;
use crate::audit::{self, Record};
use crate::gate::error::LimitReached;
use crate::gate::limits::{self, JAIL_PROCESSOR_TIME, MEMORY, TIME, VALUE_SIZE, VARIABLES};
use crate::result::{self, Crash, Ending, ErrorClass, LimitObject};
use crate::run::services::Services;
use crate::run::session::RunEnd;
use crate::watch::wait::Event;

impl Run<'_> {
    /// What the end of the conversation means, after the jail has been looked at.
    pub(super) fn ending(
        &self,
        end: RunEnd,
        line: u32,
        jail: &mut Jail,
        watch: Option<&Watch>,
        services: &mut Services,
    ) -> Ending {
        match end {
            RunEnd::Script { end, text, class } => script_ending(end, text, class),
            RunEnd::Fatal(fatal) => {
                let detail = fatal.message.into_string();
                match fatal.cause {
                    FatalCause::Arena => {
                        let limit = LimitReached { name: MEMORY, value: self.options.limits.memory_mib };
                        let text = limits::in_words_at(limit.name, limit.value, line);
                        limited(services, limit, line, Ending::Crashed { how: Crash::Arena, detail: text })
                    }
                    FatalCause::Panic => Ending::Crashed { how: Crash::Panic, detail },
                    FatalCause::Setup => Ending::BrokerFailed(detail),
                }
            }
            RunEnd::Violation(detail) => violation(services, detail),
            RunEnd::JailGone => jail_gone(jail, line, services),
            RunEnd::ForbiddenCall => forbidden_call(watch, jail, services),
            RunEnd::Limit(limit) => {
                let claimed_by_jail = matches!(limit.name, "max-operations" | VALUE_SIZE | VARIABLES);
                let ending = Ending::Limit {
                    name: limit.name.to_owned(),
                    value: limit.value,
                    line: Some(line),
                    claimed_by_jail,
                };
                limited(services, limit, line, ending)
            }
            RunEnd::Halted => self.beginning.stopped(line, &mut **services.kept.audit.lock()),
            RunEnd::Signal(_) if self.beginning.order().is_some() => {
                self.beginning.stopped(line, &mut **services.kept.audit.lock())
            }
            RunEnd::Signal(number) => {
                let signal = u8::try_from(number).unwrap_or(0);
                let place = (line > 0).then_some((line, 1));
                Ending::Terminated {
                    signal,
                    message: result::termination_text(signal, place, self.options.compat),
                }
            }
            RunEnd::Deadline => {
                let seconds = self.options.limits.timeout_seconds;
                let limit = LimitReached { name: TIME, value: seconds };
                limited(
                    services,
                    limit,
                    line,
                    Ending::Deadline { seconds, line: Some(line), abandoned: None },
                )
            }
            RunEnd::Audit(error) => Ending::AuditFailed(error.to_string()),
            RunEnd::Output(reason) => Ending::OutputFailed(reason),
            RunEnd::Internal(text) => Ending::BrokerFailed(text),
        }
    }
}

fn script_ending(end: ScriptEnd, text: String, class: Option<FailureClass>) -> Ending {
    let class = match class {
        Some(FailureClass::Denied | FailureClass::Undecided) => ErrorClass::Denied,
        Some(FailureClass::System { errno })
            if [nix::libc::EACCES, nix::libc::EPERM].contains(&i32::from(errno)) =>
        {
            ErrorClass::SystemAccess
        }
        _ => ErrorClass::Other,
    };
    match end {
        ScriptEnd::Value => Ending::Value(text),
        ScriptEnd::CompileError => Ending::CompileError(text),
        // Limits are told apart by the session; what is left has only the text.
        ScriptEnd::Error | ScriptEnd::Limit(_) => Ending::ScriptError { message: text, class },
    }
}

/// Records the limit that ended the run.
fn limited(services: &mut Services, limit: LimitReached, line: u32, ending: Ending) -> Ending {
    services.kept.recorder.lock().limit =
        Some(LimitObject { name: limit.name.to_owned(), value: limit.value, line });
    let record = audit::Limit { name: limit.name, value: limit.value, claimed_line: line };
    match services.kept.audit.lock().note(&Record::Limit(record)) {
        Ok(()) => ending,
        Err(error) => Ending::AuditFailed(error.to_string()),
    }
}

fn violation(services: &mut Services, detail: String) -> Ending {
    match services.kept.audit.lock().note(&Record::Violation(audit::Violation { detail: &detail })) {
        Ok(()) => Ending::Crashed { how: Crash::Violation, detail },
        Err(error) => Ending::AuditFailed(error.to_string()),
    }
}

/// Which call it was is read and recorded; it is never carried out.
fn forbidden_call(watch: Option<&Watch>, jail: &mut Jail, services: &mut Services) -> Ending {
    let detail = match watch.map(|watch| watch.catch(jail)) {
        Some(Ok(call)) => format!("the jail called the kernel for what it may not: {call}"),
        Some(Err(error)) => {
            format!("the jail called the kernel for what it may not, which could not be read: {error}")
        }
        None => "the jail called the kernel for what it may not".to_owned(),
    };
    violation(services, detail)
}

/// The socket is closed without a last word: what the kernel says of the jail's end is what counts.
fn jail_gone(jail: &mut Jail, line: u32, services: &mut Services) -> Ending {
    let ended = match services.pace.waiter.pause(CLOSING_TIME) {
        Ok(Event::JailEnded) => jail.try_wait().ok().flatten(),
        _ => None,
    };
    let Some(exit) = ended else {
        return violation(services, "the jail closed its socket or sent an empty datagram".to_owned());
    };
    match exit {
        JailExit::Signaled(signal) => match signal {
            nix::libc::SIGSYS => violation(
                services,
                "the kernel ended the jail for a system call that it does not have (SIGSYS)".to_owned(),
            ),
            nix::libc::SIGSEGV | nix::libc::SIGBUS | nix::libc::SIGILL => Ending::Crashed {
                how: Crash::MemoryFault,
                detail: format!("signal {signal}; is the script's data nested too deep?"),
            },
            nix::libc::SIGXCPU => {
                let limit = LimitReached {
                    name: JAIL_PROCESSOR_TIME,
                    value: services.metered.limits().max_jail_cpu_seconds,
                };
                let ending = Ending::Limit {
                    name: limit.name.to_owned(),
                    value: limit.value,
                    line: Some(line),
                    claimed_by_jail: false,
                };
                limited(services, limit, line, ending)
            }
            _ => Ending::Crashed { how: Crash::Killed, detail: format!("by signal {signal}") },
        },
        JailExit::Exited(code) => {
            violation(services, format!("the jail exited with code {code} and without a result"))
        }
    }
}

/// How long the kernel may take between closing a jail's socket and reporting its end.
const CLOSING_TIME: Duration = Duration::from_secs(2);
