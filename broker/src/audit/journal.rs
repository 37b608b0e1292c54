//! Which records a run leaves, and when they have to be on file.

use std::time::SystemTime;

use rex_ipc::control::RequestNumber;
use serde_json::Value;

use super::Sink;
use super::error::AuditError;
use super::fold::{Previous, Turn};
use super::json::Fields;
use super::lines::{JournalLimits, Writer};
use super::log::Lines;
use super::record::{Decision, Outcome, Record, write_request};
use crate::audit::AuditSync;

/// Keeps the records of one run as lines of JSON.
pub struct Journal {
    /// Nothing when the operator wants no record.
    writer: Option<Writer>,
    /// Principal and policy, as every decision has them.
    who: String,
    request: Option<RequestNumber>,
    turn: Turn,
    previous: Option<Previous>,
    decisions: u64,
    denials: u64,
    /// Decided otherwise by a policy that is only asked.
    shadow_otherwise: u64,
    moved_bytes: u64,
}

/// What all records of a run have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The run, as [`super::run_id`] gives it.
    pub run: &'a str,
    /// Who the policy is asked about.
    pub principal: &'a str,
    /// What each decision tells of the delegation, where there is one.
    pub delegation: Option<&'a Value>,
    /// SHA-256 of the policy, in hexadecimal digits.
    pub policy_sha256: &'a str,
}

impl Journal {
    /// A journal that writes to this log.
    pub fn new(
        log: impl Lines + 'static,
        identity: Identity<'_>,
        limits: JournalLimits,
        sync: AuditSync,
    ) -> Self {
        let Identity { run, principal, delegation, policy_sha256 } = identity;
        let writer = Writer::new(Box::new(log), run, limits, sync);
        let mut journal = Self { writer: Some(writer), ..Self::nowhere() };
        let mut who = Fields(&mut journal.who);
        who.text("principal", principal);
        who.text("policy", policy_sha256.get(..SHORT_DIGEST).unwrap_or(policy_sha256));
        if let Some(delegation) = delegation {
            who.value("delegation", delegation);
        }
        let around_bytes = run.len() + journal.who.len() + AROUND_FIELDS_BYTES;
        journal.turn = Turn::new(LONGEST_SERIES_BYTES.saturating_sub(around_bytes));
        journal
    }

    /// A journal that keeps nothing, because the operator said so.
    pub fn nowhere() -> Self {
        Self {
            writer: None,
            who: String::new(),
            request: None,
            turn: Turn::default(),
            previous: None,
            decisions: 0,
            denials: 0,
            shadow_otherwise: 0,
            moved_bytes: 0,
        }
    }

    /// Begins the account of the request that was last named, if it is another than the one before.
    fn begin_turn(&mut self) {
        if self.turn.request != self.request {
            // A request that ended without an outcome; what it asked is recorded all the same.
            self.turn.close();
            self.record_pending();
            if self.turn.recorded > 0 || self.turn.is_single {
                self.previous = None;
            }
            self.turn.clear();
            self.turn.request = self.request;
        }
    }

    /// Makes records of the decisions that were held back.
    fn record_pending(&mut self) {
        if self.turn.pending().next().is_none() {
            return;
        }
        let now = SystemTime::now();
        self.record_repeats(now);
        let Some(writer) = &mut self.writer else { return };
        let mut last = None;
        for (body, is_series) in self.turn.pending() {
            last = Some(writer.line(if is_series { "decisions" } else { "decision" }, now, |fields| {
                fields.raw(&self.who);
                write_request(fields, self.turn.request);
                fields.raw(body);
            }));
        }
        self.turn.last = last;
        self.turn.recorded = self.turn.decisions_end;
        if self.turn.is_single {
            // Never compared with another request's: an act of a million decisions is not to be held in memory.
            self.turn.forget_text();
        }
    }

    /// Makes a record of the repetitions counted so far. It comes from the reserve: what happened is not left out.
    fn record_repeats(&mut self, now: SystemTime) {
        let (Some(previous), Some(writer)) = (&mut self.previous, &mut self.writer) else { return };
        if previous.count == 0 {
            return;
        }
        writer.line("repeat", now, |fields| {
            fields.number("of", previous.of);
            fields.number("count", previous.count);
            fields.number("bytes", previous.bytes);
            fields.number("duration_us", previous.duration_us);
        });
        previous.reset(now);
    }

    /// Makes a record of the outcome: in the record of the request's last decision, unless that is on file already.
    fn record_outcome(&mut self, outcome: &Outcome<'_>, now: SystemTime) -> u64 {
        let Some(writer) = &mut self.writer else { return 0 };
        if let Some(last) = self.turn.last
            && writer.extend(last, |fields| outcome.write(fields))
        {
            return last;
        }
        writer.line("outcome", now, |fields| {
            write_request(fields, self.turn.request);
            fields.text("operation", outcome.operation);
            outcome.write(fields);
        })
    }
}

