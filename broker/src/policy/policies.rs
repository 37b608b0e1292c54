//! A policy set that was accepted, prepared for many decisions.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use cedar_policy_core::ast::{BinaryOp, Effect, EntityUID, Expr, ExprKind, Literal, SlotEnv, Template};
use rex_ipc::action::ResourceKind;
use serde::Serialize;

use super::alike::{self, Look};
use super::by_directory::ByDirectory;
use super::entities::Horizon;
use super::looked_at::LooksAt;
use super::scope::Scope;
use super::session::Reads;
use super::vocabulary::Vocabulary;

/// Policies ready to decide.
#[derive(Debug)]
pub struct Policies {
    pub(super) rules: Vec<Rule>,
    pub(super) words: Vocabulary,
    pub(super) horizon: Horizon,
    /// What the statements look at beside action, resource and the name of the principal.
    pub(super) reads: Reads,
    digest: String,
}

/// One policy.
#[derive(Debug)]
pub(super) struct Rule {
    /// The `@id` annotation, or `policyN`.
    pub(super) id: String,
    pub(super) effect: Effect,
    /// Head and clauses as one expression. Cedar builds it anew for each evaluation; here it is built once.
    pub(super) condition: Expr,
    /// The condition without what the head says of the action: for those whose action the head is known to name, and
    /// who need not have Cedar make a set of all its actions to find that out once more.
    pub(super) beyond_action: Expr,
    pub(super) slots: SlotEnv,
    pub(super) scope: Scope,
    pub(super) place: Place,
    /// The link that it came of, if it is a template's.
    pub(super) link: Option<String>,
    /// As parsed, for those who ask why.
    pub(super) template: Template,
    /// What the condition looks at in a path, once somebody wants to know.
    looks: OnceLock<Option<Vec<Look>>>,
}

/// Where a policy, or a part of one, begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Place {
    /// The source's name, as given at load.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Rule {
    pub(super) fn new(id: String, policy: &Template, place: Place, words: &Vocabulary) -> Self {
        Self {
            id,
            effect: policy.effect(),
            condition: policy.condition(),
            beyond_action: beyond_action(policy),
            slots: HashMap::new(),
            scope: Scope::of(policy, words),
            place,
            link: None,
            template: policy.clone(),
            looks: OnceLock::new(),
        }
    }

    /// What the condition looks at in a path; nothing when it may look at more than can be told.
    pub(super) fn looks(&self, words: &Vocabulary) -> Option<&[Look]> {
        self.looks.get_or_init(|| alike::looks(&self.beyond_action, words)).as_deref()
    }
}

impl Policies {
    pub(super) fn new(rules: Vec<Rule>, words: Vocabulary, digest: String) -> Self {
        let conditions = || rules.iter().map(|rule| &rule.condition);
        let horizon = horizon(conditions(), &words);
        let reads = Reads::of(conditions(), &words);
        Self { rules, words, horizon, reads, digest }
    }

    /// SHA-256 of the source, in hexadecimal. Of several sources: of their digests in order, one a line.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The number of policies.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no policy, so that everything is denied.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Each policy's id, in the order of the sources, and where it begins.
    pub fn places(&self) -> impl Iterator<Item = (&str, &Place)> {
        self.rules.iter().map(|rule| (rule.id.as_str(), &rule.place))
    }

    /// The permits of one source, each with its id and where it begins.
    pub fn permits_of(&self, file: &str) -> impl Iterator<Item = (&str, &Place)> {
        let permits =
            self.rules.iter().filter(move |rule| rule.effect == Effect::Permit && rule.place.file == file);
        permits.map(|rule| (rule.id.as_str(), &rule.place))
    }

    /// The links by which some of them were made.
    pub fn links(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter_map(|rule| rule.link.as_deref())
    }

    /// The annotations of the policy of that id but for `@id`, in the order of their names.
    pub fn annotations(&self, id: &str) -> Vec<(String, String)> {
        let rule = self.rules.iter().find(|rule| rule.id == id);
        let annotations = rule.into_iter().flat_map(|rule| rule.template.annotations());
        let written = annotations.map(|(name, value)| (name.to_string(), value.val.to_string()));
        written.filter(|(name, _)| name != "id").collect()
    }

