//! Processes: how one is held, described, signalled, and what it holds open.

pub mod object;
pub mod open_files;
pub mod real_path;
mod resources;
pub mod signal;
pub mod stopped;
mod text;
pub mod unguarded;
