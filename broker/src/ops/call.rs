//! What one request may use: the gate, the host, and the pace of the run. Nothing of the engine or the record.

use rex_ipc::action::Action;
use rex_ipc::interface::Needs;
use rex_ipc::runtime::{Alarm, Log, Metric};

use crate::gate::deciding::Deciding;
use crate::gate::error::Error;
use crate::gate::forbidden::Forbidden;
use crate::gate::moved::Moving;
use crate::gate::usage::Metered;
use crate::gate::{Act, Allows, Gate, Granted, Recording};
use crate::host::Host;
use crate::ops::Perform;
use crate::ops::explain::ahead::Announced;
use crate::watch::pace::Pace;

/// Takes what a script tells its caller.
pub trait Telling {
    /// Keeps a log line for the result.
    ///
    /// # Errors
    /// `Limit` when there are too many.
    fn log(&mut self, log: Log) -> Result<(), Error>;

    /// Keeps an alarm for the result.
    ///
    /// # Errors
    /// `Limit` when there are too many; `InvalidArguments` when the name is reserved.
    fn alarm(&mut self, alarm: Alarm) -> Result<(), Error>;

    /// Keeps a metric for the result.
    ///
    /// # Errors
    /// `Limit` when there are too many; `InvalidArguments` when the name is reserved.
    fn metric(&mut self, metric: Metric) -> Result<(), Error>;
}

/// The parts of a run that requests are carried out with.
pub struct Parts<'a> {
    /// Decides.
    pub deciding: &'a mut Deciding,
    /// Keeps decisions.
    pub recording: &'a mut dyn Recording,
    /// Counts.
    pub metered: &'a Metered,
    /// Is acted on.
    pub host: &'a mut Host,
    /// Waits.
    pub pace: &'a mut Pace,
    /// Takes what the script tells.
    pub telling: &'a mut dyn Telling,
}

/// One request of the operation `O` being carried out.
///
/// What decides and what records are out of its reach:
///
/// ```
/// # use rex_broker::ops::call::Call;
/// fn reach<O>(call: &mut Call<'_, O>) -> bool {
///     call.is_rex_compat()
/// }
/// ```
///
/// ```compile_fail,E0616
/// # use rex_broker::ops::call::Call;
/// fn reach<O>(call: &mut Call<'_, O>) -> bool {
///     call.gate.is_rex_compat()
/// }
/// ```
///
/// ```compile_fail,E0616
/// # use rex_broker::gate::Gate;
/// fn reach<O>(gate: &mut Gate<'_, O>) {
///     gate.deciding.engine = unreachable!();
/// }
/// ```
///
/// ```compile_fail,E0616
/// # use rex_broker::gate::Gate;
/// fn reach<O>(gate: &mut Gate<'_, O>) {
///     gate.recording = unreachable!();
/// }
/// ```
///
/// What the run has moved can be told of, and not forgotten:
///
/// ```
/// # use rex_broker::ops::call::Call;
/// # use rex_broker::policy::name::PathName;
/// fn tell<O>(call: &mut Call<'_, O>) {
///     call.moved().directory_is_gone(&PathName::root());
/// }
/// ```
///
/// ```compile_fail,E0614
/// # use rex_broker::ops::call::Call;
/// fn forget<O>(call: &mut Call<'_, O>) {
///     *call.moved() = Default::default();
/// }
/// ```
///
/// ```compile_fail,E0616
/// # use rex_broker::ops::call::Call;
/// fn forget<O>(call: &mut Call<'_, O>) {
///     *call.moved().0 = Default::default();
/// }
/// ```
pub struct Call<'req, O> {
    gate: Gate<'req, O>,
    /// What it has said that it will ask.
    pub(super) announced: Announced,
    /// What is acted on.
    pub host: &'req mut Host,
    /// Waits, and looks whether the run is to end.
    pub pace: &'req mut Pace,
    /// What the run may use, and has used.
    pub metered: &'req Metered,
    /// What the script tells its caller.
    pub telling: &'req mut dyn Telling,
    /// The line of the script, as the jail claims.
    pub line: u32,
    /// How many bytes the reply may still take.
    pub room_bytes: usize,
}

impl<'req, O> Call<'req, O> {
    /// A request that was made at this line of the script, as the jail claims.
    pub fn new(parts: Parts<'req>, line: u32, room_bytes: usize, request: &O) -> Self
    where
        O: Perform,
    {
        let Parts { deciding, recording, metered, host, pace, telling } = parts;
        Self {
            gate: Gate::new(deciding, recording, metered, line),
            announced: Announced::by(request, &host.handles),
            host,
            pace,
            metered,
            telling,
            line,
            room_bytes,
        }
    }

    /// What no policy can permit.
    pub fn forbidden(&self) -> &Forbidden {
        self.gate.forbidden()
    }

    /// Takes what is told about what is moved.
    pub fn moved(&mut self) -> Moving<'_> {
        self.gate.moved()
    }

    /// Whether a script of Rex is run.
    pub fn is_rex_compat(&self) -> bool {
        self.gate.is_rex_compat()
    }

    /// Asks for `A` on `resource`; see [`Gate::authorize`].
    ///
    /// # Errors
    /// `Denied` when the policy, or a built-in forbid, says no or cannot be evaluated; `Audit` when the decision
    /// cannot be recorded; `Limit` when the path is too deep, or the run has used its share of the record.
    pub fn authorize<A: Action, R: Allows<A>>(&mut self, resource: R) -> Granted<'req, A, R>
    where
        O: Needs<A>,
    {
        self.announced.heed(A::ID, resource.as_question());
        self.gate.authorize(resource)
    }

    /// Asks for an act of which action and resource do not say enough; see [`Gate::authorize_act`].
    ///
    /// # Errors
    /// `Denied` when the policy, or a built-in forbid, says no or cannot be evaluated; `Audit` when the decision
    /// cannot be recorded; `Limit` when the path is too deep, or the run has used its share of the record.
    pub fn authorize_act<A: Action, R: Allows<A>>(&mut self, resource: R, act: Act<'_>) -> Granted<'req, A, R>
    where
        O: Needs<A>,
    {
        self.announced.heed(A::ID, resource.as_question());
        self.gate.authorize_act(resource, act)
    }

    /// Asks for what Rex does not ask; see [`Gate::authorize_beyond_rex`].
    ///
    /// # Errors
    /// `Denied` when the policy, or a built-in forbid, says no or cannot be evaluated; `Audit` when the decision
    /// cannot be recorded; `Limit` when the path is too deep, or the run has used its share of the record.
    pub fn authorize_beyond_rex<A: Action, R: Allows<A>>(&mut self, resource: R) -> Granted<'req, A, R>
    where
        O: Needs<A>,
    {
        self.announced.heed(A::ID, resource.as_question());
        self.gate.authorize_beyond_rex::<A, R>(resource)
    }

    /// Whether it would be permitted; see [`Gate::would_permit`].
    pub fn would_permit<A: Action, R: Allows<A>>(&mut self, resource: &R) -> bool
    where
        O: Needs<A>,
    {
        self.gate.would_permit::<A, R>(resource)
    }

    /// Refuses an object that its name would permit; see [`Gate::refuse`].
    pub fn refuse<A: Action, R: Allows<A>>(&mut self, resource: &R, reason: &'static str) -> Error
    where
        O: Needs<A>,
    {
        self.gate.refuse::<A, R>(resource, reason)
    }
}
