//! What a policy that parses says wrong: names that do not exist, clauses that fail, heads that match nothing.

use std::cell::LazyCell;
use std::collections::HashSet;
use std::ops::RangeInclusive;

use cedar_policy_core::ast::{EntityType, EntityUID};
use cedar_policy_core::validator::validation_errors::UnrecognizedEntityType;
use cedar_policy_core::validator::{
    ValidationError, ValidationWarning, Validator, ValidatorSchema, confusable_string_checks,
};
use miette::Diagnostic;
use rex_ipc::action::{ActionId, ResourceKind};

use super::finding::{Finding, Severity, Source};
use super::parse::Parsed;
use super::scope::Scope;
use super::vocabulary::{KINDS, Vocabulary};
use super::{links, literals, overflow, schema, suggest, typecheck};

/// Checks policies against the schema. The severities are those of the standard mode.
pub(super) fn check(policies: &[Parsed], texts: &[Source<'_>], words: &Vocabulary) -> Vec<Finding> {
    if policies.is_empty() {
        return Vec::new();
    }
    // Reading the schema takes longer than anything else here, and heads are checked without it.
    let schema = LazySchema::new(schema::load);
    let mut report = Report { findings: Vec::new(), texts };
    let linked: HashSet<_> = policies
        .iter()
        .filter(|parsed| parsed.link.is_some())
        .map(|parsed| (parsed.source, parsed.span))
        .collect();
    for parsed in policies {
        if parsed.policy.slots().next().is_some() {
            template(parsed, linked.contains(&(parsed.source, parsed.span)), &mut report);
        } else {
            check_one(parsed, &schema, words, &mut report);
        }
    }
    report.findings
}

/// Findings in the making.
pub(super) struct Report<'a> {
    pub(super) findings: Vec<Finding>,
    texts: &'a [Source<'a>],
}

/// A byte range of the part that Cedar saw, if Cedar knows it.
pub(super) type Span = Option<(usize, usize)>;

impl Report<'_> {
    /// Adds a finding about a part of a policy; without a span, about the whole.
    pub(super) fn add(
        &mut self,
        parsed: &Parsed,
        severity: Severity,
        span: Span,
        message: String,
        hint: Option<String>,
    ) {
        let Some(source) = self.texts.get(parsed.source) else { return };
        let in_source = |(start, end): (usize, usize)| (parsed.base + start, parsed.base + end);
        let mut finding = source.finding(severity, span.map_or(parsed.span, in_source), message);
        finding.hint = hint;
        finding.policy_id = Some(parsed.id.clone());
        self.findings.push(finding);
    }
}

/// The schema, read when it is first needed.
type LazySchema = LazyCell<ValidatorSchema>;

/// A policy that says nothing before a link fills its slots.
fn template(parsed: &Parsed, is_linked: bool, report: &mut Report<'_>) {
    let hint = "write the name in place of `?principal` or `?resource`";
    if !links::is_template(parsed) {
        let message = "this is a template, and nothing fills its slots".to_owned();
        report.add(parsed, Severity::Error, None, message, Some(hint.to_owned()));
    } else if !is_linked {
        let message = "this is a template, and nothing fills its slots: it permits nothing".to_owned();
        let hint = format!("fill them with `policy grant`, or {hint}");
        report.add(parsed, Severity::Warning, None, message, Some(hint));
    }
}

fn check_one(parsed: &Parsed, schema: &LazySchema, words: &Vocabulary, report: &mut Report<'_>) {
    let is_plain = is_plain(parsed, words);
    let unknown: Vec<ValidationError> = if is_plain {
        Vec::new()
    } else {
        Validator::validate_entity_types_and_literals(schema, &parsed.policy).collect()
    };
    for error in &unknown {
        unknown_name(parsed, error, words, report);
    }
    literals::check(parsed, words, report);
    overflow::check(parsed, report);
    confusable(parsed, report);
    // With a name that does not exist, everything else would be a consequence.
    if unknown.is_empty() {
        let cases = cases(parsed, words);
        if cases.is_empty() {
            never_matches(parsed, words, report);
        } else if !is_plain {
            typecheck::check(parsed, &cases, schema, words, report);
        }
    }
}

