//! What several operations on files share.

pub mod modes;
pub mod reaching;
pub mod redaction;
pub mod relocation;
pub mod removal;
pub mod replacing;
