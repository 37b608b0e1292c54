//! The parts of a run that its requests are carried out with.

use rex_ipc::control::RequestNumber;
use rex_ipc::interface::Request;

use crate::audit::Sink;
use crate::gate::deciding::Deciding;
use crate::gate::error::Error;
use crate::gate::limits::Limits;
use crate::gate::usage::Metered;
use crate::host::Host;
use crate::ops::call::Parts;
use crate::ops::{explain, naming};
use crate::result::Recorder;
use crate::result::stream::Progress;
use crate::run::record::{Kept, Teller};
use crate::watch::pace::Pace;
use crate::watch::wait::Waiter;
use crate::watch::watchdog::{Watched, Work};

/// Everything that requests are carried out with. One per run.
pub struct Services {
    /// Decides.
    pub deciding: Deciding,
    /// What the run may use, and has used.
    pub metered: Metered,
    /// Is acted on.
    pub host: Host,
    /// Waits for whatever comes next.
    pub pace: Pace,
    /// Record and result.
    pub kept: Kept,
    /// Learns what the broker is doing, where somebody has to know.
    pub watched: Option<Watched>,
    /// How far the run is, for whoever watches.
    pub progress: Progress,
    teller: Teller,
}

impl Services {
    /// The state at the start of a run.
    pub fn new(
        host: Host,
        deciding: Deciding,
        limits: Limits,
        waiter: Waiter,
        audit: Box<dyn Sink>,
        recorder: Recorder,
    ) -> Self {
        let pace = Pace::new(waiter);
        let kept = Kept::new(audit, recorder, pace.interruption.clone());
        let teller = kept.teller();
        Self {
            deciding,
            metered: Metered::new(limits),
            host,
            pace,
            kept,
            watched: None,
            progress: Progress::default(),
            teller,
        }
    }

    /// What a request is carried out with.
    pub fn parts(&mut self) -> Parts<'_> {
        Parts {
            deciding: &mut self.deciding,
            recording: &mut self.kept,
            metered: &self.metered,
            host: &mut self.host,
            pace: &mut self.pace,
            telling: &mut self.teller,
        }
    }

    /// Tells the watchdog, if there is one, what is done from now on.
    pub fn tell_work(&self, work: Option<Work>) {
        if let Some(watched) = &self.watched {
            watched.work(work);
        }
    }

    /// Closes the entries of `/proc` that show a process of this run, by its number in the broker's own namespace.
    pub fn hide_process(&mut self, pid: u32) {
        // By name as well, where it is known: then it is refused before it is looked at.
        if self.host.hide_process(pid) {
            self.deciding.forbidden.add_process(pid);
        }
    }

    /// Begins a request, and counts it.
    ///
    /// # Errors
    /// `Limit` when its operation was asked for too often, and `Interrupted` when somebody has stopped the run.
    pub fn begin(&mut self, number: RequestNumber, request: &Request) -> Result<(), Error> {
        self.pace.heed()?;
        self.kept.begin(number, request);
        Ok(self.metered.count_request(request)?)
    }
    /// The name of what a request is about, for its failure. Scripts of Rex compare texts, and get none.
    pub fn object_of(&self, request: &Request) -> Option<String> {
        let is_told = !self.deciding.rex_compat;
        is_told.then(|| naming::object(&self.host.handles, request)).flatten()
    }

    /// Explains what a call lacks that has ended with a denial.
    pub fn explain_rest(&mut self, denied: &Request, rest: &[Request]) {
        explain::of_rest(&mut self.deciding, &mut self.kept, &self.host.handles, denied, rest);
    }
}
