//! Which policies a question needs to be put to, decided without Cedar.

use std::collections::HashMap;

use cedar_policy_core::ast::{ActionConstraint, EntityUID, Expr, Template};
use rex_ipc::action::{ActionId, ResourceKind};

use super::by_directory::ByDirectory;
use super::narrow::{self, Area, Reach};
use super::vocabulary::Vocabulary;

/// The head of one policy.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// One bit for each action.
    actions: u64,
    resource: Expr,
}

impl Scope {
    pub(super) fn of(policy: &Template, words: &Vocabulary) -> Self {
        Self {
            actions: actions(policy.action_constraint(), words),
            resource: policy.resource_constraint().as_expr(),
        }
    }

    /// Whether the head names that action, itself or by its group.
    pub(super) fn names_action(&self, action: ActionId) -> bool {
        self.actions & bit(action) != 0
    }

    /// Whether the head can match at least one resource of that type.
    pub(super) fn can_match(&self, action: ActionId, kind: ResourceKind, words: &Vocabulary) -> bool {
        self.names_action(action) && narrow::reach(&self.resource, kind, words) != Reach::NONE
    }
}

/// The policies that questions of one action and one resource type need to be put to.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    always: Vec<usize>,
    exactly: HashMap<String, Vec<usize>>,
    beneath: ByDirectory<Vec<usize>>,
}

impl Bucket {
    /// Sorts policies, given by head and whole condition, by the resources they can match.
    pub(super) fn build<'a>(
        policies: impl Iterator<Item = (&'a Scope, &'a Expr)>,
        action: ActionId,
        kind: ResourceKind,
        words: &Vocabulary,
    ) -> Self {
        let mut bucket = Self::default();
        for (position, (scope, condition)) in policies.enumerate() {
            if !scope.names_action(action) {
                continue;
            }
            match narrow::reach(condition, kind, words) {
                Reach::All => bucket.always.push(position),
                Reach::Only(areas) => areas.into_iter().for_each(|area| bucket.add(area, position)),
            }
        }
        bucket
    }

    fn add(&mut self, area: Area, position: usize) {
        let positions = match area {
            Area::Exactly(name) => self.exactly.entry(name).or_default(),
            Area::Beneath(name) => self.beneath.entry(&name, Vec::new),
        };
        positions.push(position);
    }

    /// Writes the positions of the policies that can match a resource of that name, in order.
    pub(super) fn select(&self, name: &str, found: &mut Vec<usize>) {
        found.clear();
        found.extend_from_slice(&self.always);
        if let Some(more) = self.exactly.get(name) {
            found.extend_from_slice(more);
        }
        if !self.beneath.is_empty() {
            let above = self.beneath.above(name).map(|(_, positions)| positions);
            found.extend(self.beneath.get(name).into_iter().chain(above).flatten());
        }
        found.sort_unstable();
        // A policy may name both a directory and something in it.
        found.dedup();
    }
}

fn actions(constraint: &ActionConstraint, words: &Vocabulary) -> u64 {
    let named = |wanted: &EntityUID, with_group: bool| -> u64 {
        words
            .actions()
            .filter(|(_, names)| {
                *names.uid == *wanted || (with_group && names.group.as_ref() == Some(wanted))
            })
            .fold(0, |bits, (action, _)| bits | bit(action))
    };
    match constraint {
        ActionConstraint::Any => u64::MAX,
        ActionConstraint::Eq(uid) => named(uid, false),
        ActionConstraint::In(uids) => uids.iter().fold(0, |bits, uid| bits | named(uid, true)),
    }
}

fn bit(action: ActionId) -> u64 {
    const { assert!(ActionId::ALL.len() <= 64) };
    1 << action as u32
}
