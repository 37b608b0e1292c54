//! One run, from the files to the exit status: read, spawn, check, verify, serve, record, answer.

pub mod ceiling;
mod closed;
pub mod conclude;
pub mod delegation;
mod ending;
mod halting;
pub mod image;
pub mod input;
mod keeping;
mod outcome;
mod policies;
pub mod record;
pub mod register;
pub mod request;
pub mod resources;
mod run_end;
pub mod services;
pub mod session;
mod shadow;
pub mod starting;
mod telling;
mod unbegun;

use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use rex_ipc::action::ActionId;
use rex_ipc::control::Purpose;
use rex_outside::spawner::Spawner;
use rex_outside::violation::Watch;
use rex_outside::{Jail, Plan, Requirement, RequirementError, SealedImage, SelfReport, verify};

use crate::audit::{self, Journal, JournalLimits, Record};
use crate::gate::deciding::Deciding;
use crate::gate::explaining::Explaining;
use crate::gate::forbidden::{self, Forbidden};
use crate::gate::limits::engine_limits;
use crate::host::network::object::Staff;
use crate::host::programs::object::{Programs, Tool};
use crate::host::programs::places::Closed;
use crate::host::{HardLinks, Host, network, principal, programs};
use crate::policy::{Engine, Question, ResourceRef};
use crate::result::stream::{Started, TICK};
use crate::result::{self, Document, Ending, Measured, NotStarted, Recorder};
use crate::run::ceiling::Built;
pub use crate::run::closed::closed_to_programs;
use crate::run::conclude::{Beginning, PATIENCE};
use crate::run::delegation::{Held, Narrowing};
use crate::run::image::Image;
use crate::run::input::{Inputs, Wanted};
use crate::run::keeping::Basis;
use crate::run::request::{Environment, RunRequest};
use crate::run::services::Services;
use crate::run::session::{RunEnd, Session};
use crate::run::shadow::Shadow;
use crate::run::starting::Terms;
use crate::watch::inherited;
use crate::watch::processor::Processor;
use crate::watch::shared::Shared;
use crate::watch::together::Together;
use crate::watch::wait::Waiter;
use crate::watch::watchdog::Watched;

use unbegun::{answer, not_established};
pub use unbegun::{misunderstood, refuse, unfit};

/// Runs a script and writes its result; gives the exit status.
pub fn run(
    options: &RunRequest,
    environment: Environment,
    requirement: &Requirement,
    image: Image<'_>,
) -> u8 {
    run_with(options, environment, requirement, image, &|plan| plan)
}

/// Runs a script with another plan for the jail, for tests, which leave steps out and have steps fail; gives the exit
/// status.
///
/// What is required stays required: no plan has a script sent to a jail that lacks it.
pub fn run_with(
    options: &RunRequest,
    environment: Environment,
    requirement: &Requirement,
    image: Image<'_>,
    change: &dyn Fn(Plan) -> Plan,
) -> u8 {
    let started = Instant::now();
    // First of all, because the time of the run ends with the delegation.
    let delegation = match delegation::take(options, started + options.limits.timeout().min(TOKEN_PATIENCE)) {
        Ok(delegation) => delegation,
        Err(reason) => return answer(options, environment, image, reason),
    };
    let bound = delegation.as_ref().map(|delegation| delegation.bound(options));
    let options = bound.as_ref().unwrap_or(options);
    let beginning = Beginning {
        options: options.clone(),
        log_threshold: environment.log_threshold,
        image_sha256: image.sha256.to_owned(),
        started,
        account: Shared::new(None),
        entry: Shared::new(None),
    };
    let mut recorder = beginning.recorder();
    let inherited = inherited::take_over()
        .map_err(|error| error.to_string())
        .and_then(|()| inherited::examine(&options.limits))
        .map_err(|reason| not_established(&reason));
    let (waiter, watched) = match inherited.and_then(|()| watch(&beginning)) {
        Ok(watching) => watching,
        Err(reason) => {
            let document = recorder.finish(Ending::NotStarted(reason), &Measured::default());
            return beginning.write(&document, &[], PATIENCE);
        }
    };
    let delegation = delegation.as_ref();
    let run =
        Run { beginning: &beginning, options, delegation, environment, requirement, image, change, watched };
    let not_started = |recorder: Recorder, reason| {
        run.watched.conclude();
        recorder.finish(Ending::NotStarted(reason), &Measured::default())
    };
    let inputs = run.read();
    let document = match &inputs {
        Err(reason) => not_started(recorder, reason.clone()),
        Ok(inputs) => match run.prepare(inputs, &mut recorder, waiter) {
            Ok(prepared) => run.serve(prepared, inputs, recorder),
            Err(reason) => not_started(recorder, reason),
        },
    };
    let sources = inputs.as_ref().map(policies::sources).unwrap_or_default();
    let exit = beginning.write(&document, &sources, PATIENCE);
    drop(beginning.entry.lock().take());
    exit
}

