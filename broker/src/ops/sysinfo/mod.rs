//! The operations on the host as a whole: a file for each.

mod count_processors;
mod host_name;
mod list_interfaces;
mod load_parameters;
mod read_kernel_log;
mod read_source;
mod uname;
mod write_parameter;
