//! Kernel parameters below `/proc/sys`.

use std::io;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;
use nix::unistd::write;
use rex_ipc::action::file_system::Write;
use rex_ipc::name;

use super::object::Parameter;
use crate::gate::Permit;

/// Where they are.
pub const BASE: &str = "/proc/sys";

/// Writes a value in one piece, as the kernel wants it; no link is followed.
///
/// # Errors
/// Those of openat2(2) and write(2): `ENOENT` for a parameter that there is none, `EINVAL` for a value that it does not take,
/// `EIO` when it took only a part.
pub fn set(permit: &Permit<'_, Write, Parameter>, value: &str) -> io::Result<()> {
    let path = permit.resource().path.as_str();
    let below = path.strip_prefix(BASE).and_then(|below| below.strip_prefix('/')).ok_or(Errno::ENOENT)?;
    let base = open(BASE, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let how = OpenHow::new()
        .flags(OFlag::O_WRONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
    let bytes = name::to_bytes(below);
    let file =
        openat2(&base, std::ffi::OsStr::new(std::str::from_utf8(&bytes).map_err(|_| Errno::ENOENT)?), how)?;
    let count = write(&file, value.as_bytes())?;
    if count == value.len() { Ok(()) } else { Err(Errno::EIO.into()) }
}