impl Sink for Journal {
    fn request(&mut self, request: RequestNumber) {
        self.request = Some(request);
    }

    fn before(&mut self, decision: &Decision<'_>) -> Result<(), AuditError> {
        if self.writer.is_none() {
            return Ok(());
        }
        self.begin_turn();
        self.decisions += 1;
        self.denials += u64::from(!decision.permitted);
        let word = if decision.permitted { "permit" } else { "deny" };
        let is_otherwise = decision.shadow.is_some_and(|shadow| shadow["decision"] != word);
        self.shadow_otherwise += u64::from(is_otherwise);
        let previous = self.previous.as_ref();
        if let Some(writer) = &self.writer
            && let Err(error) = writer.check_share(self.turn.series.records())
            && !self.turn.would_repeat(decision, previous)
        {
            // The act will not happen, so that there is nothing to record.
            return Err(error);
        }
        self.turn.take(decision);
        if self.turn.repeats(previous) {
            return Ok(());
        }
        self.record_pending();
        match &mut self.writer {
            Some(writer) if self.turn.has_effect && decision.permitted => writer.write_out(),
            Some(writer) => writer.write_out_if_large(),
            None => Ok(()),
        }
    }

    fn after(&mut self, outcome: &Outcome<'_>) -> Result<(), AuditError> {
        if self.writer.is_none() {
            return Ok(());
        }
        self.begin_turn();
        self.turn.close();
        let now = SystemTime::now();
        self.moved_bytes = self.moved_bytes.saturating_add(outcome.bytes);
        let mut fields = Fields(&mut self.turn.text);
        fields.text("operation", outcome.operation);
        outcome.write_kind(&mut fields);
        self.turn.text.push('\n');
        if self.turn.repeats(self.previous.as_ref())
            && let Some(previous) = self.previous.as_mut().filter(|previous| previous.text == self.turn.text)
        {
            previous.add(outcome.bytes, outcome.duration_us, now);
            self.turn.clear();
            return Ok(());
        }
        self.record_pending();
        self.record_repeats(now);
        let of = self.record_outcome(outcome, now);
        let mut text = self.previous.take().map(|previous| previous.text).unwrap_or_default();
        if !self.turn.is_single {
            std::mem::swap(&mut text, &mut self.turn.text);
            self.previous = Some(Previous::new(text, of, now));
        }
        self.turn.clear();
        self.writer.as_mut().map_or(Ok(()), Writer::write_out_if_large)
    }

    fn note(&mut self, record: &Record<'_>) -> Result<(), AuditError> {
        let now = SystemTime::now();
        self.turn.close();
        self.record_pending();
        self.record_repeats(now);
        self.turn.clear();
        self.previous = None;
        let Some(writer) = &mut self.writer else { return Ok(()) };
        match record {
            Record::Start(start) => writer.line("start", now, |fields| {
                fields.raw(&self.who);
                start.write(fields);
            }),
            Record::Violation(violation) => writer.line("violation", now, |fields| violation.write(fields)),
            Record::Limit(limit) => writer.line("limit", now, |fields| limit.write(fields)),
            Record::Stop(stop) => writer.line("stop", now, |fields| stop.write(fields)),
            Record::End(end) => {
                let records = writer.count() + 1;
                writer.line("end", now, |fields| {
                    end.write(fields);
                    fields.number("decisions", self.decisions);
                    fields.number("denials", self.denials);
                    fields.number("bytes", self.moved_bytes);
                    fields.number("records", records);
                    if self.shadow_otherwise > 0 {
                        fields.number("shadow_otherwise", self.shadow_otherwise);
                    }
                })
            }
        };
        writer.write_out()?;
        if matches!(record, Record::End(_)) { writer.finish() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), AuditError> {
        if self.writer.is_none() {
            return Ok(());
        }
        self.turn.close();
        self.record_pending();
        if self.previous.as_ref().is_some_and(|previous| previous.count > 0) {
            let now = SystemTime::now();
            if self.previous.as_ref().is_some_and(|previous| previous.is_due(now)) {
                self.record_repeats(now);
            }
        }
        self.writer.as_mut().map_or(Ok(()), Writer::write_out)
    }
}

/// Hexadecimal digits by which records after the first name the policy.
const SHORT_DIGEST: usize = 16;
/// No record of several decisions is longer: pipe(7) promises that much to reach a pipe in one piece.
const LONGEST_SERIES_BYTES: usize = 4096;
/// What else stands in such a record: names of fields, numbers, time, request and outcome, at their longest.
const AROUND_FIELDS_BYTES: usize = 420;
