//! How the audit log is opened, and what it must be to be trusted with records.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{Mode, makedev};
use nix::unistd::{Uid, geteuid};

use super::error::AuditError;
use super::log::Log;
use super::place;
use crate::audit::AuditTarget;

/// Opens the log; nothing when the operator wants none.
///
/// # Errors
/// When it cannot be opened or is not fit to hold records.
pub fn open(target: &AuditTarget) -> Result<Option<Log>, AuditError> {
    match target {
        AuditTarget::Nowhere => Ok(None),
        AuditTarget::Usual => Log::at(&place::usual()?).map(Some),
        AuditTarget::Path(path) => Log::at(path).map(Some),
        AuditTarget::Descriptor(number) => {
            if !is_inherited(*number) {
                let place = format!("fd:{number}");
                return Err(AuditError::Unfit { place, reason: "it was not open when the program started" });
            }
            Log::inherited(*number).map(Some)
        }
    }
}

/// Notes which descriptors the caller has given to this process; to be called before anything else is opened.
///
/// No other number is ever taken for a log: it would be one of the broker's own. Those of the caller stay open, so that
/// none of them comes to mean something else.
pub fn note_descriptors() {
    AT_START.get_or_init(|| descriptors().unwrap_or_default());
}

/// Whether the caller has given this descriptor to this process.
pub fn is_inherited(number: i32) -> bool {
    AT_START.get().is_some_and(|inherited| inherited.contains(&number))
}

/// The descriptors that are open now. Those that cannot be listed are none.
fn descriptors() -> io::Result<Vec<i32>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut listing = Dir::open("/proc/self/fd", flags, Mode::empty())?;
    let own = listing.as_raw_fd();
    let mut open = Vec::new();
    for entry in listing.iter() {
        let number = entry?.file_name().to_str().ok().and_then(|name| name.parse::<i32>().ok());
        open.extend(number.filter(|number| *number != own));
    }
    Ok(open)
}

static AT_START: OnceLock<Vec<i32>> = OnceLock::new();

impl Log {
    /// The log in this file, which is made when it is missing.
    ///
    /// # Errors
    /// When it cannot be opened, or is a symbolic link, not a regular file, or not only ours to write.
    pub fn at(path: &Path) -> Result<Self, AuditError> {
        let place = path.display().to_string();
        // Without O_NONBLOCK, opening a FIFO would wait for a reader before it can be refused.
        let flags = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600).custom_flags(flags.bits());
        let mut left = MAX_TRIES;
        let (file, metadata) = loop {
            let file = match options.open(path) {
                Ok(file) => file,
                Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
                    return Err(AuditError::Unfit { place, reason: "it is a symbolic link" });
                }
                Err(source) => return Err(AuditError::Open { place, source }),
            };
            let metadata =
                file.metadata().map_err(|source| AuditError::Open { place: place.clone(), source })?;
            // Renamed or removed since it was opened. A renamed log would do; one without a name would be lost.
            left -= 1;
            if left == 0 || has_name(path, &metadata) {
                break (file, metadata);
            }
        };
        if let Some(reason) = unfit(&metadata) {
            return Err(AuditError::Unfit { place, reason });
        }
        let torn =
            ends_within_line(&file).map_err(|source| AuditError::Open { place: place.clone(), source })?;
        Ok(Self::regular(file, place, Some(path.to_owned()), torn))
    }

    /// The log that the caller has opened for us. What it is, is the caller's choice.
    ///
    /// # Errors
    /// When no such descriptor is open for writing.
    pub fn inherited(number: i32) -> Result<Self, AuditError> {
        let place = format!("fd:{number}");
        let open = |source| AuditError::Open { place: format!("fd:{number}"), source };
        let file = File::from(rex_outside::kernel::duplicate_inherited(number).map_err(open)?);
        let status = fcntl(&file, FcntlArg::F_GETFL).map_err(|errno| open(errno.into()))?;
        let status = OFlag::from_bits_retain(status);
        if status & OFlag::O_ACCMODE == OFlag::O_RDONLY {
            return Err(AuditError::Unfit { place, reason: "it is not open for writing" });
        }
        let metadata = file.metadata().map_err(open)?;
        let file_type = metadata.file_type();
        // Where the caller has closed one of the first three, the program itself has opened this in its place.
        if file_type.is_char_device() && metadata.rdev() == makedev(1, 3) {
            return Err(AuditError::Unfit {
                place,
                reason: "it is /dev/null, which keeps nothing; say `none`",
            });
        }
        // On a regular file, two runs that do not append would overwrite each other.
        if file_type.is_file() && !status.contains(OFlag::O_APPEND) {
            fcntl(&file, FcntlArg::F_SETFL(status | OFlag::O_APPEND)).map_err(|errno| open(errno.into()))?;
        }
        if file_type.is_block_device() || file_type.is_dir() {
            return Err(AuditError::Unfit {
                place,
                reason: "it is not a file, pipe, socket or character device",
            });
        }
        Ok(if file_type.is_file() {
            Self::regular(file, place, None, false)
        } else {
            Self::stream(file, place)
        })
    }
}

fn unfit(metadata: &std::fs::Metadata) -> Option<&'static str> {
    let owner = Uid::from_raw(metadata.uid());
    if !metadata.is_file() {
        Some("it is not a regular file")
    } else if metadata.mode() & 0o022 != 0 {
        Some("others may write to it")
    } else if !owner.is_root() && owner != geteuid() {
        Some("it belongs to another user")
    } else if metadata.nlink() > 1 {
        Some("it has a second name")
    } else if metadata.nlink() == 0 {
        Some("it was removed while it was opened")
    } else {
        None
    }
}

/// Whether a path still leads to a file.
fn has_name(path: &Path, metadata: &std::fs::Metadata) -> bool {
    let inode = |metadata: &std::fs::Metadata| (metadata.dev(), metadata.ino());
    std::fs::symlink_metadata(path).is_ok_and(|found| inode(&found) == inode(metadata))
}

/// Whether an earlier run was cut off while it wrote.
///
/// A run that writes at this moment shows the beginning of its lines before their end, so only what stays as it is
/// counts as cut off.
fn ends_within_line(mut file: &File) -> io::Result<bool> {
    // What has no end to go to, such as a file of /proc, says that it is empty, and keeps nothing.
    file.seek(SeekFrom::End(0))?;
    let mut seen_bytes = 0;
    let mut unchanged = 0;
    while unchanged < LOOKS {
        let size_bytes = file.metadata()?.len();
        let Some(end) = size_bytes.checked_sub(1) else { return Ok(false) };
        let mut last = [0];
        if file.read_at(&mut last, end)? == 1 && last == *b"\n" {
            return Ok(false);
        }
        unchanged = if size_bytes == seen_bytes { unchanged + 1 } else { 0 };
        seen_bytes = size_bytes;
        std::thread::sleep(BETWEEN_LOOKS);
    }
    Ok(true)
}

/// How often the end of a log has to be found the same.
const LOOKS: u32 = 10;
/// How often a log is opened that is renamed meanwhile.
const MAX_TRIES: u32 = 16;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
