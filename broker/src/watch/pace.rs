//! How long acts keep an eye on whether the run is to end.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::wait::{Event, Waiter};
use crate::gate::error::Error;

/// What interrupted a run, once something has. Copies share it.
#[derive(Clone, Debug, Default)]
pub struct Interruption(Rc<Cell<Option<Event>>>);

impl Interruption {
    /// What it was.
    pub fn event(&self) -> Option<Event> {
        self.0.get()
    }

    /// Keeps what it was; gives the error that ends the act.
    pub fn by(&self, event: Event) -> Error {
        self.0.set(Some(event));
        Error::Interrupted
    }
}

/// Waits in the middle of an act, and looks whether the run is to end meanwhile.
#[derive(Debug)]
pub struct Pace {
    /// Waits for whatever comes next.
    pub waiter: Waiter,
    /// What interrupted the run.
    pub interruption: Interruption,
}

impl Pace {
    /// Nothing has happened yet.
    pub fn new(waiter: Waiter) -> Self {
        Self { waiter, interruption: Interruption::default() }
    }

    /// Waits, unless the run is to end meanwhile.
    ///
    /// # Errors
    /// `Interrupted` when it is.
    pub fn sleep(&mut self, milliseconds: u32) -> Result<(), Error> {
        match self.waiter.pause(Duration::from_millis(milliseconds.into()))? {
            Event::Elapsed => Ok(()),
            event => Err(self.interruption.by(event)),
        }
    }

    /// Looks, before each operation and each entry of a tree, whether somebody has stopped the run.
    ///
    /// # Errors
    /// `Interrupted` when somebody has.
    pub fn heed(&self) -> Result<(), Error> {
        if self.waiter.is_halted() { Err(self.interruption.by(Event::Halted)) } else { Ok(()) }
    }

    /// Looks, in the middle of a long act, whether the run is to end; to be called every few milliseconds.
    ///
    /// # Errors
    /// `Interrupted` when it is.
    pub fn go_on(&mut self) -> Result<(), Error> {
        self.waiter.glance()?.map_or(Ok(()), |event| Err(self.interruption.by(event)))
    }
}
