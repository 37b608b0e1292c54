//! The directory of a register, where nobody but its owner and root can have put anything.

use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::geteuid;

use crate::host::believed::Believed;

/// A directory with entries.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) directory: File,
    /// Who may have made entries, beside root.
    pub(super) owner: u32,
}

/// Why there is no register.
#[derive(Debug)]
pub(super) enum Unplaced {
    /// This host has none, and lets nobody make one.
    NotHere(String),
    /// Somebody else could have put something there.
    Refused(String),
}

impl Place {
    /// This user's own place, which is made when it is missing.
    ///
    /// # Errors
    /// When there is none to be had, or it is not to be believed.
    pub(super) fn prepare(path: &Path) -> Result<Self, Unplaced> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unplaced)?;
        Self::of(path, geteuid().as_raw()).map_err(unplaced)
    }

    /// The place of this user, as it is.
    ///
    /// # Errors
    /// Those of the system, and `PermissionDenied` when somebody else could have put something there.
    pub(super) fn of(path: &Path, owner: u32) -> io::Result<Self> {
        let believed = Believed::of(&[owner]);
        let opened = believed.open(path)?;
        if !opened.metadata.is_dir() || opened.is_handed_over {
            return Err(Errno::ENOTDIR.into());
        }
        believed.judge(&opened.metadata)?;
        Ok(Self { directory: opened.file, owner })
    }

    /// A file that is in it, and that nobody else could have put there.
    ///
    /// # Errors
    /// Those of the system, and `EPERM` for what is no file of the owner's with this one name.
    pub(super) fn open(&self, name: &str, flags: OFlag) -> io::Result<File> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = File::from(openat(&self.directory, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        let metadata = file.metadata()?;
        // Not even one of root's: a user could have moved it here for root to write to.
        let is_owners = metadata.uid() == self.owner;
        if !metadata.is_file() || !is_owners || metadata.nlink() != 1 || metadata.mode() & 0o022 != 0 {
            return Err(Errno::EPERM.into());
        }
        Ok(file)
    }
}

/// What a file of the register says.
///
/// # Errors
/// Those of reading, and `EFBIG` for more than an entry can have.
pub(super) fn bytes_of(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_ENTRY_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_ENTRY_BYTES { Err(Errno::EFBIG.into()) } else { Ok(bytes) }
}

/// The whole of a file, for fcntl(2).
pub(super) fn entire(kind: i32) -> nix::libc::flock {
    let kind = i16::try_from(kind).unwrap_or_default();
    nix::libc::flock { l_type: kind, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 }
}

fn unplaced(error: io::Error) -> Unplaced {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EROFS | Errno::ENOENT | Errno::EACCES | Errno::EPERM) => {
            Unplaced::NotHere(error.to_string())
        }
        _ => Unplaced::Refused(error.to_string()),
    }
}

/// How much an entry says of its run; principal and delegation have 255 bytes each, and six for a byte that JSON escapes.
pub(super) const MAX_ABOUT_BYTES: usize = 4 << 10;
/// How much is read of an entry; behind what it says of its run stand orders.
pub(super) const MAX_ENTRY_BYTES: usize = 16 << 10;
