//! The result document and the order of its keys.

use rex_outside::{Least, Measure};
use serde::Serialize;
use serde_json::Value;

use super::denials::DenialObject;
use super::ending::ErrorType;
use super::logs::LogObject;
use super::metrics::MetricObject;
use crate::policy::Finding;
use crate::result::Exit;

/// What the caller learns of a run. The keys up to `logs` are Rex's, in Rex's order.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct Document {
    /// The script's last value as text; empty on error.
    pub output: String,
    /// Whether the script ran to its end.
    pub status: Status,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorObject>,
    /// In the order in which they were raised.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<AlarmObject>,
    /// By name.
    pub metrics: Vec<MetricObject>,
    /// Absent when the script was not started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<Vec<LogObject>>,
    /// What the policy denied, whether or not the script minded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub denials: Vec<DenialObject>,
    /// How many denials `denials` had no room for.
    #[serde(skip_serializing_if = "is_zero")]
    pub denials_dropped: u64,
    /// What is wrong in the script or in a policy, and where.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Finding>,
    /// The limit that ended the run, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitObject>,
    /// The exit status; absent of a bare document, and not that of a caller who cannot be told the document.
    #[serde(rename = "exit", skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<u8>,
    /// How the jail was made and how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jail: Option<JailObject>,
    /// Whether nothing was to be run; absent when something was.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// How the program ends.
    #[serde(skip)]
    pub exit: Exit,
    /// Whether the script was never started, or its result was thrown away.
    #[serde(skip)]
    pub(super) is_early: bool,
    /// As in `jail`, which a bare document lacks.
    #[serde(skip)]
    pub(super) end: (&'static str, bool),
}

impl Document {
    /// How the jail ended, and whether only the jail says so.
    pub fn end(&self) -> (&'static str, bool) {
        self.end
    }

    /// The closing record cannot be written: whatever the script says, the run did not succeed.
    pub fn audit_failed(&mut self, reason: &str, compat: bool) {
        let message = format!("the closing record cannot be written: {reason}");
        self.output.clear();
        self.status = Status::Error;
        self.exit = Exit::AuditNotWritten;
        self.exit_status = self.exit_status.map(|_| self.exit.code(compat));
        self.limit = None;
        self.alarms.push(AlarmObject {
            alarm_type: "RexRunnerScriptExecutionFailure".to_owned(),
            alarm_details: Some(message.clone()),
        });
        self.error = Some(ErrorObject { error_type: ErrorType::InternalException, message });
        self.metrics.retain(|metric| metric.metric_name != "RexRunnerScriptExecutionSuccessCount");
    }
}

/// Whether the script ran to its end.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It did.
    Success,
    /// It did not.
    Error,
}

/// What went wrong.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct ErrorObject {
    /// Its class.
    pub error_type: ErrorType,
    /// Text for people.
    pub message: String,
}

/// A limit that was reached.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct LimitObject {
    /// Its name, as on the command line and in docs/limits.md.
    pub name: String,
    /// Its value, in the unit that its name has there.
    pub value: u64,
    /// The line of the script, as the jail claims; 0 when unknown.
    pub line: u32,
}

/// An alarm, of the script or about it.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct AlarmObject {
    /// Its type.
    pub alarm_type: String,
    /// Its details.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm_details: Option<String>,
}

/// How the jail was made and how it ended.
#[derive(Serialize, Clone, Debug, Default, PartialEq)]
pub struct JailObject {
    /// `not_started`, `finished`, `arena`, `panic`, `memory_fault`, `limit`, `violation` or `killed`.
    pub end: &'static str,
    /// Whether only the jail says so.
    pub end_claimed_by_jail: bool,
    /// More about the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The program that ran in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_sha256: Option<String>,
    /// Each protection and its state.
    pub posture: Vec<Value>,
    /// Of workers for the network; absent when none was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerObject>,
    /// Which protections were demanded, of jail and worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require: Option<String>,
    /// The run's identifier in the audit log.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// On whose behalf it was, as in each decision of the audit log; absent without a delegation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delegation: Option<Value>,
    /// Where the audit log is, or `none`; absent when the run ended before that was settled.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub audit_log: String,
    /// How far programs were kept from what the policy does not permit; absent when it could not permit one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub children: Option<&'static str>,
    /// What the broker was held to; absent when that was not required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Value>,
    /// How doubtful policies were treated.
    pub policy_mode: &'static str,
}

/// How the workers for the network were confined.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct WorkerObject {
    /// How many were started, one after the other.
    pub started: u64,
    /// The program that ran in them.
    pub image_sha256: &'static str,
    /// Each protection and its state: the least that any of them had.
    pub posture: Vec<Value>,
}

impl WorkerObject {
    /// Of those that were seen; nothing where none was.
    pub(super) fn of(image_sha256: &'static str, seen: &Least) -> Option<Self> {
        let posture = values(&seen.measures);
        (seen.count > 0).then_some(Self { started: seen.count, image_sha256, posture })
    }
}

/// A posture as it stands in a document.
pub fn values(measures: &[Measure]) -> Vec<Value> {
    measures.iter().map(|measure| serde_json::to_value(measure).unwrap_or(Value::Null)).collect()
}

impl Status {
    /// The name in the document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Error => "ERROR",
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
