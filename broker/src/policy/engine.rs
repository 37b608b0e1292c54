//! What the policy says to a question.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use cedar_policy_core::ast::{Effect, EntityUID, EntityUIDEntry, Expr, Literal, Request, SlotEnv, ValueKind};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;
use rex_ipc::action::ActionId;

use super::alike::Alike;
use super::cache::Cache;
use super::entities::{self, Scene};
use super::policies::{Policies, Rule};
use super::question::{Question, ResourceRef};
use super::scope::Bucket;
use super::session::{Facts, Session};
use super::vocabulary::KINDS;

/// The policy's answer, and what it rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the act may happen.
    pub permitted: bool,
    /// Whether the denial rests on nothing but a `forbid` that could not be evaluated.
    pub failed: bool,
    /// The policies that decided: those that permit, or those that forbid. Empty when no permit matches.
    pub determining: Vec<String>,
    /// What went wrong in evaluation, one line for each policy that erred.
    pub errors: Vec<String>,
}

/// Decides questions for one principal.
#[derive(Debug)]
pub struct Engine {
    policies: Policies,
    principal: Arc<EntityUID>,
    /// What is known of the principal, in every question alike.
    facts: Facts,
    /// One for each action and resource type, built when first asked.
    buckets: Vec<Option<Bucket>>,
    cache: Cache,
    alike: Alike,
    selected: Vec<usize>,
    /// What is said from outside, and what follows of it: nothing, or that nothing is permitted any more.
    outside: Option<Outside>,
    over: Option<Rc<Verdict>>,
}

/// What has been taken away since somebody was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Narrowed {
    /// Nothing.
    Nothing,
    /// Every link but these.
    Links(Vec<String>),
    /// Everything, for this reason.
    All(&'static str),
}

/// Asked before each question what has been taken away.
struct Outside(Box<dyn FnMut() -> Narrowed>);

impl fmt::Debug for Outside {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Outside")
    }
}

impl Engine {
    /// An engine that answers for `User::"<principal>"`.
    pub fn new(policies: Policies, principal: &str) -> Self {
        let principal = Arc::new(policies.words.principal(principal));
        let facts = Facts::new(&policies.words, (*principal).clone(), &Session::default());
        let buckets = std::iter::repeat_with(|| None).take(ActionId::ALL.len() * KINDS.len()).collect();
        let (cache, alike) = (Cache::new(), Alike::new(true));
        Self {
            policies,
            principal,
            facts,
            buckets,
            cache,
            alike,
            selected: Vec::new(),
            outside: None,
            over: None,
        }
    }

    /// Answers for this session, before anything was asked.
    #[must_use]
    pub fn with_session(mut self, session: &Session) -> Self {
        self.facts = Facts::new(&self.policies.words, (*self.principal).clone(), session);
        // What was answered before was answered for another.
        self.with_cache(true)
    }

    /// Has this asked before each question what has been taken away. It only narrows: nothing comes back.
    #[must_use]
    pub fn narrowed_by(mut self, look: impl FnMut() -> Narrowed + 'static) -> Self {
        self.outside = Some(Outside(Box::new(look)));
        self
    }

    /// Takes away what somebody outside has taken away.
    fn narrow(&mut self) {
        match self.outside.as_mut().map(|outside| outside.0()) {
            None | Some(Narrowed::Nothing) => {}
            Some(Narrowed::All(why)) => {
                let verdict = Verdict { determining: vec![why.to_owned()], ..Verdict::default() };
                self.over = Some(Rc::new(verdict));
                self.outside = None;
            }
            Some(Narrowed::Links(kept)) => {
                self.policies.rules.retain(|rule| rule.link.as_ref().is_none_or(|link| kept.contains(link)));
                // Both remember rules by their places.
                self.buckets.iter_mut().for_each(|bucket| *bucket = None);
                self.alike = Alike::new(true);
                self.cache = Cache::new();
            }
        }
    }

    /// Switches the memory for earlier answers on or off. Answers are the same either way.
    #[must_use]
    pub fn with_cache(mut self, enabled: bool) -> Self {
        self.cache = if enabled { Cache::new() } else { Cache::disabled() };
        self.alike = Alike::new(enabled);
        self
    }

    /// The policies in force.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The policies, given back.
    pub(super) fn into_policies(self) -> Policies {
        self.policies
    }

    /// Answers a question: permitted if a permit matches, and no forbid matches or fails.
    pub fn decide(&mut self, question: &Question<'_>) -> Rc<Verdict> {
        self.narrow();
        if let Some(over) = &self.over {
            return Rc::clone(over);
        }
        if let Some(known) = self.alike.again(question).or_else(|| self.cache.find(question)) {
            return known;
        }
        self.select(question);
        let verdict = match self.alike.find(question, &self.selected, &self.policies) {
            Some(known) => known,
            None => {
                let verdict = Rc::new(self.evaluate(question));
                self.alike.keep(&verdict);
                verdict
            }
        };
        self.alike.note(question, &verdict);
        // What a whole directory shares need not be kept for each name in it.
        if !self.alike.is_near() {
            self.cache.keep(&verdict);
        }
        verdict
    }

