//! The boundary between jail and broker: interface table, wire types, limits, frame and codec.
//!
//! What can cross is listed in [`mod@interface`]; how it looks on the wire is written down in `docs/wire.md`.
//! Nothing in this package does input or output, and nothing in it panics on any input.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used, clippy::panic)]

extern crate alloc;

pub mod action;
pub mod batch;
pub mod bounded;
pub mod codec;
pub mod control;
pub mod failure;
pub mod file_system;
pub mod frame;
pub mod handle;
pub mod interface;
pub mod limits;
pub mod name;
pub mod network;
pub mod process_system;
pub mod program;
pub mod runtime;
pub mod state;
pub mod sysinfo;
pub mod systemd;

/// The messages of every namespace, for who has to do with all of them.
pub mod messages {
    pub use crate::file_system::*;
    pub use crate::network::*;
    pub use crate::process_system::*;
    pub use crate::program::*;
    pub use crate::runtime::*;
    pub use crate::sysinfo::*;
    pub use crate::systemd::*;
}
