//! What records name by its digest, kept beside them: policies, the schema and scripts, each in a file of that name.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};
use sha2::{Digest, Sha256};

use super::{hex, run_id};

/// A directory of blobs that is held open.
#[derive(Debug)]
pub struct Blobs {
    held: File,
    path: PathBuf,
}

impl Blobs {
    /// Holds a directory, to keep something there. One that is missing is made with mode 0700.
    ///
    /// # Errors
    /// When it cannot be had, is a link, somebody else's, or others may write to it.
    pub fn hold(path: &Path) -> Result<Self, String> {
        let failed = |what: &str, error: io::Error| format!("cannot {what} {}: {error}", path.display());
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed("make", error)),
            _ => {}
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let held = open(path, flags, Mode::empty()).map_err(|errno| failed("open", errno.into()))?;
        let held = File::from(held);
        let metadata = held.metadata().map_err(|error| failed("look at", error))?;
        let caller = geteuid().as_raw();
        if metadata.uid() != caller && metadata.uid() != 0 {
            return Err(format!("{} belongs to user {}", path.display(), metadata.uid()));
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(format!("others may write to {}", path.display()));
        }
        Ok(Self { held, path: path.to_owned() })
    }

    /// Keeps a blob, if it is not there yet; gives its digest. When this returns the file is on disk, and whole.
    ///
    /// # Errors
    /// When it cannot be written, or something else has its name.
    pub fn keep(&self, content: &[u8]) -> Result<String, String> {
        let digest = hex(&Sha256::digest(content));
        let failed = |error: io::Error| format!("cannot keep {}/{digest}: {error}", self.path.display());
        match self.present(&digest, content.len() as u64 + 1) {
            Ok(Some(found)) if found == content => return Ok(digest),
            Ok(Some(_)) => return Err(format!("{}/{digest} is not what its name says", self.path.display())),
            Ok(None) => {}
            Err(error) => return Err(failed(error)),
        }
        // Of another process it may be the number, seen from where it runs.
        let temporary = format!(".{digest}.{}", run_id().map_err(failed)?);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let made = openat(&self.held, temporary.as_str(), flags, mode);
        let mut file = made.map(File::from).map_err(|errno| failed(errno.into()))?;
        let written = file.write_all(content).and_then(|()| file.sync_all());
        let placed = written.and_then(|()| {
            renameat(&self.held, temporary.as_str(), &self.held, digest.as_str()).map_err(io::Error::from)
        });
        placed.and_then(|()| self.held.sync_all()).map_err(|error| {
            // It is the error that counts.
            let _ = unlinkat(&self.held, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
            failed(error)
        })?;
        Ok(digest)
    }

    fn present(&self, name: &str, most_bytes: u64) -> io::Result<Option<Vec<u8>>> {
        let flags =
            OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        match openat(&self.held, name, flags, Mode::empty()) {
            Ok(file) => whole(File::from(file), most_bytes).map(Some),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// The blob of that digest, which is what it hashes to.
///
/// # Errors
/// When there is none, it cannot be read, or is something else.
pub fn read(directory: &Path, digest: &str) -> Result<Vec<u8>, String> {
    let path = directory.join(digest);
    let failed = |error: io::Error| format!("cannot read {}: {error}", path.display());
    if digest.len() != DIGITS || !digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(format!("`{digest}` is no SHA-256"));
    }
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = open(&path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
    let content = whole(File::from(file), MAX_BLOB_BYTES + 1).map_err(failed)?;
    if content.len() as u64 > MAX_BLOB_BYTES {
        return Err(format!("{} is longer than {MAX_BLOB_BYTES} bytes", path.display()));
    }
    if hex(&Sha256::digest(&content)) != digest {
        return Err(format!("{} is not what its name says", path.display()));
    }
    Ok(content)
}

fn whole(file: File, most_bytes: u64) -> io::Result<Vec<u8>> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut content = Vec::new();
    file.take(most_bytes).read_to_end(&mut content)?;
    Ok(content)
}

/// As many as a policy set or a script may have.
const MAX_BLOB_BYTES: u64 = 16 << 20;
/// Of a SHA-256.
const DIGITS: usize = 64;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let place = std::env::temp_dir().join(format!("rex-blobs-{name}-{}", std::process::id()));
            drop(std::fs::remove_dir_all(&place));
            std::fs::create_dir(&place).unwrap();
            Self(place)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn what_is_kept_comes_back_by_its_digest() {
        let place = Place::new("kept");
        let directory = place.0.join("blobs");
        let blobs = Blobs::hold(&directory).unwrap();

        let digest = blobs.keep(b"permit").unwrap();
        // What an interrupted process has left.
        std::fs::write(directory.join(format!(".{digest}.0")), b"per").unwrap();
        assert_eq!(blobs.keep(b"permit").unwrap(), digest);
        let other = blobs.keep(b"").unwrap();

        assert_eq!(read(&directory, &digest).unwrap(), b"permit");
        assert_eq!(read(&directory, &other).unwrap(), b"");
        assert_eq!(std::fs::metadata(directory.join(&digest)).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::metadata(&directory).unwrap().mode() & 0o7777, 0o700);
    }

    #[test]
    fn what_is_not_what_its_name_says_is_neither_kept_nor_read() {
        let place = Place::new("forged");
        let blobs = Blobs::hold(&place.0).unwrap();
        let digest = blobs.keep(b"permit").unwrap();
        let path = place.0.join(&digest);

        for content in [&b"forbid"[..], b"permit and more", b"per"] {
            std::fs::write(&path, content).unwrap();
            assert!(blobs.keep(b"permit").unwrap_err().contains("not what its name says"));
            assert!(read(&place.0, &digest).unwrap_err().contains("not what its name says"));
        }
        std::fs::remove_file(&path).unwrap();
        symlink("/etc/hostname", &path).unwrap();
        assert!(blobs.keep(b"permit").is_err());
        assert!(read(&place.0, &digest).is_err());
        for digest in ["", "../x", "..", &"g".repeat(DIGITS)] {
            assert!(read(&place.0, digest).unwrap_err().contains("is no SHA-256"), "{digest}");
        }
    }

    #[test]
    fn a_directory_that_others_may_write_to_and_a_link_are_refused() {
        let place = Place::new("open");
        let (open, link) = (place.0.join("open"), place.0.join("link"));
        std::fs::create_dir(&open).unwrap();
        symlink(&open, &link).unwrap();

        assert!(Blobs::hold(&open).is_ok());
        assert!(Blobs::hold(&link).is_err());
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Blobs::hold(&open).unwrap_err().contains("others may write"));
        assert!(Blobs::hold(&place.0.join("missing/below")).is_err());
    }
}
