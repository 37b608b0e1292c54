//! Why a question was answered as it was, and what would change the answer.
//!
//! Nothing here changes a policy: what is proposed is a text for a person to judge.

use std::cmp::Reverse;

use cedar_policy_core::ast::{Effect, ExprKind, Literal};
use rex_ipc::action::ActionId;
use serde::Serialize;

use super::anatomy::failed_parts;
pub use super::anatomy::{FailedPart, Part};
use super::engine::{Engine, Verdict};
use super::grant;
use super::policies::{Place, Policies, Rule};
use super::question::Question;

/// A verdict with everything that can be said about it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The answer itself.
    pub verdict: Verdict,
    /// The policies that it rests on, with their places.
    pub grounds: Vec<Ground>,
    /// When no permit matches: the one that comes nearest.
    pub nearest: Option<Nearest>,
    /// When no permit matches: a policy that would permit exactly this.
    pub grant: Option<String>,
}

/// A policy that decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ground {
    /// The policy, as verdicts name it.
    pub id: String,
    /// Where it begins.
    #[serde(flatten)]
    pub place: Option<Place>,
}

/// The permit that lacks least to apply.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Nearest {
    /// The policy, as verdicts name it.
    pub id: String,
    /// Where it begins.
    #[serde(flatten)]
    pub place: Place,
    /// What keeps it from applying, in the order of the text; at least one.
    pub failed: Vec<FailedPart>,
}

/// Decides a question and says why.
pub fn explain(engine: &mut Engine, question: &Question<'_>) -> Explanation {
    let verdict = (*engine.decide(question)).clone();
    let policies = engine.policies();
    let grounds = verdict
        .determining
        .iter()
        .map(|id| Ground { id: id.clone(), place: policies.place(id).cloned() })
        .collect();
    let nearest = if nothing_matches(&verdict) { nearest(engine, question) } else { None };
    let grant = grant(question, &verdict, engine.principal());
    Explanation { verdict, grounds, nearest, grant }
}

/// The grounds of a verdict, one line each, with the place of every policy named.
pub fn reasons(verdict: &Verdict, policies: &Policies) -> Vec<String> {
    let word = match (verdict.permitted, verdict.failed) {
        (true, _) => "permitted by",
        (false, true) => "denied because it could not be evaluated:",
        (false, false) => "forbidden by",
    };
    let named = |id: &String| match policies.place(id) {
        Some(place) => format!("{word} `{id}` ({}:{})", place.file, place.line),
        None => format!("{word} `{id}`"),
    };
    let mut lines: Vec<String> = verdict.determining.iter().map(named).collect();
    if lines.is_empty() && !verdict.failed {
        lines.push("no permit matches".to_owned());
    }
    lines.extend(verdict.errors.iter().cloned());
    lines
}

/// The narrowest policy that permits exactly this question, or nothing if a forbid stands in its way or if it cannot be
/// written down; the strict validator has found no fault in it.
///
/// Process ids and the names of things of which there is one do not last, so these are granted by what does.
pub fn grant(question: &Question<'_>, verdict: &Verdict, principal: &str) -> Option<String> {
    if nothing_matches(verdict) { grant::text(question, principal) } else { None }
}

/// What a proposed policy is without its conditions: it permits the act for everything of the type. Nothing for one that is
/// about one thing alone.
pub fn grant_of_type(grant: &str) -> Option<String> {
    grant::of_type(grant)
}

/// The permit with the fewest parts that are not true. Of several, the one whose parts are easiest to change, then the
/// one whose resource is next to the one asked about, then the first. A permit for other namespaces is not near.
pub fn nearest(engine: &Engine, question: &Question<'_>) -> Option<Nearest> {
    let is_near = |rule: &&Rule| rule.effect == Effect::Permit && same_namespace(rule, question.action);
    engine.with_evaluator(question, |evaluator| {
        let (rule, failed) = engine
            .policies()
            .rules
            .iter()
            .filter(is_near)
            .map(|rule| (rule, failed_parts(rule, evaluator)))
            .filter(|(_, failed)| !failed.is_empty())
            .min_by_key(|(rule, failed)| distance(rule, failed, question))?;
        Some(Nearest { id: rule.id.clone(), place: rule.place.clone(), failed })
    })?
}

