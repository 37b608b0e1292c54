//! The rows of the file system.

mod list_entries;
mod open_dir;
mod open_file;
mod open_link;
mod open_listing;
mod read_chunk;
mod read_link;
mod stat;
mod stat_entry;

use rex_ipc::failure::Failure;

/// A failure with the name of its object left out, to be compared with another object's.
fn without_name(failure: &Failure, name: &str) -> String {
    format!("{failure:?}").replace(name, "*")
}
