//! That a run can be seen and stopped from outside, and what it tells of it.

use super::Run;
use super::conclude::Beginning;
use super::input::Inputs;
use super::register::{Entry, Order};
use crate::audit::{Record, Sink};
use crate::result::{Ending, NotStarted};
use crate::watch::wait::Waiter;

impl Run<'_> {
    /// Lists the run, before anything of a script is sent, and has it heed its entry.
    pub(super) fn list(
        &self,
        run: &str,
        principal: &str,
        inputs: &Inputs,
        waiter: &mut Waiter,
    ) -> Result<(), NotStarted> {
        let delegation = self.delegation.map(|held| held.id().to_owned());
        let entry = Entry::make(run, principal, delegation, &inputs.script_sha256)?;
        if let Some(entry) = &entry {
            waiter.heed(entry.word());
        }
        *self.beginning.entry.lock() = entry;
        Ok(())
    }

    /// Why a run was not begun that somebody has stopped before that.
    pub(super) fn stopped(&self) -> NotStarted {
        NotStarted::Stopped(self.beginning.order().unwrap_or_else(Order::unknown).in_words())
    }
}

impl Beginning {
    /// Who has stopped the run, and why; nothing while nobody has.
    pub(super) fn order(&self) -> Option<Order> {
        self.entry.lock().as_ref().and_then(Entry::order)
    }

    /// Records that the run was stopped; gives its end.
    pub(super) fn stopped(&self, line: u32, audit: &mut dyn Sink) -> Ending {
        // Nobody takes back what the entry has said.
        let order = self.order().unwrap_or_else(Order::unknown);
        match audit.note(&Record::Stop(order.record(line))) {
            Ok(()) => Ending::Stopped(order.in_words()),
            Err(error) => Ending::AuditFailed(error.to_string()),
        }
    }
}
