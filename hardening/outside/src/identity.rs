//! Which user a jail is: one that nobody else is, where the broker may choose.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use caps::{CapSet, Capability};
use nix::fcntl::{Flock, FlockArg};
use rex_agreed::Layer;

use crate::plan::Plan;

/// The user and group of a jail, and the lock that keeps others from taking them.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Whether the broker may map and take any id, and need not deny setgroups.
    pub(crate) is_privileged: bool,
    /// Whether the broker may empty the bounding set without a user namespace.
    pub(crate) may_drop_bounding_set: bool,
    /// Held as long as the jail lives; nothing when the id is the broker's own.
    pub(crate) lock: Option<UidLock>,
    /// Why the id is the broker's own.
    pub(crate) concession: Option<String>,
}

/// A lock on one user id, released when it is dropped.
#[derive(Debug)]
pub(crate) struct UidLock {
    _file: Flock<File>,
}

impl Identity {
    /// The id to become, or nothing when the jail stays what the broker is.
    pub(crate) fn to_become(&self) -> Option<u32> {
        self.lock.as_ref().map(|_| self.uid)
    }
}

/// Takes a free id of the plan's range when the broker is root; else the broker's own.
pub(crate) fn claim(plan: &Plan) -> Identity {
    let is_privileged = holds(Capability::CAP_SETUID) && holds(Capability::CAP_SETGID);
    let may_drop_bounding_set = holds(Capability::CAP_SETPCAP);
    let own = |concession: String| Identity {
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        is_privileged,
        may_drop_bounding_set,
        lock: None,
        concession: Some(concession),
    };
    if !plan.wants(Layer::Uid) {
        return own("not part of the plan".to_owned());
    }
    if !is_privileged {
        return own("the broker's own user, because the broker may not take another".to_owned());
    }
    if !is_mapped(plan.uids.start, plan.uids.end) {
        return own(
            "the broker's own user, because its namespace does not map the range for jails".to_owned()
        );
    }
    match lock_free_uid(plan) {
        Ok((uid, lock)) => Identity {
            uid,
            gid: uid,
            is_privileged,
            may_drop_bounding_set,
            lock: Some(lock),
            concession: None,
        },
        Err(error) => own(format!("the broker's own user, because no id could be locked: {error}")),
    }
}

/// Whether the broker has a capability now.
fn holds(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false)
}

/// Locks the lowest id that nobody has locked.
fn lock_free_uid(plan: &Plan) -> io::Result<(u32, UidLock)> {
    DirBuilder::new().recursive(true).mode(0o700).create(LOCK_DIRECTORY)?;
    for uid in plan.uids.clone() {
        // The name is ours and the directory is root's, so no link can have been planted.
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(Path::new(LOCK_DIRECTORY).join(uid.to_string()))?;
        if let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            return Ok((uid, UidLock { _file: lock }));
        }
    }
    Err(io::Error::other("every id of the range is taken"))
}

/// Whether this user namespace maps the ids from `start` to before `end`.
///
/// # Source
/// user_namespaces(7): first id inside, first id outside, count.
fn is_mapped(start: u32, end: u32) -> bool {
    ["/proc/self/uid_map", "/proc/self/gid_map"]
        .iter()
        .all(|path| std::fs::read_to_string(path).is_ok_and(|map| covers(&map, start, end)))
}

fn covers(map: &str, start: u32, end: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return false;
        };
        first <= start.into() && u64::from(end) <= first + count
    })
}

const LOCK_DIRECTORY: &str = "/run/rex-broker/uids";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_covers_a_range_only_as_a_whole() {
        let everything = "         0          0 4294967295\n";
        let container = "0 100000 65536\n65536 400000 10\n";

        assert!(covers(everything, 2_000_000_000, 2_000_065_536));
        assert!(!covers(container, 2_000_000_000, 2_000_065_536));
        assert!(covers(container, 0, 65_536));
        assert!(!covers(container, 65_530, 65_540));
        assert!(!covers("", 0, 1));
    }
}
