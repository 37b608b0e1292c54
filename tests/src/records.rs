//! What was recorded, in memory, for tests to look at.

use std::backtrace::Backtrace;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rex_broker::audit::{AuditError, Decision, Outcome, Record, Sink};
use rex_ipc::action::{ActionId, ResourceKind};
use rex_ipc::control::RequestNumber;

/// A decision that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The operation that asked.
    pub operation: String,
    /// The line of the script, as the peer claimed.
    pub line: u32,
    /// For what.
    pub action: ActionId,
    /// On what type of thing.
    pub kind: ResourceKind,
    /// On which thing.
    pub resource: String,
    /// What was answered.
    pub permitted: bool,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// Whether the act changes the host.
    pub effect: bool,
    /// Whether the watched path existed when this was recorded.
    pub watched_existed: bool,
}

/// The outcome of a request that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The operation.
    pub operation: String,
    /// Nothing when it was done, else the kind of the failure.
    pub failure: Option<String>,
    /// The kernel's error number.
    pub errno: Option<u16>,
    /// The handle, when a part of a file's content was moved.
    pub chunk_of: Option<u64>,
    /// Bytes moved.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Kept {
    decided: Vec<Decided>,
    done: Vec<Done>,
    notes: usize,
    uncommitted: usize,
    fail_at: Option<ActionId>,
    watched: Option<PathBuf>,
    /// Where a denial came about, once somebody wants to know.
    places: Option<BTreeSet<Place>>,
}

/// A place in the source: the file, from the root of the checkout, and the line.
pub type Place = (String, u32);

/// Everything that was recorded; clones look at the same records, also from another thread.
#[derive(Clone, Debug, Default)]
pub struct Records(Arc<Mutex<Kept>>);

impl Records {
    /// The decisions since the last [`Records::clear`].
    pub fn decided(&self) -> Vec<Decided> {
        self.kept().decided.clone()
    }

    /// The outcomes since the last [`Records::clear`].
    pub fn done(&self) -> Vec<Done> {
        self.kept().done.clone()
    }

    /// How many records have not been written out.
    pub fn uncommitted(&self) -> usize {
        self.kept().uncommitted
    }

    /// How many records of start, end, limits and violations there were.
    pub fn notes(&self) -> usize {
        self.kept().notes
    }

    /// Forgets what was recorded so far.
    pub fn clear(&self) {
        let mut kept = self.kept();
        kept.decided.clear();
        kept.done.clear();
    }

    /// From now on, decisions about this action cannot be recorded.
    pub fn fail_at(&self, action: ActionId) {
        self.kept().fail_at = Some(action);
    }

    /// From now on, each decision notes whether this path exists.
    pub fn watch(&self, path: PathBuf) {
        self.kept().watched = Some(path);
    }

    /// From now on, each denial notes the lines of the operations that led to it.
    pub fn trace_denials(&self) {
        self.kept().places = Some(BTreeSet::new());
    }

    /// The lines of the operations, and of what they share, that led to a denial.
    pub fn places_of_denials(&self) -> BTreeSet<Place> {
        self.kept().places.clone().unwrap_or_default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Records {
    fn request(&mut self, _request: RequestNumber) {}

    fn before(&mut self, decision: &Decision<'_>) -> Result<(), AuditError> {
        let mut kept = self.kept();
        if kept.fail_at == Some(decision.action) {
            return Err(AuditError::Write(nix::errno::Errno::ENOSPC.into()));
        }
        if let Some(places) = &mut kept.places
            && !decision.permitted
        {
            places.extend(operations_on_the_stack());
        }
        let watched_existed = kept.watched.as_ref().is_some_and(|path| path.symlink_metadata().is_ok());
        kept.decided.push(Decided {
            operation: decision.operation.to_owned(),
            line: decision.claimed_line,
            action: decision.action,
            kind: decision.resource_kind,
            resource: decision.resource.to_owned(),
            permitted: decision.permitted,
            policies: decision.policies.to_vec(),
            effect: decision.effect,
            watched_existed,
        });
        kept.uncommitted += 1;
        if decision.effect && decision.permitted {
            kept.uncommitted = 0;
        }
        Ok(())
    }

    fn after(&mut self, outcome: &Outcome<'_>) -> Result<(), AuditError> {
        let mut kept = self.kept();
        kept.done.push(Done {
            operation: outcome.operation.to_owned(),
            failure: outcome.failure.map(str::to_owned),
            errno: outcome.errno,
            chunk_of: outcome.chunk_of,
            bytes: outcome.bytes,
        });
        kept.uncommitted += 1;
        Ok(())
    }

    fn note(&mut self, _record: &Record<'_>) -> Result<(), AuditError> {
        self.kept().notes += 1;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), AuditError> {
        self.kept().uncommitted = 0;
        Ok(())
    }
}

/// Where the operations are that called the function which calls this.
fn operations_on_the_stack() -> Vec<Place> {
    let text = format!("{:#}", Backtrace::force_capture());
    let place = |line: &str| {
        let (_, place) = line.trim().strip_prefix("at ")?.split_once("broker/src/")?;
        let mut parts = place.split(':');
        let file = parts.next()?;
        let is_wanted = file.starts_with("ops/");
        let line = parts.next()?.parse().ok()?;
        is_wanted.then(|| (format!("broker/src/{file}"), line))
    };
    text.lines().filter_map(place).collect()
}
