//! How the audit log is opened, and what it must be to be trusted with records.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{Uid, geteuid};

use super::error::AuditError;
use super::place;
use crate::cli::AuditTarget;

/// Where lines go.
pub trait Lines {
    /// Writes whole lines in one write(2).
    ///
    /// # Errors
    /// When it fails, or takes only a part.
    fn append(&mut self, lines: &[u8]) -> Result<(), AuditError>;

    /// Forces what was written to disk.
    ///
    /// # Errors
    /// When it cannot be done.
    fn sync(&mut self) -> Result<(), AuditError>;
}

/// An open audit log.
#[derive(Debug)]
pub struct Log {
    file: File,
    place: String,
    path: Option<PathBuf>,
    is_regular: bool,
    /// Whether the last line in the file is not complete, so that ours must not continue it.
    torn: bool,
}

/// Opens the log; nothing when the operator wants none.
///
/// # Errors
/// When it cannot be opened or is not fit to hold records.
pub fn open(target: &AuditTarget) -> Result<Option<Log>, AuditError> {
    match target {
        AuditTarget::Nowhere => Ok(None),
        AuditTarget::Usual => Log::at(&place::usual()?).map(Some),
        AuditTarget::Path(path) => Log::at(path).map(Some),
        AuditTarget::Descriptor(number) => Log::inherited(*number).map(Some),
    }
}

impl Log {
    /// The log in this file, which is made when it is missing.
    ///
    /// # Errors
    /// When it cannot be opened, or is a symbolic link, not a regular file, or not only ours to write.
    pub fn at(path: &Path) -> Result<Self, AuditError> {
        let place = path.display().to_string();
        // Without O_NONBLOCK, opening a FIFO would wait for a reader before it can be refused.
        let flags = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let opened = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(flags.bits())
            .open(path);
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
                return Err(AuditError::Unfit { place, reason: "it is a symbolic link" });
            }
            Err(source) => return Err(AuditError::Open { place, source }),
        };
        let metadata = file.metadata().map_err(|source| AuditError::Open { place: place.clone(), source })?;
        if let Some(reason) = unfit(&metadata) {
            return Err(AuditError::Unfit { place, reason });
        }
        let torn = ends_within_line(&mut file)
            .map_err(|source| AuditError::Open { place: place.clone(), source })?;
        Ok(Self { file, place, path: Some(path.to_owned()), is_regular: true, torn })
    }

    /// The log that the caller has opened for us. What it is, is the caller's choice.
    ///
    /// # Errors
    /// When no such descriptor is open for writing.
    pub fn inherited(number: i32) -> Result<Self, AuditError> {
        let place = format!("fd:{number}");
        let open = |source| AuditError::Open { place: format!("fd:{number}"), source };
        let file = File::from(rex_hardening::sys::duplicate_inherited(number).map_err(open)?);
        let status = fcntl(&file, FcntlArg::F_GETFL).map_err(|errno| open(errno.into()))?;
        let status = OFlag::from_bits_retain(status);
        if status & OFlag::O_ACCMODE == OFlag::O_RDONLY {
            return Err(AuditError::Unfit { place, reason: "it is not open for writing" });
        }
        let file_type = file.metadata().map_err(open)?.file_type();
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
        Ok(Self { file, place, path: None, is_regular: file_type.is_file(), torn: false })
    }

    /// How messages and the result document call it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Its path, when it has one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The open file, so that it can be closed to scripts by its identity.
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Lines for Log {
    fn append(&mut self, lines: &[u8]) -> Result<(), AuditError> {
        let before: &[u8] = if self.torn { b"\n" } else { b"" };
        let length = before.len() + lines.len();
        loop {
            match self.file.write_vectored(&[IoSlice::new(before), IoSlice::new(lines)]) {
                Ok(written) if written == length => {
                    self.torn = false;
                    return Ok(());
                }
                Ok(written) => {
                    self.torn |= written > before.len();
                    return Err(AuditError::Short { written, length });
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(AuditError::Write(error)),
            }
        }
    }

    fn sync(&mut self) -> Result<(), AuditError> {
        // Pipes and sockets have nothing to force: fdatasync(2) answers EINVAL.
        if self.is_regular { self.file.sync_data().map_err(AuditError::Sync) } else { Ok(()) }
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
    } else {
        None
    }
}

/// Whether an earlier run was cut off while it wrote.
fn ends_within_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
