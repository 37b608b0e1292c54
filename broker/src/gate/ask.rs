//! The only place that turns a question into a permit: built-in forbids, policy, record, in this order.

use std::marker::PhantomData;
use std::rc::Rc;

use rex_ipc::action::{Action, ActionId};
use rex_ipc::interface::Needs;

use crate::gate::deciding::Deciding;
use crate::gate::error::{Denial, Error};
use crate::gate::forbidden::{Forbidden, Known};
use crate::gate::limits::within_depth;
use crate::gate::moved::Moving;
use crate::gate::permit::{Allows, Permit, Resource};
use crate::gate::recording::{Decision, Recording};
use crate::gate::usage::Metered;
use crate::gate::{Act, Granted};
use crate::policy::name::PathName;
use crate::policy::{Question, ResourceRef, Verdict};

/// The way to a permit, for one request of the operation `O`.
///
/// An operation can ask only for the actions that its row announces:
///
/// ```
/// # use rex_broker::gate::{Gate, error::Error};
/// # use rex_broker::host::file_system::object::DirPath;
/// # use rex_ipc::{action::file_system::Create, file_system::OpenDir as Operation};
/// fn ask(gate: &mut Gate<'_, Operation>, dir: DirPath) -> Result<(), Error> {
///     gate.authorize::<Create, _>(dir).map(drop)
/// }
/// ```
///
/// ```compile_fail,E0277
/// # use rex_broker::gate::{Gate, error::Error};
/// # use rex_broker::host::file_system::object::DirPath;
/// # use rex_ipc::{action::file_system::Create, file_system::ListEntries as Operation};
/// fn ask(gate: &mut Gate<'_, Operation>, dir: DirPath) -> Result<(), Error> {
///     gate.authorize::<Create, _>(dir).map(drop)
/// }
/// ```
///
/// and only on resources that the schema allows for the action:
///
/// ```
/// # use rex_broker::gate::{Gate, error::Error};
/// # use rex_broker::host::file_system::object::FilePath as Resource;
/// # use rex_ipc::{action::file_system::Write, file_system::Truncate};
/// fn ask(gate: &mut Gate<'_, Truncate>, resource: Resource) -> Result<(), Error> {
///     gate.authorize::<Write, _>(resource).map(drop)
/// }
/// ```
///
/// ```compile_fail,E0277
/// # use rex_broker::gate::{Gate, error::Error};
/// # use rex_broker::host::file_system::object::DirPath as Resource;
/// # use rex_ipc::{action::file_system::Write, file_system::Truncate};
/// fn ask(gate: &mut Gate<'_, Truncate>, resource: Resource) -> Result<(), Error> {
///     gate.authorize::<Write, _>(resource).map(drop)
/// }
/// ```
///
/// with the context that it allows for it:
///
/// ```
/// # use rex_broker::gate::{Gate, error::Error};
/// # use rex_broker::host::file_system::object::{Moving, NamedDir};
/// # use rex_ipc::{action::file_system::Move, file_system::MoveDir};
/// fn ask(gate: &mut Gate<'_, MoveDir>, what: Moving<NamedDir>) -> Result<(), Error> {
///     gate.authorize::<Move, _>(what).map(drop)
/// }
/// ```
///
/// ```compile_fail,E0271
/// # use rex_broker::gate::{Gate, error::Error};
/// # use rex_broker::host::file_system::object::{Moving, NamedDir};
/// # use rex_ipc::{action::file_system::Move, file_system::MoveDir};
/// fn ask(gate: &mut Gate<'_, MoveDir>, what: NamedDir) -> Result<(), Error> {
///     gate.authorize::<Move, _>(what).map(drop)
/// }
/// ```
///
/// A permit ends with its request:
///
/// ```
/// # use rex_broker::gate::{Gate, Permit, error::Error};
/// # use rex_broker::host::file_system::object::DirPath;
/// # use rex_ipc::{action::file_system::Open, file_system::OpenDir};
/// fn keep<'req>(
///     gate: &mut Gate<'req, OpenDir>,
///     dir: DirPath,
/// ) -> Result<Permit<'req, Open, DirPath>, Error> {
///     gate.authorize::<Open, _>(dir)
/// }
/// ```
///
/// ```compile_fail
/// # use rex_broker::gate::{Gate, Permit, error::Error};
/// # use rex_broker::host::file_system::object::DirPath;
/// # use rex_ipc::{action::file_system::Open, file_system::OpenDir};
/// fn keep<'req>(
///     gate: &mut Gate<'req, OpenDir>,
///     dir: DirPath,
/// ) -> Result<Permit<'static, Open, DirPath>, Error> {
///     gate.authorize::<Open, _>(dir)
/// }
/// ```
pub struct Gate<'req, O> {
    deciding: &'req mut Deciding,
    recording: &'req mut dyn Recording,
    metered: &'req Metered,
    line: u32,
    operation: PhantomData<O>,
}

