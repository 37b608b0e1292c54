//! What the command line asks for, and how the program answers to its caller.

mod arguments;
mod asked;
mod deciding;
mod environment;
mod given;
mod help;
mod limits;
pub mod log;
mod parse;
pub mod per_operation;
mod person;
mod quantity;
mod request;
#[cfg(test)]
mod tests;
mod values;

/// The type of the grammar.
pub use clap::Command;

pub use arguments::DoctorArguments;
pub use environment::current as environment;
pub use limits::{Described, LimitArguments, MIN_MEMORY_MIB};
pub use parse::{CliExit, Invocation, command, parse};
pub use quantity::Unit;
pub use request::Asked;
pub use values::sockets;
