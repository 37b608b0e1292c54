//! What scripts can call, one file for each namespace.

pub mod command;
pub mod datetime;
pub mod error_kind;
pub mod file_system;
pub mod json;
pub mod log;
pub mod options;
pub mod random;
pub mod signal;
pub mod time;

use crate::registry::Registrar;

/// Registers everything.
pub fn register(registrar: &mut Registrar<'_>) {
    error_kind::register(registrar);
    command::register(registrar);
    datetime::register(registrar);
    file_system::register(registrar);
    json::register(registrar);
    log::register(registrar);
    options::register(registrar);
    random::register(registrar);
    signal::register(registrar);
    time::register(registrar);
}
