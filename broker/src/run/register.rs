//! Which runs there are: an entry for each, made before anything of a script is sent, and gone when the run is.
//!
//! The kernel says which process a run is, because that holds a lock on the entry, and what the entry says of it has to agree.
//! Whoever stops a run sets the first byte of its entry, which the run reads before each operation.

mod order;
mod place;
mod reading;
mod stopping;

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, renameat};
use nix::unistd::{Uid, UnlinkatFlags, User, geteuid, unlinkat};
use serde::{Deserialize, Serialize};

use crate::result::NotStarted;
use crate::watch::halted::{GOES_ON, Word};

pub use order::Order;
use place::{Place, Unplaced, entire};
pub use reading::{Listed, list};
pub use stopping::{Ended, Which, stop};

/// Where root's runs are listed, for root alone.
pub(crate) const PLACE: &str = "/var/lib/rex-broker/runs";
/// How a denial is told that rests on it.
pub(crate) const CLOSED: &str = "built-in: the register of runs";

/// What an entry says of its run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The identifier that stands in the record.
    pub run: String,
    /// The process of its broker.
    pub pid: i32,
    /// When that was started, in ticks since the host was; a number that comes back has another.
    pub start_ticks: u64,
    /// The user whose rights the broker has.
    pub uid: u32,
    /// For whom the policy is asked.
    pub principal: String,
    /// The name of the delegation, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delegation: Option<String>,
    /// SHA-256 of the script.
    pub script_sha256: String,
    /// When the run was listed, in seconds since 1970.
    pub since_seconds: u64,
}

/// The entry of a run, which goes on as long as this is kept.
#[derive(Debug)]
pub(crate) struct Entry {
    path: PathBuf,
    place: Place,
    name: String,
    file: Arc<File>,
}

impl Entry {
    /// Lists a run of this process; nothing where this user has no place for it, or this host has none that can be written.
    ///
    /// # Errors
    /// When somebody else could have put something into root's place, or an entry cannot be written there.
    pub(crate) fn make(
        run: &str,
        principal: &str,
        delegation: Option<String>,
        script_sha256: &str,
    ) -> Result<Option<Self>, NotStarted> {
        let Some(path) = own_place() else { return Ok(None) };
        let refused = |reason: String| {
            NotStarted::Refused(format!("the register of runs is refused: {}: {reason}", path.display()))
        };
        let place = match Place::prepare(&path) {
            Ok(place) => place,
            Err(Unplaced::NotHere(reason)) => {
                tracing::debug!("this run is not listed: {}: {reason}", path.display());
                return Ok(None);
            }
            // Nobody but the user is kept from listing and stopping what is the user's.
            Err(Unplaced::Refused(reason)) if !geteuid().is_root() => {
                tracing::warn!("this run is not listed: {}: {reason}", path.display());
                return Ok(None);
            }
            Err(Unplaced::Refused(reason)) => return Err(refused(reason)),
        };
        let pid = nix::unistd::getpid().as_raw();
        let about = About {
            run: run.to_owned(),
            pid,
            start_ticks: reading::start_ticks(pid)
                .ok_or_else(|| refused("/proc does not show this process".to_owned()))?,
            uid: geteuid().as_raw(),
            principal: principal.to_owned(),
            delegation,
            script_sha256: script_sha256.to_owned(),
            since_seconds: now_seconds(),
        };
        Self::write(path.clone(), place, &about).map(Some).map_err(|error| refused(error.to_string()))
    }

    /// Writes an entry, which has its name only when it is whole and locked: whoever reads it finds all or nothing.
    fn write(path: PathBuf, place: Place, about: &About) -> io::Result<Self> {
        let unfinished = format!("{}{UNFINISHED}", about.run);
        let file = place.open(&unfinished, OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL)?;
        let listed = (&file).write_all(&text(about)?).and_then(|()| {
            // Of the process, and inherited by no child.
            fcntl(&file, FcntlArg::F_SETLK(&entire(nix::libc::F_WRLCK)))?;
            renameat(&place.directory, unfinished.as_str(), &place.directory, about.run.as_str())?;
            Ok(())
        });
        if let Err(error) = listed {
            let _ = unlinkat(&place.directory, unfinished.as_str(), UnlinkatFlags::NoRemoveDir);
            return Err(error);
        }
        Ok(Self { path, place, name: about.run.clone(), file: Arc::new(file) })
    }

    /// The directory that it stands in.
    pub(crate) fn place(&self) -> &Path {
        &self.path
    }

    /// What the run has to look at.
    pub(crate) fn word(&self) -> Word {
        Word::of(Arc::clone(&self.file))
    }

    /// Who has stopped the run, and why; nothing while it may go on.
    pub(crate) fn order(&self) -> Option<Order> {
        self.word().is_set().then(|| {
            let mut bytes = vec![0; place::MAX_ENTRY_BYTES];
            let length = self.file.read_at(&mut bytes, 0).unwrap_or(0);
            bytes.get(..length).and_then(order::of_entry).unwrap_or_else(Order::unknown)
        })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // One that stays is found to be of no process.
        let _ = unlinkat(&self.place.directory, self.name.as_str(), UnlinkatFlags::NoRemoveDir);
    }
}

/// The word, and what is said of the run.
fn text(about: &About) -> io::Result<Vec<u8>> {
    let mut text = vec![GOES_ON, b'\n'];
    serde_json::to_writer(&mut text, about)?;
    text.push(b'\n');
    if text.len() > place::MAX_ABOUT_BYTES {
        return Err(Errno::EFBIG.into());
    }
    Ok(text)
}

/// Where this user's runs are listed. That of an unprivileged user ends with the session, like its runs.
pub(crate) fn own_place() -> Option<PathBuf> {
    let uid = geteuid();
    if uid.is_root() {
        return Some(PathBuf::from(PLACE));
    }
    let session = Path::new(SESSIONS).join(uid.to_string());
    session.is_dir().then(|| session.join(BELOW_SESSION))
}

/// The login of a user, or the number where there is none.
pub fn login(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// Seconds since 1970.
pub fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

/// Where users have a directory of their own as long as they are logged in.
const SESSIONS: &str = "/run/user";
const BELOW_SESSION: &str = "rex-broker/runs";
/// The end of the name of what is no entry yet.
const UNFINISHED: &str = ".new";
