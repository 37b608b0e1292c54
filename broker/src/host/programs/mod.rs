//! Programs that scripts execute: what they are given, what they see, and what becomes of them.

pub mod object;
pub mod output;
pub mod places;
mod resources;
pub mod start;
pub mod unguarded;
