//! The operations on processes: a file for each.

mod begin_trace;
mod enter_namespaces;
mod find_real_path;
mod leave_namespaces;
mod list_open_files;
mod list_processes;
mod signal_process;

use rex_ipc::bounded::Text;
use rex_ipc::limits::MAX_IDENTITY_BYTES;

use crate::host::process_system::object::About;

/// The name of a process's user, as it crosses.
fn user(about: &About) -> Option<Text<MAX_IDENTITY_BYTES>> {
    (!about.username.is_empty()).then(|| Text::cut(&about.username))
}

/// Numbers and lengths of what is told of one process.
const RECORD_OVERHEAD_BYTES: usize = 128;
/// Numbers, marks and counts of a page.
const PAGE_OVERHEAD_BYTES: usize = 128;
