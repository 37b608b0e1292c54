//! Which delegations were used on this host: what outlives a run, so that none comes to say something else, or comes from
//! somebody else, after a restart as before.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use rex_delegation::Delegation;
use sha2::{Digest, Sha256};

use super::links;
use super::revoked::Revoked;
use crate::audit::hex;
use crate::host::believed::Believed;
use crate::policy::Link;

/// The directory in which it is kept.
#[derive(Debug)]
pub(super) struct State {
    directory: File,
    owner: u32,
}

/// One use of a delegation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Use {
    /// SHA-256 of issuer and `jti`, so that each entry has the length of every other.
    name: String,
    /// SHA-256 of all that it says.
    payload: String,
    uid: u32,
    expires: u64,
}

/// An entry: a use, and when it was the first.
struct Entry {
    first: Use,
    seen: u64,
}

impl Use {
    pub(super) fn of(delegation: &Delegation, uid: u32) -> Self {
        let mut name = Sha256::new();
        name.update(&delegation.issuer);
        // No text in a token has a control character.
        name.update([0]);
        name.update(&delegation.id);
        Self {
            name: hex(&name.finalize()),
            payload: delegation.payload_sha256.clone(),
            uid,
            expires: delegation.expires,
        }
    }
}

impl State {
    /// The directory, which is made when it is missing.
    ///
    /// # Errors
    /// When it cannot be made, or somebody else could have put something there.
    pub(super) fn open(place: &Path) -> Result<Self, String> {
        let owner = nix::unistd::geteuid().as_raw();
        let told = |error: std::io::Error| error.to_string();
        DirBuilder::new().recursive(true).mode(0o700).create(place).map_err(told)?;
        let believed = Believed::of(&[owner]);
        let opened = believed.open(place).map_err(told)?;
        if !opened.metadata.is_dir() {
            return Err("is not a directory".to_owned());
        }
        believed.judge(&opened.metadata).map_err(told)?;
        Ok(Self { directory: opened.file, owner })
    }

    /// What is revoked; nothing when there is no such file.
    ///
    /// # Errors
    /// When it cannot be read, is somebody else's, or has a line that is not understood.
    pub(super) fn revoked(&self) -> Result<Revoked, String> {
        let told = |reason: String| format!("{REVOKED}: {reason}");
        match self.file(REVOKED, OFlag::O_RDONLY) {
            Ok(file) => Revoked::parse(&text_of(file).map_err(told)?).map_err(told),
            Err(Fault::Missing) => Ok(Revoked::default()),
            Err(Fault::Other(reason)) => Err(told(reason)),
        }
    }

    /// Notes a use, unless one of that name was there before; gives the time, which is not before that of any earlier use: a
    /// clock that is set back brings nothing back that has ended.
    ///
    /// What is noted is on disk before this returns.
    ///
    /// # Errors
    /// When a delegation of that name said something else or was somebody else's, when this one has ended, or when what was
    /// noted cannot be read or written.
    pub(super) fn note(&self, using: &Use, now: u64) -> Result<u64, String> {
        let told = |reason: String| format!("{USED}: {reason}");
        let _lock = self.lock()?;
        let (mut file, text) = self.used().map_err(told)?;
        let entries = entries(&text).map_err(told)?;
        let latest = entries.iter().map(|entry| entry.seen).max().unwrap_or(0).max(now);
        if latest >= using.expires {
            let ago = latest - using.expires;
            return Err(format!(
                "it ended {ago} s ago, by a clock that has been set back by {} s since",
                latest - now
            ));
        }
        if let Some(entry) = entries.iter().find(|entry| entry.first.name == using.name) {
            if entry.first.payload != using.payload {
                return Err(
                    "another one of the name (`jti`) was used before, and said something else".to_owned()
                );
            }
            if entry.first.uid != using.uid {
                return Err(format!("user {} has used it before, and it is not given on", entry.first.uid));
            }
            return Ok(latest);
        }
        let new = Entry { first: using.clone(), seen: latest };
        let over = entries.iter().filter(|entry| entry.first.expires <= latest).count();
        if over > MANY && over > entries.len() / 2 {
            // The entry that stands for the time stays until a later one does.
            let kept = entries.iter().filter(|entry| entry.first.expires > latest || entry.seen == latest);
            let text: String = kept.chain([&new]).map(Entry::line).collect();
            return self.replace(USED, &text).map(|()| latest).map_err(told);
        }
        let written = file.write_all(new.line().as_bytes()).and_then(|()| file.sync_data());
        written.map(|()| latest).map_err(|error| told(error.to_string()))
    }

    /// The grants; none when there is no such file.
    ///
    /// # Errors
    /// When they cannot be read, are somebody else's, or are not what was written.
    pub(super) fn links(&self) -> Result<Vec<Link>, String> {
        let told = |reason: String| format!("{LINKS}: {reason}");
        match self.file(LINKS, OFlag::O_RDONLY) {
            Ok(file) => links::read(&text_of(file).map_err(told)?).map_err(told),
            Err(Fault::Missing) => Ok(Vec::new()),
            Err(Fault::Other(reason)) => Err(told(reason)),
        }
    }

