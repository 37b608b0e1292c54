//! What is closed to programs that a script has started.

use std::path::Path;

use crate::gate::forbidden::{self, Forbidden};
use crate::policy::name::PathName;

/// What no program gets, whatever the policy says: what is closed to the script, and what is no place on a disk.
pub fn closed_to_programs(forbidden: &Forbidden) -> Vec<PathName> {
    let views = ["/proc", "/sys", "/dev"].map(|path| PathName::from_os(Path::new(path)));
    // A directory on a way stays where it is because what it leads to is left out of it; a link does not, nor what is missing.
    let is_directory =
        |path: &PathName| std::fs::symlink_metadata(path.to_os()).is_ok_and(|found| found.is_dir());
    let on_ways = forbidden.on_ways().into_iter().filter(|path| !is_directory(path));
    // The dictionary, which scripts may open, has its ways there as well, and where it leads.
    let dictionary = std::fs::canonicalize(forbidden::DICTIONARY_PATH).map(|path| PathName::from_os(&path));
    let mut closed: Vec<PathName> =
        forbidden.paths().cloned().chain(views).chain(on_ways).chain(dictionary).collect();
    closed.sort();
    closed.dedup();
    closed
}
