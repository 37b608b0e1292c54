//! How much a run has used, of what it may use.

use std::cell::RefCell;

use rex_ipc::interface::{ROWS, Request};

use super::error::LimitReached;
use super::limits::{Limits, within};

/// What a run may use, and has used. Every count is kept here, whoever counts.
#[derive(Debug)]
pub struct Metered {
    limits: Limits,
    usage: RefCell<Usage>,
}

impl Metered {
    /// Nothing used yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, usage: RefCell::default() }
    }

    /// What the run may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What it has used.
    pub fn usage(&self) -> Usage {
        *self.usage.borrow()
    }

    /// Bytes read and written so far.
    pub fn moved_bytes(&self) -> u64 {
        self.usage.borrow().moved_bytes()
    }

    /// Counts a call.
    ///
    /// # Errors
    /// When there are too many.
    pub fn count_call(&self) -> Result<(), LimitReached> {
        let mut usage = self.usage.borrow_mut();
        usage.calls = usage.calls.saturating_add(1);
        within("max-calls", usage.calls, self.limits.max_calls)
    }

    /// Counts a request, which is carried out from now on.
    ///
    /// # Errors
    /// When its operation was asked for too often.
    pub fn count_request(&self, request: &Request) -> Result<(), LimitReached> {
        self.usage.borrow_mut().count_request(request, &self.limits)
    }

    /// Counts bytes read from files.
    ///
    /// # Errors
    /// When there are too many of the run, or of the operation.
    pub fn count_read_bytes(&self, bytes: usize) -> Result<(), LimitReached> {
        self.usage.borrow_mut().count_read_bytes(bytes as u64, &self.limits)
    }

    /// Counts bytes written to files, copied or allocated.
    ///
    /// # Errors
    /// When there are too many of the run, or of the operation.
    pub fn count_written_bytes(&self, bytes: u64) -> Result<(), LimitReached> {
        self.usage.borrow_mut().count_written_bytes(bytes, &self.limits)
    }

    /// Counts a denial.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) fn count_denial(&self) -> Result<(), LimitReached> {
        self.usage.borrow_mut().count_denial(&self.limits)
    }
}

/// What a run has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Calls to the broker.
    pub calls: u64,
    /// Requests in them.
    pub requests: u64,
    /// Bytes read from files and directories.
    pub read_bytes: u64,
    /// Bytes written to files, copied or allocated.
    pub written_bytes: u64,
    /// Denials.
    pub denials: u64,
    /// The row of the operation that is being carried out.
    row: usize,
    requests_of: Counts,
    bytes_of: Counts,
}

/// One count for each row of the interface table.
#[derive(Clone, Copy, Debug)]
struct Counts([u64; ROWS.len()]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; ROWS.len()])
    }
}

impl Counts {
    /// Adds to the count of this row, and gives what it is then.
    fn add(&mut self, row: usize, more: u64) -> u64 {
        let Some(count) = self.0.get_mut(row) else { return u64::MAX };
        *count = count.saturating_add(more);
        *count
    }
}

impl Usage {
    /// Counts a request, which is carried out from now on.
    ///
    /// # Errors
    /// When its operation was asked for too often.
    fn count_request(&mut self, request: &Request, limits: &Limits) -> Result<(), LimitReached> {
        self.requests = self.requests.saturating_add(1);
        // The numbers of the table ascend.
        self.row = ROWS.binary_search_by_key(&request.number(), |row| row.number).unwrap_or(usize::MAX);
        let count = self.requests_of.add(self.row, 1);
        within("max-calls-per-operation", count, limits.max_calls_per_operation.of(self.row))
    }

    /// Counts bytes that the present operation has read.
    ///
    /// # Errors
    /// When there are too many of the run, or of the operation.
    fn count_read_bytes(&mut self, bytes: u64, limits: &Limits) -> Result<(), LimitReached> {
        self.read_bytes = self.read_bytes.saturating_add(bytes);
        within("max-read-bytes", self.read_bytes, limits.max_read_bytes)?;
        self.count_moved_bytes(bytes, limits)
    }

    /// Counts bytes that the present operation has written.
    ///
    /// # Errors
    /// When there are too many of the run, or of the operation.
    fn count_written_bytes(&mut self, bytes: u64, limits: &Limits) -> Result<(), LimitReached> {
        self.written_bytes = self.written_bytes.saturating_add(bytes);
        within("max-write-bytes", self.written_bytes, limits.max_write_bytes)?;
        self.count_moved_bytes(bytes, limits)
    }

    /// Bytes read and written, of which no operation does both.
    pub fn moved_bytes(&self) -> u64 {
        self.read_bytes.saturating_add(self.written_bytes)
    }

    /// Counts bytes that the present operation has moved, whichever way.
    ///
    /// # Errors
    /// When there are too many of the operation.
    fn count_moved_bytes(&mut self, bytes: u64, limits: &Limits) -> Result<(), LimitReached> {
        let count = self.bytes_of.add(self.row, bytes);
        within("max-bytes-per-operation", count, limits.max_bytes_per_operation.of(self.row))
    }

    /// Counts a denial.
    ///
    /// # Errors
    /// When there are too many.
    fn count_denial(&mut self, limits: &Limits) -> Result<(), LimitReached> {
        self.denials = self.denials.saturating_add(1);
        within("max-denials", self.denials, limits.max_denials)
    }
}
