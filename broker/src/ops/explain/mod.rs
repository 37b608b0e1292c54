//! Which permissions a denied call lacks: not only the one that was refused first, but those that would be refused next.
//!
//! A call is a sequence of requests, and the policy is asked by name. Once a request is denied, the names that it and the
//! later ones would ask about follow from their texts: the path of a directory, a name in it, the handle that the jail
//! chose for it. These questions are put to the policy here, and nothing else happens: no system call is made, nothing
//! is recorded, and the script learns nothing. What depends on what is there (where a link leads, which directories are
//! missing, what a directory contains) cannot be known in this way, and is not claimed.

mod names;
mod questions;

use rex_ipc::action::{ActionId, ResourceKind};
use rex_ipc::interface::Request;

use crate::gate::forbidden::Known;
use crate::host::file_system::object::Inode;
use crate::policy::explain::{Lacking, Need, grant, nearest};
use crate::policy::{Question, Verdict};
use crate::run::services::Services;

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
type Refused = (ActionId, ResourceKind, String);

fn refused(question: &Question<'_>) -> Refused {
    (question.action, question.resource.kind(), question.resource.id().into_owned())
}

impl Explaining {
    /// Explains the denials of a run.
    pub fn enabled() -> Self {
        Self { enabled: true, ..Self::default() }
    }
}

/// Explains the refusal that was just recorded. `is_new` says that the result has no other like it.
///
/// `determining` are the policies that forbid; without any the question is only not permitted.
pub fn of_refusal(services: &mut Services, question: &Question<'_>, determining: &[String], is_new: bool) {
    // Reading redacted is asked for in place of reading, which was refused just before. That is one lack, and what was
    // said of it stands: the redacted content is another than the script asked for, and where a forbid keeps the whole
    // from being read, it is not for us to offer a part of it.
    if question.action == ActionId::FileSystemRedactedRead {
        let of_reading =
            (ActionId::FileSystemRead, question.resource.kind(), question.resource.id().into_owned());
        services.explaining.refused.take_if(|refused| *refused != of_reading);
        return;
    }
    services.explaining.refused = None;
    if !services.explaining.enabled || !is_new || services.explaining.named >= MAX_NAMED {
        return;
    }
    services.explaining.refused = Some(refused(question));
    let mut lacking = Lacking::default();
    if determining.is_empty() {
        let policies = services.engine.policies().len();
        if services.explaining.taken_apart.saturating_add(policies) <= MAX_TAKEN_APART {
            services.explaining.taken_apart += policies;
            lacking.nearest = nearest(&services.engine, question);
        }
    }
    lacking.add(Need::of(question, determining, false), granting(services, question, determining));
    services.explaining.named += 1;
    services.explain(lacking);
}

/// Adds what the rest of a call lacks to the explanation of the refusal that ended it.
///
/// To be called while the handles that the call has opened are still there.
pub fn of_rest(services: &mut Services, denied: &Request, rest: &[Request]) {
    let Some(first) = services.explaining.refused.take() else { return };
    for asked in questions::of(&services.handles, std::iter::once(denied).chain(rest)) {
        if services.explaining.named >= MAX_NAMED {
            return;
        }
        let inode = asked.place.inode;
        let is_lacking = |services: &mut Services, action| {
            asked.with(action, |question| refusal(services, question, inode))
        };
        let Some(forbidden_by) = is_lacking(services, asked.action) else { continue };
        // A file that may not be read is read redacted where that is permitted.
        if let Some(instead) = asked.instead
            && is_lacking(services, instead).is_none()
        {
            continue;
        }
        asked.with(asked.action, |question| {
            if refused(question) == first {
                return;
            }
            let grant = granting(services, question, &forbidden_by);
            services.explaining.named += 1;
            services.explain_more(Need::of(question, &forbidden_by, asked.place.as_spelled), grant);
        });
    }
}

/// Who forbids it, if it is refused at all.
fn refusal(services: &mut Services, question: &Question<'_>, inode: Option<Inode>) -> Option<Vec<String>> {
    if let Some(reason) = services.forbidden.reason(question, Known { inode, place: None }) {
        return Some(vec![reason.to_owned()]);
    }
    let verdict = services.engine.decide(question);
    (!verdict.permitted).then(|| verdict.determining.clone())
}

fn granting(services: &Services, question: &Question<'_>, forbidden_by: &[String]) -> Option<String> {
    if forbidden_by.is_empty() { grant(question, &Verdict::default(), &services.principal) } else { None }
}

/// The most permissions that are named in a run.
const MAX_NAMED: usize = 1_000;
/// The most policies that are looked at in a run to find the nearest: at a few microseconds each, some seconds.
const MAX_TAKEN_APART: usize = 1_000_000;
