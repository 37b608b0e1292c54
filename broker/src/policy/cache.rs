//! Which questions were answered before, in this run.

use std::collections::HashMap;
use std::rc::Rc;

use super::engine::Verdict;
use super::question::{ContextRef, Question, ResourceRef};

/// A bounded memory of verdicts, keyed by the whole question.
#[derive(Debug)]
pub(super) struct Cache {
    verdicts: HashMap<Box<[u8]>, Rc<Verdict>>,
    /// The question in hand, as a key; empty when it must not be remembered.
    key: Vec<u8>,
    /// How long all keys are together.
    key_bytes: usize,
    limit: usize,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self { verdicts: HashMap::new(), key: Vec::new(), key_bytes: 0, limit: LIMIT_ENTRIES }
    }

    pub(super) fn disabled() -> Self {
        Self { limit: 0, ..Self::new() }
    }

    /// The verdict on an equal question.
    pub(super) fn find(&mut self, question: &Question<'_>) -> Option<Rc<Verdict>> {
        self.key.clear();
        if self.limit == 0 || !encode(question, &mut self.key) {
            self.key.clear();
            return None;
        }
        self.verdicts.get(self.key.as_slice()).map(Rc::clone)
    }

    /// Remembers the verdict on the question that was last looked for.
    pub(super) fn keep(&mut self, verdict: &Rc<Verdict>) {
        if self.key.is_empty() || self.key.len() > LIMIT_BYTES {
            return;
        }
        // A script that asks about ever new names must not grow the broker; starting over costs less than an order of use.
        if self.verdicts.len() >= self.limit || self.key_bytes.saturating_add(self.key.len()) > LIMIT_BYTES {
            self.verdicts.clear();
            self.key_bytes = 0;
        }
        self.key_bytes = self.key_bytes.saturating_add(self.key.len());
        self.verdicts.insert(self.key.as_slice().into(), Rc::clone(verdict));
    }
}

/// Enough for a walk through a large tree; each entry costs the name and some 100 bytes.
const LIMIT_ENTRIES: usize = 4096;
/// Enough for that many names of a usual length. In a tree of some thousand levels one name alone can have a megabyte.
const LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// Writes everything that Cedar would see, so that equal keys are equal questions. Says no to questions about things
/// that change by themselves: processes, services, and what a program is started with.
fn encode(question: &Question<'_>, key: &mut Vec<u8>) -> bool {
    if matches!(question.resource, ResourceRef::Process(_) | ResourceRef::Service(_)) {
        return false;
    }
    key.extend([question.action as u8, question.resource.kind() as u8]);
    text(&question.resource.id(), key);
    match question.context {
        ContextRef::None => key.push(0),
        ContextRef::XAttr { name } => {
            key.push(1);
            text(name, key);
        }
        ContextRef::Move { path, name, parent_path } => {
            key.push(2);
            [path, name, parent_path].into_iter().for_each(|part| text(part, key));
        }
        ContextRef::Execute(_) => return false,
    }
    true
}

/// The length goes first, so that no two lists of texts give the same bytes.
fn text(text: &str, key: &mut Vec<u8>) {
    key.extend(text.len().to_le_bytes());
    key.extend(text.as_bytes());
}
