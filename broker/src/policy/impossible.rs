//! Comparisons that are decided before anything is asked: with texts that no attribute ever has, and with groups and
//! containers that hold nothing.
//!
//! Such a `forbid` forbids nothing, and Cedar's validator has no objection: to it a path is any text. What is called
//! impossible here never equals a name that [`PathName`](crate::policy::name::PathName) can produce; what is only unlikely is
//! let through.

mod hierarchy;
mod language;
mod repair;

use cedar_policy_core::ast::{BinaryOp, EntityUID, Expr, ExprKind, Literal, Pattern, UnaryOp, Var};

use super::check::{Report, Span};
use super::finding::Severity;
use super::parse::Parsed;
use super::vocabulary::Vocabulary;
use language::Language;

/// Looks at one part of a condition.
pub(super) fn look(parsed: &Parsed, part: &Expr, words: &Vocabulary, report: &mut Report<'_>) {
    // What stands under `!` is judged here, once, and not again where it comes by itself.
    let (mut inner, mut negated) = (part, false);
    while let ExprKind::UnaryApp { op: UnaryOp::Not, arg } = inner.expr_kind() {
        (inner, negated) = (&**arg, !negated);
    }
    match inner.expr_kind() {
        ExprKind::BinaryApp { op: BinaryOp::In, arg1, arg2 } => {
            hierarchy::check(parsed, (arg1, arg2), span(inner), words, report);
        }
        _ => Reader { parsed, report }.comparison(inner, negated),
    }
}

/// Looks at an entity that a policy names, other than a path: whether there can be one of that name.
pub(super) fn named(
    parsed: &Parsed,
    uid: &EntityUID,
    place: Span,
    words: &Vocabulary,
    report: &mut Report<'_>,
) {
    if let Some((message, hint)) = hierarchy::no_such_name(uid, words) {
        report.add(parsed, Severity::Error, place, message, Some(hint));
    }
    // A question about such a name can come, and its answer changes nothing: systemd refuses the name.
    if let Some((message, hint)) = hierarchy::no_unit(uid, words) {
        report.add(parsed, Severity::Warning, place, message, Some(hint));
    }
}

/// What is wrong with the text as a path, and what to write instead; nothing when a path can have it.
pub(super) fn path(text: &str) -> Option<(String, String)> {
    (!Language::Path.has(text)).then(|| (Language::Path.never(text), repair::text(Language::Path, text)))
}

struct Reader<'r, 's, 'p> {
    parsed: &'p Parsed,
    report: &'r mut Report<'s>,
}