/// Takes over the signals that end a run, and starts the watchdog. Before anything that may take long.
fn watch(beginning: &Beginning) -> Result<(Waiter, Watched), NotStarted> {
    let failed = |what: &str, error: std::io::Error| {
        NotStarted::Jail(format!("jail could not be established: cannot {what}: {error}"))
    };
    let mut waiter = Waiter::new().map_err(|error| failed("take over signals", error))?;
    let rescued = beginning.clone();
    let watched = Watched::start(beginning.deadline(), grace(&beginning.options), |abandoned| {
        rescued.rescue(abandoned)
    })
    .map_err(|error| {
        not_established(&format!("cannot start the watchdog: {}", inherited::why_no_thread(&error)))
    })?;
    waiter.tell(watched.clone());
    waiter.set_deadline(Some(beginning.deadline()));
    Ok((waiter, watched))
}

/// How long a script may go on after SIGTERM.
fn grace(options: &RunRequest) -> Option<Duration> {
    options.compat.then_some(REX_GRACE)
}

/// What an operator requires; `core` unless something else was said.
///
/// # Errors
/// When the words make no sense.
pub fn requirement(spec: Option<&str>) -> Result<Requirement, RequirementError> {
    spec.map_or_else(|| Ok(Requirement::core()), str::parse)
}

/// What stays the same over a run.
struct Run<'a> {
    beginning: &'a Beginning,
    options: &'a RunRequest,
    delegation: Option<&'a Held>,
    environment: Environment,
    requirement: &'a Requirement,
    image: Image<'a>,
    change: &'a dyn Fn(Plan) -> Plan,
    watched: Watched,
}

/// Everything that has to be there before a jail may be asked whether it is ready.
struct Prepared {
    waiter: Waiter,
    plan: Plan,
    jail: Jail,
    spawner: Option<Spawner>,
    engine: Engine,
    journal: Journal,
    forbidden: Forbidden,
    principal: String,
    basis: Basis,
    ceiling: Option<Built>,
}

