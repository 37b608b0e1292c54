//! The privileged side of rex-broker: it decides, acts, records and answers, and runs no script.
//!
//! Read it in this order: [`run`] tells the story of a run, [`session`] the conversation with one jail, [`ops`] has
//! one file for each operation, [`policy`] makes permits, [`sys`] makes system calls.
#![forbid(unsafe_code)]

pub mod audit;
pub mod cli;
pub mod completions;
mod conclude;
pub mod config;
pub mod doctor;
pub mod error;
pub mod forbidden;
pub mod fresh;
pub mod handles;
pub mod image;
pub mod inherited;
pub mod input;
pub mod limits;
pub mod moved;
pub mod object;
pub mod ops;
pub mod outlet;
pub mod own_processes;
pub mod path;
pub mod policy;
pub mod policy_command;
pub mod principal;
pub mod processor;
pub mod protocol;
pub mod redaction;
pub mod resources;
pub mod result;
pub mod run;
pub mod sdk;
pub mod services;
pub mod session;
pub mod shared;
pub mod stream;
pub mod sys;
pub mod temporaries;
pub mod wait;
pub mod watchdog;
pub mod writer;
