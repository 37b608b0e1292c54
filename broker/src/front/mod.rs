//! The ways in: the command line with its configuration, and the commands that run no script.

pub mod audit_command;
pub mod ceiling_command;
pub mod cli;
pub mod completions;
pub mod config;
pub mod doctor;
pub mod manual;
pub mod policy_command;
pub mod protocol;
pub mod reference;
pub mod runs_command;