impl Reader<'_, '_, '_> {
    /// Looks at one comparison; `negated` where a `!` stands before it.
    fn comparison(&mut self, part: &Expr, negated: bool) {
        let outcome = if negated { ", so this is always true" } else { ", so this is never true" };
        match part.expr_kind() {
            ExprKind::Like { expr, pattern } => {
                if let Some(language) = language(expr) {
                    self.pattern(language, pattern, span(part), outcome);
                }
            }
            ExprKind::BinaryApp { op: BinaryOp::Eq, arg1, arg2 } => {
                for (one, other) in [(arg1, arg2), (arg2, arg1)] {
                    if let Some(language) = language(one) {
                        let is_alone = matches!(other.expr_kind(), ExprKind::Lit(_));
                        self.texts(&[language], other, span(part), if is_alone { outcome } else { "" });
                    } else if is_destination(one) {
                        self.record(other);
                    } else {
                        self.sets(one, other, span(part));
                    }
                }
            }
            ExprKind::BinaryApp { op: BinaryOp::Contains, arg1, arg2 } => {
                if let Some(language) = language(arg2) {
                    self.elements(&[language], arg1, span(part));
                } else if let Some(languages) = languages(arg1) {
                    self.texts(&languages, arg2, span(part), outcome);
                }
            }
            ExprKind::BinaryApp { op: BinaryOp::ContainsAny | BinaryOp::ContainsAll, arg1, arg2 } => {
                self.sets(arg1, arg2, span(part));
                self.sets(arg2, arg1, span(part));
            }
            _ => {}
        }
    }

    /// A set of attributes beside a set of texts.
    fn sets(&mut self, attributes: &Expr, texts: &Expr, place: Span) {
        if let Some(languages) = languages(attributes) {
            self.elements(&languages, texts, place);
        }
    }

    fn elements(&mut self, languages: &[Language], set: &Expr, place: Span) {
        match set.expr_kind() {
            ExprKind::Set(items) => items.iter().for_each(|item| self.texts(languages, item, place, "")),
            ExprKind::If { then_expr, else_expr, .. } => {
                self.elements(languages, then_expr, place);
                self.elements(languages, else_expr, place);
            }
            _ => {}
        }
    }

    /// A whole destination beside one that is written out.
    fn record(&mut self, other: &Expr) {
        let ExprKind::Record(fields) = other.expr_kind() else { return };
        for (name, value) in fields.iter() {
            if let Some(language) = of_destination(name) {
                self.texts(&[language], value, span(other), "");
            }
        }
    }

    /// The texts that an expression may be, each beside something that is spelled in one of these ways.
    fn texts(&mut self, languages: &[Language], expr: &Expr, place: Span, outcome: &str) {
        match expr.expr_kind() {
            ExprKind::Lit(Literal::String(text)) => {
                let [first, ..] = languages else { return };
                let place = span(expr).or(place);
                if !languages.iter().any(|language| language.has(text)) {
                    let message = first.never(text) + outcome;
                    self.add(Severity::Error, place, message, repair::text(*first, text));
                } else if text.contains('*') {
                    let message = "`*` stands for itself where texts are compared".to_owned();
                    let hint = format!("to match many, write `like \"{}\"`", text.escape_debug());
                    self.add(Severity::Warning, place, message, hint);
                }
            }
            ExprKind::If { then_expr, else_expr, .. } => {
                self.texts(languages, then_expr, place, "");
                self.texts(languages, else_expr, place, "");
            }
            _ => {}
        }
    }

    fn pattern(&mut self, language: Language, pattern: &Pattern, place: Span, outcome: &str) {
        if !language.can_match(pattern.get_elems()) {
            let message = format!("no {} ever matches `{pattern}`{outcome}", language.word());
            self.add(Severity::Error, place, message, repair::pattern(language, pattern.get_elems()));
        }
    }

    fn add(&mut self, severity: Severity, place: Span, message: String, hint: String) {
        self.report.add(self.parsed, severity, place, message, Some(hint));
    }
}

/// How an expression is spelled, whatever is asked; nothing when that cannot be said.
fn language(expr: &Expr) -> Option<Language> {
    match expr.expr_kind() {
        ExprKind::GetAttr { expr: owner, attr } => match owner.expr_kind() {
            ExprKind::Var(Var::Resource) | ExprKind::Lit(Literal::EntityUID(_)) => match attr.as_str() {
                // Only files and directories have a path, only processes a number.
                "path" => Some(Language::Path),
                "pid" => Some(Language::Number),
                _ => None,
            },
            _ if is_destination(owner) => of_destination(attr),
            _ => None,
        },
        ExprKind::If { then_expr, else_expr, .. } => {
            let own = language(then_expr)?;
            (language(else_expr) == Some(own)).then_some(own)
        }
        _ => None,
    }
}

/// The ways in which the elements of a set are spelled; nothing unless it is known of each.
fn languages(set: &Expr) -> Option<Vec<Language>> {
    let ExprKind::Set(items) = set.expr_kind() else { return None };
    items.iter().map(language).collect::<Option<Vec<_>>>().filter(|languages| !languages.is_empty())
}

fn is_destination(expr: &Expr) -> bool {
    matches!(
        expr.expr_kind(),
        ExprKind::GetAttr { expr: owner, attr }
            if attr == "destination" && matches!(owner.expr_kind(), ExprKind::Var(Var::Context))
    )
}

fn of_destination(attribute: &str) -> Option<Language> {
    match attribute {
        "path" | "parent_path" => Some(Language::Path),
        "name" => Some(Language::Name),
        _ => None,
    }
}

fn span(expr: &Expr) -> Span {
    expr.source_loc().map(|loc| (loc.start(), loc.end()))
}
