//! What scripts can call, one file for each namespace.

pub mod command;
pub mod log;

use crate::registry::Registrar;

/// Registers everything.
pub fn register(registrar: &mut Registrar<'_>) {
    command::register(registrar);
    log::register(registrar);
}
