//! Which clauses of a policy fail, and for which of the requests that its head matches.

use std::collections::BTreeMap;

use cedar_policy_core::ast::{BinaryOp, Effect, Expr, ExprKind, UnaryOp, Var};
use cedar_policy_core::parser::Loc;
use cedar_policy_core::validator::typecheck::{PolicyCheck, Typechecker};
use cedar_policy_core::validator::types::{RequestEnv, Type};
use cedar_policy_core::validator::validation_errors::{AttributeAccess, LubContext, UnsafeAttributeAccess};
use cedar_policy_core::validator::{ValidationError, ValidationMode, ValidatorSchema};
use miette::Diagnostic;
use rex_ipc::action::{ActionId, ResourceKind};

use super::anatomy;
use super::check::{Report, Span, list, span, without_prefix};
use super::finding::Severity;
use super::parse::Parsed;
use super::suggest::{did_you_mean, nearest};
use super::vocabulary::{KINDS, Vocabulary};

/// An action on a resource type.
type Case = (ActionId, ResourceKind);

/// One place in a policy that fails, with the cases in which it does.
struct Site {
    error: ValidationError,
    cases: Vec<Case>,
}

/// Checks a policy for each case that its head matches.
pub(super) fn check(
    parsed: &Parsed,
    cases: &[Case],
    schema: &ValidatorSchema,
    words: &Vocabulary,
    report: &mut Report<'_>,
) {
    let mut sites: BTreeMap<(Span, &'static str), Site> = BTreeMap::new();
    // The cases in which the policy says something at all, be it an error.
    let mut live: Vec<Case> = Vec::new();
    for case in &distinct(parsed, cases) {
        let errors = match check_case(parsed, *case, schema, words) {
            Answer::Sound => Vec::new(),
            Answer::AlwaysFalse => continue,
            Answer::TooDeep => {
                let message = "the policy is nested too deeply to be checked".to_owned();
                return report.add(parsed, Severity::Error, None, message, None);
            }
            Answer::Wrong(errors) => errors,
        };
        live.push(*case);
        for error in errors {
            let site = sites
                .entry((span(&error), class(&error)))
                .or_insert_with(|| Site { error, cases: Vec::new() });
            if site.cases.last() != Some(case) {
                site.cases.push(*case);
            }
        }
    }
    if live.is_empty() {
        let message =
            "the policy can never apply: its condition is false for every request that its head matches"
                .to_owned();
        return report.add(parsed, Severity::Error, None, message, None);
    }
    sites.retain(|_, site| !is_comparison(&site.error) || live.iter().all(|case| site.cases.contains(case)));
    // What fails for every request is a mistake. What fails only for some is a doubt: Rex policies are full of it.
    let fails = |case: &Case| {
        sites.values().any(|site| !is_caution(&site.error, schema) && site.cases.contains(case))
    };
    let verdict = if live.iter().all(fails) { Severity::Error } else { Severity::Warning };
    for site in sites.values() {
        judge(parsed, site, (&live, verdict), schema, words, report);
    }
}

/// One case for all that cannot differ: most clauses look neither at the action nor at the context.
fn distinct(parsed: &Parsed, cases: &[Case]) -> Vec<Case> {
    let clauses = parsed.policy.non_scope_constraints();
    let mentions = |variable: Var| {
        let is = |part: &Expr| matches!(part.expr_kind(), ExprKind::Var(own) if *own == variable);
        clauses.is_some_and(|clauses| clauses.subexpressions().any(is))
    };
    if mentions(Var::Action) || mentions(Var::Context) {
        return cases.to_vec();
    }
    let mut distinct: Vec<Case> = Vec::new();
    for case in cases {
        if distinct.iter().all(|(_, kind)| *kind != case.1) {
            distinct.push(*case);
        }
    }
    distinct
}

fn check_case(parsed: &Parsed, (action, kind): Case, schema: &ValidatorSchema, words: &Vocabulary) -> Answer {
    let action = &words.action(action).uid;
    let Some(context) = schema.context_type(action) else { return Answer::Sound };
    let env = RequestEnv::DeclaredAction {
        principal: words.user(),
        action,
        resource: words.kind(kind),
        context,
        principal_slot: None,
        resource_slot: None,
    };
    let check = |mode| Typechecker::new(schema, mode).typecheck_by_single_request_env(&parsed.policy, &env);
    let strict = Answer::from(check(ValidationMode::Strict));
    match strict {
        // Values of different types side by side stop the strict check there, so what comes after is checked leniently.
        Answer::Wrong(errors)
            if errors.iter().any(|error| matches!(error, ValidationError::IncompatibleTypes(_))) =>
        {
            let lenient = Answer::from(check(ValidationMode::Permissive));
            lenient
                .and_also(errors.into_iter().filter(|error| !is_mixture_of_entities(error)).collect(), schema)
        }
        strict => strict,
    }
}

/// What a policy is worth in one case.
enum Answer {
    Sound,
    AlwaysFalse,
    Wrong(Vec<ValidationError>),
    TooDeep,
}

impl From<PolicyCheck> for Answer {
    fn from(check: PolicyCheck) -> Self {
        match check {
            PolicyCheck::Success(_) => Self::Sound,
            PolicyCheck::Irrelevant(errors, _) if errors.is_empty() => Self::AlwaysFalse,
            // Cedar gives up without an error when the stack runs short.
            PolicyCheck::Fail(errors) if errors.is_empty() => Self::TooDeep,
            PolicyCheck::Irrelevant(errors, _) | PolicyCheck::Fail(errors) => Self::Wrong(errors),
        }
    }
}

impl Answer {
    fn and_also(self, mut errors: Vec<ValidationError>, schema: &ValidatorSchema) -> Self {
        match self {
            Self::Wrong(more) => errors.extend(more),
            Self::TooDeep => return Self::TooDeep,
            same if errors.is_empty() => return same,
            Self::AlwaysFalse if errors.iter().all(|error| is_caution(error, schema)) => {
                return Self::AlwaysFalse;
            }
            Self::Sound | Self::AlwaysFalse => {}
        }
        Self::Wrong(errors)
    }
}

/// Entities of different types in one list, such as a directory and a file: Cedar's strict mode objects, evaluation
/// does not.
fn is_mixture_of_entities(error: &ValidationError) -> bool {
    let ValidationError::IncompatibleTypes(mixed) = error else { return false };
    matches!(mixed.context, LubContext::Set | LubContext::Conditional)
        && mixed.types.iter().all(|ty| matches!(ty, Type::Entity(_)))
}

/// These hold back what Cedar cannot prove, not what is wrong.
fn is_caution(error: &ValidationError, schema: &ValidatorSchema) -> bool {
    match error {
        ValidationError::UnsafeOptionalAttributeAccess(_)
        | ValidationError::EmptySetForbidden(_)
        | ValidationError::NonLitExtConstructor(_) => true,
        ValidationError::UnsafeTagAccess(access) => {
            let owner = access.entity_ty.as_ref().and_then(|owner| owner.get_single_entity());
            owner
                .and_then(|owner| schema.get_entity_type(owner))
                .is_some_and(|owner| owner.tag_type().is_some())
        }
        ValidationError::IncompatibleTypes(_) => !is_comparison(error),
        _ => false,
    }
}

/// A comparison of values that are never equal. It is merely false, so it matters only where it can never be true.
fn is_comparison(error: &ValidationError) -> bool {
    matches!(
        error,
        ValidationError::IncompatibleTypes(mixed)
            if matches!(mixed.context, LubContext::Equality | LubContext::Contains | LubContext::ContainsAnyAll)
    )
}

/// Reports one place. `verdict` is what a failure means for this policy.
fn judge(
    parsed: &Parsed,
    site: &Site,
    (live, verdict): (&[Case], Severity),
    schema: &ValidatorSchema,
    words: &Vocabulary,
    report: &mut Report<'_>,
) {
    let severity = match &site.error {
        ValidationError::UnsafeAttributeAccess(missing) => {
            return missing_attribute(parsed, site, missing, (live, verdict), (schema, words), report);
        }
        error if is_caution(error, schema) => Severity::Warning,
        ValidationError::IncompatibleTypes(_)
        | ValidationError::UnexpectedType(_)
        | ValidationError::NoTagsAllowed(_) => verdict,
        _ => Severity::Error,
    };
    // Cedar's name for a set of whatever it may be.
    let mut message = without_prefix(parsed, &site.error).replace("Set<__cedar::internal::Any>", "a set");
    if !live.iter().all(|case| site.cases.contains(case)) {
        message += &format!(", when the resource is {}", list(&kind_names(&site.cases)));
    }
    let hint = accepted_guard(parsed, &site.error)
        .or_else(|| site.error.help().map(|help| without_prefix(parsed, &help)));
    report.add(parsed, severity, span(&site.error), message, hint);
}

/// The access with the test that the validator accepts, written out so that it can take the place of what is there.
///
/// The validator follows `a && b`, not `!a || b`: the test has to stand before the access in the same conjunction.
fn accepted_guard(parsed: &Parsed, error: &ValidationError) -> Option<String> {
    let place = span(error)?;
    let clauses = parsed.policy.non_scope_constraints()?;
    let test = match error {
        ValidationError::UnsafeOptionalAttributeAccess(access) => {
            // Cedar keeps `context.a.b` as [b, a].
            let AttributeAccess::Context(_, path) = &access.attribute_access else { return None };
            let (last, owners) = path.split_first()?;
            let owner =
                owners.iter().rev().fold("context".to_owned(), |owner, name| format!("{owner}.{name}"));
            format!("{owner} has {last}")
        }
        ValidationError::UnsafeTagAccess(_) => {
            // All members of a chain have its place, so the text tells them apart.
            let access = clauses.subexpressions().find(|part| {
                matches!(part.expr_kind(), ExprKind::BinaryApp { op: BinaryOp::GetTag, .. })
                    && part.source_loc().is_some_and(|loc| (loc.start(), loc.end()) == place)
            })?;
            let text = access.source_loc().and_then(Loc::snippet)?;
            let (owner, tag) = text.rsplit_once(".getTag(")?;
            format!("{owner}.hasTag({tag}")
        }
        _ => return None,
    };
    let whole = anatomy::text(operand(clauses, place)?);
    Some(format!("test for it in the same `&&`: write `({test} && {whole})` in place of `{whole}`"))
}

/// The smallest condition around a place: what `&&`, `||`, `!` and `if` are made of.
fn operand(expr: &Expr, place: (usize, usize)) -> Option<&Expr> {
    match expr.expr_kind() {
        ExprKind::And { left, right } | ExprKind::Or { left, right } => {
            operand(left, place).or_else(|| operand(right, place))
        }
        ExprKind::UnaryApp { op: UnaryOp::Not, arg } => operand(arg, place),
        ExprKind::If { test_expr, then_expr, else_expr } => {
            [test_expr, then_expr, else_expr].into_iter().find_map(|arm| operand(arm, place))
        }
        _ => {
            let loc = expr.source_loc()?;
            (loc.start() <= place.0 && place.1 <= loc.end()).then_some(expr)
        }
    }
}

fn missing_attribute(
    parsed: &Parsed,
    site: &Site,
    missing: &UnsafeAttributeAccess,
    (live, verdict): (&[Case], Severity),
    (schema, words): (&ValidatorSchema, &Vocabulary),
    report: &mut Report<'_>,
) {
    // Cedar keeps `context.destination.path` as [path, destination].
    let (on_context, path) = match &missing.attribute_access {
        AttributeAccess::Context(_, path) => (true, path),
        AttributeAccess::EntityLUB(_, path) | AttributeAccess::Other(path) => (false, path),
    };
    let names: Vec<&str> = path.iter().rev().map(|name| name.as_str()).collect();
    let written = names.join(".");
    let place = span(&site.error);
    let has = |case: &&Case| exists(**case, on_context, &names, schema, words);
    let with: Vec<Case> =
        live.iter().filter(|case| !site.cases.contains(case)).filter(has).copied().collect();
    if with.is_empty() {
        let owner = if on_context { "the context".to_owned() } else { list(&kind_names(&site.cases)) };
        let owner = if matches!(missing.attribute_access, AttributeAccess::Other(_)) {
            "this value".to_owned()
        } else {
            owner
        };
        let known = known_names(&site.cases, on_context, &names, schema, words);
        let hint =
            names.last().and_then(|last| nearest(last, known.iter().map(String::as_str))).map(did_you_mean);
        let hint = hint.or_else(|| {
            (!known.is_empty())
                .then(|| format!("it has {}", list(&known.iter().map(String::as_str).collect::<Vec<_>>())))
        });
        return report.add(
            parsed,
            Severity::Error,
            place,
            format!("there is no attribute `{written}` on {owner}"),
            hint,
        );
    }
    let consequence = match parsed.policy.effect() {
        Effect::Permit => "there the permit does not apply",
        Effect::Forbid => "there the forbid denies, because it cannot be evaluated",
    };
    let (message, hint) = if on_context {
        let actions: Vec<&str> = unique(with.iter().map(|(action, _)| action.uid()));
        let first = names.first().copied().unwrap_or_default();
        (
            format!(
                "`context.{written}` exists only for {}, and the policy matches other actions too; {consequence}",
                list(&actions)
            ),
            format!("guard it: `context has {first} && …`"),
        )
    } else {
        let kinds = kind_names(&with);
        let tests: Vec<String> = kinds.iter().map(|kind| format!("resource is {kind}")).collect();
        let guard = if tests.len() == 1 { tests.concat() } else { format!("({})", tests.join(" || ")) };
        (
            format!(
                "attribute `{written}` exists only on {}, and the policy matches {} too; {consequence}",
                list(&kinds),
                list(&kind_names(&site.cases))
            ),
            format!("guard it: `{guard} && …`"),
        )
    };
    report.add(parsed, verdict, place, message, Some(hint));
}

/// Whether that case has the attribute.
fn exists(
    (action, kind): Case,
    on_context: bool,
    names: &[&str],
    schema: &ValidatorSchema,
    words: &Vocabulary,
) -> bool {
    let Some((first, rest)) = names.split_first() else { return false };
    let ty = if on_context {
        schema.context_type(&words.action(action).uid).and_then(|context| field(context, first))
    } else {
        schema.get_entity_type(words.kind(kind)).and_then(|ty| ty.attr(first)).map(|attr| &*attr.attr_type)
    };
    rest.iter().try_fold(ty, |ty, name| ty.map(|ty| field(ty, name))).flatten().is_some()
}

fn field<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    match ty {
        Type::Record { attrs, .. } => attrs.get_attr(name).map(|attr| &*attr.attr_type),
        _ => None,
    }
}

