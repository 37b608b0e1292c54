//! What a walk could not see or change: counted, so that a script can ask, and for some functions logged.
//!
//! What the system refused, or what had gone before it was looked at, is told once at the end of the run: a result that
//! lacks something must not look complete. What the policy denied is the broker's to tell.

use std::cell::Cell;

use rex_ipc::failure::ErrorKind;
use rhai::{EvalAltResult, NativeCallContext};

use crate::error::{Fallible, kind_of};
use crate::log;
use crate::session::{Failed, Refusal, Session};
use crate::value;

/// Counts what one walk passes over. When it is dropped, `passed_over()` of the script gives the number.
pub struct PassedOver {
    session: Session,
    line: u32,
    function: Option<&'static str>,
    /// What the script has called.
    caller: String,
    entries: Cell<u64>,
}

impl PassedOver {
    /// Nothing was passed over yet. What is gets a line in the log if a function is named here.
    pub fn new(context: &NativeCallContext, function: Option<&'static str>) -> Self {
        let (session, line) = (Session::of(context), value::line(context));
        Self { session, line, function, caller: context.fn_name().to_owned(), entries: Cell::new(0) }
    }

    /// The value, or nothing when there is a failure; a failure is counted.
    ///
    /// # Errors
    /// What ends the script.
    pub fn unless<T>(&self, path: &str, outcome: Result<T, Failed>) -> Fallible<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(failed) if failed.is_final() => Err(failed.into()),
            Err(failed) => {
                let message = failed.failure.message.as_str();
                self.note(path, message, failed.is_denial());
                self.count(path, message).map(|()| None)
            }
        }
    }

    /// The value, or nothing where an error was raised already; it is counted, too.
    ///
    /// # Errors
    /// What ends the script.
    pub fn unless_raised<T>(&self, path: &str, outcome: Fallible<T>) -> Fallible<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if !error.is_catchable() => Err(error),
            Err(error) => {
                let reason = reason(&error);
                self.note(path, &reason, is_denial(&error));
                self.count(path, &reason).map(|()| None)
            }
        }
    }

    /// Counts one entry that the system refused.
    ///
    /// # Errors
    /// As [`Self::count`].
    pub fn refused(&self, path: &str, errno: u16) -> Fallible<()> {
        let reason = std::io::Error::from_raw_os_error(errno.into()).to_string();
        self.note(path, &reason, false);
        self.count(path, &reason)
    }

    /// Counts so many entries that the system refused, of which the first is known.
    pub fn refused_at_once(&self, path: &str, errno: u16, entries: u32) {
        let reason = std::io::Error::from_raw_os_error(errno.into()).to_string();
        for _ in 0..entries {
            self.note(path, &reason, false);
        }
        self.entries.set(self.entries.get().saturating_add(entries.into()));
    }

    /// Counts one entry.
    ///
    /// # Errors
    /// What ends the script: the log has a limit.
    pub fn count(&self, path: &str, reason: &str) -> Fallible<()> {
        let entries = self.entries.get().saturating_add(1);
        self.entries.set(entries);
        match self.function {
            Some(function) if entries <= MOST_LINES => {
                log::warn(&self.session, self.line, function, &with_path(path, reason))
            }
            _ => Ok(()),
        }
    }

    /// Notes what the system refused, for the line that tells of it at the end of the run. Denials are told by the broker,
    /// which knows of each, and what has lines of its own in the log is told there.
    fn note(&self, path: &str, reason: &str, is_denial: bool) {
        if self.function.is_none() && !is_denial {
            let first = || Refusal {
                line: self.line,
                function: self.caller.clone(),
                reason: with_path(path, reason),
            };
            self.session.note_refused(first);
        }
    }

    /// How many entries were passed over.
    pub fn entries(&self) -> u64 {
        self.entries.get()
    }

    /// Says in the log how many entries have no line of their own.
    ///
    /// # Errors
    /// What ends the script: the log has a limit.
    pub fn close(&self) -> Fallible<()> {
        match (self.function, self.entries.get().checked_sub(MOST_LINES)) {
            (Some(function), Some(more)) if more > 0 => log::warn(
                &self.session,
                self.line,
                function,
                &format!("{more} more entries were passed over"),
            ),
            _ => Ok(()),
        }
    }
}

impl Drop for PassedOver {
    fn drop(&mut self) {
        self.session.set_passed_over(self.entries.get());
    }
}

/// The path and the reason, at whose end the broker may have named the path already.
fn with_path(path: &str, reason: &str) -> String {
    let reason = reason.strip_suffix(path).and_then(|reason| reason.strip_suffix(": ")).unwrap_or(reason);
    format!("{path}: {reason}")
}

/// Whether the policy said no, or could not be asked.
fn is_denial(error: &EvalAltResult) -> bool {
    matches!(kind_of(error), ErrorKind::PermissionDenied | ErrorKind::AuthorizationError)
}

/// The message of an error map, else the text of the engine.
fn reason(error: &EvalAltResult) -> String {
    if let EvalAltResult::ErrorRuntime(value, _) = error.unwrap_inner()
        && let Ok(map) = value.as_map_ref()
        && let Some(message) = map.get("message")
    {
        return message.to_string();
    }
    error.to_string()
}

/// Lines of one walk in the log. A tree of a million entries must not fill it.
const MOST_LINES: u64 = 20;

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    fn bench() -> Bench {
        Bench::new()
            .file("/t/a", "a")
            .link("/t/gone", "nowhere")
            .link("/t/lost", "nowhere")
            .file("/t/s/refused", "")
    }

    fn logged(bench: &Bench, script: &str) -> Vec<String> {
        bench.run(script);
        bench.log()
    }

    const FOLLOWING: &str = r#"
        let d = DirConfig().path("/t").build().open(OpenDirOptions().build());
        d.find(FindOptions().follow_symlinks(true).name("*").build(), |e| 0);
    "#;

    #[test]
    fn what_the_system_refuses_is_told_once_for_the_run() {
        let of_links = "Warn 2 entries could not be looked at and were passed over, the first: /t/gone: No such file or directory (os error 2)";

        assert_eq!(logged(&bench(), FOLLOWING), [of_links]);
        let twice = logged(&bench(), &format!("{FOLLOWING}{FOLLOWING}"));
        assert_eq!(twice, [of_links.replace("2 entries", "4 entries")]);
        assert_eq!(
            logged(&bench(), r#"du("/t")"#),
            [
                "Warn 1 entry could not be looked at and was passed over: /t/s/refused: Permission denied (os error 13)"
            ]
        );
        let failed = logged(&bench(), &format!("{FOLLOWING} throw 1"));
        assert_eq!(failed, [of_links], "a script that fails tells it as well");
    }

    #[test]
    fn the_line_names_function_and_place() {
        let bench = bench();

        bench.run("\n\n  du(\"/t\")");

        let world = bench.world.borrow();
        let told = &world.logs[0];
        assert_eq!((told.line, told.function.as_ref().map(|name| name.as_str())), (3, Some("du")));
    }

    #[test]
    fn denials_are_not_told_twice_and_rex_tells_nothing() {
        let denied = bench().denying("open", "/t/s");

        assert_eq!(logged(&denied, r#"find_files([glob::r], "*", "/t")"#), [""; 0]);
        assert_eq!(logged(&bench().denying("read", "/t/s"), r#"du("/t")"#), [""; 0]);
        assert_eq!(logged(&bench().like_rex(), FOLLOWING), [""; 0]);
        assert_eq!(logged(&bench().like_rex(), r#"du("/t")"#), [""; 0]);
    }
}
