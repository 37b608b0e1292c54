//! The objects of the file system as scripts hold them, composed from requests to the broker.

pub mod dir;
pub mod entry;
pub mod file;
pub mod find;
pub mod glob;
pub mod lines;
pub mod link;
pub mod metadata;
pub mod options;
pub mod walk;
