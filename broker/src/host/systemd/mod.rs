//! The manager of system services: the few calls of its D-Bus interface that are needed, each with a deadline.

mod bus;
mod message;
pub mod object;
mod resources;
pub mod unguarded;
pub mod units;
