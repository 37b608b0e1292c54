//! Which requests are counted instead of written, because they repeat the one before.

use std::time::{Duration, SystemTime};

use rex_ipc::control::RequestNumber;

use super::json::Fields;
use super::record::Decision;
use super::series::{self, Series};

/// What the current request has left so far: its decisions, and at last its outcome, each as a line of fields.
///
/// As long as all of it is what the request before left, nothing of it is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    pub(super) text: String,
    /// Decisions that are behind the text, and are not known yet to be complete.
    pub(super) series: Series,
    /// Where the decisions end, and the outcome begins.
    pub(super) decisions_end: usize,
    /// How much of the text stands in records already.
    pub(super) recorded: usize,
    /// The last record, when it is about this request.
    pub(super) last: Option<u64>,
    pub(super) request: Option<RequestNumber>,
    /// Whether an act was permitted that has to be recorded by itself.
    pub(super) is_single: bool,
    /// Whether an act was permitted that changes the host. Nobody knows here which decision it waits for, so that each
    /// that follows is on file as soon as it is made.
    pub(super) has_effect: bool,
}

/// The request before, and how often it was repeated.
#[derive(Debug)]
pub(super) struct Previous {
    pub(super) text: String,
    /// The record that stands for all.
    pub(super) of: u64,
    /// How many more there were since the last record about them.
    pub(super) count: u64,
    pub(super) bytes: u64,
    pub(super) duration_us: u64,
    since: SystemTime,
}

impl Turn {
    /// A turn of which no line has more bytes of fields than this where several decisions are told in it.
    pub(super) fn new(room_bytes: usize) -> Self {
        Self { series: Series::new(room_bytes), ..Self::default() }
    }

    /// Takes a decision.
    pub(super) fn take(&mut self, decision: &Decision<'_>) {
        self.has_effect |= decision.effect && decision.permitted;
        if let Some(place) = Series::place(decision).filter(|_| !self.has_effect) {
            self.series.hold(decision, place, &mut self.text);
        } else {
            self.series.close(&mut self.text);
            decision.write(&mut Fields(&mut self.text));
            self.text.push('\n');
        }
        self.decisions_end = self.text.len();
        self.is_single |= decision.is_single();
    }

    /// Nothing more is to come that could stand in one record with what did.
    pub(super) fn close(&mut self) {
        self.series.close(&mut self.text);
        self.decisions_end = self.text.len();
    }

    /// Whether it would still be what the request before left, with this decision.
    pub(super) fn would_repeat(&self, decision: &Decision<'_>, previous: Option<&Previous>) -> bool {
        let mut trial = self.clone();
        trial.take(decision);
        trial.close();
        trial.repeats(previous)
    }

    /// Whether everything so far is what the request before left.
    pub(super) fn repeats(&self, previous: Option<&Previous>) -> bool {
        !self.is_single
            && self.recorded == 0
            && previous.is_some_and(|previous| previous.text.starts_with(&self.text))
    }

    /// The decisions that have not been recorded yet, by record: its fields, and whether it tells of several.
    pub(super) fn pending(&self) -> impl Iterator<Item = (&str, bool)> {
        let text = self.text.get(self.recorded..self.decisions_end).unwrap_or_default();
        text.split_terminator('\n').map(series::read)
    }

    /// Drops what stands in records already, and all else that could be compared.
    pub(super) fn forget_text(&mut self) {
        self.text.clear();
        self.decisions_end = 0;
        self.recorded = 0;
    }

    /// Makes room for the next request.
    pub(super) fn clear(&mut self) {
        self.forget_text();
        self.series.clear();
        (self.last, self.request) = (None, None);
        (self.is_single, self.has_effect) = (false, false);
    }
}

impl Previous {
    pub(super) fn new(text: String, of: u64, now: SystemTime) -> Self {
        Self { text, of, count: 0, bytes: 0, duration_us: 0, since: now }
    }

    /// Starts counting anew, for the same records.
    pub(super) fn reset(&mut self, now: SystemTime) {
        *self = Self::new(std::mem::take(&mut self.text), self.of, now);
    }

    /// Counts a repetition.
    pub(super) fn add(&mut self, bytes: u64, duration_us: u64, now: SystemTime) {
        if self.count == 0 {
            self.since = now;
        }
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        self.duration_us = self.duration_us.saturating_add(duration_us);
    }

    /// Whether repetitions have been counted for so long that they should be written.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        self.count > 0 && now.duration_since(self.since).is_ok_and(|age| age >= LONGEST_FOLD)
    }
}

/// What a crash of the broker could lose is a count, and never more than this long a time of it.
const LONGEST_FOLD: Duration = Duration::from_secs(1);
