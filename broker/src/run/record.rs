//! What is kept of a run: the record for those who come later, and what its caller is told.

use rex_ipc::control::RequestNumber;
use rex_ipc::failure::ErrorKind;
use rex_ipc::interface::Request;
use rex_ipc::runtime::{Alarm, Log, Metric};

use crate::audit::{self, Sink};
use crate::gate::error::{Error, LimitReached};
use crate::gate::{Act, Decision, Recording};
use crate::ops::call::Telling;
use crate::policy::LooksAt;
use crate::policy::explain::{Lacking, Need};
use crate::result::stream::Unheard;
use crate::result::{Document, Recorder, Refusal};
use crate::run::conclude::Account;
use crate::run::shadow::Shadow;
use crate::watch::pace::Interruption;
use crate::watch::shared::Shared;

/// Record and result of a run.
pub struct Kept {
    /// Decisions and effects, for those who come later.
    pub audit: Shared<Box<dyn Sink>>,
    /// Logs, alarms, metrics and denials, for the caller.
    pub recorder: Shared<Recorder>,
    /// The result, while the closing record is being written.
    pub document: Shared<Option<Document>>,
    /// The request that is being carried out.
    current: RequestNumber,
    /// Its name in the interface table.
    operation: &'static str,
    /// Whether it adds to new content that nobody sees before it is complete.
    is_piece: bool,
    interruption: Interruption,
    /// What the policy looks at beside what every record has.
    pub looks_at: LooksAt,
    /// A policy that is asked as well, and whose answers are only recorded.
    pub shadow: Option<Shadow>,
}

/// Tells the caller what the script says.
pub struct Teller {
    recorder: Shared<Recorder>,
    interruption: Interruption,
}

impl Kept {
    /// Nothing is on record yet.
    pub fn new(audit: Box<dyn Sink>, recorder: Recorder, interruption: Interruption) -> Self {
        Self {
            audit: Shared::new(audit),
            recorder: Shared::new(recorder),
            document: Shared::new(None),
            current: RequestNumber { frame: 0, index: 0 },
            operation: "",
            is_piece: false,
            interruption,
            looks_at: LooksAt::default(),
            shadow: None,
        }
    }

    /// Who tells the caller what the script says.
    pub fn teller(&self) -> Teller {
        Teller { recorder: self.recorder.clone(), interruption: self.interruption.clone() }
    }

    /// What this run has to tell, for the watchdog.
    pub(crate) fn account(&self) -> Account {
        Account {
            recorder: self.recorder.clone(),
            audit: self.audit.clone(),
            document: self.document.clone(),
        }
    }

    /// Says which request the following records are about.
    pub fn begin(&mut self, number: RequestNumber, request: &Request) {
        self.current = number;
        self.operation = request.name();
        self.is_piece = matches!(request, Request::WriteChunk(_));
    }

    /// Records what became of the current request.
    ///
    /// # Errors
    /// `Audit` when it cannot be recorded, and `Limit` when the run has used its share of the record.
    pub fn record_outcome(&mut self, outcome: &audit::Outcome<'_>) -> Result<(), Error> {
        let mut audit = self.audit.lock();
        audit.request(self.current);
        Ok(audit.after(outcome)?)
    }

    /// Writes out every record so far. Nothing is released before.
    ///
    /// # Errors
    /// `Audit` when they cannot be written; `Limit` when the run has used its share of the record; `Output` when the
    /// caller cannot be told of a denial, and `Interrupted` when the run is to end before that.
    pub fn commit(&mut self) -> Result<(), Error> {
        self.audit.lock().commit()?;
        let told = self.recorder.lock().tell_denials();
        told.map_err(|refusal| refused(&self.interruption, refusal))
    }
}

impl Recording for Kept {
    fn decision(&mut self, decision: &Decision<'_>) -> Result<bool, Error> {
        let resource = decision.question.resource.id();
        let kind = decision.question.resource.kind();
        let context = decision.question.context.to_json();
        let facts = self.looks_at.facts(decision.question);
        let shadow = self.shadow.as_mut().and_then(|shadow| shadow.beside(decision));
        let act = decision.act.as_ref().map(Act::to_json);
        let is_new = !decision.permitted
            && self.recorder.lock().denial(
                decision.question.action,
                kind,
                &resource,
                decision.determining,
                decision.line,
            );
        let record = audit::Decision {
            operation: self.operation,
            claimed_line: decision.line,
            action: decision.question.action,
            resource_kind: kind,
            resource: &resource,
            context: context.as_ref(),
            facts: facts.as_ref(),
            shadow: shadow.as_ref(),
            act: act.as_ref(),
            permitted: decision.permitted,
            policies: decision.determining,
            errors: decision.errors,
            effect: decision.effect,
            is_piece: self.is_piece,
        };
        let mut audit = self.audit.lock();
        audit.request(self.current);
        audit.before(&record)?;
        Ok(is_new)
    }

    fn explain(&mut self, lacking: Lacking) {
        self.recorder.lock().explain(lacking);
    }

    fn explain_more(&mut self, need: Need, grant: Option<String>) {
        self.recorder.lock().explain_more(need, grant);
    }
}

impl Telling for Teller {
    fn log(&mut self, log: Log) -> Result<(), Error> {
        let taken = self.recorder.lock().log(&log);
        taken.map_err(|refusal| refused(&self.interruption, refusal))
    }

    fn alarm(&mut self, alarm: Alarm) -> Result<(), Error> {
        let taken = self.recorder.lock().alarm(alarm);
        taken.map_err(|refusal| refused(&self.interruption, refusal))
    }

    fn metric(&mut self, metric: Metric) -> Result<(), Error> {
        let taken = self.recorder.lock().metric(metric);
        taken.map_err(|refusal| refused(&self.interruption, refusal))
    }
}

fn refused(interruption: &Interruption, refusal: Refusal) -> Error {
    match refusal {
        Refusal::Reserved(text) => Error::invalid(ErrorKind::InvalidArguments, text),
        Refusal::Limit { name, value } => Error::Limit(LimitReached { name, value }),
        Refusal::Unheard(Unheard::Broken(reason)) => Error::Output(reason),
        Refusal::Unheard(Unheard::Stopped(event)) => interruption.by(event),
    }
}
