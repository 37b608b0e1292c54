//! The objects of the file system as scripts hold them, composed from requests to the broker.

pub mod backtrace;
pub mod change;
pub mod change_options;
pub mod core_dump;
pub mod dir;
pub mod disk_usage;
pub mod ending;
pub mod entry;
pub mod execute;
pub mod file;
pub mod find;
pub mod glob;
pub mod lines;
pub mod link;
pub mod metadata;
pub mod options;
pub mod passed_over;
pub mod relabel;
pub mod walk;
pub mod whole;
