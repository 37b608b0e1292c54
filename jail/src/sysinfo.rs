//! The host as a whole: its memory, its kernel and the kernel's parameters.

pub mod kernel_log;
pub mod memory;
pub mod names;
pub mod parameters;
pub mod slab;
pub mod statistics;
pub mod tables;

/// What scripts call the functions of this part on. Nothing is asked before one of them is called.
#[derive(Clone, Copy, Debug, Default)]
pub struct Host;
