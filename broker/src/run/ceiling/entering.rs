//! The broker is held to its ceiling, in every thread, before a byte of the script is sent.

use std::fs;
use std::io;
use std::sync::Arc;

use rex_outside::Jail;
use rex_outside::ceiling::{self, Rights};

use super::{Ceiling, Entered};
use crate::policy::Policies;
use crate::result::NotStarted;
use crate::run::Run;

/// A ceiling that the kernel knows and nobody has entered.
pub(in crate::run) struct Built {
    ceiling: ceiling::Ceiling,
    entered: Entered,
}

impl Run<'_> {
    /// What the broker is to be held to; nothing unless that is required.
    ///
    /// # Errors
    /// When a statement has no bound, or the kernel cannot.
    pub(in crate::run) fn ceiling(
        &self,
        policies: &Policies,
        jail: &Jail,
    ) -> Result<Option<Built>, NotStarted> {
        if !self.requirement.wants_ceiling() {
            return Ok(None);
        }
        let mut ceiling = Ceiling::of(policies, self.options.compat).map_err(|error| failed(&error))?;
        if let Some(unbounded) = ceiling.unbounded() {
            let statements = "of these statements nobody can say what the broker needs for them at most";
            return Err(missing(&format!("{statements}: {unbounded}; see rex-broker ceiling show")));
        }
        let mut build = || {
            ceiling.give_journal()?;
            if let Some(listed) = self.beginning.entry.lock().as_ref() {
                ceiling.give(listed.place(), Rights::remove_files())?;
            }
            if let Some(group) = jail.control_group() {
                ceiling.give(group, Rights::write_files())?;
                if let Some(above) = group.parent() {
                    ceiling.give(above, Rights::remove_directories())?;
                }
            }
            ceiling.build()
        };
        let (ceiling, entered) = build().map_err(|error| failed(&error))?;
        Ok(Some(Built { ceiling, entered }))
    }

    /// Holds every thread of the broker to it; gives how that went, for the result.
    ///
    /// # Errors
    /// When one thread cannot be held, or is none that is known: then no script is sent.
    pub(in crate::run) fn enter(&self, built: Built) -> Result<Entered, NotStarted> {
        let Built { ceiling, mut entered } = built;
        let threads = fs::read_dir("/proc/self/task").map_err(|error| failed(&error))?.count();
        if threads != THREADS {
            return Err(missing(&format!("there are {threads} threads, and {THREADS} can be held")));
        }
        let (ceiling, held) = (Arc::new(ceiling), "the watchdog cannot be held");
        let of_watchdog = Arc::clone(&ceiling);
        match self.watched.have_done(move || of_watchdog.enter()) {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(missing(&format!("{held}: {error}"))),
            None => return Err(missing(&format!("{held}: it does not answer"))),
        }
        let enter = || ceiling.enter().and_then(|()| ceiling::close_calls());
        enter().map_err(|error| failed(&error))?;
        entered.capabilities = ceiling::capabilities_left().map_err(|error| failed(&error))?;
        Ok(entered)
    }
}

fn failed(error: &io::Error) -> NotStarted {
    missing(&format!("the kernel does not hold the broker: {error}"))
}

fn missing(reason: &str) -> NotStarted {
    NotStarted::Jail(format!("jail could not be established: required and missing: ceiling ({reason})"))
}

/// The one that serves and the watchdog.
const THREADS: usize = 2;
