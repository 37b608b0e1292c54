//! What decides in a run: the built-in forbids, the policy, and what was called differently before.

use super::explaining::Explaining;
use super::forbidden::{Forbidden, Known};
use super::moved::Moved;
use crate::policy::explain::grant;
use crate::policy::{Engine, Question, Verdict};

/// What decides about every question of a run. Made once, and seen by no operation.
pub struct Deciding {
    /// Asks the policy.
    pub engine: Engine,
    /// What no policy can permit.
    pub forbidden: Forbidden,
    /// What was moved, and from where.
    pub moved: Moved,
    /// The user that the policy is asked about.
    pub principal: String,
    /// Whether scripts of Rex are run: of what Rex does not ask, only a forbid counts.
    pub rex_compat: bool,
    /// Whether denials are explained in the result.
    pub explaining: Explaining,
}

impl Deciding {
    /// What decides for this user. Nothing is explained.
    pub fn new(engine: Engine, forbidden: Forbidden, principal: String) -> Self {
        Self {
            engine,
            forbidden,
            moved: Moved::default(),
            principal,
            rex_compat: false,
            explaining: Explaining::default(),
        }
    }

    /// Who forbids it, if it is refused at all. Asked for an explanation: nothing is recorded, and nothing follows.
    pub fn refusal(&mut self, question: &Question<'_>, known: Known<'_>) -> Option<Vec<String>> {
        if let Some(reason) = self.forbidden.reason(question, known) {
            return Some(vec![reason.to_owned()]);
        }
        let verdict = self.engine.decide(question);
        (!verdict.permitted).then(|| verdict.determining.clone())
    }

    /// The statement that would permit it, where none stands in the way.
    pub fn granting(&self, question: &Question<'_>, forbidden_by: &[String]) -> Option<String> {
        if forbidden_by.is_empty() { grant(question, &Verdict::default(), &self.principal) } else { None }
    }
}
