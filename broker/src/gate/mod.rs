//! The way to the host: who wants to act asks here, and gets a permit, or an error that the script can read.
//!
//! What no policy can permit, and how much a run may use, is decided here as well.

mod act;
mod ask;
pub mod deciding;
pub mod error;
pub mod explaining;
pub mod forbidden;
pub mod limits;
pub mod moved;
mod object;
mod per_operation;
mod permit;
mod recording;
pub mod usage;

pub use act::Act;
pub use ask::{Gate, changes_host};
pub use object::{Held, Identity, InDirectory, Inode, file_type};
pub(crate) use permit::sealed;
pub use permit::{Allows, Bound, Granted, Kind, Permit, Resource};
pub use recording::{Decision, Recording};
