//! What scripts can call, one file for each namespace.

pub mod command;
pub mod command_change;
pub mod content;
pub mod error_kind;
pub mod file_system;
pub mod file_system_change;
pub mod json;
mod kind;
pub mod options;
pub mod options_change;
pub mod random;
pub mod signal;
pub mod time;

use crate::registry::Registrar;
use crate::{datetime, log};

/// Registers everything.
pub fn register(registrar: &mut Registrar<'_>) {
    error_kind::register(registrar);
    command::register(registrar);
    command_change::register(registrar);
    content::register(registrar);
    datetime::register(registrar);
    file_system::register(registrar);
    file_system_change::register(registrar);
    json::register(registrar);
    log::register(registrar);
    options::register(registrar);
    options_change::register(registrar);
    random::register(registrar);
    signal::register(registrar);
    time::register(registrar);
}
