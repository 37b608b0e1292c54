//! What the broker acts on: the objects of the host, the handles that name them, and the system calls.

pub mod file_system;
pub mod handles;
pub mod own_processes;
pub mod principal;
