//! The hard links of an archive, until the content that they lead to comes by a second time.

use std::collections::BTreeMap;

use rex_ipc::file_system::{Attributes, PathText};

use super::extract::Refusal;

/// A hard link, which becomes a file of its own.
pub(super) struct HardLink {
    /// Its path below the directory that the archive is extracted to.
    pub(super) text: String,
    /// That path, in the form of the wire.
    pub(super) path: PathText,
    /// The path of what it leads to, in the same form.
    pub(super) target: String,
    /// How many entries stand before it.
    pub(super) number: u64,
    /// What it is to be like.
    pub(super) attributes: Attributes,
}

/// The links that wait.
#[derive(Default)]
pub(super) struct HardLinks {
    links: Vec<HardLink>,
    by_target: BTreeMap<String, Vec<usize>>,
    bytes: usize,
}

impl HardLinks {
    /// Adds a link.
    ///
    /// # Errors
    /// Why it cannot wait.
    pub(super) fn push(&mut self, link: HardLink) -> Result<(), &'static str> {
        let bytes = [link.text.len(), link.path.as_str().len(), link.target.len(), LINK_BYTES];
        self.bytes = bytes.iter().fold(self.bytes, |sum, bytes| sum.saturating_add(*bytes));
        if self.bytes > MOST_BYTES {
            return Err("the archive has too many hard links");
        }
        self.links.push(link);
        Ok(())
    }

    /// Has links to links lead to where those do, and finds links by what they lead to.
    pub(super) fn resolve(&mut self) {
        // In the order of the archive, so that what a link leads to is resolved before it.
        let mut targets: BTreeMap<String, String> = BTreeMap::new();
        for link in &mut self.links {
            if let Some(target) = targets.get(&link.target) {
                link.target.clone_from(target);
            }
            targets.insert(link.text.clone(), link.target.clone());
        }
        self.index();
    }

    fn index(&mut self) {
        self.by_target.clear();
        for (index, link) in self.links.iter().enumerate() {
            self.by_target.entry(link.target.clone()).or_default().push(index);
        }
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// How many entries stand before the last link.
    pub(super) fn last_number(&self) -> u64 {
        self.links.last().map_or(0, |link| link.number)
    }

    /// The links, at most so many, that lead to the entry with this path and number, which stands before them.
    pub(super) fn waiting_for(&self, path: &str, number: u64, most: usize) -> impl Iterator<Item = usize> {
        let waiting = self.by_target.get(path).into_iter().flatten().copied();
        waiting
            .filter(move |&index| self.links.get(index).is_some_and(|link| link.number > number))
            .take(most)
    }

    /// Where a link goes.
    pub(super) fn path(&self, index: usize) -> PathText {
        self.links.get(index).expect("an index that was given out").path.clone()
    }

    /// What a link is to be like.
    pub(super) fn attributes(&self, index: usize) -> Attributes {
        self.links.get(index).expect("an index that was given out").attributes.clone()
    }

    /// Takes out the links of which it is known what became, and gives that with their paths.
    pub(super) fn settled(
        &mut self,
        made: Vec<(usize, Result<(), Refusal>)>,
    ) -> Vec<(String, Result<(), Refusal>)> {
        let mut outcomes: BTreeMap<usize, Result<(), Refusal>> = made.into_iter().collect();
        let mut settled = Vec::new();
        let mut waiting = Vec::new();
        for (index, link) in std::mem::take(&mut self.links).into_iter().enumerate() {
            match outcomes.remove(&index) {
                Some(outcome) => settled.push((link.text, outcome)),
                None => waiting.push(link),
            }
        }
        self.links = waiting;
        self.index();
        settled
    }

    /// The paths of those that still wait.
    pub(super) fn into_texts(self) -> impl Iterator<Item = String> {
        self.links.into_iter().map(|link| link.text)
    }
}

/// Memory for links that wait, and for what finds them.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// What a waiting link takes beside its names.
const LINK_BYTES: usize = 256;
