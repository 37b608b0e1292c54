//! A process without a socket, a file or a name, which reads for the broker what comes from the network.
//!
//! It is started as a jail is, has a jail's lockdown, and is looked at as a jail is before it is given anything. What it answers
//! is taken only in the few forms that there are; anything else ends it, and with it the exchange.

use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::sync::PoisonError;
use std::time::Instant;

use nix::poll::PollFlags;
use rex_outside::errand::{self, Cause, HEADER_BYTES, Kind, MAX_BODY_BYTES, Prepare};
use rex_outside::socket::{LinkError, RECEIVE_BYTES, Received, Wait};
use rex_outside::{Jail, JailExit, Posture, SealedImage, SelfReport, spawn, verify};

use super::object::{GoOn, Network};
use super::patience::{Failed, until};

/// A worker that is locked down, and waits for an order. Killed and reaped when it is dropped.
#[derive(Debug)]
pub(super) struct Worker {
    jail: Jail,
    /// How many orders it has been given.
    orders: u32,
    /// How many answers it has given.
    answers: u32,
    /// The order that is being written, whose body stands where it is to be sent from.
    order: Box<[u8; HEADER_BYTES + MAX_BODY_BYTES]>,
    /// Its last answer.
    space: Box<[u8; RECEIVE_BYTES]>,
    pid: u32,
    /// Where the numbers of workers stand, for those who hide them.
    shown: Rc<RefCell<Vec<u32>>>,
}

impl Worker {
    /// Starts one, looks at it from outside, and gives it only where what is required is in force.
    pub(super) fn start(network: &mut Network, deadline: Instant, go_on: GoOn<'_>) -> Result<Self, Failed> {
        let (worker, posture) = Self::locked_down(network, deadline, go_on)?;
        let staff = network.staff.as_ref().ok_or(Failed::Refused("there is no worker for the network"))?;
        staff.seen.lock().unwrap_or_else(PoisonError::into_inner).add(&posture);
        let missing: Vec<&str> =
            posture.missing(&staff.requirement).iter().map(|measure| measure.id).collect();
        if !missing.is_empty() {
            let what = format!("{}: missing: {}", Cause::Setup.text(), missing.join(", "));
            return Err(Failed::System(io::Error::other(what)));
        }
        Ok(worker)
    }

    /// Starts one that says it is locked down, and looks at it from outside; nobody has compared that with what is required.
    pub(super) fn locked_down(
        network: &mut Network,
        deadline: Instant,
        go_on: GoOn<'_>,
    ) -> Result<(Self, Posture), Failed> {
        let staff = network.staff.as_ref().ok_or(Failed::Refused("there is no worker for the network"))?;
        let not_started = |error: &dyn std::error::Error| {
            Failed::System(io::Error::other(format!("the worker for the network cannot be started: {error}")))
        };
        if network.sealed.is_none() {
            network.sealed = Some(SealedImage::new(staff.program).map_err(|error| not_started(&error))?);
        }
        let image = network.sealed.as_ref().ok_or(Failed::Refused("there is no worker for the network"))?;
        let plan = &staff.plan;
        let jail = spawn(image, plan).map_err(|error| not_started(&error))?;
        let pid = u32::try_from(jail.pid()).unwrap_or(u32::MAX);
        network.workers.borrow_mut().push(pid);
        let mut worker = Self {
            jail,
            orders: 0,
            answers: 0,
            order: Box::new([0; HEADER_BYTES + MAX_BODY_BYTES]),
            space: Box::new([0; RECEIVE_BYTES]),
            pid,
            shown: Rc::clone(&network.workers),
        };
        let prepare = Prepare { lockdown_bits: plan.prepare_plan().to_bits(), arena_bytes: plan.arena_bytes };
        let report = match worker.order(Kind::Prepare, &prepare.to_bytes(), deadline, go_on)? {
            (Kind::Ready, report) => SelfReport::from_bytes(report),
            _ => None,
        };
        let report = report.ok_or(Failed::Refused(MISUNDERSTOOD))?;
        let posture = verify(&worker.jail, &report, plan);
        Ok((worker, posture))
    }

