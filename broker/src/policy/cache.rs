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

/// Writes everything that Cedar would see and that can differ within a run, so that equal keys are equal questions. Says no to questions about things
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
        ContextRef::Get { host, port, scheme, hop, address } => {
            key.extend([3, hop]);
            key.extend(port.to_le_bytes());
            text(&address.map(|address| address.to_string()).unwrap_or_default(), key);
            [host, scheme].into_iter().for_each(|part| text(part, key));
        }
        ContextRef::Connect { port, protocol, address } => {
            key.push(4);
            key.extend(port.to_le_bytes());
            text(&address.map(|address| address.to_string()).unwrap_or_default(), key);
            text(protocol, key);
        }
        ContextRef::Execute(_) | ContextRef::Program(_) => return false,
    }
    true
}

/// The length goes first, so that no two lists of texts give the same bytes.
fn text(text: &str, key: &mut Vec<u8>) {
    key.extend(text.len().to_le_bytes());
    key.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use rex_ipc::action::ActionId;

    use super::*;

    fn read(path: &str) -> Question<'_> {
        Question::new(ActionId::FileSystemRead, ResourceRef::File(path))
    }

    fn learn(cache: &mut Cache, question: &Question<'_>, permitted: bool) {
        assert!(cache.find(question).is_none(), "{question:?}");
        cache.keep(&Rc::new(Verdict { permitted, ..Verdict::default() }));
    }

    /// A path of so many bytes that its question has a key of this length.
    fn path_for(key_bytes: usize, last: char) -> String {
        let around = 2 + size_of::<usize>() + 1;
        format!("/{}{last}", "n".repeat(key_bytes - around - 2))
    }

    #[test]
    fn questions_that_differ_in_anything_are_different_questions() {
        let with = |context| Question { context, ..read("/a") };
        let moved = |path, name, parent_path| with(ContextRef::Move { path, name, parent_path });
        let questions = [
            read("/a"),
            read("/b"),
            Question::new(ActionId::FileSystemWrite, ResourceRef::File("/a")),
            Question::new(ActionId::FileSystemRead, ResourceRef::Dir("/a")),
            with(ContextRef::XAttr { name: "" }),
            with(ContextRef::XAttr { name: "user.a" }),
            moved("", "", ""),
            moved("ab", "c", ""),
            moved("a", "bc", ""),
            moved("a", "b", "c"),
        ];
        let mut cache = Cache::new();

        for (number, question) in questions.iter().enumerate() {
            learn(&mut cache, question, number % 2 == 0);
        }

        for (number, question) in questions.iter().enumerate() {
            let found = cache.find(question).unwrap_or_else(|| panic!("{question:?}"));
            assert_eq!(found.permitted, number % 2 == 0, "{question:?}");
        }
    }

    #[test]
    fn what_changes_by_itself_is_never_remembered() {
        let mut cache = Cache::new();
        let service = Question::new(ActionId::FileSystemRead, ResourceRef::Service("a.service"));

        learn(&mut cache, &service, true);
        learn(&mut cache, &service, true);

        assert!(cache.verdicts.is_empty());
    }

    #[test]
    fn a_memory_that_is_switched_off_remembers_nothing() {
        let mut cache = Cache::disabled();

        learn(&mut cache, &read("/a"), true);
        learn(&mut cache, &read("/a"), true);

        assert!(cache.verdicts.is_empty());
    }

    #[test]
    fn it_begins_anew_when_it_has_as_many_entries_as_it_may() {
        let mut cache = Cache::new();
        let paths: Vec<String> = (0..=LIMIT_ENTRIES).map(|number| format!("/{number}")).collect();
        let (last, others) = paths.split_last().unwrap();

        others.iter().for_each(|path| learn(&mut cache, &read(path), true));
        assert_eq!(cache.verdicts.len(), LIMIT_ENTRIES);
        learn(&mut cache, &read(last), true);

        assert_eq!(cache.verdicts.len(), 1);
        assert!(cache.find(&read(last)).is_some());
        assert_eq!(cache.key_bytes, cache.key.len());
    }

    #[test]
    fn it_begins_anew_when_its_keys_are_as_long_as_they_may_be() {
        const MIB: usize = 1 << 20;
        assert_eq!(LIMIT_BYTES, 4 * MIB);
        let mut cache = Cache::new();
        let paths = ['a', 'b', 'c', 'd'].map(|last| path_for(MIB, last));

        paths.iter().for_each(|path| learn(&mut cache, &read(path), true));
        assert_eq!((cache.verdicts.len(), cache.key_bytes), (4, LIMIT_BYTES));
        learn(&mut cache, &read("/e"), true);

        assert_eq!(cache.verdicts.len(), 1);
        learn(&mut cache, &read(&path_for(LIMIT_BYTES + 1, 'f')), true);
        assert_eq!(cache.verdicts.len(), 1, "a key that is too long changes nothing");
        learn(&mut cache, &read(&path_for(LIMIT_BYTES, 'g')), true);
        assert_eq!((cache.verdicts.len(), cache.key_bytes), (1, LIMIT_BYTES));
    }
}
