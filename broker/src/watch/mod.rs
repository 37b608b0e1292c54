//! What sees that a run ends: waiting, signals, inherited limits, processor time, and the thread that is never held.

pub mod halted;
pub mod inherited;
pub mod outlet;
pub mod pace;
pub mod processor;
pub mod shared;
pub mod together;
pub mod wait;
pub mod watchdog;
