//! What policies name, as things that can be asked about: the paths, names and words of their heads and conditions, and what lies
//! beside them.

use std::collections::BTreeSet;

use cedar_policy_core::ast::{EntityUID, ExprKind, Literal, PatternElem};
use rex_ipc::action::ResourceKind;

use super::name::PathName;
use super::policies::Policies;
use super::vocabulary::{KINDS, Vocabulary};

/// Users, resources and words to ask about, each once and in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examples {
    /// Who is named.
    pub users: BTreeSet<String>,
    /// What is named, and for a path what lies above and below it.
    pub resources: BTreeSet<(ResourceKind, String)>,
    /// Every text in a condition; a pattern with nothing and with a letter for each of its wildcards.
    pub words: BTreeSet<String>,
}

impl Policies {
    /// What these policies name.
    pub fn examples(&self) -> Examples {
        let mut examples = Examples::default();
        for part in self.rules.iter().flat_map(|rule| rule.condition.subexpressions()) {
            match part.expr_kind() {
                ExprKind::Lit(Literal::EntityUID(uid)) => examples.entity(uid, &self.words),
                ExprKind::Lit(Literal::String(text)) => examples.word(text),
                ExprKind::Like { pattern, .. } => {
                    for filling in [None, Some('x')] {
                        let text: String = pattern
                            .iter()
                            .filter_map(|element| match element {
                                PatternElem::Char(character) => Some(*character),
                                PatternElem::Wildcard => filling,
                            })
                            .collect();
                        examples.word(&text);
                    }
                }
                _ => {}
            }
        }
        examples
    }
}

impl Examples {
    /// These and those.
    pub fn extend(&mut self, others: Self) {
        self.users.extend(others.users);
        self.resources.extend(others.resources);
        self.words.extend(others.words);
    }

    fn entity(&mut self, uid: &EntityUID, words: &Vocabulary) {
        let id: &str = uid.eid().as_ref();
        if uid.entity_type() == words.user() {
            self.users.insert(id.to_owned());
        }
        let kind = KINDS.iter().find(|kind| words.kind(**kind) == uid.entity_type());
        match kind {
            Some(ResourceKind::File | ResourceKind::Dir) => self.path(id),
            Some(kind) => drop(self.resources.insert((*kind, id.to_owned()))),
            None => {}
        }
    }

    fn word(&mut self, text: &str) {
        self.words.insert(text.to_owned());
        self.path(text);
        // A command line begins with the name of the program, wherever that lies.
        if let Some((program, _)) = text.split_once(' ') {
            self.path(&format!("/x/{program}"));
        }
        // What a condition compares with may be any name.
        for kind in [ResourceKind::Hostname, ResourceKind::Url, ResourceKind::Service] {
            self.resources.insert((kind, text.to_owned()));
        }
    }

    /// A path, its directory, and one and two levels below it, each as a file and as a directory.
    fn path(&mut self, text: &str) {
        let Ok(path) = PathName::parse(text) else { return };
        let below = path.join(b"x");
        for path in [path.parent(), below.join(b"x"), below, path] {
            for kind in [ResourceKind::File, ResourceKind::Dir] {
                self.resources.insert((kind, path.as_str().to_owned()));
            }
        }
    }
}