type Distance = (usize, usize, Reverse<usize>);

fn distance(rule: &Rule, failed: &[FailedPart], question: &Question<'_>) -> Distance {
    let weight = |failed: &FailedPart| failed.part as usize;
    let is_elsewhere = failed.iter().any(|failed| failed.part == Part::Resource);
    let near = if is_elsewhere { kinship(rule, question) } else { 0 };
    (failed.len(), failed.iter().map(weight).sum(), Reverse(near))
}

fn same_namespace(rule: &Rule, action: ActionId) -> bool {
    ActionId::ALL.iter().any(|own| own.namespace() == action.namespace() && rule.scope.names_action(*own))
}

/// How much of the name asked about the head's resource shares.
fn kinship(rule: &Rule, question: &Question<'_>) -> usize {
    let wanted = question.resource.id();
    let shared =
        |own: &str| own.bytes().zip(wanted.bytes()).take_while(|(own, wanted)| own == wanted).count();
    let head = rule.template.resource_constraint().as_expr();
    let names = head.subexpressions().filter_map(|part| match part.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(uid)) => Some(shared(uid.eid().as_ref())),
        _ => None,
    });
    names.max().unwrap_or(0)
}

fn nothing_matches(verdict: &Verdict) -> bool {
    !verdict.permitted && !verdict.failed && verdict.determining.is_empty()
}

/// What a denied call lacks, as it stands in the result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Lacking {
    /// The permission that was refused, and then those that the rest of the call is known to need and has not.
    pub needs: Vec<Need>,
    /// Policies that permit exactly these, one a line; empty where one of them is forbidden, as then the rest would not
    /// let the call succeed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub grant: String,
    /// The permit that comes nearest to what was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Nearest>,
}

/// A permission that is lacking.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Need {
    /// As it stands in a policy.
    pub action: &'static str,
    /// As it stands in a policy.
    pub resource_type: &'static str,
    /// The name within the type.
    pub resource: String,
    /// The policies that forbid it; none when it is only not permitted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forbidden_by: Vec<String>,
    /// Whether the name is only that which was spelled: a link on the way would lead to another.
    #[serde(skip_serializing_if = "is_false")]
    pub as_spelled: bool,
}

impl Need {
    /// The permission that this question asks for.
    pub fn of(question: &Question<'_>, forbidden_by: &[String], as_spelled: bool) -> Self {
        Self {
            action: question.action.uid(),
            resource_type: question.resource.kind().type_name(),
            resource: question.resource.id().into_owned(),
            forbidden_by: forbidden_by.to_vec(),
            as_spelled,
        }
    }
}

impl Lacking {
    /// Adds a permission, and the policy that would give it. One that is there already is not added again, and once one
    /// is forbidden nothing is proposed.
    pub fn add(&mut self, need: Need, grant: Option<String>) {
        let is_same = |own: &Need| {
            (own.action, own.resource_type, own.resource.as_str())
                == (need.action, need.resource_type, need.resource.as_str())
        };
        if self.needs.iter().any(is_same) {
            return;
        }
        self.needs.push(need);
        if self.needs.iter().any(|need| !need.forbidden_by.is_empty()) {
            self.grant.clear();
        } else if let Some(grant) = grant {
            if !self.grant.is_empty() {
                self.grant.push('\n');
            }
            self.grant.push_str(&grant);
        }
    }

    /// How much text there is.
    pub fn text_bytes(&self) -> usize {
        let of_need =
            |need: &Need| need.resource.len() + need.forbidden_by.iter().map(String::len).sum::<usize>();
        let of_part = |part: &FailedPart| part.text.len() + part.error.as_ref().map_or(0, String::len);
        let nearest = self.nearest.as_ref();
        self.needs.iter().map(of_need).sum::<usize>()
            + self.grant.len()
            + nearest
                .map_or(0, |nearest| nearest.id.len() + nearest.failed.iter().map(of_part).sum::<usize>())
    }
}

fn is_false(value: &bool) -> bool {
    !value
}
