//! The way to the host: who wants to act asks here, and gets a permit, or an error that the script can read.
//!
//! What no policy can permit, and how much a run may use, is decided here as well.

mod ask;
pub mod error;
pub mod forbidden;
pub mod limits;
mod permit;

pub use ask::{Gate, changes_host, is_path, resource_text};
pub use permit::{Allows, Permit, Resource};
