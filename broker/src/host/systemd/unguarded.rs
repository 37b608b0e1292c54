//! What needs no permit, with the reason.

use super::bus::{Bus, Failed};
use super::object::{GoOn, Services};
use crate::gate::error::Error;
use rex_ipc::failure::ErrorKind;

/// Connects to the system bus. It says nothing about a unit, and is done only after something was permitted.
///
/// # Errors
/// When the bus cannot be reached, or does not answer in time; `Interrupted` when the run is to end.
pub fn connect(services: &Services, go_on: GoOn<'_>) -> Result<Bus, Error> {
    Bus::connect(services.address.as_deref(), go_on).map_err(|failed| match failed {
        Failed::Run(error) => error,
        other => Error::invalid(ErrorKind::Other, format!("Failed to connect to system bus: {other}")),
    })
}
