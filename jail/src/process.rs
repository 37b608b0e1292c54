//! Processes as scripts see them: listed, watched, asked what they hold open, and sent signals.

pub mod info;
pub mod ipcs;
pub mod listing;
pub mod manager;
pub mod monitor;
pub mod namespaces;
pub mod open_files;
pub mod options;
pub mod properties;
pub mod service;
pub mod signals;
pub mod sockets;
pub mod trace;
pub mod units;

use rex_ipc::failure::FailureClass;
use rhai::EvalAltResult;

use crate::error::family::{Kind, Processes};
use crate::error::{message_of, request_behind};
use crate::session::Failed;

/// The kind of an error about processes.
pub type ErrorKind = Kind<Processes>;

/// `ValidationError`, with the message that all of its kind have.
fn invalid(reason: impl std::fmt::Display) -> Box<EvalAltResult> {
    ErrorKind::error("ValidationError", validation_error(reason))
}

/// The text of a `ValidationError`.
fn validation_error(reason: impl std::fmt::Display) -> String {
    format!("Validation error: {reason}")
}

/// The text of a `ProcessNotFound`, which names a process at its end; 0 where no one process is meant.
fn process_not_found(reason: impl std::fmt::Display, pid: impl std::fmt::Display) -> String {
    format!("Process not found: {reason}: PID {pid}")
}

/// The error for a failed request: of this kind and with this message where it was no decision of the policy and no limit.
fn refused(failed: Failed, name: &'static str, message: impl FnOnce(&str) -> String) -> Box<EvalAltResult> {
    match failed.failure.class {
        FailureClass::System { .. } | FailureClass::Invalid => {
            ErrorKind::error_from(name, message(failed.failure.message.as_str()), failed.number)
        }
        _ => ErrorKind::of(failed, "Other"),
    }
}

/// Whether the system says that there is no such process.
fn is_missing(failed: &Failed) -> bool {
    failed.failure.class == (FailureClass::System { errno: NO_SUCH_PROCESS })
}

/// ESRCH of errno(3).
const NO_SUCH_PROCESS: u16 = 3;

/// An error of a command, whose cause is told in the message alone, as in Rex; what cannot be caught stays as it is.
pub fn folded(command: &str, error: Box<EvalAltResult>) -> Box<EvalAltResult> {
    let Some(message) = message_of(&error) else { return error };
    let message = validation_error(format_args!("{command}: {message}"));
    match request_behind(&error) {
        Some(request) => ErrorKind::error_from("ValidationError", message, request),
        None => ErrorKind::error("ValidationError", message),
    }
}

#[cfg(test)]
mod tests {
    use rex_ipc::file_system::EntryType;
    use rex_ipc::process_system::{OpenAccess, ProcessRecord};

    use crate::testing::{Bench, held, process};

    fn bench() -> Bench {
        let open = |access| held(access, EntryType::Dir, "/");
        Bench::new()
            .process(ProcessRecord { parent: 0, ..process(1, "init") })
            .process(process(7, "server"))
            .holding(1, vec![open(OpenAccess::WorkingDirectory), open(OpenAccess::Root)])
            .file("/srv/example/notes.txt", "")
            .file("/proc/sysvipc/shm", "       key      shmid perms\n")
            .file("/proc/sysvipc/msg", "       key      msqid perms\n")
            .file("/proc/sysvipc/sem", "       key      semid perms\n")
    }

    /// The examples of a chapter of the manual, with what they give.
    fn examples(chapter: &str) -> Vec<(&str, &str)> {
        let sections = chapter.split("```rhai\n").skip(1);
        sections.map(|rest| rest.split_once("\n```\n\n```output\n").unwrap()).collect()
    }

    #[test]
    fn the_examples_of_the_manual_give_what_it_says() {
        for (chapter, least) in
            [(include_str!("../manual/processes.md"), 70), (include_str!("../manual/services.md"), 6)]
        {
            let examples = examples(chapter);
            assert!(examples.len() >= least, "{}", examples.len());
            for (script, rest) in examples {
                let (output, _) = rest.split_once("\n```").unwrap();

                assert_eq!(bench().output(script), output, "{script}");
            }
        }
    }
}
