//! Which parts of a policy hold for a question, each looked at by itself.

use cedar_policy_core::ast::{Expr, ExprKind, Literal, SlotEnv, UnaryOp};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::parser::Loc;
use serde::Serialize;

use super::engine::{Outcome, outcome};
use super::policies::{Place, Rule};

/// A part of a policy that has to be true for the policy to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// One of the operands of `&&` in a `when`, or of `||` in an `unless`.
    Clause,
    /// The head's `resource`.
    Resource,
    /// The head's `action`.
    Action,
    /// The head's `principal`.
    Principal,
}

/// A part that keeps its policy from applying to a question.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct FailedPart {
    /// Which one.
    pub part: Part,
    /// As it stands in the policy, on one line and shortened.
    pub text: String,
    /// Where it begins.
    #[serde(flatten)]
    pub place: Place,
    /// Why it could not be evaluated; none when it is merely false.
    pub error: Option<String>,
}

impl Part {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Clause => "clause",
            Self::Resource => "resource",
            Self::Action => "action",
            Self::Principal => "principal",
        }
    }
}

/// The parts of a policy that are not true, in the order of the text. None of them means that the policy applies.
///
/// A clause that errs behind one that is false is left out: it may be what the other one guards.
pub(super) fn failed_parts(rule: &Rule, evaluator: &Evaluator<'_>) -> Vec<FailedPart> {
    let template = &rule.template;
    let head = [
        (Part::Principal, template.principal_constraint().as_expr()),
        (Part::Action, template.action_constraint().as_expr()),
        (Part::Resource, template.resource_constraint().as_expr()),
    ];
    let mut failed = Vec::new();
    for (part, expr) in &head {
        look(rule, *part, expr, evaluator, &mut failed);
    }
    let head_failures = failed.len();
    for clause in template.non_scope_constraints().map(clauses).unwrap_or_default() {
        let before = failed.len();
        look(rule, Part::Clause, &clause, evaluator, &mut failed);
        let is_first = before == head_failures;
        if !is_first && failed.last().is_some_and(|part| part.error.is_some()) {
            failed.truncate(before);
        }
    }
    failed
}

fn look(rule: &Rule, part: Part, expr: &Expr, evaluator: &Evaluator<'_>, failed: &mut Vec<FailedPart>) {
    let error = match outcome(expr, &SlotEnv::new(), evaluator) {
        Outcome::Applies => return,
        Outcome::Silent => None,
        Outcome::Failed(reason) => Some(reason),
    };
    let place = place(rule, expr);
    failed.push(FailedPart { part, text: text(expr), place, error });
}

/// The operands that have to be true one by one: those of `&&`, and by De Morgan's law those of `||` under a `!`,
/// which is what `unless` becomes.
fn clauses(expr: &Expr) -> Vec<Expr> {
    let mut clauses = Vec::new();
    let mut waiting = vec![(expr, true)];
    while let Some((expr, wanted)) = waiting.pop() {
        match (expr.expr_kind(), wanted) {
            (ExprKind::And { left, right }, true) | (ExprKind::Or { left, right }, false) => {
                waiting.extend([(right.as_ref(), wanted), (left.as_ref(), wanted)]);
            }
            (ExprKind::UnaryApp { op: UnaryOp::Not, arg }, _) => waiting.push((arg, !wanted)),
            (_, true) => clauses.push(expr.clone()),
            (_, false) => {
                clauses.push(Expr::not(expr.clone()).with_maybe_source_loc(expr.source_loc().cloned()));
            }
        }
    }
    clauses
}

fn place(rule: &Rule, expr: &Expr) -> Place {
    let begin = rule.template.loc().map(Loc::start);
    let Some((begin, loc)) = begin.zip(location(expr)) else { return rule.place.clone() };
    // Cedar counts in the piece of the source that it was given, which is not always the whole.
    let Some(between) = loc.src.get(begin..loc.start()) else { return rule.place.clone() };
    let Place { file, line, column } = rule.place.clone();
    match between.rsplit_once('\n') {
        None => Place { file, line, column: column + between.chars().count() },
        Some((above, last)) => {
            Place { file, line: line + 1 + above.matches('\n').count(), column: last.chars().count() + 1 }
        }
    }
}

/// Where an expression stands. What Cedar makes of a head has no place but that of the names in it.
fn location(expr: &Expr) -> Option<&Loc> {
    expr.source_loc().or_else(|| {
        expr.subexpressions().find_map(|part| match part.expr_kind() {
            ExprKind::Lit(Literal::EntityUID(uid)) => uid.loc(),
            _ => None,
        })
    })
}

/// The source text where there is one, else Cedar's; on one line, and of bounded length.
pub(super) fn text(expr: &Expr) -> String {
    let own = |expr: &Expr| {
        expr.source_loc().and_then(Loc::snippet).map_or_else(|| expr.to_string(), str::to_owned)
    };
    let text = match expr.expr_kind() {
        ExprKind::UnaryApp { op: UnaryOp::Not, arg } => format!("!({})", own(arg)),
        _ => own(expr),
    };
    let mut words = text.split_whitespace();
    let mut line = words.next().unwrap_or_default().to_owned();
    for word in words {
        line.push(' ');
        line.push_str(word);
    }
    match line.char_indices().nth(MAX_TEXT_CHARACTERS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

const MAX_TEXT_CHARACTERS: usize = 200;
