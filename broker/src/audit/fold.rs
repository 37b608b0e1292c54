//! Which records are counted instead of written, because they repeat the one before.

use std::time::{Duration, SystemTime};

/// A decision that may be repeated.
#[derive(Debug)]
pub(super) struct Repeats {
    /// What the decision says, all but its request and time.
    pub(super) body: String,
    /// The record that stands for all.
    pub(super) of: u64,
    /// How many more there were since the last record about them.
    pub(super) count: u64,
    pub(super) since: SystemTime,
}

/// The pieces of one open file's content that followed the first one.
#[derive(Debug)]
pub(super) struct Chunks {
    /// The record of the first piece.
    pub(super) of: u64,
    pub(super) operation: String,
    pub(super) handle: u64,
    pub(super) count: u64,
    pub(super) bytes: u64,
    pub(super) duration_us: u64,
    pub(super) since: SystemTime,
}

/// The two kinds of folding that may be under way.
#[derive(Debug, Default)]
pub(super) struct Folds {
    pub(super) repeats: Option<Repeats>,
    pub(super) chunks: Option<Chunks>,
}

impl Folds {
    /// Counts a decision if it repeats the last one.
    pub(super) fn takes_decision(&mut self, body: &str, now: SystemTime) -> bool {
        match &mut self.repeats {
            Some(repeats) if repeats.body == body => {
                if repeats.count == 0 {
                    repeats.since = now;
                }
                repeats.count += 1;
                true
            }
            _ => false,
        }
    }

    /// Counts a piece if it continues the last one.
    pub(super) fn takes_chunk(
        &mut self,
        operation: &str,
        handle: u64,
        bytes: u64,
        duration_us: u64,
        now: SystemTime,
    ) -> bool {
        match &mut self.chunks {
            Some(chunks) if chunks.handle == handle && chunks.operation == operation => {
                if chunks.count == 0 {
                    chunks.since = now;
                }
                chunks.count += 1;
                chunks.bytes = chunks.bytes.saturating_add(bytes);
                chunks.duration_us = chunks.duration_us.saturating_add(duration_us);
                true
            }
            _ => false,
        }
    }

    /// Whether something has been counted for so long that it should be written.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        let due = |count: u64, since: SystemTime| {
            count > 0 && now.duration_since(since).is_ok_and(|age| age >= LONGEST_FOLD)
        };
        self.repeats.as_ref().is_some_and(|repeats| due(repeats.count, repeats.since))
            || self.chunks.as_ref().is_some_and(|chunks| due(chunks.count, chunks.since))
    }
}

/// What a crash of the broker could lose is a count, and never more than this long a time of it.
const LONGEST_FOLD: Duration = Duration::from_secs(1);
