//! What scripts can call, one file for each namespace.

pub mod client;
pub mod command;
pub mod command_change;
pub mod content;
pub mod core_dump;
pub mod disk;
pub mod error_kind;
pub mod execute;
pub mod file_system;
pub mod file_system_change;
pub mod json;
mod kind;
pub mod network;
mod object;
pub mod options;
pub mod options_change;
pub mod process;
pub mod process_options;
pub mod random;
pub mod resolve;
pub mod service;
pub mod signal;
pub mod sysinfo;
pub mod time;
pub mod unsigned;

use crate::registry::Registrar;
use crate::{datetime, log};

/// Registers everything.
pub fn register(registrar: &mut Registrar<'_>) {
    error_kind::register(registrar);
    client::register(registrar);
    command::register(registrar);
    command_change::register(registrar);
    content::register(registrar);
    datetime::register(registrar);
    disk::register(registrar);
    core_dump::register(registrar);
    execute::register(registrar);
    file_system::register(registrar);
    file_system_change::register(registrar);
    json::register(registrar);
    log::register(registrar);
    network::register(registrar);
    options::register(registrar);
    options_change::register(registrar);
    process::register(registrar);
    process_options::register(registrar);
    random::register(registrar);
    resolve::register(registrar);
    service::register(registrar);
    signal::register(registrar);
    sysinfo::register(registrar);
    time::register(registrar);
}