/// The attributes that stand where the missing one was looked for.
fn known_names(
    cases: &[Case],
    on_context: bool,
    names: &[&str],
    schema: &ValidatorSchema,
    words: &Vocabulary,
) -> Vec<String> {
    let above = names.split_last().map_or(names, |(_, above)| above);
    let mut known: Vec<String> = Vec::new();
    for (action, kind) in cases {
        if on_context {
            let start = schema.context_type(&words.action(*action).uid);
            let inner = above.iter().try_fold(start, |ty, name| ty.map(|ty| field(ty, name))).flatten();
            if let Some(Type::Record { attrs, .. }) = inner {
                known.extend(attrs.keys().map(ToString::to_string));
            }
        } else if above.is_empty()
            && let Some(ty) = schema.get_entity_type(words.kind(*kind))
        {
            known.extend(ty.attributes().keys().map(ToString::to_string));
        }
    }
    known.sort_unstable();
    known.dedup();
    known
}

fn kind_names(cases: &[Case]) -> Vec<&'static str> {
    unique(KINDS.iter().filter(|kind| cases.iter().any(|(_, own)| own == *kind)).map(|kind| kind.type_name()))
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

/// Keeps errors of different kinds at one place apart.
fn class(error: &ValidationError) -> &'static str {
    match error {
        ValidationError::UnsafeAttributeAccess(_) => "attribute",
        ValidationError::UnsafeOptionalAttributeAccess(_) => "optional",
        ValidationError::UnsafeTagAccess(_) => "tag",
        ValidationError::NoTagsAllowed(_) => "tags",
        ValidationError::UnexpectedType(_) => "type",
        ValidationError::IncompatibleTypes(_) => "mixed",
        _ => "other",
    }
}