    /// What the statements look at that no record has unless somebody needs it.
    pub fn looks_at(&self) -> LooksAt {
        LooksAt::of(self.rules.iter().map(|rule| &rule.condition))
    }

    /// Where the policy of that id begins.
    pub fn place(&self, id: &str) -> Option<&Place> {
        self.places().find(|(own, _)| *own == id).map(|(_, place)| place)
    }
}

fn beyond_action(policy: &Template) -> Expr {
    let clauses = policy.non_scope_constraints().cloned().unwrap_or_else(|| Expr::val(true));
    // In Cedar's order, in which what comes first keeps what follows from being evaluated.
    Expr::and(
        policy.principal_constraint().as_expr(),
        Expr::and(policy.resource_constraint().as_expr(), clauses),
    )
}

/// What the conditions can see: the directories they name, unless one of them looks into a literal.
fn horizon<'a>(conditions: impl Iterator<Item = &'a Expr>, words: &Vocabulary) -> Horizon {
    let mut named = ByDirectory::default();
    let mut looks_into = false;
    for condition in conditions {
        for part in condition.subexpressions() {
            looks_into |= looks_into_literal(part);
            if let Some(uid) = literal(part)
                && uid.entity_type() == words.kind(ResourceKind::Dir)
            {
                let text: &str = uid.eid().as_ref();
                named.entry(text, || super::vocabulary::uid(uid.entity_type(), text));
            }
        }
    }
    if looks_into { Horizon::Entities(named) } else { Horizon::Named(named) }
}

/// Whether an entity literal stands among the operands of this expression in a place where Cedar would consult the store about it.
///
/// Only the places known to be harmless are let through: compared, tested for its type, or on the right of `in`.
fn looks_into_literal(part: &Expr) -> bool {
    let is_literal = |operand: &Expr| literal(operand).is_some();
    match part.expr_kind() {
        ExprKind::BinaryApp { op: BinaryOp::Eq, .. } | ExprKind::Is { .. } => false,
        ExprKind::BinaryApp { op: BinaryOp::In, arg1, arg2 } => {
            is_literal(arg1)
                || (holds_literals(arg1))
                || !(is_literal(arg2) || !has_literals(arg2) || holds_literals(arg2))
        }
        // A set of literals is judged where it is used: here, and on the right of `in`, above.
        ExprKind::BinaryApp {
            op: BinaryOp::Contains | BinaryOp::ContainsAny | BinaryOp::ContainsAll,
            ..
        } => false,
        ExprKind::Set(_) => false,
        ExprKind::UnaryApp { arg, .. } => is_literal(arg),
        ExprKind::BinaryApp { arg1, arg2, .. } => is_literal(arg1) || is_literal(arg2),
        ExprKind::And { left, right } | ExprKind::Or { left, right } => is_literal(left) || is_literal(right),
        ExprKind::If { test_expr, then_expr, else_expr } => {
            [test_expr, then_expr, else_expr].into_iter().any(|arm| is_literal(arm))
        }
        ExprKind::GetAttr { expr, .. }
        | ExprKind::HasAttr { expr, .. }
        | ExprKind::ExtHasAttr { expr, .. }
        | ExprKind::Like { expr, .. } => is_literal(expr),
        ExprKind::ExtensionFunctionApp { args, .. } => args.iter().any(is_literal),
        ExprKind::Record(fields) => fields.values().any(is_literal),
        ExprKind::Lit(_) | ExprKind::Var(_) | ExprKind::Slot(_) | ExprKind::Unknown(_) => false,
    }
}

/// A set written out, all of whose elements are entity literals.
fn holds_literals(operand: &Expr) -> bool {
    matches!(operand.expr_kind(), ExprKind::Set(items) if items.iter().all(|item| literal(item).is_some()))
}

fn has_literals(operand: &Expr) -> bool {
    operand.subexpressions().any(|part| literal(part).is_some())
}

fn literal(expr: &Expr) -> Option<&EntityUID> {
    match expr.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(uid)) => Some(uid),
        _ => None,
    }
}
