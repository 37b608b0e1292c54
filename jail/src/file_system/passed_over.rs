//! What a walk could not see or change: counted, so that a script can ask, and for some functions logged.

use std::cell::Cell;

use rhai::{EvalAltResult, NativeCallContext};

use crate::error::Fallible;
use crate::log;
use crate::session::{Failed, Session};
use crate::value;

/// Counts what one walk passes over. When it is dropped, `passed_over()` of the script gives the number.
pub struct PassedOver {
    session: Session,
    line: u32,
    function: Option<&'static str>,
    entries: Cell<u64>,
}

impl PassedOver {
    /// Nothing was passed over yet. What is gets a line in the log if a function is named here.
    pub fn new(context: &NativeCallContext, function: Option<&'static str>) -> Self {
        let (session, line) = (Session::of(context), value::line(context));
        Self { session, line, function, entries: Cell::new(0) }
    }

    /// The value, or nothing when there is a failure; a failure is counted.
    ///
    /// # Errors
    /// What ends the script.
    pub fn unless<T>(&self, path: &str, outcome: Result<T, Failed>) -> Fallible<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(failed) if failed.is_final() => Err(failed.into()),
            Err(failed) => self.count(path, failed.failure.message.as_str()).map(|()| None),
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
            Err(error) => self.count(path, &reason(&error)).map(|()| None),
        }
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
                log::warn(&self.session, self.line, function, &format!("{path}: {reason}"))
            }
            _ => Ok(()),
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
