//! The privileged side of rex-broker: it decides, acts, records and answers, and runs no script.
//!
//! Read it in this order: [`run`] tells the story of a run and has the conversation with one jail, [`ops`] has one file
//! for each operation, [`gate`] makes permits, [`policy`] decides about them, [`host`] makes system calls. Around these
//! lie [`watch`], which sees that a run ends, the record in [`audit`], the [`result`] for the caller, and in [`front`] the
//! ways in.
#![forbid(unsafe_code)]

pub mod audit;
pub mod front;
pub mod gate;
pub mod host;
pub mod ops;
pub mod policy;
pub mod result;
pub mod run;
pub mod terminal;
pub mod watch;
