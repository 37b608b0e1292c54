//! Records as events of the Open Cybersecurity Schema Framework, 1.8.0 (<https://schema.ocsf.io/1.8.0>).
//!
//! A decision is an event of the class that its act has, with the profile `security_control`; what the schema has no place for
//! stands in `unmapped`, by the names of `docs/audit.md`.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::read::{Decision, decisions, name, text, texts};

const VERSION: &str = "1.8.0";

/// The events that a record makes: one for each decision, else one.
pub(super) fn events(record: &Value, start: Option<&Value>, host: &str) -> Vec<Value> {
    let decided: Vec<Value> =
        decisions(record).map(|decision| finished(decided(&decision), record, start, host)).collect();
    if decided.is_empty() { vec![finished(told(record, start), record, start, host)] } else { decided }
}

/// A class with an activity in it, and what is particular to it.
struct Event {
    class: Class,
    activity: Activity,
    fields: Value,
    /// Fields of the record that have a place in it.
    placed: &'static [&'static str],
}

/// Number and name of a class, and of its category.
type Class = (u64, &'static str, u64);
/// Number and caption of an activity; what has none in the schema is 99, and called by its own name.
type Activity = (u64, String);

const FILE: Class = (1001, "File System Activity", 1);
const PROCESS: Class = (1007, "Process Activity", 1);
const SCRIPT: Class = (1009, "Script Activity", 1);
const NETWORK: Class = (4001, "Network Activity", 4);
const HTTP: Class = (4002, "HTTP Activity", 4);
const DNS: Class = (4003, "DNS Activity", 4);
const API: Class = (6003, "API Activity", 6);

/// The event of a decision.
fn decided(decision: &Decision<'_>) -> Event {
    let verb = decision.action.rsplit("::").next().unwrap_or_default().trim_matches('"');
    let resource = decision.resource.as_ref();
    let context = &decision.record["context"];
    let (class, activity, mut fields) = match (decision.resource_type, verb) {
        ("file_system::File", "execute") => {
            let process = json!({
                "uid": name(decision.record),
                "cmd_line": text(context, "command_line"),
                "file": file(resource, REGULAR),
            });
            (PROCESS, known(1, "Launch"), json!({ "process": process }))
        }
        ("file_system::File", verb) => {
            (FILE, file_activity(verb), json!({ "file": file(resource, REGULAR) }))
        }
        ("file_system::Dir", verb) => (FILE, file_activity(verb), json!({ "file": file(resource, FOLDER) })),
        ("process_system::Process", verb) => {
            let told = &decision.record["facts"]["process"];
            let mut process = json!({ "pid": resource.parse::<u32>().unwrap_or_default() });
            for (ours, theirs) in [("name", "name"), ("command", "cmd_line")] {
                if let Some(value) = told[ours].as_str() {
                    process[theirs] = json!(value);
                }
            }
            let activity = if verb == "kill" { known(2, "Terminate") } else { other(verb) };
            (PROCESS, activity, json!({ "process": process }))
        }
        ("network::url", "GET") => {
            let request = json!({ "http_method": "GET", "url": { "url_string": resource } });
            (HTTP, known(3, "Get"), json!({ "http_request": request }))
        }
        ("network::url", "connect") => {
            let mut endpoint = json!({ "hostname": resource });
            for (ours, theirs) in [("port", "port"), ("address", "ip")] {
                if !context[ours].is_null() {
                    endpoint[theirs] = context[ours].clone();
                }
            }
            (NETWORK, known(1, "Open"), json!({ "dst_endpoint": endpoint }))
        }
        ("sysinfo::Hostname", _) => (DNS, known(1, "Query"), json!({ "query": { "hostname": resource } })),
        (kind, verb) => {
            let api = json!({ "operation": decision.action, "service": { "name": kind.split("::").next() } });
            let fields = json!({ "api": api, "resources": [{ "name": resource, "type": kind }] });
            (API, other(verb), fields)
        }
    };
    let (word, action, disposition) = if decision.permitted { ("Allowed", 1, 1) } else { ("Denied", 2, 2) };
    let policies = decision.policies.iter().map(|id| {
        json!({ "decision": if decision.permitted { "permit" } else { "deny" }, "policy": { "uid": id } })
    });
    put(&mut fields, "action_id", json!(action));
    put(&mut fields, "action", json!(word));
    put(&mut fields, "disposition_id", json!(disposition));
    put(&mut fields, "disposition", json!(if decision.permitted { "Allowed" } else { "Blocked" }));
    put(&mut fields, "authorizations", policies.collect());
    put(&mut fields, "policy", json!({ "uid": text(decision.record, "policy"), "is_applied": true }));
    put(&mut fields, "severity_id", json!(if decision.permitted { INFORMATIONAL } else { LOW }));
    put(&mut fields, "message", json!(format!("{} on {resource}", decision.action)));
    put(
        &mut fields,
        "unmapped",
        json!({ "action": decision.action, "resource_type": decision.resource_type }),
    );
    Event { class, activity, fields, placed: OF_DECISIONS }
}

/// The event of any other record.
fn told(record: &Value, start: Option<&Value>) -> Event {
    let event = text(record, "event");
    let mut script = json!({
        "type_id": 99,
        "type": "Rhai",
        // No record has it, but its digest.
        "script_content": { "value": "", "is_truncated": true },
    });
    if let Some(digest) = start.and_then(|start| start["script_sha256"].as_str()) {
        put(&mut script, "hashes", json!([{ "algorithm_id": 3, "algorithm": "SHA-256", "value": digest }]));
    }
    let severity = match event {
        "violation" => HIGH,
        "limit" => LOW,
        _ => INFORMATIONAL,
    };
    let activity = if event == "start" { known(1, "Execute") } else { other(event) };
    let fields = json!({ "script": script, "severity_id": severity, "message": event });
    Event { class: SCRIPT, activity, fields, placed: OF_ALL }
}

/// The event with what all have in common.
fn finished(event: Event, record: &Value, start: Option<&Value>, host: &str) -> Value {
    let Event {
        class: (class, class_name, category),
        activity: (activity, activity_name),
        mut fields,
        placed,
    } = event;
    let mut product = json!({ "name": "rex-broker", "vendor_name": "rex-broker" });
    if let Some(version) = start.and_then(|start| start["version"].as_str()) {
        put(&mut product, "version", json!(version));
    }
    // Of itself a class of the network has no place for who asked, and where.
    let goes_out = [NETWORK.0, HTTP.0, DNS.0].contains(&class);
    let profiles: &[&str] = if goes_out { &["security_control", "host"] } else { &["security_control"] };
    let host = if host.is_empty() { "unknown" } else { host };
    put(&mut fields, "class_uid", json!(class));
    put(&mut fields, "class_name", json!(class_name));
    put(&mut fields, "category_uid", json!(category));
    put(&mut fields, "activity_id", json!(activity));
    put(&mut fields, "activity_name", json!(activity_name));
    put(&mut fields, "type_uid", json!(class.saturating_mul(100).saturating_add(activity)));
    put(&mut fields, "time", json!(milliseconds(text(record, "time"))));
    put(
        &mut fields,
        "metadata",
        json!({
            "version": VERSION,
            "product": product,
            "uid": name(record),
            "sequence": record["seq"],
            "correlation_uid": record["run"],
            "event_code": record["event"],
            "original_time": record["time"],
            "profiles": profiles,
        }),
    );
    if goes_out || class == API.0 {
        put(&mut fields, "src_endpoint", json!({ "hostname": host }));
    }
    if class != API.0 {
        put(&mut fields, "device", json!({ "type_id": 0, "hostname": host }));
    }
    put(&mut fields, "actor", actor(record, start));
    if let Some(outcome) = record["outcome"].as_str() {
        put(&mut fields, "status_id", json!(if outcome == "done" { 1 } else { 2 }));
        put(&mut fields, "status", json!(if outcome == "done" { "Success" } else { "Failure" }));
        if let Some(failure) = record["failure"].as_str() {
            put(&mut fields, "status_detail", json!(failure));
        }
    }
    let mut unmapped = fields["unmapped"].as_object().cloned().unwrap_or_default();
    for (name, value) in
        record.as_object().into_iter().flatten().filter(|(name, _)| !placed.contains(&name.as_str()))
    {
        unmapped.entry(name.clone()).or_insert_with(|| value.clone());
    }
    if !unmapped.is_empty() {
        put(&mut fields, "unmapped", Value::Object(unmapped));
    }
    fields
}

/// Who asked: the person, through whom, and by which token.
fn actor(record: &Value, start: Option<&Value>) -> Value {
    let known = start.unwrap_or(record);
    let delegation = &known["delegation"];
    let mut actor = Map::new();
    let principal = text(known, "principal");
    actor.insert(
        "user".to_owned(),
        json!({ "name": if principal.is_empty() { "unknown" } else { principal } }),
    );
    if let Some(pid) = known["pid"].as_u64() {
        actor.insert("process".to_owned(), json!({ "pid": pid, "name": "rex-broker" }));
    }
    if let Some(agent) = texts(&delegation["act"]).first() {
        actor.insert("app_name".to_owned(), json!(agent));
    }
    if let Some(token) = delegation["jti"].as_str() {
        let issuer = text(&known["delegation_terms"], "iss");
        actor.insert("session".to_owned(), json!({ "uid": token, "issuer": issuer }));
    }
    Value::Object(actor)
}

fn file(path: &str, type_id: u64) -> Value {
    let last = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("/");
    json!({ "name": last, "path": path, "type_id": type_id })
}

fn file_activity(verb: &str) -> Activity {
    match verb {
        "create" => known(1, "Create"),
        "read" | "redacted_read" => known(2, "Read"),
        "write" => known(3, "Update"),
        "delete" => known(4, "Delete"),
        "move" => known(5, "Rename"),
        "chmod" | "chown" => known(7, "Set Security"),
        "set_x_attr" => known(6, "Set Attributes"),
        "stat" => known(8, "Get Attributes"),
        "unmount" => known(13, "Unmount"),
        "open" => known(14, "Open"),
        verb => other(verb),
    }
}

fn known(number: u64, caption: &str) -> Activity {
    (number, caption.to_owned())
}

fn other(name: &str) -> Activity {
    (99, name.to_owned())
}

/// Since 1970; 0 where the record has no time that could be read.
fn milliseconds(text: &str) -> i64 {
    let time = OffsetDateTime::parse(text, &Rfc3339);
    time.map_or(0, |time| i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or_default())
}

fn put(fields: &mut Value, name: &str, value: Value) {
    if let Some(fields) = fields.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

const REGULAR: u64 = 1;
const FOLDER: u64 = 2;
const INFORMATIONAL: u64 = 1;
const LOW: u64 = 2;
const HIGH: u64 = 4;
/// What every event has a place for.
const OF_ALL: &[&str] = &["run", "seq", "time", "event", "principal", "outcome", "failure"];
/// What the event of a decision has a place for, too. A record of several stands in each of its events but for its names.
const OF_DECISIONS: &[&str] = &[
    "run",
    "seq",
    "time",
    "event",
    "principal",
    "outcome",
    "failure",
    "resource",
    "decision",
    "policies",
    "policy",
    "names",
    "asked",
    "directory",
    "count",
];
