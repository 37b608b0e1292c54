//! Collects what a run says about itself, and makes the result document of it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rex_ipc::action::{ActionId, ResourceKind};
use rex_ipc::runtime::{Alarm, Log, LogLevel, Metric};
use rex_outside::Least;

use super::denials::Denials;
use super::document::{AlarmObject, Document, ErrorObject, JailObject, LimitObject, Status, WorkerObject};
use super::ending::{Ending, ErrorType, NotStarted};
use super::logs::Logs;
use super::metrics::{Measured, Metrics};
use super::reserved;
use crate::policy::Finding;
use crate::policy::explain::{Lacking, Need};
use crate::result::Exit;
use crate::result::stream::{Stream, Unheard};

/// What the recorder has to know from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether reserved names are treated as Rex does.
    pub compat: bool,
    /// Whether the document lacks what Rex's does not have.
    pub bare: bool,
    /// When the program was started.
    pub started: Instant,
    /// Log lines below this level are left out.
    pub log_threshold: LogLevel,
    /// Most log lines.
    pub max_log_lines: u64,
    /// Most alarms and metrics.
    pub max_signals: u64,
    /// Most bytes that they take.
    pub max_signal_bytes: u64,
}

/// Collects what a run says about itself.
#[derive(Debug)]
pub struct Recorder {
    settings: Settings,
    logs: Logs,
    log_lines: u64,
    alarms: Vec<AlarmObject>,
    alarm_bytes: u64,
    metrics: Metrics,
    signals: u64,
    /// The first reserved names that were used; only under `compat`.
    reserved_metric: Option<String>,
    reserved_alarm: Option<String>,
    denials: Denials,
    /// Who is told of logs, alarms, metrics and denials while the script runs.
    pub stream: Stream,
    /// What can be said of places in the script or in policies.
    pub diagnostics: Vec<Finding>,
    /// Whether the script is only compiled.
    pub dry_run: bool,
    /// The limit that was reached, where the ending does not name it.
    pub limit: Option<LimitObject>,
    /// What is known of the jail; end and workers are filled in by [`Recorder::finish`].
    pub jail: JailObject,
    /// The digest of the program of workers, and what those had that were started; whoever starts them shares it.
    pub workers: Option<(&'static str, Arc<Mutex<Least>>)>,
}

/// Why something was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The name is reserved. The script may go on.
    Reserved(String),
    /// There was too much. The run ends.
    Limit {
        /// The name of the limit, as on the command line.
        name: &'static str,
        /// Its value.
        value: u64,
    },
    /// Whoever is told of it while the script runs does not listen. The run ends.
    Unheard(Unheard),
}

impl Recorder {
    /// Whether the run is to be as in Rex.
    pub fn is_rex_compat(&self) -> bool {
        self.settings.compat
    }

