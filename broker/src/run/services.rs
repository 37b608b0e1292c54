//! What operations may use: policy, record, result, handles, limits. One per run.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use rex_ipc::control::RequestNumber;
use rex_ipc::failure::ErrorKind;
use rex_ipc::interface::Request;
use rex_ipc::runtime::{Alarm, Log, Metric};

use crate::audit::{self, Act, Sink};
use crate::gate::error::{Error, LimitReached};
use crate::gate::forbidden::Forbidden;
use crate::gate::limits::{Limits, Usage, within};
use crate::gate::resource_text;
use crate::host::file_system::moved::Moved;
use crate::host::file_system::object::Directory;
use crate::host::file_system::temporaries::Temporaries;
use crate::host::file_system::unguarded;
use crate::host::file_system::walk::Reached;
use crate::host::handles::Handles;
use crate::host::own_processes::OwnProcesses;
use crate::ops::explain::{self, Explaining};
use crate::ops::file_system::support::redaction::{DICTIONARY_PATH, Dictionary};
use crate::policy::explain::{Lacking, Need};
use crate::policy::{Engine, Question};
use crate::result::stream::{Progress, Unheard};
use crate::result::{Document, Recorder, Refusal};
use crate::watch::shared::Shared;
use crate::watch::wait::{Event, Waiter};
use crate::watch::watchdog::{Account, Watched};

/// The state of a run that operations see.
pub struct Services {
    /// Decides.
    pub engine: Engine,
    /// What no policy can permit.
    pub forbidden: Forbidden,
    /// The objects that the jail has open.
    pub handles: Handles,
    /// What the run may use.
    pub limits: Limits,
    /// Whether a file with several hard links may be opened wherever it lies.
    pub hard_links: bool,
    /// Whether scripts of Rex are run: of what Rex does not ask, only a forbid counts.
    pub rex_compat: bool,
    /// The bits of a mode that nothing gets which the broker makes.
    pub umask: u32,
    /// What was moved, and from where.
    pub moved: Moved,
    /// What it has used.
    pub usage: Usage,
    /// Waits for whatever comes next.
    pub waiter: Waiter,
    /// The root directory.
    pub root: Rc<OwnedFd>,
    /// The broker's own descriptors.
    pub own_fds: Rc<OwnedFd>,
    /// The user that the policy is asked about.
    pub principal: String,
    /// The effective user id of the broker.
    pub euid: u32,
    /// Decisions and effects, for those who come later.
    pub audit: Shared<Box<dyn Sink>>,
    /// Logs, alarms, metrics and denials, for the caller.
    pub recorder: Shared<Recorder>,
    /// The result, while the closing record is being written.
    pub document: Shared<Option<Document>>,
    /// Learns what the broker is doing, where somebody has to know.
    pub watched: Option<Watched>,
    /// How far the run is, for whoever watches.
    pub progress: Progress,
    /// The request that is being carried out.
    pub current: RequestNumber,
    /// Its name in the interface table.
    pub operation: &'static str,
    /// Whether it adds to new content that nobody sees before it is complete.
    is_piece: bool,
    /// Whether denials are explained in the result.
    pub explaining: Explaining,
    /// What interrupted the run, once something has.
    pub interruption: Option<Event>,
    /// Broker and jail, which no `/proc` shows to a script.
    own_processes: OwnProcesses,
    /// The names that new content has until it takes its place.
    pub temporaries: Temporaries,
    dictionary: Option<Rc<Dictionary>>,
    users: HashMap<u32, Option<String>>,
    groups: HashMap<u32, Option<String>>,
}

/// A decision to be recorded.
pub struct Decision<'a> {
    /// What was asked.
    pub question: &'a Question<'a>,
    /// What was answered.
    pub permitted: bool,
    /// The policies that decided.
    pub determining: &'a [String],
    /// What went wrong in evaluation.
    pub errors: &'a [String],
    /// The line of the script, as the jail claims.
    pub line: u32,
    /// Whether the act leaves the host other than it was.
    pub effect: bool,
    /// What it does, where action and resource do not say it.
    pub act: Option<Act<'a>>,
}

/// The places that every walk begins at, held for the whole run.
#[derive(Debug)]
pub struct Places {
    root: OwnedFd,
    own_fds: OwnedFd,
    umask: u32,
    own_processes: OwnProcesses,
}

impl Places {
    /// Opens `/` and `/proc/self/fd`.
    ///
    /// # Errors
    /// Those of open(2); without `/proc` no object can be opened for use.
    pub fn open() -> std::io::Result<Self> {
        let own_fds = unguarded::own_fds()?;
        let own_processes = OwnProcesses::new(&own_fds)?;
        Ok(Self { root: unguarded::root()?, own_fds, umask: unguarded::umask(), own_processes })
    }
}