impl Run<'_> {
    fn read(&self) -> Result<Inputs, NotStarted> {
        let options = self.options;
        let wanted = Wanted {
            script: &options.script,
            policies: &options.policies,
            directories: options.for_person,
            forbids: &options.forbids,
            arguments: options.arguments.as_deref(),
            given: &options.given,
            rex_compat: options.compat,
        };
        Ok(input::read(&wanted, self.beginning.deadline())?)
    }

    /// Starts the jail, and checks the policy while the jail starts.
    fn prepare(
        &self,
        inputs: &Inputs,
        recorder: &mut Recorder,
        mut waiter: Waiter,
    ) -> Result<Prepared, NotStarted> {
        let options = self.options;
        if let Some(store) = &options.ca_file {
            network::unguarded::examine_store(store)
                .map_err(|reason| NotStarted::Refused(format!("configuration refused: {reason}")))?;
        }
        let plan = self.plan();
        let jail = self.start_jail(&plan, &mut waiter)?;
        let granted = delegation::links::in_force()
            .map_err(|reason| NotStarted::Refused(format!("the grants are refused: {reason}")))?;
        let policies = policies::load(options, inputs, &granted, recorder)?;
        let in_force = granted;
        let granted: Vec<_> =
            in_force.iter().filter(|link| policies.links().any(|own| own == link.id)).cloned().collect();
        // Before the broker protects itself, and has more descriptors than programs are used to: those would inherit it.
        let euid = nix::unistd::geteuid().as_raw();
        let principal = match self.delegation {
            Some(delegation) => delegation.principal().to_owned(),
            None if options.compat => principal::of_rex(euid),
            None => principal::of(euid),
        };
        let session = self.delegation.map(Held::session);
        let about = (principal.as_str(), session.as_ref());
        let shadow = Shadow::load(options, inputs, &in_force, about, self.beginning.deadline())?;
        let mut engine = Engine::new(policies, &principal);
        if let Some(delegation) = self.delegation {
            delegation.covers(&inputs.script_sha256)?;
            engine = engine.with_session(&delegation.session());
        }
        let narrowing = Narrowing::of(self.delegation, granted.clone()).map_err(NotStarted::Refused)?;
        if let Some(mut narrowing) = narrowing {
            engine = engine.narrowed_by(move || narrowing.look());
        }
        let spawner = self.start_spawner(&mut engine)?;
        resources::prepare(options.limits.max_open_handles)
            .map_err(|error| internal("make room for open files", &error))?;
        // After the jail was made: a process that nobody may look into cannot write the id maps of its children.
        rex_outside::kernel::broker_self_protection()
            .map_err(|error| NotStarted::Jail(format!("cannot protect the broker itself: {error}")))?;
        inputs.check_depth().map_err(|error| NotStarted::Arguments(error.to_string()))?;
        let run_id = audit::run_id().map_err(|error| internal("get random bytes", &error))?;
        let log = audit::open(&options.audit_log).map_err(|error| NotStarted::Audit(error.to_string()))?;
        let kept = keeping::keep(options, inputs, shadow.as_ref())?;
        recorder.jail.run.clone_from(&run_id);
        self.list(&run_id, &principal, inputs, &mut waiter)?;
        let mut forbidden = Forbidden::new();
        policies::close(&mut forbidden, options, inputs);
        if let Some(log) = &log {
            recorder.jail.audit_log = log.place().to_owned();
            let closed = forbidden.add_open(log.file(), forbidden::AUDIT_LOG);
            closed.map_err(|error| internal("look at the audit log", &error))?;
            if let Some(path) = log.path() {
                // By name as well: what comes to stand there when the log is renamed is the log of the next run.
                forbidden
                    .add_path(path, forbidden::AUDIT_LOG)
                    .map_err(|error| internal("protect the audit log", &error))?;
            }
            // A log that was handed over open has a name, too, where it is a file.
            let held = std::fs::read_link(format!("/proc/self/fd/{}", log.file().as_fd().as_raw_fd()));
            if let Some(path) = held.ok().filter(|path| path.exists()) {
                forbidden
                    .add_path(&path, forbidden::AUDIT_LOG)
                    .map_err(|error| internal("protect the audit log", &error))?;
            }
        }
        let told = self.delegation.map(|delegation| delegation.told(&inputs.script_sha256));
        let policy_sha256 = engine.policies().digest();
        let identity =
            audit::Identity { run: &run_id, principal: &principal, delegation: told.as_ref(), policy_sha256 };
        let journal = self.journal(log, identity);
        let ceiling = self.ceiling(engine.policies(), &jail)?;
        recorder.jail.delegation = told;
        recorder.stream = telling::stream(options, self.beginning.deadline())
            .map_err(|error| internal("watch for signals", &error))?;
        let basis = Basis::new(engine.policies(), granted, kept, shadow);
        Ok(Prepared { waiter, plan, jail, spawner, engine, journal, forbidden, principal, basis, ceiling })
    }

    /// Starts what starts programs, where the policy could ever permit one.
    fn start_spawner(&self, engine: &mut Engine) -> Result<Option<Spawner>, NotStarted> {
        // Rex does not ask for the programs that do the work of its functions.
        let debugger = Question::new(ActionId::FileSystemOpen, ResourceRef::File(Tool::Debugger.path()));
        let policies = engine.policies();
        let could = policies.could_permit(ActionId::FileSystemExecute)
            || self.options.compat
                && (policies.could_permit(ActionId::SysctlLoad)
                    || policies.could_permit(ActionId::ProcessTrace)
                    || engine.decide(&debugger).permitted);
        if self.options.dry_run || !could {
            return Ok(None);
        }
        let started = programs::unguarded::start_spawner(image::SPAWNER.bytes);
        started
            .map(Some)
            .map_err(|error| not_established(&format!("what starts programs cannot be started: {error}")))
    }

    fn plan(&self) -> Plan {
        let mut plan = Plan::for_requirement(self.requirement);
        plan.arena_bytes = self.options.limits.memory_bytes();
        // The broker looks by itself; the kernel's own limit is for the time in which it does not come to that.
        plan.cpu_seconds = self.options.limits.max_jail_cpu_seconds.saturating_add(1);
        plan.forensics = self.options.jail_forensics;
        (self.change)(plan)
    }

    /// Starts the jail and tells it what it has to know; it locks itself down while the policy is checked.
    fn start_jail(&self, plan: &Plan, waiter: &mut Waiter) -> Result<Jail, NotStarted> {
        let failed = |reason: String| NotStarted::Jail(format!("jail could not be established: {reason}"));
        let image = SealedImage::new(self.image.bytes).map_err(|error| failed(error.to_string()))?;
        let terms = Terms {
            limits: engine_limits(&self.options.limits),
            log_threshold: self.environment.log_threshold,
            rex_compat: self.options.compat,
        };
        let jail = starting::start(&image, plan, waiter, terms).map_err(|end| self.not_begun(&end))?;
        let processor = Processor::of_jail(jail.pid(), &self.options.limits)
            .map_err(|error| internal("watch the processor time of the jail", &error))?;
        waiter.watch_processor(processor);
        Ok(jail)
    }

    /// Why there is no script to run: there is no jail, or the run was to end while it was made.
    fn not_begun(&self, end: &RunEnd) -> NotStarted {
        match end {
            RunEnd::Signal(_) | RunEnd::Halted if self.beginning.order().is_some() => self.stopped(),
            RunEnd::Signal(number) => NotStarted::Signal(u8::try_from(*number).unwrap_or(0)),
            RunEnd::Deadline => NotStarted::Deadline(self.options.limits.timeout_seconds),
            end => not_established(&end.to_string()),
        }
    }

    fn journal(&self, log: Option<audit::Log>, identity: audit::Identity<'_>) -> Journal {
        let limits = JournalLimits {
            records: self.options.limits.max_audit_records,
            bytes: self.options.limits.max_audit_bytes,
        };
        match log {
            Some(log) => Journal::new(log, identity, limits, self.options.audit_sync),
            None => Journal::nowhere(),
        }
    }

    /// Verifies the jail, runs the script, and makes the document, whatever became of the jail.
    fn serve(&self, prepared: Prepared, inputs: &Inputs, recorder: Recorder) -> Document {
        let Prepared {
            waiter,
            plan,
            mut jail,
            spawner,
            engine,
            journal,
            forbidden,
            principal,
            mut basis,
            ceiling,
        } = prepared;
        let (inner, closed) = match spawner {
            Some(_) => {
                let closed = closed_to_programs(&forbidden);
                (engine.policies().inner(&principal, &closed), Closed::hold(&closed))
            }
            None => Default::default(),
        };
        let host = match Host::open(self.options.limits.max_open_handles) {
            Ok(host) => host,
            Err(error) => {
                self.watched.close();
                self.watched.conclude();
                let reason = internal("open / or /proc/self/fd", &error);
                return recorder.finish(Ending::NotStarted(reason), &Measured::default());
            }
        };
        let mut deciding = Deciding::new(engine, forbidden, principal);
        deciding.rex_compat = self.options.compat;
        let limits = self.options.limits;
        let mut services = Services::new(host, deciding, limits, waiter, Box::new(journal), recorder);
        (services.kept.looks_at, services.kept.shadow) = basis.take();
        if self.options.for_person && self.options.explain_denials {
            services.deciding.explaining = Explaining::enabled();
        }
        services.progress =
            telling::progress(&mut services.kept.recorder.lock().stream, self.options, self.beginning);
        if services.progress.is_visible() {
            let progress = services.progress.clone();
            services.pace.waiter.set_tick(TICK, Box::new(move || progress.show()));
        }
        services.host.services.address = self.options.bus_address.clone();
        let staff = Staff::new(image::WORKER.bytes, &plan, self.requirement);
        services.kept.recorder.lock().workers = Some((image::WORKER.sha256, Arc::clone(&staff.seen)));
        services.host.network.staff = Some(staff);
        services.host.network.ca_file.clone_from(&self.options.ca_file);
        services.host.network.proxy.clone_from(&self.options.proxy);
        services.host.network.user_information = self.options.url_userinfo;
        if let Some(spawner) = &spawner {
            services.hide_process(spawner.pid());
            services.kept.recorder.lock().jail.children = Some(self.options.children.name());
        }
        services.host.programs.spawner = spawner;
        services.host.programs.inner = inner;
        services.host.programs.closed = closed;
        services.host.programs.hard_links = self.options.hard_links == HardLinks::Allow;
        services.host.programs.sockets = programs::unguarded::hold_sockets(&self.options.child_sockets);
        services.host.programs.confinement = self.options.children.confinement();
        services.host.hard_links = self.options.hard_links == HardLinks::Allow;
        // The jail is still getting ready, so this holds up nothing.
        services.host.tools.clean_up();
        services.watched = Some(self.watched.clone());
        services.hide_process(u32::try_from(jail.pid()).unwrap_or(0));

        services.pace.waiter.set_grace(grace(self.options));
        let mut session = Session::new(&jail.socket);
        services.pace.waiter.keep_together(Together::with(jail.pid()).ok().flatten());
        session.purpose = if self.options.dry_run { Purpose::Check } else { Purpose::Run };
        let established =
            self.establish(&mut session, &jail, &plan, inputs, (&basis, ceiling), &mut services);
        let (ending, evaluation) = match established {
            Err(not_started) => {
                self.watched.close();
                (Ending::NotStarted(not_started), None)
            }
            Ok(watch) => {
                *self.beginning.account.lock() = Some(services.kept.account());
                services.tell_work(None);
                let begun = Instant::now();
                let end = match session.load(&mut services, &inputs.script, &inputs.arguments) {
                    Ok(()) => session.serve(&mut services),
                    Err(end) => end,
                };
                self.watched.close();
                let evaluation = begun.elapsed();
                // Where the jail names a place, it is nearer than the last call.
                let place = session.place;
                let line = place.map_or(session.line, |place| place.line);
                services.progress.hide();
                let remarks = std::mem::take(&mut session.remarks);
                let ending = self.ending(end, line, &mut jail, watch.as_ref(), &mut services);
                let remark = result::diagnose(
                    &ending,
                    place,
                    &inputs.script_name,
                    &inputs.script,
                    self.options.advise,
                );
                let mut recorder = services.kept.recorder.lock();
                if let Some(remark) = remark {
                    recorder.remark(remark);
                }
                let doubts =
                    remarks.iter().map(|doubt| result::doubt(doubt, &inputs.script_name, &inputs.script));
                recorder.diagnostics.extend(doubts);
                drop(recorder);
                (ending, Some(evaluation))
            }
        };
        // In every case: nothing of jail and worker outlives the run, and nothing of a program.
        drop(jail);
        services.host.network.end_exchange(false);
        services.host.programs = Programs::default();
        let measured = self.measured(&ending, evaluation, inputs);
        let document = self.beginning.document(&services.kept.account(), ending, &measured);
        self.watched.conclude();
        document
    }

    /// Waits until the jail is locked down, looks at it from outside, and records the start.
    fn establish(
        &self,
        session: &mut Session<'_>,
        jail: &Jail,
        plan: &Plan,
        inputs: &Inputs,
        (basis, ceiling): (&Basis, Option<Built>),
        services: &mut Services,
    ) -> Result<Option<Watch>, NotStarted> {
        let failed = |reason: String| NotStarted::Jail(format!("jail could not be established: {reason}"));
        let report = session.await_ready(&mut services.pace.waiter).map_err(|end| self.not_begun(&end))?;
        let report = SelfReport::from_bytes(&report).ok_or_else(|| failed("its report is damaged".into()))?;
        let watch = match self.options.jail_forensics {
            true => Some(self.watch_calls(jail, services).map_err(|error| {
                failed(format!(
                    "--jail-forensics needs CAP_SYS_PTRACE over the jail, and a listener: {error}"
                ))
            })?),
            false => None,
        };
        let mut posture = verify(jail, &report, plan);
        posture.image_sha256 = self.image.sha256.to_owned();
        services.kept.recorder.lock().jail.posture = result::values(&posture.measures);
        if let Some(reason) = telling::missing(&posture, self.requirement) {
            return Err(failed(reason));
        }
        session.verified();
        if let Some(ceiling) = ceiling {
            let entered = serde_json::to_value(self.enter(ceiling)?).unwrap_or_default();
            services.kept.recorder.lock().jail.ceiling = Some(entered);
        }
        let terms = self.delegation.map(Held::terms);
        let start = audit::Start {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            uid: services.host.euid,
            script_sha256: &inputs.script_sha256,
            policy_sha256: &basis.policy_sha256,
            arguments_sha256: inputs.arguments_sha256.as_deref(),
            image_sha256: Some(self.image.sha256),
            policy_mode: self.options.policy_mode.name(),
            rex_compat: self.options.compat,
            require: Some(self.beginning.required()),
            delegation_terms: terms.as_ref(),
            policy_links: basis.policy_links.as_ref(),
            schema_sha256: basis.schema_sha256(),
            engine: basis.schema_sha256().map(|_| keeping::ENGINE),
            shadow_sha256: basis.shadow_sha256.as_deref(),
        };
        services
            .kept
            .audit
            .lock()
            .note(&Record::Start(start))
            .map_err(|error| NotStarted::Audit(error.to_string()))?;
        let mut recorder = services.kept.recorder.lock();
        let run = recorder.jail.run.clone();
        let begun = Started {
            run: &run,
            script_sha256: &inputs.script_sha256,
            policy_sha256: &basis.policy_sha256,
            image_sha256: self.image.sha256,
        };
        // Whoever does not hear this does not hear what follows either, and that ends the run.
        drop(recorder.stream.started(&begun));
        Ok(watch)
    }

    /// Takes over the listener of the jail's filter, so that a forbidden call is seen before it is answered by death.
    fn watch_calls(&self, jail: &Jail, services: &mut Services) -> std::io::Result<Watch> {
        let watch = Watch::take(jail)?;
        services.pace.waiter.watch_calls(watch.as_fd().try_clone_to_owned()?);
        Ok(watch)
    }

    /// Time, processor and memory of the run, both processes together.
    fn measured(&self, ending: &Ending, evaluation: Option<Duration>, inputs: &Inputs) -> Measured {
        let mut measured = Measured { evaluation, ..Measured::default() };
        if !self.environment.monitoring {
            return measured;
        }
        let (Ok(own), Ok(jail)) = (getrusage(UsageWho::RUSAGE_SELF), getrusage(UsageWho::RUSAGE_CHILDREN))
        else {
            return measured;
        };
        let processor: i64 = [own.user_time(), own.system_time(), jail.user_time(), jail.system_time()]
            .iter()
            .map(|time| time.num_microseconds())
            .sum();
        let wall = self.beginning.started.elapsed().as_micros().max(1);
        measured.cpu_percent = Some(processor as f64 * 100.0 / wall as f64);
        let executed = !matches!(ending, Ending::NotStarted(_)) && !inputs.script_is_empty();
        if executed {
            // ru_maxrss is in KiB; the peak stands for the mean, which a jail without a clock could not tell.
            let resident_kib = own.max_rss().saturating_add(jail.max_rss());
            measured.resident_mib = Some(resident_kib as f64 / 1024.0);
            let virtual_bytes =
                resources::address_space_bytes().saturating_add(self.options.limits.memory_bytes());
            measured.virtual_mib = Some(virtual_bytes as f64 / (1024.0 * 1024.0));
        }
        measured
    }
}

fn internal(what: &str, error: &std::io::Error) -> NotStarted {
    NotStarted::Internal(format!("cannot {what}: {error}"))
}

/// How long a caller may take to hand over a token.
const TOKEN_PATIENCE: Duration = Duration::from_secs(30);
/// How long a Rex script may go on after SIGTERM.
const REX_GRACE: Duration = Duration::from_secs(10);
