//! What is opened for programs without a permit of its own: what starts them, and what a script is interpreted by.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{SFlag, fstat};
use rex_outside::SealedImage;
use rex_outside::spawner::Spawner;

use super::object::NamedSocket;
use crate::gate::{Inode, file_type};
use crate::policy::name::PathName;

/// Starts the process that starts programs. Called before the script is known, for a policy that could ever permit one.
///
/// # Errors
/// Those of making the image and of starting it.
pub fn start_spawner(image: &[u8]) -> io::Result<Spawner> {
    let image = SealedImage::new(image).map_err(|error| io::Error::other(error.to_string()))?;
    Spawner::start(&image)
}

/// Opens the sockets that an operator has named, as something that can be told apart and not be read. Called before the script
/// is known, so that nothing which it moves or links is taken for one of them; no link on the way is followed, because an earlier
/// script may have made it.
pub fn hold_sockets(paths: &[PathBuf]) -> Vec<NamedSocket> {
    let hold = |path: &PathBuf| {
        let found = open_plain(path).and_then(|(file, kind)| match kind {
            SFlag::S_IFSOCK => Ok(file),
            _ => Err(Errno::ENOTSOCK.into()),
        });
        let held = found.map_err(|error| format!("the socket {} cannot be given: {error}", path.display()));
        NamedSocket { path: path.clone(), held }
    };
    paths.iter().map(hold).collect()
}

/// The capabilities that the broker could use, one bit for each; none where that cannot be told.
pub fn own_capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let permitted = status.lines().find_map(|line| line.strip_prefix("CapPrm:"));
    permitted.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}

/// Where a path leads without any link, what stands there, and the open object, which cannot be read. For interpreters, which
/// a script that may be executed names and the policy is asked about by the real name that is found here.
///
/// # Errors
/// Those of realpath(3) and openat2(2).
pub(super) fn find(path: &Path) -> io::Result<(PathName, Inode, OwnedFd)> {
    let real = fs::canonicalize(path)?;
    let (file, kind) = open_plain(&real)?;
    if kind != SFlag::S_IFREG {
        return Err(Errno::EACCES.into());
    }
    let inode = Inode::of(&fstat(&file)?);
    Ok((PathName::from_os(&real), inode, file))
}

/// Opens what stands at a path to which no link leads, as something that can be told apart and not be read.
pub(super) fn open_plain(path: &Path) -> io::Result<(OwnedFd, SFlag)> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let file = openat2(AT_FDCWD, path.as_c_str(), how)?;
    let kind = file_type(&fstat(&file)?);
    Ok((file, kind))
}
