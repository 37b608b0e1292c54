//! The rows that need no permission: what they give, and what they refuse.

mod alarm;
mod close;
mod log;
mod metric;
mod now;
mod random_bytes;
mod sleep;
