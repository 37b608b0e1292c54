//! Which questions a policy's head can match, decided without Cedar.
//!
//! The answer may be "yes" too often and must never be "no" too often: it only spares Cedar the policies that cannot apply.

use std::collections::HashMap;

use cedar_policy_core::ast::{
    ActionConstraint, EntityReference, EntityType, EntityUID, PrincipalOrResourceConstraint, Template,
};
use rex_ipc::action::{ActionId, ResourceKind};

use super::entities::ancestors;
use super::vocabulary::Vocabulary;

/// The head of one policy.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// One bit for each action.
    actions: u64,
    resource: ResourceScope,
}

#[derive(Clone, Debug)]
enum ResourceScope {
    Any,
    OfType(EntityType),
    Exactly(EntityUID),
    Beneath(Option<EntityType>, EntityUID),
    /// The head has a slot that nothing fills, or a form that this version does not know.
    Unknown,
}

/// How a policy's head looks to questions of one action and one resource type.
enum Reach<'a> {
    Always,
    Exactly(&'a str),
    Beneath(&'a str),
    Never,
}

impl Scope {
    pub(super) fn of(policy: &Template, words: &Vocabulary) -> Self {
        Self { actions: actions(policy.action_constraint(), words), resource: resource(policy) }
    }

    /// Whether the head can match at least one resource of that type.
    pub(super) fn can_match(&self, action: ActionId, kind: ResourceKind, words: &Vocabulary) -> bool {
        !matches!(self.reach(action, kind, words), Reach::Never)
    }

    /// Whether the head names that action, itself or by its group.
    pub(super) fn names_action(&self, action: ActionId) -> bool {
        self.actions & bit(action) != 0
    }

    fn reach(&self, action: ActionId, kind: ResourceKind, words: &Vocabulary) -> Reach<'_> {
        if !self.names_action(action) {
            return Reach::Never;
        }
        let ty = words.kind(kind);
        match &self.resource {
            ResourceScope::Any | ResourceScope::Unknown => Reach::Always,
            ResourceScope::OfType(wanted) if wanted == ty => Reach::Always,
            ResourceScope::Exactly(uid) if uid.entity_type() == ty => Reach::Exactly(uid.eid().as_ref()),
            ResourceScope::Beneath(wanted, uid) if wanted.as_ref().is_none_or(|wanted| wanted == ty) => {
                let is_path = matches!(kind, ResourceKind::File | ResourceKind::Dir);
                if is_path && uid.entity_type() == words.kind(ResourceKind::Dir) {
                    Reach::Beneath(uid.eid().as_ref())
                } else if uid.entity_type() == ty {
                    // `in` is reflexive, and nothing else has ancestors.
                    Reach::Exactly(uid.eid().as_ref())
                } else {
                    Reach::Never
                }
            }
            ResourceScope::OfType(_) | ResourceScope::Exactly(_) | ResourceScope::Beneath(..) => Reach::Never,
        }
    }
}

/// The policies that can match questions of one action and one resource type.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    always: Vec<usize>,
    exactly: HashMap<Box<str>, Vec<usize>>,
    beneath: HashMap<Box<str>, Vec<usize>>,
}

impl Bucket {
    pub(super) fn build<'a>(
        scopes: impl Iterator<Item = &'a Scope>,
        action: ActionId,
        kind: ResourceKind,
        words: &Vocabulary,
    ) -> Self {
        let mut bucket = Self::default();
        for (position, scope) in scopes.enumerate() {
            match scope.reach(action, kind, words) {
                Reach::Always => bucket.always.push(position),
                Reach::Exactly(id) => bucket.exactly.entry(id.into()).or_default().push(position),
                Reach::Beneath(path) => bucket.beneath.entry(path.into()).or_default().push(position),
                Reach::Never => {}
            }
        }
        bucket
    }

    /// Writes the positions of the policies that can match a resource of that name, in order.
    pub(super) fn select(&self, id: &str, found: &mut Vec<usize>) {
        found.clear();
        found.extend_from_slice(&self.always);
        if let Some(more) = self.exactly.get(id) {
            found.extend_from_slice(more);
        }
        if !self.beneath.is_empty() {
            let own_and_above = std::iter::once(id).chain(ancestors(id));
            found.extend(own_and_above.filter_map(|path| self.beneath.get(path)).flatten());
        }
        found.sort_unstable();
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

fn resource(policy: &Template) -> ResourceScope {
    let uid = |reference: &EntityReference| match reference {
        EntityReference::EUID(uid) => Some((**uid).clone()),
        EntityReference::Slot(_) => None,
    };
    let scope = match policy.resource_constraint().as_inner() {
        PrincipalOrResourceConstraint::Any => Some(ResourceScope::Any),
        PrincipalOrResourceConstraint::Is(ty) => Some(ResourceScope::OfType((**ty).clone())),
        PrincipalOrResourceConstraint::Eq(reference) => uid(reference).map(ResourceScope::Exactly),
        PrincipalOrResourceConstraint::In(reference) => {
            uid(reference).map(|uid| ResourceScope::Beneath(None, uid))
        }
        PrincipalOrResourceConstraint::IsIn(ty, reference) => {
            uid(reference).map(|uid| ResourceScope::Beneath(Some((**ty).clone()), uid))
        }
    };
    scope.unwrap_or(ResourceScope::Unknown)
}

fn bit(action: ActionId) -> u64 {
    // There are 31 actions; a 65th would not compile past this test of the table.
    const { assert!(ActionId::ALL.len() <= 64) };
    1 << action as u32
}
