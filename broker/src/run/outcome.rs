//! What became of a request, for the record.

use std::time::Instant;

use rex_ipc::interface::Request;

use crate::audit::Outcome;
use crate::gate::error::Error;
use crate::run::services::Services;
use crate::watch::watchdog::Work;

/// A request that is being carried out, for the record of its outcome.
pub(super) struct Begun {
    operation: &'static str,
    needs_permission: bool,
    chunk_of: Option<u64>,
    at: Instant,
    moved_bytes: u64,
}

impl Begun {
    pub(super) fn new(request: &Request, services: &Services) -> Self {
        let chunk_of = match request {
            Request::ReadChunk(read) => Some(read.file.0.into()),
            Request::WriteChunk(write) => Some(write.writer.0.into()),
            _ => None,
        };
        Self {
            operation: request.name(),
            needs_permission: request.needs_permission(),
            chunk_of,
            at: Instant::now(),
            moved_bytes: services.metered.moved_bytes(),
        }
    }

    /// What the broker does meanwhile, at this line of the script, as the jail claims.
    pub(super) fn work(&self, line: u32) -> Work {
        Work { name: self.operation, line, since: self.at }
    }

    /// Records what became of it. What needs no permission touches nothing that anybody would ask about later.
    pub(super) fn record(self, services: &mut Services, error: Option<&Error>) -> Result<(), Error> {
        if !self.needs_permission {
            return Ok(());
        }
        let (failure, errno) = match error {
            None => (None, None),
            Some(Error::Denied(_)) => (Some("PermissionDenied"), None),
            Some(Error::Failed { kind, errno, .. }) => {
                (Some(kind.name()), errno.and_then(|errno| u16::try_from(errno).ok()))
            }
            Some(Error::Limit(limit)) => (Some(limit.name), None),
            Some(Error::Violation(_)) => (Some("violation"), None),
            Some(Error::Interrupted) => (Some("interrupted"), None),
            // What could not be written cannot be written now.
            Some(Error::Audit(_)) => return Ok(()),
            Some(Error::Output(_)) => (Some("output"), None),
        };
        services.kept.record_outcome(&Outcome {
            operation: self.operation,
            chunk_of: self.chunk_of,
            failure,
            errno,
            bytes: services.metered.moved_bytes().saturating_sub(self.moved_bytes),
            duration_us: u64::try_from(self.at.elapsed().as_micros()).unwrap_or(u64::MAX),
        })
    }
}
