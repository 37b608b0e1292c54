//! What both sides of the confinement agree on: the names of the steps, the orders and the report, and a few numbers.
//!
//! Both the broker, which confines from outside, and the jail, which confines itself, link this, and nothing else of each
//! other. A worker is confined as a jail is; what is said to it is [`errand`].

pub mod calls;
pub mod errand;
pub mod kept;
mod layer;
mod self_report;
mod steps;

pub use layer::Layer;
pub use self_report::SelfReport;
pub use steps::{FaultInjection, PreparePlan};

/// The descriptor of the socket, and the only one the jail has.
pub const SOCKET_FD: i32 = 3;
/// A frame is never shorter than its header: an empty datagram would read as end-of-file.
pub const MIN_FRAME_BYTES: usize = 16;
/// A frame is never longer than a buffer.
pub const MAX_FRAME_BYTES: usize = 65_536;
/// Where the jail's filter puts its listener: the lowest number, which is free because the standard descriptors are closed.
pub const LISTENER_FD: i32 = 0;
