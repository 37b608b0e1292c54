//! The process that starts programs for a broker: what it is told, what it does to them, and what it says of them.
//!
//! It takes one [`Order`] at a time, of a fixed size, with everything that the order is about as open descriptors. It never
//! hears from the jail and never sees a policy. For each program it forks a *keeper*, which is the first process of the
//! program's process namespace and ends with the broker, with the spawner, and with the program; nothing that the program
//! has started outlives it. The program itself is confined between fork and exec, step by step; a step that fails ends it.

mod calls;
mod confine;
mod filter;
mod keep;
mod landlock;
mod mounts;
pub mod order;
pub mod report;
mod serve;

pub use order::{Confinement, Handed, Order, Place, Rights, Text};
pub use report::{Event, Step};
pub use serve::serve;