impl<'req, O> Gate<'req, O> {
    /// A gate for one request of the operation `O`, made at this line of the script, as the jail claims.
    pub fn new(
        deciding: &'req mut Deciding,
        recording: &'req mut dyn Recording,
        metered: &'req Metered,
        line: u32,
    ) -> Self {
        Self { deciding, recording, metered, line, operation: PhantomData }
    }

    /// What no policy can permit.
    pub fn forbidden(&self) -> &Forbidden {
        &self.deciding.forbidden
    }

    /// Takes what an operation tells about what it moves.
    pub fn moved(&mut self) -> Moving<'_> {
        self.deciding.moved.moving()
    }

    /// Whether a script of Rex is run: of what Rex does not ask, only a forbid counts.
    pub fn is_rex_compat(&self) -> bool {
        self.deciding.rex_compat
    }

    /// Asks for `A` on `resource`; gives the permit with the resource inside.
    ///
    /// The decision is in the record before the permit exists, and for an action that changes the host the record is
    /// written out before the permit exists.
    ///
    /// # Errors
    /// `Denied` when the policy, or a built-in forbid, says no or cannot be evaluated; `Audit` when the decision
    /// cannot be recorded; `Limit` when the path is too deep, or the run has used its share of the record.
    pub fn authorize<A: Action, R: Allows<A>>(&mut self, resource: R) -> Granted<'req, A, R>
    where
        O: Needs<A>,
    {
        self.grant(resource, None, false)
    }

    /// Asks for `A` on `resource` for an act of which these do not say enough, so that the record has the rest; gives
    /// the permit with the resource inside.
    ///
    /// # Errors
    /// `Denied` when the policy, or a built-in forbid, says no or cannot be evaluated; `Audit` when the decision
    /// cannot be recorded; `Limit` when the path is too deep, or the run has used its share of the record.
    pub fn authorize_act<A: Action, R: Allows<A>>(&mut self, resource: R, act: Act<'_>) -> Granted<'req, A, R>
    where
        O: Needs<A>,
    {
        self.grant(resource, Some(act), false)
    }

    /// Asks for what Rex does not ask. Its scripts go on where nothing permits it, but not where something forbids it.
    ///
    /// # Errors
    /// `Denied` when the policy, or a built-in forbid, says no or cannot be evaluated; `Audit` when the decision
    /// cannot be recorded; `Limit` when the path is too deep, or the run has used its share of the record.
    pub fn authorize_beyond_rex<A: Action, R: Allows<A>>(&mut self, resource: R) -> Granted<'req, A, R>
    where
        O: Needs<A>,
    {
        let is_free = self.deciding.rex_compat && self.lacks_only_a_permit(A::ID, &resource);
        self.grant(resource, None, is_free)
    }

    /// Asks for `A` on `resource` without recording a refusal: for a command whose first question depends on what
    /// is there, so that it has to know both answers before it may look. The answer that counts is asked for again
    /// with [`Gate::authorize`].
    pub fn would_permit<A: Action, R: Allows<A>>(&mut self, resource: &R) -> bool
    where
        O: Needs<A>,
    {
        let question = question(A::ID, resource);
        self.deciding.forbidden.reason(&question, known(resource)).is_none()
            && self.deciding.engine.decide(&question).permitted
            && self.refusal_by_earlier_name(A::ID, resource).is_none()
    }

    /// Refuses an object that its name would permit, for a reason of our own; recorded like any denial.
    pub fn refuse<A: Action, R: Allows<A>>(&mut self, resource: &R, reason: &'static str) -> Error
    where
        O: Needs<A>,
    {
        let question = question(A::ID, resource);
        self.refused(&question, &[reason.to_owned()], &[], false)
    }

    /// Gives the permit, once it is decided; of what is `free`, only earlier names are.
    fn grant<A: Action, R: Allows<A>>(
        &mut self,
        resource: R,
        act: Option<Act<'_>>,
        free: bool,
    ) -> Granted<'req, A, R> {
        if free { self.decide_earlier(A::ID, &resource) } else { self.decide(A::ID, &resource, act) }?;
        Ok(Permit::granted(resource))
    }

    fn decide<R: Resource>(
        &mut self,
        action: ActionId,
        resource: &R,
        act: Option<Act<'_>>,
    ) -> Result<(), Error> {
        let question = question(action, resource);
        if let ResourceRef::File(path) | ResourceRef::Dir(path) = question.resource {
            within_depth(path, self.metered.limits())?;
        }
        if let Some(reason) = self.deciding.forbidden.reason(&question, known(resource)) {
            return Err(self.refused(&question, &[reason.to_owned()], &[], false));
        }
        let verdict = self.deciding.engine.decide(&question);
        if !verdict.permitted {
            return Err(self.refused(&question, &verdict.determining, &verdict.errors, verdict.failed));
        }
        self.decide_earlier(action, resource)?;
        // For an act that changes the host, this returns only when the record is written.
        let decision = Decision {
            question: &question,
            permitted: true,
            determining: &verdict.determining,
            errors: &verdict.errors,
            line: self.line,
            effect: changes_host(action),
            act,
        };
        self.recording.decision(&decision).map(drop)
    }

    /// Refuses what is forbidden, or not permitted, under a name that the object had before this run moved it.
    ///
    /// On record only when it is refused: what is carried out is what was asked for under its present name.
    fn decide_earlier<R: Resource>(&mut self, action: ActionId, resource: &R) -> Result<(), Error> {
        let Some((name, refusal)) = self.refusal_by_earlier_name(action, resource) else { return Ok(()) };
        let question = renamed(action, resource, name.as_str());
        Err(match refusal {
            Refusal::BuiltIn(reason) => self.refused(&question, &[reason.to_owned()], &[], false),
            Refusal::Policy(verdict) => {
                self.refused(&question, &verdict.determining, &verdict.errors, verdict.failed)
            }
        })
    }

    fn refusal_by_earlier_name<R: Resource>(
        &mut self,
        action: ActionId,
        resource: &R,
    ) -> Option<(PathName, Refusal)> {
        let (ResourceRef::File(path) | ResourceRef::Dir(path)) = resource.as_question() else { return None };
        for name in self.deciding.moved.earlier(path, resource.held()) {
            let question = renamed(action, resource, name.as_str());
            if let Some(reason) = self.deciding.forbidden.reason(&question, known(resource)) {
                return Some((name, Refusal::BuiltIn(reason)));
            }
            let verdict = self.deciding.engine.decide(&question);
            // Rex does not ask this, so for its scripts a missing permit is none.
            let is_fine = verdict.permitted || (self.deciding.rex_compat && verdict.determining.is_empty());
            if !is_fine {
                return Some((name, Refusal::Policy(verdict)));
            }
        }
        None
    }

    /// Whether nothing forbids it, and nothing permits it.
    fn lacks_only_a_permit<R: Resource>(&mut self, action: ActionId, resource: &R) -> bool {
        let question = question(action, resource);
        let verdict = self.deciding.engine.decide(&question);
        !verdict.permitted
            && verdict.determining.is_empty()
            && self.deciding.forbidden.reason(&question, known(resource)).is_none()
    }

    fn refused(
        &mut self,
        question: &Question<'_>,
        determining: &[String],
        errors: &[String],
        failed: bool,
    ) -> Error {
        let recorded = self.recording.decision(&Decision {
            question,
            permitted: false,
            determining,
            errors,
            line: self.line,
            effect: changes_host(question.action),
            act: None,
        });
        let recorded = recorded.and_then(|is_new| {
            if let Some(lacking) = self.deciding.explain_refusal(question, determining, is_new) {
                self.recording.explain(lacking);
            }
            // The one too many is on record, too.
            Ok(self.metered.count_denial()?)
        });
        match recorded {
            Err(error) => error,
            Ok(()) => Error::Denied(Box::new(Denial {
                principal: self.deciding.principal.clone(),
                action: question.action,
                kind: question.resource.kind(),
                resource: question.resource.id().into_owned(),
                undecided: failed,
            })),
        }
    }
}

