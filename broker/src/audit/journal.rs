//! From records to lines: numbering, folding, buffering, and the run's share of the log.

use std::time::SystemTime;

use rex_ipc::control::RequestNumber;

use super::Sink;
use super::error::AuditError;
use super::fold::{Chunks, Folds, Repeats};
use super::json::{Fields, push_number, push_text};
use super::open::Lines;
use super::record::{Decision, Outcome, Record, write_request};
use super::stamp::Stamp;
use crate::cli::AuditSync;

/// A run's share of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// Most lines.
    pub records: u64,
    /// Most bytes.
    pub bytes: u64,
}

/// Keeps the records of one run as lines of JSON.
pub struct Journal {
    /// Nothing when the operator wants no record.
    log: Option<Box<dyn Lines>>,
    sync: AuditSync,
    limits: JournalLimits,
    /// The run as JSON string.
    run: String,
    /// Principal and policy, as every decision has them.
    who: String,
    request: Option<RequestNumber>,
    stamp: Stamp,
    buffer: String,
    scratch: String,
    folds: Folds,
    sequence: u64,
    records: u64,
    bytes: u64,
    decisions: u64,
    denials: u64,
    moved_bytes: u64,
}

/// What all records of a run have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The run, as [`super::run_id`] gives it.
    pub run: &'a str,
    /// Who the policy is asked about.
    pub principal: &'a str,
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
        let Identity { run, principal, policy_sha256 } = identity;
        let mut journal = Self { log: Some(Box::new(log)), sync, limits, ..Self::nowhere() };
        journal.buffer.reserve(BUFFER_BYTES);
        push_text(&mut journal.run, run);
        let mut who = Fields(&mut journal.who);
        who.text("principal", principal);
        who.text("policy", policy_sha256.get(..SHORT_DIGEST).unwrap_or(policy_sha256));
        journal
    }

    /// A journal that keeps nothing, because the operator said so.
    pub fn nowhere() -> Self {
        Self {
            log: None,
            sync: AuditSync::Run,
            limits: JournalLimits { records: 0, bytes: 0 },
            run: String::new(),
            who: String::new(),
            request: None,
            stamp: Stamp::default(),
            buffer: String::new(),
            scratch: String::new(),
            folds: Folds::default(),
            sequence: 0,
            records: 0,
            bytes: 0,
            decisions: 0,
            denials: 0,
            moved_bytes: 0,
        }
    }

    /// Refuses a further record when the run has used its share.
    fn check_share(&self) -> Result<(), AuditError> {
        if self.records >= self.limits.records {
            return Err(AuditError::Limit { name: "max-audit-records", value: self.limits.records });
        }
        if self.bytes >= self.limits.bytes {
            return Err(AuditError::Limit { name: "max-audit-bytes", value: self.limits.bytes });
        }
        Ok(())
    }

    /// Appends one line to the buffer and gives its number.
    fn line(&mut self, event: &str, now: SystemTime, write: impl FnOnce(&mut Fields<'_>)) -> u64 {
        let start = self.buffer.len();
        let sequence = self.sequence;
        let out = &mut self.buffer;
        out.push_str("{\"run\":");
        out.push_str(&self.run);
        out.push_str(",\"seq\":");
        push_number(out, sequence);
        out.push_str(",\"time\":");
        self.stamp.push(out, now);
        let mut fields = Fields(out);
        fields.text("event", event);
        write(&mut fields);
        out.push_str("}\n");
        self.sequence += 1;
        self.records += 1;
        self.bytes += (self.buffer.len() - start) as u64;
        sequence
    }

    /// Writes down what was counted. These lines come from the reserve: what happened is not left out.
    fn unfold(&mut self, now: SystemTime) {
        let Folds { repeats, chunks } = std::mem::take(&mut self.folds);
        if let Some(repeats) = repeats.filter(|repeats| repeats.count > 0) {
            self.line("repeat", now, |fields| {
                fields.number("of", repeats.of);
                fields.number("count", repeats.count);
            });
        }
        if let Some(chunks) = chunks.filter(|chunks| chunks.count > 0) {
            self.line("chunks", now, |fields| {
                fields.number("of", chunks.of);
                fields.text("operation", &chunks.operation);
                fields.number("handle", chunks.handle);
                fields.number("count", chunks.count);
                fields.number("bytes", chunks.bytes);
                fields.number("duration_us", chunks.duration_us);
            });
        }
    }

    fn write_out(&mut self) -> Result<(), AuditError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let Some(log) = &mut self.log else { return Ok(()) };
        let written = log.append(self.buffer.as_bytes());
        // After a failure the buffer is dropped, too: a second try could leave half a line and the same line again.
        self.buffer.clear();
        written?;
        if self.sync == AuditSync::Record { log.sync() } else { Ok(()) }
    }

    fn write_out_if_large(&mut self) -> Result<(), AuditError> {
        if self.buffer.len() >= BUFFER_BYTES { self.write_out() } else { Ok(()) }
    }
}

