//! Rows about the host as a whole.

mod count_processors;
mod host_name;
mod list_interfaces;
mod load_parameters;
mod read_kernel_log;
mod read_source;
mod uname;
mod write_parameter;

/// Permits to list the host, and nothing else.
const LIST: &str = r#"permit(principal, action == sysinfo::Action::"list", resource);"#;
