//! Literals that cannot mean what their author meant: constants that fail, paths that no resource has.

use std::collections::HashSet;
use std::ptr;

use cedar_policy_core::ast::{Context, EntityUID, EntityUIDEntry, Expr, ExprKind, Literal, Request, UnaryOp};
use cedar_policy_core::entities::Entities;
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;
use rex_ipc::action::ResourceKind;

use super::check::{self, Report, Span};
use super::finding::Severity;
use super::impossible;
use super::parse::Parsed;
use super::vocabulary::Vocabulary;

/// Looks at every literal of a policy.
pub(super) fn check(parsed: &Parsed, words: &Vocabulary, report: &mut Report<'_>) {
    let condition = parsed.policy.condition();
    // What is negated is judged together with its `!`, which comes before it.
    let mut negated: HashSet<*const Expr> = HashSet::new();
    for part in condition.subexpressions() {
        let place = span(part);
        if let ExprKind::UnaryApp { op: UnaryOp::Not, arg } = part.expr_kind() {
            negated.insert(ptr::from_ref(&**arg));
        }
        if !negated.contains(&ptr::from_ref(part)) {
            impossible::look(parsed, part, words, report);
        }
        match part.expr_kind() {
            ExprKind::Lit(Literal::EntityUID(uid)) => check_uid(parsed, uid, place, words, report),
            ExprKind::Lit(Literal::String(text)) => check_placeholder(parsed, text, place, report),
            _ => {}
        }
    }
    constants(parsed, &condition, report);
}

fn check_uid(parsed: &Parsed, uid: &EntityUID, place: Span, words: &Vocabulary, report: &mut Report<'_>) {
    // The head's names carry their own place, the expressions built from them do not.
    let place = uid.loc().map(|loc| (loc.start(), loc.end())).or(place);
    let id: &str = uid.eid().as_ref();
    check_placeholder(parsed, id, place, report);
    if uid.entity_type() == words.user() && id == super::vocabulary::REX_NAMELESS {
        let message =
            "`unknown` is every user without a name in Rex, and here only with --rex-compat".to_owned();
        let hint = "a user without a name is `User::\"uid:1234\"`".to_owned();
        report.add(parsed, Severity::Warning, place, message, Some(hint));
    }
    let is_path =
        [ResourceKind::File, ResourceKind::Dir].into_iter().any(|kind| words.kind(kind) == uid.entity_type());
    if !is_path {
        return impossible::named(parsed, uid, place, words, report);
    }
    if let Some((message, hint)) = impossible::path(id) {
        report.add(parsed, Severity::Error, place, message, Some(hint));
    } else if id.contains('*') {
        let message = "`*` in an entity name stands for itself".to_owned();
        let hint = format!("to match many paths, write `resource.path like \"{}\"`", id.escape_debug());
        report.add(parsed, Severity::Warning, place, message, Some(hint));
    }
}

fn check_placeholder(parsed: &Parsed, text: &str, place: Span, report: &mut Report<'_>) {
    if text.contains("{{") && text.contains("}}") {
        let message = format!("`{}` is taken literally: nothing is filled in", text.escape_debug());
        report.add(parsed, Severity::Warning, place, message, Some("write the value itself".to_owned()));
    }
}

/// Evaluates the parts of the condition that depend on nothing, and reports those that fail.
fn constants(parsed: &Parsed, condition: &Expr, report: &mut Report<'_>) {
    let mut constants = Vec::new();
    if collect(condition, &mut constants) {
        constants.push(condition);
    }
    if constants.is_empty() {
        return;
    }
    let entities = Entities::new();
    let nobody = || EntityUIDEntry::Unknown { ty: None, loc: None };
    let request = Request::new_unchecked(nobody(), nobody(), nobody(), Some(Context::empty()));
    let evaluator = Evaluator::new(request, &entities, Extensions::all_available());
    for constant in constants {
        if let Err(error) = evaluator.interpret(constant, &Default::default()) {
            let place = check::span(&error).or_else(|| span(constant));
            report.add(parsed, Severity::Error, place, format!("this always fails: {error}"), None);
        }
    }
}

/// Whether an expression depends on nothing; where it does depend on something, its largest parts that do not are collected.
fn collect<'a>(expr: &'a Expr, found: &mut Vec<&'a Expr>) -> bool {
    match expr.expr_kind() {
        // An entity is looked up in a store that is filled later.
        ExprKind::Var(_)
        | ExprKind::Slot(_)
        | ExprKind::Unknown(_)
        | ExprKind::Lit(Literal::EntityUID(_)) => return false,
        ExprKind::Lit(_) => return true,
        _ => {}
    }
    let mut inner: Vec<&'a Expr> = Vec::new();
    let mut constant: Vec<&'a Expr> = Vec::new();
    let children = children(expr);
    for child in &children {
        if collect(child, &mut inner) {
            constant.push(child);
        }
    }
    if constant.len() == children.len() {
        return true;
    }
    found.append(&mut inner);
    found.extend(constant.into_iter().filter(|part| !matches!(part.expr_kind(), ExprKind::Lit(_))));
    false
}

fn children(expr: &Expr) -> Vec<&Expr> {
    match expr.expr_kind() {
        ExprKind::Lit(_) | ExprKind::Var(_) | ExprKind::Slot(_) | ExprKind::Unknown(_) => Vec::new(),
        ExprKind::If { test_expr, then_expr, else_expr } => vec![test_expr, then_expr, else_expr],
        ExprKind::And { left, right } | ExprKind::Or { left, right } => vec![left, right],
        ExprKind::UnaryApp { arg, .. } => vec![arg],
        ExprKind::BinaryApp { arg1, arg2, .. } => vec![arg1, arg2],
        ExprKind::ExtensionFunctionApp { args, .. } => args.iter().collect(),
        ExprKind::GetAttr { expr, .. }
        | ExprKind::HasAttr { expr, .. }
        | ExprKind::ExtHasAttr { expr, .. }
        | ExprKind::Like { expr, .. }
        | ExprKind::Is { expr, .. } => vec![expr],
        ExprKind::Set(items) => items.iter().collect(),
        ExprKind::Record(fields) => fields.values().collect(),
    }
}

fn span(expr: &Expr) -> Span {
    expr.source_loc().map(|loc| (loc.start(), loc.end()))
}