/// Why something is refused under an earlier name.
enum Refusal {
    BuiltIn(&'static str),
    Policy(Rc<Verdict>),
}

/// The question about a resource under another name.
fn renamed<'a, R: Resource>(action: ActionId, resource: &'a R, name: &'a str) -> Question<'a> {
    let renamed = match resource.as_question() {
        ResourceRef::Dir(_) => ResourceRef::Dir(name),
        _ => ResourceRef::File(name),
    };
    Question { context: resource.context(), ..Question::new(action, renamed) }
}

fn question<R: Resource>(action: ActionId, resource: &R) -> Question<'_> {
    Question { context: resource.context(), ..Question::new(action, resource.as_question()) }
}

fn known<R: Resource>(resource: &R) -> Known<'_> {
    Known { inode: resource.inode(), place: resource.place(), closed: resource.closed() }
}

/// Whether the act leaves the host other than it was; its record has to be written first.
pub fn changes_host(action: ActionId) -> bool {
    !matches!(
        action,
        ActionId::FileSystemOpen
            | ActionId::FileSystemRead
            | ActionId::FileSystemRedactedRead
            | ActionId::FileSystemStat
            | ActionId::SysinfoList
            | ActionId::SysinfoResolveHostname
            | ActionId::ProcessList
            | ActionId::ProcessListFds
            | ActionId::SystemdStatus
    )
}
