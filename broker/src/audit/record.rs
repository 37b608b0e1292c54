//! What can be recorded, and the fields of each record in their order.

use rex_ipc::action::{ActionId, ResourceKind};
use rex_ipc::control::RequestNumber;
use serde_json::Value;

use super::json::Fields;

/// The first record of a run: what will be run, under what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start<'a> {
    /// Version of this program.
    pub version: &'a str,
    /// Process that runs the broker.
    pub pid: u32,
    /// Effective user of the broker.
    pub uid: u32,
    /// SHA-256 of the script, in hexadecimal digits.
    pub script_sha256: &'a str,
    /// SHA-256 of the policy.
    pub policy_sha256: &'a str,
    /// SHA-256 of the arguments file, when there is one.
    pub arguments_sha256: Option<&'a str>,
    /// SHA-256 of the jail's program.
    pub image_sha256: Option<&'a str>,
    /// How doubtful policies were treated.
    pub policy_mode: &'a str,
    /// Whether the run imitates Rex.
    pub rex_compat: bool,
    /// Which protections were demanded.
    pub require: Option<&'a str>,
    /// What was said of the delegation beside what each decision tells.
    pub delegation_terms: Option<&'a Value>,
    /// The links that fill slots of templates in the policy.
    pub policy_links: Option<&'a Value>,
    /// SHA-256 of the schema that policies were checked against, where it is kept.
    pub schema_sha256: Option<&'a str>,
    /// What evaluates policies, with its version, where they are kept.
    pub engine: Option<&'a str>,
    /// SHA-256 of the policy that is only asked.
    pub shadow_sha256: Option<&'a str>,
}

/// The policy's answer to one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<'a> {
    /// The operation that asked, by its name in the interface table.
    pub operation: &'a str,
    /// The line of the script, as the jail claims; 0 when unknown.
    pub claimed_line: u32,
    /// What was to be done.
    pub action: ActionId,
    /// To what type of thing.
    pub resource_kind: ResourceKind,
    /// To which thing.
    pub resource: &'a str,
    /// What else the policy could look at.
    pub context: Option<&'a Value>,
    /// What statements look at beside action, resource and context.
    pub facts: Option<&'a Value>,
    /// What the act does, where action and resource do not say it.
    pub act: Option<&'a Value>,
    /// The answer.
    pub permitted: bool,
    /// The policies that decided; none when no permit matched.
    pub policies: &'a [String],
    /// The policies that could not be evaluated, with the reason.
    pub errors: &'a [String],
    /// What a policy that is only asked says otherwise.
    pub shadow: Option<&'a Value>,
    /// Whether the act changes the host, so that the record has to be on file before it.
    pub effect: bool,
    /// Whether it is about a piece of new content that nobody sees before it is complete.
    pub is_piece: bool,
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<'a> {
    /// The operation's name in the interface table.
    pub operation: &'a str,
    /// The handle, when the request moved a part of an open file's content.
    pub chunk_of: Option<u64>,
    /// Nothing when it was done, else the kind of the failure as scripts know it.
    pub failure: Option<&'a str>,
    /// The kernel's error number, when it was the one to fail.
    pub errno: Option<u16>,
    /// Bytes moved.
    pub bytes: u64,
    /// How long it took.
    pub duration_us: u64,
}

/// The jail broke the protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation<'a> {
    /// What it did.
    pub detail: &'a str,
}

/// A limit of the run was reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit<'a> {
    /// Its name, as on the command line.
    pub name: &'a str,
    /// Its value.
    pub value: u64,
    /// The line of the script, as the jail claims; 0 when unknown.
    pub claimed_line: u32,
}

/// Somebody has stopped the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop<'a> {
    /// The user who has.
    pub uid: u32,
    /// The user's login.
    pub by: &'a str,
    /// Why, in the user's words.
    pub reason: &'a str,
    /// When it was said, in seconds since 1970.
    pub at_seconds: u64,
    /// The line of the script, as the jail claims; 0 when unknown.
    pub claimed_line: u32,
}

/// The last record of a run. The journal adds what it counted.
#[derive(Clone, Debug, PartialEq)]
pub struct End<'a> {
    /// How the jail ended, as in the result document.
    pub end: &'a str,
    /// Whether only the jail says so.
    pub end_claimed_by_jail: bool,
    /// `SUCCESS` or `ERROR`.
    pub status: &'a str,
    /// The class of the error, if there is one.
    pub error_type: Option<&'a str>,
    /// The exit status.
    pub exit: u8,
    /// How long the run took.
    pub duration_us: u64,
}