    /// Gives an order and waits for its answer.
    pub(super) fn order(
        &mut self,
        kind: Kind,
        body: &[u8],
        deadline: Instant,
        go_on: GoOn<'_>,
    ) -> Result<(Kind, &[u8]), Failed> {
        let room = self.room().get_mut(..body.len()).ok_or(Failed::Refused(TOO_LONG))?;
        room.copy_from_slice(body);
        self.order_of(kind, body.len(), deadline, go_on)
    }

    /// Where the body of the next order is written.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.order.get_mut(HEADER_BYTES..).unwrap_or_default()
    }

    /// Gives an order whose body are the first bytes of the room, and waits for its answer.
    pub(super) fn order_of(
        &mut self,
        kind: Kind,
        body_bytes: usize,
        deadline: Instant,
        go_on: GoOn<'_>,
    ) -> Result<(Kind, &[u8]), Failed> {
        let length = errand::finish(kind, self.orders, body_bytes, self.order.as_mut_slice());
        let frame = length.and_then(|length| self.order.get(..length)).ok_or(Failed::Refused(TOO_LONG))?;
        if let Err(error) = self.jail.socket.send(frame) {
            return Err(self.lost(error));
        }
        self.orders = self.orders.wrapping_add(1);
        let length = loop {
            until(&self.jail.socket, PollFlags::POLLIN, deadline, go_on)?;
            let received = self.jail.socket.receive(&mut self.space, Wait::No);
            match received.map_err(|error| self.lost(error))? {
                Received::Frame(length) => break length,
                Received::Nothing => {}
                Received::Closed => return Err(self.ended()),
            }
        };
        let frame = self.space.get(..length).unwrap_or_default();
        let answer = errand::split(frame, self.answers).ok_or(Failed::Refused(MISUNDERSTOOD))?;
        self.answers = self.answers.wrapping_add(1);
        match answer {
            (Kind::Failed, body) => {
                let cause = Cause::from_bytes(body).ok_or(Failed::Refused(MISUNDERSTOOD))?;
                Err(Failed::Refused(cause.text()))
            }
            answer => Ok(answer),
        }
    }

    /// Gives an order that has no answer but that it was understood.
    pub(super) fn tell(
        &mut self,
        kind: Kind,
        body: &[u8],
        deadline: Instant,
        go_on: GoOn<'_>,
    ) -> Result<(), Failed> {
        match self.order(kind, body, deadline, go_on)? {
            (Kind::Taken, []) => Ok(()),
            _ => Err(Failed::Refused(MISUNDERSTOOD)),
        }
    }

    /// A part of the body of its last answer.
    pub(super) fn answered(&self, part: Range<usize>) -> &[u8] {
        self.space.get(HEADER_BYTES..).and_then(|body| body.get(part)).unwrap_or_default()
    }

    fn lost(&mut self, error: LinkError) -> Failed {
        match error {
            LinkError::TooLong(_) | LinkError::Ancillary => Failed::Refused(MISUNDERSTOOD),
            _ => self.ended(),
        }
    }

    /// It has closed its end, or does not listen. Whatever it is still doing is over with this.
    fn ended(&mut self) -> Failed {
        let exit = self.jail.kill().and_then(|()| self.jail.wait());
        Failed::System(io::Error::other(match exit {
            Ok(JailExit::Exited(code)) => format!("{GONE} with exit status {code}"),
            Ok(JailExit::Signaled(signal)) => format!("{GONE} by signal {signal}"),
            Err(error) => format!("{GONE}: {error}"),
        }))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shown.borrow_mut().retain(|pid| *pid != self.pid);
    }
}

/// Said of whoever does not keep to the forms.
pub(super) const MISUNDERSTOOD: &str = "the worker for the network said what it cannot say";
const TOO_LONG: &str = "an order is too long";
const GONE: &str = "the worker for the network has ended";