    /// Puts other grants in the place of those that are there, all or none, on disk before this returns.
    ///
    /// # Errors
    /// What `change` says, or when they cannot be read or written.
    pub(super) fn change_links(
        &self,
        change: impl FnOnce(&mut Vec<Link>) -> Result<(), String>,
    ) -> Result<(), String> {
        let _lock = self.lock()?;
        let mut links = self.links()?;
        change(&mut links)?;
        self.replace(LINKS, &links::written(&links)?).map_err(|reason| format!("{LINKS}: {reason}"))
    }

    /// The directory, for looks at what is in it.
    pub(super) fn directory(&self) -> &File {
        &self.directory
    }

    /// What was noted, open at its end. What a crash has left of a line goes: its run was never begun.
    fn used(&self) -> Result<(File, String), String> {
        let is_new = matches!(self.file(USED, OFlag::O_RDONLY), Err(Fault::Missing));
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_APPEND;
        let mut file = self.file(USED, flags).map_err(Fault::told)?;
        if is_new {
            self.directory.sync_all().map_err(|error| error.to_string())?;
        }
        let mut text = text_of(file.try_clone().map_err(|error| error.to_string())?)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            tracing::warn!("{USED}: a line that was cut off is left out");
            text.truncate(whole);
            let cut = file.set_len(whole as u64).and_then(|()| file.flush());
            cut.map_err(|error| error.to_string())?;
        }
        Ok((file, text))
    }

    /// Puts a text in the place of a file.
    fn replace(&self, name: &str, text: &str) -> Result<(), String> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
        let mut file = self.file(NEW, flags).map_err(Fault::told)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| error.to_string())?;
        renameat(&self.directory, NEW, &self.directory, name).map_err(|errno| errno.to_string())?;
        self.directory.sync_all().map_err(|error| error.to_string())
    }

    /// Waits for others who note something, and keeps them waiting as long as the file lives.
    fn lock(&self) -> Result<File, String> {
        let told = |reason: String| format!("{LOCK}: {reason}");
        let file = self.file(LOCK, OFlag::O_RDWR | OFlag::O_CREAT).map_err(Fault::told).map_err(told)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(TryLockError::WouldBlock) => return Err(told("somebody else holds it".to_owned())),
                Err(TryLockError::Error(error)) => return Err(told(error.to_string())),
            }
        }
    }

    /// A file in the directory that nobody else could have written.
    fn file(&self, name: &str, flags: OFlag) -> Result<File, Fault> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = match openat(&self.directory, name, flags, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT) => return Err(Fault::Missing),
            Err(errno) => return Err(Fault::Other(errno.to_string())),
        };
        let metadata = file.metadata().map_err(|error| Fault::Other(error.to_string()))?;
        let fault = if !metadata.is_file() {
            Some("is not a regular file")
        } else if metadata.uid() != self.owner && metadata.uid() != 0 {
            Some("is somebody else's")
        } else if metadata.permissions().mode() & 0o022 != 0 {
            Some("others may write to it; take that away with chmod go-w")
        } else if metadata.nlink() != 1 {
            Some("has a second name")
        } else {
            None
        };
        fault.map_or(Ok(file), |fault| Err(Fault::Other(fault.to_owned())))
    }
}

impl Entry {
    fn line(&self) -> String {
        let Use { name, payload, uid, expires } = &self.first;
        format!("1 {name} {payload} {uid} {expires} {}\n", self.seen)
    }

    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (version, name, payload) = (words.next()?, words.next()?, words.next()?);
        let (uid, expires, seen) = (words.next()?, words.next()?, words.next()?);
        let is_digest = |text: &str| {
            text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        if version != "1" || !is_digest(name) || !is_digest(payload) || words.next().is_some() {
            return None;
        }
        let (name, payload) = (name.to_owned(), payload.to_owned());
        let first = Use { name, payload, uid: uid.parse().ok()?, expires: expires.parse().ok()? };
        Some(Self { first, seen: seen.parse().ok()? })
    }
}

fn entries(text: &str) -> Result<Vec<Entry>, String> {
    let read = |(number, line)| Entry::read(line).ok_or_else(|| format!("line {} is damaged", number + 1));
    text.lines().enumerate().map(read).collect()
}

/// Why a file is not used.
enum Fault {
    Missing,
    Other(String),
}

impl Fault {
    fn told(self) -> String {
        match self {
            Self::Missing => Errno::ENOENT.to_string(),
            Self::Other(reason) => reason,
        }
    }
}

fn text_of(file: File) -> Result<String, String> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("is larger than {MAX_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

const USED: &str = "used";
const NEW: &str = "new";
pub(super) const LINKS: &str = "links";
const LOCK: &str = "lock";
pub(super) const REVOKED: &str = "revoked";
/// More entries that are over than this are worth a new file.
const MANY: usize = 64;
/// Some hundred thousand delegations that hold at one time.
const MAX_BYTES: u64 = 64 << 20;
/// Noting takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