    /// The name of the user for whom it answers.
    pub fn principal(&self) -> &str {
        self.principal.eid().as_ref()
    }

    /// Puts the question to the policies that are selected for it.
    fn evaluate(&self, question: &Question<'_>) -> Verdict {
        if is_unwritable(&question.resource) {
            return Verdict::indescribable(
                "a quotation mark or backslash in a URL or the name of a host is not judged",
            );
        }
        if self.selected.is_empty() {
            return Verdict::default();
        }
        let verdict = self.with_evaluator(question, |evaluator| {
            let rules = self.selected.iter().filter_map(|position| self.policies.rules.get(*position));
            // Only heads that name the action are selected.
            combine(rules.map(|rule| (rule, outcome(&rule.beyond_action, &rule.slots, evaluator))))
        });
        verdict.unwrap_or_else(|| {
            Verdict::indescribable("the question names one argument or variable twice with different values")
        })
    }

    /// Puts the question before Cedar. Nothing when it cannot be put without hiding something.
    pub(super) fn with_evaluator<T>(
        &self,
        question: &Question<'_>,
        ask: impl FnOnce(&Evaluator<'_>) -> T,
    ) -> Option<T> {
        let words = &self.policies.words;
        let known_of = Some((&self.facts, self.policies.reads));
        let Scene { resource, context, entities } =
            entities::scene(words, &self.policies.horizon, question, known_of)?;
        let request = Request::new_unchecked(
            known(Arc::clone(&self.principal)),
            known(entities::action_uid(words, question.action)),
            known(resource),
            Some(context),
        );
        Some(ask(&Evaluator::new(request, &entities, Extensions::all_available())))
    }

    /// Fills `selected` with the policies whose head can match.
    fn select(&mut self, question: &Question<'_>) {
        let kind = question.resource.kind();
        let Policies { rules, words, .. } = &self.policies;
        let slot = &mut self.buckets[question.action as usize * KINDS.len() + kind as usize];
        let bucket = slot.get_or_insert_with(|| {
            Bucket::build(
                rules.iter().map(|rule| (&rule.scope, &rule.condition)),
                question.action,
                kind,
                words,
            )
        });
        bucket.select(&question.resource.id(), &mut self.selected);
    }
}

impl Verdict {
    /// A question that cannot be put to Cedar without hiding something from it.
    fn indescribable(why: &str) -> Self {
        Self { failed: true, errors: vec![why.to_owned()], ..Self::default() }
    }
}

/// Whether Rex puts no question about it, because it writes names of resources as text between quotation marks. Paths are judged
/// whatever is in them; a URL or name of a host with such characters leads nowhere that another text does not lead to.
fn is_unwritable(resource: &ResourceRef<'_>) -> bool {
    matches!(resource, ResourceRef::Url(text) | ResourceRef::Hostname(text) if text.contains(['"', '\\']))
}

/// What became of one condition, or of a part of it.
pub(super) enum Outcome {
    Applies,
    Silent,
    Failed(String),
}

/// Evaluates a condition.
pub(super) fn outcome(condition: &Expr, slots: &SlotEnv, evaluator: &Evaluator<'_>) -> Outcome {
    match evaluator.interpret(condition, slots) {
        Ok(value) => match value.value {
            ValueKind::Lit(Literal::Bool(true)) => Outcome::Applies,
            ValueKind::Lit(Literal::Bool(false)) => Outcome::Silent,
            _ => Outcome::Failed("the condition is neither true nor false".to_owned()),
        },
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// Default deny, forbid overrides permit, and a forbid that cannot be evaluated forbids.
fn combine<'a>(outcomes: impl Iterator<Item = (&'a Rule, Outcome)>) -> Verdict {
    let (mut permits, mut forbids, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let mut errors = Vec::new();
    for (rule, outcome) in outcomes {
        match (outcome, rule.effect) {
            (Outcome::Applies, Effect::Permit) => permits.push(rule.id.clone()),
            (Outcome::Applies, Effect::Forbid) => forbids.push(rule.id.clone()),
            (Outcome::Silent, _) => {}
            (Outcome::Failed(reason), effect) => {
                errors.push(format!("{}: {reason}", rule.id));
                // Cedar skips a policy that errs. For a permit that is the safe side; for a forbid it is not.
                if effect == Effect::Forbid {
                    failed.push(rule.id.clone());
                }
            }
        }
    }
    let by_failure = forbids.is_empty() && !failed.is_empty();
    let permitted = forbids.is_empty() && failed.is_empty() && !permits.is_empty();
    let determining = if permitted {
        permits
    } else if by_failure {
        failed
    } else {
        forbids
    };
    Verdict { permitted, failed: by_failure, determining, errors }
}

fn known(euid: Arc<EntityUID>) -> EntityUIDEntry {
    EntityUIDEntry::Known { euid, loc: None }
}
