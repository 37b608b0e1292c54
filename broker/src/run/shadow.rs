//! A policy that is asked beside the one in force: what it would have decided is recorded, and nothing follows from it.

use std::time::Instant;

use serde_json::{Value, json};

use crate::gate::Decision;
use crate::policy::{Engine, Link, Policies, PolicyText, Session};
use crate::result::NotStarted;
use crate::run::input::{Inputs, read_policies};
use crate::run::request::RunRequest;

/// A second policy, with the forbids of the host as the first one has them.
#[derive(Debug)]
pub struct Shadow {
    engine: Engine,
    /// Its files, and those of the forbids.
    pub(super) texts: Vec<String>,
}

impl Shadow {
    /// The second policy of a run, where it has one.
    ///
    /// # Errors
    /// When it cannot be read or is refused: whoever wants to know what it would decide has to be told.
    pub(super) fn load(
        options: &RunRequest,
        inputs: &Inputs,
        links: &[Link],
        (principal, session): (&str, Option<&Session>),
        deadline: Instant,
    ) -> Result<Option<Self>, NotStarted> {
        let Some(path) = &options.shadow else { return Ok(None) };
        let sources = read_policies(&[path], deadline)?;
        let sources: Vec<_> = sources.iter().chain(&inputs.forbids).collect();
        let texts: Vec<PolicyText<'_>> =
            sources.iter().map(|source| PolicyText { name: &source.name, text: &source.text }).collect();
        let loaded = Policies::load_linked(&texts, options.policy_mode, links).map_err(|errors| {
            let reasons: Vec<String> = errors.of_weight().iter().map(ToString::to_string).collect();
            NotStarted::Policy(format!("the shadow policy is refused:\n{}", reasons.join("\n")))
        })?;
        let mut engine = Engine::new(loaded.policies, principal);
        if let Some(session) = session {
            engine = engine.with_session(session);
        }
        let texts = sources.iter().map(|source| source.text.clone()).collect();
        Ok(Some(Self { engine, texts }))
    }

    /// SHA-256 of the policy, as the record has it of the first one.
    pub(super) fn digest(&self) -> &str {
        self.engine.policies().digest()
    }

    /// What it says otherwise about a question that was decided; nothing where it agrees, and where no policy was asked.
    pub(super) fn beside(&mut self, decision: &Decision<'_>) -> Option<Value> {
        if !decision.permitted
            && decision.determining.first().is_some_and(|reason| reason.starts_with(BUILT_IN))
        {
            return None;
        }
        let verdict = self.engine.decide(decision.question);
        if verdict.permitted == decision.permitted && verdict.errors.is_empty() {
            return None;
        }
        let mut told = json!({
            "decision": if verdict.permitted { "permit" } else { "deny" },
            "policies": verdict.determining,
        });
        if !verdict.errors.is_empty() {
            told["errors"] = json!(verdict.errors);
        }
        Some(told)
    }
}

/// What the reasons of the broker itself begin with.
const BUILT_IN: &str = "built-in: ";