/// Whether the policy is nothing but a head whose names are all known. Its cases then tell all there is to check.
fn is_plain(parsed: &Parsed, words: &Vocabulary) -> bool {
    let policy = &parsed.policy;
    let is_user = |ty: &EntityType| ty == words.user();
    let is_resource = |ty: &EntityType| KINDS.iter().any(|kind| words.kind(*kind) == ty);
    let is_action = |uid: &EntityUID| {
        words.actions().any(|(_, names)| *names.uid == *uid || names.group.as_ref() == Some(uid))
    };
    policy.non_scope_constraints().is_none()
        && policy.principal_constraint().as_inner().iter_entity_type_names().all(is_user)
        && policy.resource_constraint().as_inner().iter_entity_type_names().all(is_resource)
        && policy.action_constraint().iter_euids().all(is_action)
}

/// The actions and resource types that a policy's head can match.
fn cases(parsed: &Parsed, words: &Vocabulary) -> Vec<(ActionId, ResourceKind)> {
    let scope = Scope::of(&parsed.policy, words);
    let pairs =
        ActionId::ALL.iter().flat_map(|action| action.resources().iter().map(|kind| (*action, *kind)));
    pairs.filter(|(action, kind)| scope.can_match(*action, *kind, words)).collect()
}

fn never_matches(parsed: &Parsed, words: &Vocabulary, report: &mut Report<'_>) {
    let scope = Scope::of(&parsed.policy, words);
    let mut takes: Vec<&str> = Vec::new();
    for action in ActionId::ALL.iter().filter(|action| scope.names_action(**action)) {
        takes.extend(action.resources().iter().map(|kind| kind.type_name()));
    }
    takes.sort_unstable();
    takes.dedup();
    let message =
        "the policy can never apply: none of its actions is ever asked about its resource".to_owned();
    let hint = (!takes.is_empty()).then(|| format!("its actions are asked about {}", list(&takes)));
    report.add(parsed, Severity::Error, None, message, hint);
}

fn unknown_name(parsed: &Parsed, error: &ValidationError, words: &Vocabulary, report: &mut Report<'_>) {
    let (message, hint) = match error {
        ValidationError::UnrecognizedEntityType(UnrecognizedEntityType {
            actual_entity_type: written,
            ..
        }) => (format!("there is no entity type `{written}`"), suggest::entity_type(written)),
        ValidationError::UnrecognizedActionId(unknown) => {
            let written = unknown.actual_action_id.as_str();
            (format!("there is no action `{written}`"), suggest::action(written, words))
        }
        other => (without_prefix(parsed, other), other.help().map(|help| help.to_string())),
    };
    report.add(parsed, Severity::Error, span(error), message, hint);
}

/// Characters that make a text look like another.
fn confusable(parsed: &Parsed, report: &mut Report<'_>) {
    for warning in confusable_string_checks(std::iter::once(&parsed.policy)) {
        // Bytes that are not UTF-8 stand as such characters in the names of files.
        if matches!(&warning, ValidationWarning::MixedScriptString(mixed) if mixed.string.contains(|character| PRIVATE_USE.contains(&character)))
        {
            continue;
        }
        report.add(parsed, Severity::Warning, span(&warning), without_prefix(parsed, &warning), None);
    }
}

const PRIVATE_USE: RangeInclusive<char> = '\u{10ff00}'..='\u{10ffff}';

/// Where Cedar points.
pub(super) fn span(diagnostic: &dyn Diagnostic) -> Span {
    let label = diagnostic.labels()?.next()?;
    Some((label.offset(), label.offset() + label.len()))
}

/// Cedar's text without the policy's name, which a finding carries apart.
pub(super) fn without_prefix(parsed: &Parsed, text: &impl ToString) -> String {
    let text = text.to_string();
    let prefix = format!("for policy `{}`, ", parsed.id);
    text.strip_prefix(&prefix).map(str::to_owned).unwrap_or(text)
}

/// `a`, `b` and `c`.
pub(super) fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}
