//! Helpers shared by the tests.

pub mod jailed;
pub mod peer;
pub mod records;
pub mod session;
pub mod tree;
