//! Helpers shared by the tests.

pub mod authority;
pub mod bench;
pub mod contract;
pub mod docstrings;
pub mod jailed;
pub mod malformed;
pub mod name_server;
pub mod packages;
pub mod pages;
pub mod peer;
pub mod program;
pub mod records;
pub mod rooms;
pub mod runs;
pub mod scratch;
pub mod session;
pub mod signatures;
pub mod size;
pub mod skip;
pub mod tree;
