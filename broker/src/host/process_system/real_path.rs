//! Where a path leads when every link is followed: what a process holds open is known by no other.

use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use nix::sys::stat::lstat;
use rex_ipc::action::file_system::Stat;
use rex_ipc::file_system::EntryType;
use rex_ipc::name;

use crate::gate::Permit;
use crate::host::file_system::object::FilePath;
use crate::host::file_system::stat::entry_type;

/// The path without links, and what stands there.
///
/// # Errors
/// Those of realpath(3) and lstat(2).
pub fn of(permit: &Permit<'_, Stat, FilePath>) -> io::Result<(PathBuf, EntryType)> {
    let path = name::to_bytes(permit.resource().0.as_str());
    let real = PathBuf::from(std::ffi::OsString::from_vec(path)).canonicalize()?;
    let kind = entry_type(&lstat(&real)?);
    Ok((real, kind))
}
