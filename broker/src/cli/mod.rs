//! What the command line asks for, and how the program answers to its caller.

mod arguments;
mod environment;
mod exit;
mod limits;
pub mod log;
mod parse;
mod per_operation;
pub mod terminal;
#[cfg(test)]
mod tests;
mod values;

pub use arguments::DoctorArguments;
pub use environment::Environment;
pub use exit::Exit;
pub use limits::Limits;
pub use parse::{CliExit, Invocation, Run, parse};
pub use per_operation::PerOperation;
pub use values::{AuditSync, AuditTarget, Format, HardLinks, PolicyMode};
