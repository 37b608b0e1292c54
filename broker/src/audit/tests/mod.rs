//! Lines, their order, and what happens when they cannot be written.

mod folding;
mod opening;
mod page;
mod recording;
mod series;

use std::sync::{Arc, Mutex};

use rex_ipc::action::{ActionId, ResourceKind};
use serde_json::Value;

use super::*;
use crate::audit::AuditSync;

/// A log in memory: the bytes of each write, and how often it was forced to disk.
#[derive(Clone, Default)]
struct Memory {
    writes: Arc<Mutex<Vec<String>>>,
    syncs: Arc<Mutex<usize>>,
}

impl Lines for Memory {
    fn append(&mut self, lines: &[u8]) -> Result<(), AuditError> {
        self.writes.lock().unwrap().push(String::from_utf8(lines.to_vec()).unwrap());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), AuditError> {
        *self.syncs.lock().unwrap() += 1;
        Ok(())
    }
}

impl Memory {
    fn records(&self) -> Vec<Value> {
        let text = self.writes.lock().unwrap().concat();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn events(&self) -> Vec<String> {
        self.records().iter().map(|record| record["event"].as_str().unwrap().to_owned()).collect()
    }
}

const IDENTITY: Identity<'static> = Identity {
    run: "4f1d",
    principal: "root",
    delegation: None,
    policy_sha256: "0123456789abcdef0123456789abcdef",
};
const PLENTY: JournalLimits = JournalLimits { records: 1000, bytes: 1 << 20 };

fn journal_on(log: impl Lines + 'static) -> Journal {
    Journal::new(log, IDENTITY, PLENTY, AuditSync::Run)
}

fn journal() -> (Journal, Memory) {
    let memory = Memory::default();
    (journal_on(memory.clone()), memory)
}

fn decision(resource: &str) -> Decision<'_> {
    Decision {
        operation: "open_file",
        claimed_line: 3,
        action: ActionId::FileSystemRead,
        resource_kind: ResourceKind::File,
        resource,
        context: None,
        facts: None,
        act: None,
        permitted: true,
        policies: &[],
        errors: &[],
        shadow: None,
        effect: false,
        is_piece: false,
    }
}

fn effect(action: ActionId) -> Decision<'static> {
    Decision { action, effect: true, ..decision("/srv/a") }
}

fn chunk(handle: u64) -> Outcome<'static> {
    Outcome { chunk_of: Some(handle), bytes: 100, duration_us: 5, ..outcome("read_chunk") }
}

fn outcome(operation: &str) -> Outcome<'_> {
    Outcome { operation, chunk_of: None, failure: None, errno: None, bytes: 0, duration_us: 1 }
}

fn end() -> Record<'static> {
    Record::End(End {
        end: "finished",
        end_claimed_by_jail: true,
        status: "SUCCESS",
        error_type: None,
        exit: 0,
        duration_us: 900,
    })
}
