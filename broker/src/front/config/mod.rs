//! Which settings a run has, who gave them, and who may not loosen them.
//!
//! Values come from the program itself, from files of root's, from a file of the user's, from the environment and from
//! flags, in this order. A later one may always tighten. To loosen a requirement, a limit or the record takes a file of
//! root's, or a flag where no such file has a value. Whatever cannot be read, understood or trusted is refused, with
//! the place and the reason: a setting that is silently ignored would be a protection that somebody believes in.
//!
//! Policy is not configuration: what can be configured is only which further policies *forbid*.

mod effective;
mod environment;
mod error;
mod file;
mod layers;
mod places;
mod setting;
mod show;
#[cfg(test)]
mod tests;
mod tightness;

pub use effective::Effective;
pub use error::{ConfigError, Origin};
pub use layers::{Given, Layers};
pub use places::Places;
pub use setting::{Setting, settings};
pub use show::{ShowArguments, show};
