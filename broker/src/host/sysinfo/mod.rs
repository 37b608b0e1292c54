//! The host as a whole: names, tables and messages of the kernel, its parameters, network interfaces, mounted file systems.

pub mod file_systems;
pub mod interfaces;
pub mod kernel_log;
pub mod names;
pub mod object;
pub mod parameters;
mod resources;
pub mod sources;
