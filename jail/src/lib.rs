//! The jail: a Rhai engine whose functions are composed from requests to the broker.
//!
//! Nothing here touches the system. What a script can reach is what [`sdk`] registers; what leaves the process goes
//! through one [`link::Link`], which is the confined socket in `main.rs` and a broker made of memory in the tests.
#![forbid(unsafe_code)]

pub mod calls;
pub mod commands;
pub mod content;
pub mod datetime;
pub mod disk;
pub mod doubts;
pub mod engine;
pub mod error;
pub mod file_system;
pub mod forms;
pub mod handle;
pub mod json;
pub mod lifecycle;
pub mod limits;
pub mod link;
pub mod log;
pub mod natives;
pub mod network;
pub mod panics;
pub mod parsed;
pub mod pattern;
pub mod process;
pub mod registry;
pub mod run;
pub mod sdk;
pub mod session;
pub mod sort;
pub mod source;
pub mod stray;
pub mod sysinfo;
pub mod text;
pub mod value;
pub mod writer;

#[cfg(test)]
mod testing;
