//! What takes rights from a run that goes on: its delegation is revoked, or a grant ends or is taken away.

use std::os::fd::AsFd;
use std::path::Path;

use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;
use rex_delegation::Delegation;

use super::links;
use super::state::{LINKS, REVOKED, State};
use super::{Held, PLACE};
use crate::policy::{Link, Narrowed};

/// Looks, before each question, whether something has changed.
pub(crate) struct Narrowing {
    state: State,
    delegation: Option<Delegation>,
    links: Vec<Link>,
    seen: [Stamp; 2],
}

/// What tells one state of a file from another; nothing when it is missing.
type Stamp = Option<(u64, i64, i64, i64)>;

impl Narrowing {
    /// For a run that has a delegation, or whose policies have grants; nothing for any other.
    ///
    /// # Errors
    /// When the place where it stands cannot be held.
    pub(crate) fn of(held: Option<&Held>, links: Vec<Link>) -> Result<Option<Self>, String> {
        if held.is_none() && links.is_empty() {
            return Ok(None);
        }
        let state = State::open(Path::new(PLACE)).map_err(|reason| format!("{PLACE}: {reason}"))?;
        let delegation = held.map(|held| held.delegation.clone());
        // What was read before may have changed already: the first look finds it new.
        Ok(Some(Self { state, delegation, links, seen: [Some((0, 0, 0, 0)); 2] }))
    }

    /// What is taken away since the last look. What cannot be read takes away all that rests on it.
    pub(crate) fn look(&mut self) -> Narrowed {
        if self.changed(0, REVOKED)
            && let Some(delegation) = &self.delegation
            && self.state.revoked().and_then(|revoked| revoked.check(delegation)).is_err()
        {
            return Narrowed::All(REVOCATION);
        }
        let before = self.links.len();
        if !self.links.is_empty() && self.changed(1, LINKS) {
            let present = self.state.links().unwrap_or_default();
            self.links.retain(|link| present.contains(link));
        }
        self.links.retain(|link| !links::is_over(link));
        if self.links.len() == before {
            return Narrowed::Nothing;
        }
        Narrowed::Links(self.links.iter().map(|link| link.id.clone()).collect())
    }

    fn changed(&mut self, place: usize, name: &str) -> bool {
        let found = fstatat(self.state.directory().as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW).ok();
        let stamp = found.map(|stat| (stat.st_ino, stat.st_size, stat.st_ctime, stat.st_ctime_nsec));
        let Some(seen) = self.seen.get_mut(place) else { return true };
        std::mem::replace(seen, stamp) != stamp
    }
}

/// How a denial is told that rests on it.
const REVOCATION: &str = "built-in: the delegation of this run is revoked";