impl Services {
    /// The state at the start of a run.
    #[expect(
        clippy::too_many_arguments,
        reason = "each part of a run is made in its own place and handed over once"
    )]
    pub fn new(
        places: Places,
        engine: Engine,
        principal: String,
        forbidden: Forbidden,
        limits: Limits,
        waiter: Waiter,
        audit: Box<dyn Sink>,
        recorder: Recorder,
    ) -> Self {
        Self {
            engine,
            forbidden,
            handles: Handles::new(usize::try_from(limits.max_open_handles).unwrap_or(usize::MAX)),
            hard_links: false,
            rex_compat: false,
            umask: places.umask,
            moved: Moved::default(),
            limits,
            usage: Usage::default(),
            waiter,
            root: Rc::new(places.root),
            own_fds: Rc::new(places.own_fds),
            principal,
            euid: nix::unistd::geteuid().as_raw(),
            audit: Shared::new(audit),
            recorder: Shared::new(recorder),
            document: Shared::new(None),
            watched: None,
            progress: Progress::default(),
            current: RequestNumber { frame: 0, index: 0 },
            operation: "",
            is_piece: false,
            explaining: Explaining::default(),
            interruption: None,
            own_processes: places.own_processes,
            temporaries: Temporaries::usual(),
            dictionary: None,
            users: HashMap::new(),
            groups: HashMap::new(),
        }
    }

    /// What this run has to tell, for the watchdog.
    pub fn account(&self) -> Account {
        Account {
            recorder: self.recorder.clone(),
            audit: self.audit.clone(),
            document: self.document.clone(),
        }
    }

    /// Tells the watchdog, if there is one, what is done from now on.
    pub fn tell_work(&self, name_and_line: Option<(&'static str, u32)>) {
        if let Some(watched) = &self.watched {
            watched.work(name_and_line);
        }
    }

    /// Closes the entries of `/proc` that show the jail.
    pub fn hide_jail(&mut self, pid: u32) {
        self.hide_process(pid);
    }

    /// Closes the entries of `/proc` that show a process of this run, by its number in the broker's own namespace.
    pub fn hide_process(&mut self, pid: u32) {
        self.own_processes.add(pid);
        // By name as well, where it is known: then it is refused before it is looked at.
        if self.own_processes.are_numbered_as_here() {
            self.forbidden.add_process(pid);
        }
    }

    /// Whether this object is an entry of a `/proc`, wherever that is mounted, which shows a process of the run.
    pub fn shows_broker(&self, reached: &Reached) -> bool {
        self.own_processes.are_shown_by(reached.fd.as_fd(), &reached.stat, &self.own_fds)
    }

    /// Whether this name in an open directory is the link by which a `/proc` tells the broker its own number.
    pub fn is_link_to_broker(&self, directory: &Directory, name: &[u8]) -> bool {
        (name == b"self" || name == b"thread-self")
            && unguarded::status_of(directory)
                .map_or(true, |stat| self.own_processes.is_in_proc(directory.fd.as_fd(), &stat))
    }

    /// The redaction dictionary, read once under the broker's own authority.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn dictionary(&mut self) -> Result<Rc<Dictionary>, Error> {
        if let Some(dictionary) = &self.dictionary {
            return Ok(Rc::clone(dictionary));
        }
        let dictionary = Rc::new(Dictionary::load(std::path::Path::new(DICTIONARY_PATH))?);
        self.dictionary = Some(Rc::clone(&dictionary));
        Ok(dictionary)
    }

    /// The name of a user; looked up once.
    pub fn user_name(&mut self, uid: u32) -> Option<String> {
        self.users.entry(uid).or_insert_with(|| unguarded::user_name(uid)).clone()
    }

    /// The name of a group; looked up once.
    pub fn group_name(&mut self, gid: u32) -> Option<String> {
        self.groups.entry(gid).or_insert_with(|| unguarded::group_name(gid)).clone()
    }

    /// Counts bytes read from files.
    ///
    /// # Errors
    /// `Limit` when there are too many.
    pub fn count_read_bytes(&mut self, bytes: usize) -> Result<(), Error> {
        Ok(self.usage.count_read_bytes(bytes as u64, &self.limits)?)
    }

    /// Counts bytes written to files, copied or allocated.
    ///
    /// # Errors
    /// `Limit` when there are too many.
    pub fn count_written_bytes(&mut self, bytes: u64) -> Result<(), Error> {
        Ok(self.usage.count_written_bytes(bytes, &self.limits)?)
    }

    /// Counts a call.
    ///
    /// # Errors
    /// `Limit` when there are too many.
    pub fn count_call(&mut self) -> Result<(), Error> {
        self.usage.calls = self.usage.calls.saturating_add(1);
        Ok(within("max-calls", self.usage.calls, self.limits.max_calls)?)
    }

    /// Begins a request, and counts it.
    ///
    /// # Errors
    /// `Limit` when its operation was asked for too often.
    pub fn begin(&mut self, number: RequestNumber, request: &Request) -> Result<(), Error> {
        self.current = number;
        self.operation = request.name();
        self.is_piece = matches!(request, Request::WriteChunk(_));
        Ok(self.usage.count_request(request, &self.limits)?)
    }

    /// Waits, unless the run is to end meanwhile.
    ///
    /// # Errors
    /// `Interrupted` when it is.
    pub fn sleep(&mut self, milliseconds: u32) -> Result<(), Error> {
        match self.waiter.pause(Duration::from_millis(milliseconds.into()))? {
            Event::Elapsed => Ok(()),
            event => {
                self.interruption = Some(event);
                Err(Error::Interrupted)
            }
        }
    }

    /// Looks, in the middle of a long act, whether the run is to end; to be called every few milliseconds.
    ///
    /// # Errors
    /// `Interrupted` when it is.
    pub fn go_on(&mut self) -> Result<(), Error> {
        match self.waiter.glance()? {
            None => Ok(()),
            Some(event) => {
                self.interruption = Some(event);
                Err(Error::Interrupted)
            }
        }
    }

    /// Records a decision: for those who come later, and a denial for the caller too.
    ///
    /// # Errors
    /// `Audit` when it cannot be recorded, and `Limit` when the run has used its share of the record.
    pub fn record(&mut self, decision: Decision<'_>) -> Result<(), Error> {
        let resource = resource_text(&decision.question.resource);
        let kind = decision.question.resource.kind();
        let context = decision.question.context.to_json();
        let act = decision.act.as_ref().map(Act::to_json);
        if !decision.permitted {
            let is_new = self.recorder.lock().denial(
                decision.question.action,
                kind,
                &resource,
                decision.determining,
                decision.line,
            );
            explain::of_refusal(self, decision.question, decision.determining, is_new);
        }
        let record = audit::Decision {
            operation: self.operation,
            claimed_line: decision.line,
            action: decision.question.action,
            resource_kind: kind,
            resource: &resource,
            context: context.as_ref(),
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
        drop(audit);
        // The one too many is on record, too.
        if decision.permitted { Ok(()) } else { Ok(self.usage.count_denial(&self.limits)?) }
    }

    /// Explains the refusal that was recorded last.
    pub fn explain(&mut self, lacking: Lacking) {
        self.recorder.lock().explain(lacking);
    }

    /// Adds a permission to that explanation.
    pub fn explain_more(&mut self, need: Need, grant: Option<String>) {
        self.recorder.lock().explain_more(need, grant);
    }

    /// Records what became of the current request.
    ///
    /// # Errors
    /// As [`Services::record`].
    pub fn record_outcome(&mut self, outcome: &audit::Outcome<'_>) -> Result<(), Error> {
        let mut audit = self.audit.lock();
        audit.request(self.current);
        Ok(audit.after(outcome)?)
    }

    /// Writes out every record so far. Nothing is released before.
    ///
    /// # Errors
    /// As [`Services::record`].
    pub fn commit_records(&mut self) -> Result<(), Error> {
        self.audit.lock().commit()?;
        let told = self.recorder.lock().tell_denials();
        told.map_err(|refusal| refused(&mut self.interruption, refusal))
    }

    /// Keeps a log line for the result.
    ///
    /// # Errors
    /// `Limit` when there are too many.
    pub fn log(&mut self, log: Log) -> Result<(), Error> {
        let taken = self.recorder.lock().log(&log);
        taken.map_err(|refusal| refused(&mut self.interruption, refusal))
    }

    /// Keeps an alarm for the result.
    ///
    /// # Errors
    /// `Limit` when there are too many; `InvalidArguments` when the name is reserved.
    pub fn alarm(&mut self, alarm: Alarm) -> Result<(), Error> {
        let taken = self.recorder.lock().alarm(alarm);
        taken.map_err(|refusal| refused(&mut self.interruption, refusal))
    }

    /// Keeps a metric for the result.
    ///
    /// # Errors
    /// `Limit` when there are too many; `InvalidArguments` when the name is reserved.
    pub fn metric(&mut self, metric: Metric) -> Result<(), Error> {
        let taken = self.recorder.lock().metric(metric);
        taken.map_err(|refusal| refused(&mut self.interruption, refusal))
    }
}

fn refused(interruption: &mut Option<Event>, refusal: Refusal) -> Error {
    match refusal {
        Refusal::Reserved(text) => Error::invalid(ErrorKind::InvalidArguments, text),
        Refusal::Limit { name, value } => Error::Limit(LimitReached { name, value }),
        Refusal::Unheard(Unheard::Broken(reason)) => Error::Output(reason),
        Refusal::Unheard(Unheard::Stopped(event)) => {
            *interruption = Some(event);
            Error::Interrupted
        }
    }
}