/// A record that is written at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Record<'a> {
    /// The first one.
    Start(Start<'a>),
    /// The jail broke the protocol.
    Violation(Violation<'a>),
    /// A limit was reached.
    Limit(Limit<'a>),
    /// Somebody has stopped the run.
    Stop(Stop<'a>),
    /// The last one.
    End(End<'a>),
}

impl Start<'_> {
    pub(super) fn write(&self, fields: &mut Fields<'_>) {
        fields.text("version", self.version);
        fields.number("pid", self.pid.into());
        fields.number("uid", self.uid.into());
        fields.text("script_sha256", self.script_sha256);
        fields.text("policy_sha256", self.policy_sha256);
        optional(fields, "arguments_sha256", self.arguments_sha256);
        optional(fields, "image_sha256", self.image_sha256);
        fields.text("policy_mode", self.policy_mode);
        fields.truth("rex_compat", self.rex_compat);
        optional(fields, "require", self.require);
        if let Some(terms) = self.delegation_terms {
            fields.value("delegation_terms", terms);
        }
        if let Some(links) = self.policy_links {
            fields.value("policy_links", links);
        }
        optional(fields, "schema_sha256", self.schema_sha256);
        optional(fields, "engine", self.engine);
        optional(fields, "shadow_sha256", self.shadow_sha256);
    }
}

impl Decision<'_> {
    /// Everything but the request, so that two decisions that differ only in that can be counted as one.
    pub(super) fn write(&self, fields: &mut Fields<'_>) {
        fields.text("operation", self.operation);
        fields.number("claimed_line", self.claimed_line.into());
        fields.text("action", self.action.uid());
        fields.text("resource_type", self.resource_kind.type_name());
        fields.text("resource", self.resource);
        if let Some(context) = self.context {
            fields.value("context", context);
        }
        if let Some(facts) = self.facts {
            fields.value("facts", facts);
        }
        if let Some(act) = self.act {
            fields.value("act", act);
        }
        fields.text("decision", if self.permitted { "permit" } else { "deny" });
        fields.texts("policies", self.policies);
        if !self.errors.is_empty() {
            fields.texts("errors", self.errors);
        }
        if let Some(shadow) = self.shadow {
            fields.value("shadow", shadow);
        }
    }

    /// Whether the act has to be recorded by itself, however often it is repeated. Only the pieces of one file's new
    /// content count as one act: what they come to is recorded when it takes its place.
    pub(super) fn is_single(&self) -> bool {
        self.effect && self.permitted && !self.is_piece
    }
}

impl Outcome<'_> {
    pub(super) fn write(&self, fields: &mut Fields<'_>) {
        self.write_kind(fields);
        fields.number("bytes", self.bytes);
        fields.number("duration_us", self.duration_us);
    }

    /// Everything but the measures, so that two outcomes that differ only in these can be counted as one.
    pub(super) fn write_kind(&self, fields: &mut Fields<'_>) {
        if let Some(handle) = self.chunk_of {
            fields.number("handle", handle);
        }
        fields.text("outcome", if self.failure.is_none() { "done" } else { "failed" });
        optional(fields, "failure", self.failure);
        if let Some(errno) = self.errno {
            fields.number("errno", errno.into());
        }
    }
}

impl Violation<'_> {
    pub(super) fn write(&self, fields: &mut Fields<'_>) {
        fields.text("detail", self.detail);
    }
}

impl Limit<'_> {
    pub(super) fn write(&self, fields: &mut Fields<'_>) {
        fields.text("limit", self.name);
        fields.number("value", self.value);
        fields.number("claimed_line", self.claimed_line.into());
    }
}

impl Stop<'_> {
    pub(super) fn write(&self, fields: &mut Fields<'_>) {
        fields.number("by_uid", self.uid.into());
        fields.text("by", self.by);
        fields.text("reason", self.reason);
        fields.number("at", self.at_seconds);
        fields.number("claimed_line", self.claimed_line.into());
    }
}

impl End<'_> {
    pub(super) fn write(&self, fields: &mut Fields<'_>) {
        fields.text("end", self.end);
        fields.truth("end_claimed_by_jail", self.end_claimed_by_jail);
        fields.text("status", self.status);
        optional(fields, "error_type", self.error_type);
        fields.number("exit", self.exit.into());
        fields.number("duration_us", self.duration_us);
    }
}

/// The request's two numbers.
pub(super) fn write_request(fields: &mut Fields<'_>, request: Option<RequestNumber>) {
    if let Some(request) = request {
        fields.number("frame", request.frame.into());
        fields.number("index", request.index.into());
    }
}

fn optional(fields: &mut Fields<'_>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        fields.text(name, value);
    }
}