    /// A recorder for a run that begins.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            logs: Logs::new(settings.log_threshold),
            log_lines: 0,
            alarms: Vec::new(),
            alarm_bytes: 0,
            metrics: Metrics::default(),
            signals: 0,
            reserved_metric: None,
            reserved_alarm: None,
            denials: Denials::default(),
            stream: Stream::Silent,
            diagnostics: Vec::new(),
            dry_run: false,
            limit: None,
            jail: JailObject { audit_log: "none".to_owned(), ..JailObject::default() },
            workers: None,
        }
    }

    /// Takes a log line.
    ///
    /// # Errors
    /// When there were too many.
    pub fn log(&mut self, log: &Log) -> Result<(), Refusal> {
        within("max-log-lines", &mut self.log_lines, self.settings.max_log_lines)?;
        match self.logs.push(log) {
            Some(entry) => self.stream.log(entry).map_err(Refusal::Unheard),
            None => Ok(()),
        }
    }

    /// Takes an alarm.
    ///
    /// # Errors
    /// When its type is reserved and the run does not imitate Rex, or when there were too many alarms.
    pub fn alarm(&mut self, alarm: Alarm) -> Result<(), Refusal> {
        within("max-signals", &mut self.signals, self.settings.max_signals)?;
        let alarm_type = alarm.alarm_type.into_string();
        if reserved::is_reserved(&alarm_type) {
            return self.reserve(reserved::alarm_text(&alarm_type), |recorder| &mut recorder.reserved_alarm);
        }
        let details = alarm.details.map(|details| details.into_string());
        let bytes = alarm_type.len() + details.as_ref().map_or(0, String::len);
        self.alarm_bytes = self.alarm_bytes.saturating_add((bytes + ALARM_BYTES) as u64);
        let alarm = AlarmObject { alarm_type, alarm_details: details };
        self.stream.alarm(&alarm).map_err(Refusal::Unheard)?;
        self.alarms.push(alarm);
        self.check_signal_bytes()
    }

    /// Takes a metric.
    ///
    /// # Errors
    /// When its name is reserved and the run does not imitate Rex, or when there were too many metrics.
    pub fn metric(&mut self, metric: Metric) -> Result<(), Refusal> {
        within("max-signals", &mut self.signals, self.settings.max_signals)?;
        if reserved::is_reserved(metric.name.as_str()) {
            let text = reserved::metric_text(metric.name.as_str());
            return self.reserve(text, |recorder| &mut recorder.reserved_metric);
        }
        let streamed = matches!(self.stream, Stream::Json(_)).then(|| metric.name.as_str().to_owned());
        self.metrics.publish(metric);
        if let Some(metric) = streamed.and_then(|name| self.metrics.named(&name)) {
            self.stream.metric(&metric).map_err(Refusal::Unheard)?;
        }
        self.check_signal_bytes()
    }

    /// Takes a denial; says whether the result had no other like it. The policies are those that forbade it; none when
    /// no policy permitted it.
    pub fn denial<S: AsRef<str>>(
        &mut self,
        action: ActionId,
        kind: ResourceKind,
        name: &str,
        policies: &[S],
        line: u32,
    ) -> bool {
        self.denials.push(action, kind, name, policies, line)
    }

    /// Explains the denial that came last, which was a new one.
    pub fn explain(&mut self, lacking: Lacking) {
        self.denials.explain(lacking);
    }

    /// Adds a permission to the explanation of the denial that came last.
    pub fn explain_more(&mut self, need: Need, grant: Option<String>) {
        self.denials.explain_more(need, grant);
    }

    /// Takes what is said of the error that ended the script. What is built in is not for a policy to permit.
    pub fn remark(&mut self, mut finding: Finding) {
        if self.denials.built_in(&finding.message).is_some() {
            finding.hint =
                Some("no policy can permit it; the script may handle it with try … catch".to_owned());
        }
        self.diagnostics.push(finding);
    }

    /// Tells the denials that nobody was told of yet, each with what the call lacks.
    ///
    /// # Errors
    /// When whoever is to be told of them cannot be.
    pub fn tell_denials(&mut self) -> Result<(), Refusal> {
        for denial in self.denials.untold() {
            self.stream.denial(denial).map_err(Refusal::Unheard)?;
        }
        Ok(())
    }

    /// Takes what was collected, and leaves a recorder that has nothing.
    pub fn take(&mut self) -> Self {
        let fresh = Self::new(self.settings);
        std::mem::replace(self, fresh)
    }

    /// Makes the document.
    pub fn finish(mut self, ending: Ending, measured: &Measured) -> Document {
        let meaning = ending.meaning(self.settings.compat);
        let reserved = self.take_reserved().filter(|_| ending.was_started());
        self.jail.end = meaning.jail_end;
        self.jail.end_claimed_by_jail = meaning.claimed_by_jail;
        self.jail.detail = meaning.detail;
        self.jail.worker = self.workers.as_ref().and_then(|(image_sha256, seen)| {
            WorkerObject::of(image_sha256, &seen.lock().unwrap_or_else(PoisonError::into_inner))
        });
        if self.jail.run.is_empty() {
            self.jail.audit_log.clear();
        }
        let limit = ending.limit().or_else(|| self.limit.take());
        let is_limit = matches!(meaning.exit, Exit::LimitReached | Exit::Deadline);
        let mut document = match reserved {
            Some(reserved) => self.replaced(reserved, measured),
            None => self.told(ending, meaning.error, meaning.exit, measured),
        };
        document.limit = limit.filter(|_| is_limit && document.exit_status.is_some());
        if let Some(error) = &mut document.error {
            error.message = shortened(std::mem::take(&mut error.message));
        }
        document
    }

    fn told(
        mut self,
        ending: Ending,
        error: Option<(ErrorType, String)>,
        exit: Exit,
        measured: &Measured,
    ) -> Document {
        self.metrics.total_time(self.settings.started.elapsed());
        if ending.was_started() {
            let executed = !matches!(ending, Ending::CompileError(_)) && !self.dry_run;
            // No engine operation was executed of a script that does not compile, so there is no sample of it.
            let of_cpu = Measured { cpu_percent: measured.cpu_percent, ..Measured::default() };
            self.metrics.measured(if executed { measured } else { &of_cpu });
        }
        match (&error, &ending) {
            (None, _) if self.dry_run => {}
            (None, _) => self.metrics.count("RexRunnerScriptExecutionSuccessCount", "SuccessCount"),
            (Some((_, message)), Ending::NotStarted(NotStarted::Arguments(_))) => {
                self.metrics.count("RexRunnerScriptArgumentValidationFailureCount", "FailureCount");
                self.alarms.push(alarm("RexRunnerScriptArgumentValidationFailure", message.clone()));
            }
            (Some(_), Ending::NotStarted(_)) => {}
            (Some((error_type, message)), _) => {
                if let Ending::CompileError(_) = ending {
                    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
                    let details = format!("Failed to compile script: {message}");
                    self.alarms.push(alarm("RexRunnerScriptCompilationFailure", details));
                    self.metrics.count("RexRunnerScriptCompilationFailureCount", "FailureCount");
                }
                let (alarm_type, metric) = match error_type {
                    ErrorType::AccessDeniedException => {
                        ("RexRunnerPrivilegeEscalation", "RexRunnerPrivilegeEscalationCount")
                    }
                    _ => ("RexRunnerScriptExecutionFailure", "RexRunnerScriptExecutionFailureCount"),
                };
                self.alarms.push(alarm(alarm_type, format!("Failed to execute script: {message}")));
                self.metrics.count(metric, "FailureCount");
            }
        }
        let was_started = ending.was_started();
        let output = if let Ending::Value(output) = ending { output } else { String::new() };
        self.document(output, error, exit, was_started)
    }

    /// The whole result of a script that used a reserved name, as Rex has it.
    fn replaced(mut self, (kind, text): (&str, String), measured: &Measured) -> Document {
        self.metrics.forget_published();
        self.metrics.total_time(self.settings.started.elapsed());
        self.metrics.measured(measured);
        self.alarms = vec![alarm("RexRunnerScriptExecutionFailure", text.clone())];
        let message = format!("Script {kind} validation failed: {text}");
        self.document(String::new(), Some((ErrorType::ScriptException, message)), Exit::ReservedName, false)
    }

    fn document(
        self,
        output: String,
        error: Option<(ErrorType, String)>,
        exit: Exit,
        keeps_logs: bool,
    ) -> Document {
        let additions = !self.settings.bare;
        Document {
            end: (self.jail.end, self.jail.end_claimed_by_jail),
            output,
            status: if error.is_none() { Status::Success } else { Status::Error },
            error: error.map(|(error_type, message)| ErrorObject { error_type, message }),
            alarms: self.alarms,
            metrics: self.metrics.into_entries(),
            logs: keeps_logs.then(|| self.logs.into_entries()),
            denials_dropped: if additions { self.denials.dropped } else { 0 },
            denials: if additions { self.denials.into_entries() } else { Vec::new() },
            diagnostics: if additions { self.diagnostics } else { Vec::new() },
            limit: None,
            exit_status: additions.then(|| exit.code(self.settings.compat)),
            jail: additions.then_some(self.jail),
            dry_run: self.dry_run,
            exit,
            is_early: !keeps_logs,
        }
    }

    /// Under `compat` a reserved name is remembered until the end, else it is refused.
    fn reserve(
        &mut self,
        text: String,
        slot: impl Fn(&mut Self) -> &mut Option<String>,
    ) -> Result<(), Refusal> {
        if !self.settings.compat {
            return Err(Refusal::Reserved(text));
        }
        slot(self).get_or_insert(text);
        Ok(())
    }

    /// Metrics are looked at before alarms.
    fn take_reserved(&mut self) -> Option<(&'static str, String)> {
        let metric = self.reserved_metric.take().map(|text| ("metric", text));
        metric.or_else(|| self.reserved_alarm.take().map(|text| ("alarm", text)))
    }

    fn check_signal_bytes(&self) -> Result<(), Refusal> {
        let used = self.alarm_bytes.saturating_add(self.metrics.bytes);
        let limit = self.settings.max_signal_bytes;
        if used > limit { Err(Refusal::Limit { name: "max-signal-bytes", value: limit }) } else { Ok(()) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved(text) => out.write_str(text),
            Self::Limit { name, value } => write!(out, "limit reached: {name} of {value}"),
            Self::Unheard(_) => out.write_str("the events of the run cannot be written"),
        }
    }
}

fn within(name: &'static str, used: &mut u64, limit: u64) -> Result<(), Refusal> {
    *used = used.saturating_add(1);
    if *used > limit { Err(Refusal::Limit { name, value: limit }) } else { Ok(()) }
}

fn alarm(alarm_type: &str, details: String) -> AlarmObject {
    AlarmObject { alarm_type: alarm_type.to_owned(), alarm_details: Some(details) }
}

/// Rex measures in bytes and cuts in characters, so that a text between the two limits only gets the dots.
fn shortened(message: String) -> String {
    if message.len() <= MAX_MESSAGE_BYTES {
        return message;
    }
    message.chars().take(MAX_MESSAGE_BYTES - 3).chain("...".chars()).collect()
}

const MAX_MESSAGE_BYTES: usize = 1024;
/// One alarm, without its text.
const ALARM_BYTES: usize = 96;
