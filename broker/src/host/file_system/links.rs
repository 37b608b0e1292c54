//! Symbolic links are made beneath held directories, with any text as target.

use std::ffi::CStr;
use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::renameat;
use nix::sys::stat::SFlag;
use nix::unistd::symlinkat;
use rex_ipc::action::file_system::{Create, Delete};

use super::object::FileAt;
use super::tools::Tools;
use super::walk;
use crate::gate::error::is;
use crate::gate::{Inode, Permit};

/// Why a link could not take its name.
#[derive(Debug)]
pub enum NotReplaced {
    /// What has the name is closed to every script, for this reason.
    Closed(&'static str),
    /// The system said no.
    System(io::Error),
}

impl<E: Into<io::Error>> From<E> for NotReplaced {
    fn from(error: E) -> Self {
        Self::System(error.into())
    }
}

/// Makes a link at a name that is free.
///
/// # Errors
/// Those of symlink(2), among them `EEXIST` when the name is taken.
pub fn create(permit: &Permit<'_, Create, FileAt>, target: &CStr) -> io::Result<()> {
    let FileAt { parent, entry, .. } = permit.resource();
    Ok(symlinkat(target, &parent.fd, entry.as_c_str())?)
}

/// Makes a link at a name that may be taken; what was there is replaced in one step.
///
/// Whoever may write to the directory can put something else there at the last moment; it is replaced as what had the
/// name, which was permitted.
///
/// # Errors
/// `Closed` for what no script may replace; `System` with `EISDIR` for a directory, which stays, and with those of
/// fstatat(2), symlink(2) and rename(2).
pub fn replace(
    create: &Permit<'_, Create, FileAt>,
    delete: &Permit<'_, Delete, FileAt>,
    target: &CStr,
    tools: &Tools,
    closed: &dyn Fn(Inode) -> Option<&'static str>,
) -> Result<(), NotReplaced> {
    let FileAt { parent, entry, path } = create.resource();
    if delete.resource().path != *path {
        return Err(Errno::EINVAL.into());
    }
    // Looked at first, so that nothing is made in vain; rename(2) refuses a directory by itself.
    match walk::stat_entry(parent.fd.as_fd(), entry) {
        Ok(stat) if walk::file_type(&stat) == SFlag::S_IFDIR => return Err(Errno::EISDIR.into()),
        Ok(stat) => {
            if let Some(reason) = closed(walk::inode(&stat)) {
                return Err(NotReplaced::Closed(reason));
            }
        }
        Err(error) if is(&error, Errno::ENOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let name = tools.name_in(parent)?;
    if let Err(errno) = symlinkat(target, &parent.fd, name.entry().as_c_str()) {
        if errno == Errno::EEXIST {
            // What has this name is not ours.
            name.release();
        }
        return Err(errno.into());
    }
    renameat(&parent.fd, name.entry().as_c_str(), &parent.fd, entry.as_c_str())?;
    name.release();
    Ok(())
}
