//! What the command line asks for, and how the program answers to its caller.

mod arguments;
mod asked;
mod deciding;
mod environment;
mod exit;
mod given;
mod help;
mod limits;
pub mod log;
mod parse;
mod per_operation;
mod person;
mod quantity;
mod request;
#[cfg(test)]
mod tests;
mod values;

/// The type of the grammar.
pub use clap::Command;

pub use arguments::DoctorArguments;
pub use environment::Environment;
pub use exit::Exit;
pub use limits::{Described, Limits};
pub use parse::{CliExit, Invocation, command, parse};
pub use per_operation::PerOperation;
pub use quantity::Unit;
pub use request::{Asked, Run};
pub use values::{AuditSync, AuditTarget, Color, Format, HardLinks, PolicyMode};