impl Sink for Journal {
    fn request(&mut self, request: RequestNumber) {
        self.request = Some(request);
    }

    fn before(&mut self, decision: &Decision<'_>) -> Result<(), AuditError> {
        if self.log.is_none() {
            return Ok(());
        }
        let now = SystemTime::now();
        self.decisions += 1;
        self.denials += u64::from(!decision.permitted);
        let mut body = std::mem::take(&mut self.scratch);
        body.clear();
        body.push('{');
        decision.write(&mut Fields(&mut body));
        let folded = decision.may_fold() && self.folds.takes_decision(&body, now);
        let recorded = if folded { Ok(()) } else { self.decide(decision, &body, now) };
        self.scratch = body;
        recorded
    }

    fn after(&mut self, outcome: &Outcome<'_>) -> Result<(), AuditError> {
        if self.log.is_none() {
            return Ok(());
        }
        let now = SystemTime::now();
        let Outcome { operation, bytes, duration_us, .. } = *outcome;
        self.moved_bytes = self.moved_bytes.saturating_add(bytes);
        let chunk_of = outcome.chunk_of.filter(|_| outcome.failure.is_none());
        if chunk_of.is_some_and(|handle| self.folds.takes_chunk(operation, handle, bytes, duration_us, now)) {
            return Ok(());
        }
        self.check_share()?;
        if self.folds.chunks.is_some() || chunk_of.is_none() {
            self.unfold(now);
        }
        let request = self.request;
        let of = self.line("outcome", now, |fields| {
            write_request(fields, request);
            outcome.write(fields);
        });
        self.folds.chunks = chunk_of.map(|handle| Chunks {
            of,
            operation: operation.to_owned(),
            handle,
            count: 0,
            bytes: 0,
            duration_us: 0,
            since: now,
        });
        self.write_out_if_large()
    }

    fn note(&mut self, record: &Record<'_>) -> Result<(), AuditError> {
        if self.log.is_none() {
            return Ok(());
        }
        let now = SystemTime::now();
        self.unfold(now);
        let who = std::mem::take(&mut self.who);
        match record {
            Record::Start(start) => self.line("start", now, |fields| {
                fields.raw(&who);
                start.write(fields);
            }),
            Record::Violation(violation) => self.line("violation", now, |fields| violation.write(fields)),
            Record::Limit(limit) => self.line("limit", now, |fields| limit.write(fields)),
            Record::End(end) => {
                let counts = [
                    ("decisions", self.decisions),
                    ("denials", self.denials),
                    ("bytes", self.moved_bytes),
                    ("records", self.records + 1),
                ];
                self.line("end", now, |fields| {
                    end.write(fields);
                    counts.into_iter().for_each(|(name, count)| fields.number(name, count));
                })
            }
        };
        self.who = who;
        self.write_out()?;
        // With `record` the write has been forced to disk already.
        let is_last = matches!(record, Record::End(_));
        match &mut self.log {
            Some(log) if is_last && self.sync == AuditSync::Run => log.sync(),
            _ => Ok(()),
        }
    }

    fn commit(&mut self) -> Result<(), AuditError> {
        if self.folds.repeats.is_some() || self.folds.chunks.is_some() {
            let now = SystemTime::now();
            if self.folds.is_due(now) {
                self.unfold(now);
            }
        }
        self.write_out()
    }
}

impl Journal {
    fn decide(&mut self, decision: &Decision<'_>, body: &str, now: SystemTime) -> Result<(), AuditError> {
        self.check_share()?;
        self.unfold(now);
        let who = std::mem::take(&mut self.who);
        let request = self.request;
        let of = self.line("decision", now, |fields| {
            fields.raw(&who);
            write_request(fields, request);
            fields.raw(body.trim_start_matches('{'));
        });
        self.who = who;
        if decision.may_fold() {
            self.folds.repeats = Some(Repeats { body: body.to_owned(), of, count: 0, since: now });
        }
        if decision.effect && decision.permitted { self.write_out() } else { self.write_out_if_large() }
    }
}

/// Hexadecimal digits by which records after the first name the policy.
const SHORT_DIGEST: usize = 16;

/// What is buffered at most before it is written, so that a search through a large tree does not fill the memory.
const BUFFER_BYTES: usize = 64 * 1024;
