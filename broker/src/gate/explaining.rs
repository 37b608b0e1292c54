//! Why something was refused, and what would permit it: said of each kind of refusal once.

use rex_ipc::action::{ActionId, ResourceKind};

use super::deciding::Deciding;
use crate::policy::Question;
use crate::policy::explain::{Lacking, Need, nearest};

/// Whether denials are explained, and how much of that may still be done: a script can be denied without end.
#[derive(Clone, Debug, Default)]
pub struct Explaining {
    /// Whether they are.
    pub enabled: bool,
    /// What was refused last, if the result had no other refusal like it.
    refused: Option<Refused>,
    /// How many permissions were named.
    named: usize,
    /// How many policies were taken apart.
    taken_apart: usize,
}

/// Action, type and name of what was refused.
pub type Refused = (ActionId, ResourceKind, String);

/// What a question is about.
pub fn refused(question: &Question<'_>) -> Refused {
    (question.action, question.resource.kind(), question.resource.id().into_owned())
}

impl Explaining {
    /// Explains the denials of a run.
    pub fn enabled() -> Self {
        Self { enabled: true, ..Self::default() }
    }

    /// Takes what was refused last, where it is to be explained.
    pub fn take_refused(&mut self) -> Option<Refused> {
        self.refused.take()
    }

    /// Whether one more permission may be named.
    pub fn may_name(&self) -> bool {
        self.named < MAX_NAMED
    }

    /// One more permission was named.
    pub fn name(&mut self) {
        self.named += 1;
    }
}

impl Deciding {
    /// Explains the refusal that was just recorded. `is_new` says that the result has no other like it.
    ///
    /// `determining` are the policies that forbid; without any the question is only not permitted.
    pub(super) fn explain_refusal(
        &mut self,
        question: &Question<'_>,
        determining: &[String],
        is_new: bool,
    ) -> Option<Lacking> {
        // Reading redacted is asked for in place of reading, which was refused just before. That is one lack, and what was
        // said of it stands: the redacted content is another than the script asked for, and where a forbid keeps the whole
        // from being read, it is not for us to offer a part of it.
        if question.action == ActionId::FileSystemRedactedRead {
            let of_reading =
                (ActionId::FileSystemRead, question.resource.kind(), question.resource.id().into_owned());
            self.explaining.refused.take_if(|refused| *refused != of_reading);
            return None;
        }
        self.explaining.refused = None;
        if !self.explaining.enabled || !is_new || !self.explaining.may_name() {
            return None;
        }
        self.explaining.refused = Some(refused(question));
        let mut lacking = Lacking::default();
        if determining.is_empty() {
            let policies = self.engine.policies().len();
            if self.explaining.taken_apart.saturating_add(policies) <= MAX_TAKEN_APART {
                self.explaining.taken_apart += policies;
                lacking.nearest = nearest(&self.engine, question);
            }
        }
        lacking.add(Need::of(question, determining, false), self.granting(question, determining));
        self.explaining.named += 1;
        Some(lacking)
    }
}

/// The most permissions that are named in a run.
const MAX_NAMED: usize = 1_000;
/// The most policies that are looked at in a run to find the nearest: at a few microseconds each, some seconds.
const MAX_TAKEN_APART: usize = 1_000_000;
