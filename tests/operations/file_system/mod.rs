//! The rows of the file system.

mod abandon_write;
mod allocate;
mod begin_analysis;
mod begin_file;
pub(crate) mod begin_program;
mod begin_write;
mod copy;
mod create_link;
mod delete_dir;
mod delete_file;
mod delete_path;
mod finish_write;
mod list_details;
mod list_entries;
mod make_dir;
mod make_path;
mod move_dir;
mod move_file;
mod new_files;
mod open_dir;
mod open_file;
mod open_link;
mod open_listing;
mod open_target;
mod read_chunk;
mod read_end;
mod read_link;
mod read_program;
mod set_id_bits;
mod set_mode;
mod set_owner;
mod set_times;
mod set_x_attr;
mod stat;
mod stat_entry;
mod truncate;
mod write_chunk;
pub(crate) mod writing;

use rex_ipc::failure::Failure;

/// A failure with the name of its object left out, to be compared with another object's.
fn without_name(failure: &Failure, name: &str) -> String {
    format!("{failure:?}").replace(name, "*")
}
