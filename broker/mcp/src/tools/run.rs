//! A script is run by a broker of its own; what the broker tells becomes progress and the answer.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use serde_json::{Map, Value, json};

use super::asking::beside;
use super::{Answer, Call, MOST_SCRIPT_BYTES, OPERATORS, Operator, for_the_operator, without_directories};
use crate::arguments::{number, of_script, text};
use crate::child::{ARGUMENTS, Child, Input, NO_BROKER};
use crate::json;
use crate::lines::{self, Line};

/// Runs a script.
pub(super) fn run(call: &Call<'_>) -> Answer {
    let asked = number(call.arguments, "timeout_seconds");
    let timeout = asked.unwrap_or(call.served.timeout).min(call.served.timeout);
    perform(call, timeout, &[])
}

/// Compiles a script.
pub(super) fn check(call: &Call<'_>) -> Answer {
    perform(call, call.served.timeout, &["--dry-run"])
}

fn perform(call: &Call<'_>, timeout: u64, options: &[&str]) -> Answer {
    let arguments = match call.arguments.get("arguments").and_then(Value::as_object) {
        None => Ok(json!({})),
        Some(given) => of_script(given),
    };
    let arguments = match arguments {
        Ok(arguments) => arguments.to_string(),
        Err(told) => return Answer::failed(told),
    };
    let script = text(call.arguments, "script").unwrap_or_default();
    if arguments.len().saturating_add(script.len()) > MOST_SCRIPT_BYTES {
        return Answer::failed("script and arguments are too large");
    }
    let input = Input { arguments: arguments.as_bytes(), script: script.as_bytes() };
    let words = words(call.served, timeout, options);
    let (child, said) = match Child::start(&call.served.broker, &words, Some(input)) {
        Ok(started) => started,
        Err(error) => return Answer::failed(format!("the broker cannot be started: {error}")),
    };
    call.served.in_flight.attach(call.id, child.child());
    let (document, told) =
        match beside(said.stderr, || follow(BufReader::new(said.stdout), |event| tell(call, event))) {
            Ok(both) => both,
            Err(error) => return Answer::failed(error),
        };
    let status = child.wait();
    match document {
        Some(document) => answer(&document),
        None => without_document(status, &told),
    }
}

/// The command line of a run. Nothing on it is the client's but a number.
fn words(served: &Operator, timeout: u64, options: &[&str]) -> Vec<OsString> {
    let mut words: Vec<OsString> = ["run", "-", ARGUMENTS, "--ndjson"].map(OsString::from).to_vec();
    for policy in &served.policies {
        words.extend(["--policy".into(), policy.into()]);
    }
    words.extend(["--timeout".into(), timeout.to_string().into()]);
    words.extend(options.iter().map(OsString::from));
    words.extend(served.further.iter().cloned());
    words
}

/// Has the broker look at an empty script with everything that it is given for each run, and run nothing.
///
/// # Errors
/// When runs would be refused: the status that they would end with, and why.
pub(crate) fn rehearse(served: &Operator) -> Result<(), (u8, String)> {
    let no_broker = |told: String| (NO_BROKER, told);
    let input = Input { arguments: b"{}", script: b"" };
    let words = words(served, served.timeout, &["--dry-run"]);
    let (child, said) = Child::start(&served.broker, &words, Some(input))
        .map_err(|error| no_broker(format!("the broker cannot be started: {error}")))?;
    let (document, told) = beside(said.stderr, || follow(BufReader::new(said.stdout), |_| ()))
        .map_err(|error| no_broker(error.to_owned()))?;
    child.wait();
    // Its status says no more, and there is none where the kernel was told to keep none.
    match document.as_ref().map(|document| (document["exit"].as_u64(), &document["error"]["message"])) {
        Some((Some(0), _)) => Ok(()),
        Some((Some(exit), why)) => {
            Err((u8::try_from(exit).unwrap_or(NO_BROKER), why.as_str().unwrap_or(&told).to_owned()))
        }
        _ => Err(no_broker(if told.is_empty() { "the broker says nothing".to_owned() } else { told })),
    }
}

/// Reads the events to their end, has them told, and gives the document, which is the last.
fn follow(mut events: impl BufRead, tell: impl Fn(&Value)) -> Option<Value> {
    let mut document = None;
    // The end of the stream and a stream that breaks are one: there is no more to come.
    while let Ok(Some(line)) = lines::next(&mut events, MOST_EVENT_BYTES) {
        let Line::Whole(line) = line else { continue };
        let Ok(event) = json::parse(&line, json::MOST_VALUES_OF_A_BROKER) else { continue };
        if event["event"] == "result" {
            document = Some(event);
        } else {
            tell(&event);
        }
    }
    document
}

fn tell(call: &Call<'_>, event: &Value) {
    let of = |key: &str| event[key].as_str();
    match (of("event"), of("run"), of("message")) {
        (Some("start"), Some(run), _) => {
            call.served.in_flight.name(call.id, run);
            (call.progress)(&format!("run {run} has begun"));
        }
        // What the script says is not to look like what this server says.
        (Some("log"), _, Some(message)) => (call.progress)(&format!("{LOGGED}{message}")),
        (Some("denial"), ..) => {
            let [action, resource] = ["action", "resource"].map(|key| of(key).unwrap_or_default());
            (call.progress)(&format!("denied: {action} on {resource}"));
        }
        _ => {}
    }
}

/// What of the document is of use to whoever wrote the script. How the jail was confined is the operator's to know.
fn answer(document: &Value) -> Answer {
    let mut structured = json!({
        "status": document["status"],
        "exit": document["exit"],
        "output": document["output"],
        "logs": logs(document),
    });
    if let Some(run) = document["jail"]["run"].as_str() {
        structured["run"] = json!(run);
    }
    if document["error"].is_object() {
        structured["error"] =
            json!({ "type": document["error"]["error_type"], "message": document["error"]["message"] });
    }
    let is_operators = is_operators(document);
    if is_operators {
        for_the_operator(&format!("exit {}: {}", document["exit"], document["error"]["message"]));
        structured["error"]["message"] = json!(OPERATORS);
    }
    let denials: Vec<Value> = list(document, "denials").map(denial).collect();
    if !denials.is_empty() {
        structured["denials"] = json!(denials);
    }
    for key in ["denials_dropped", "limit", "dry_run"] {
        if !document[key].is_null() {
            structured[key] = document[key].clone();
        }
    }
    let is_own =
        |signal: &Value, name: &str| !signal[name].as_str().unwrap_or_default().starts_with("RexRunner");
    // The broker's own say once more what its error says.
    let alarms: Vec<&Value> =
        list(document, "alarms").filter(|alarm| !is_operators || is_own(alarm, "alarm_type")).collect();
    if !alarms.is_empty() {
        structured["alarms"] = json!(alarms);
    }
    if !is_operators && list(document, "diagnostics").next().is_some() {
        structured["diagnostics"] = without_directories(document["diagnostics"].clone());
    }
    let metrics: Vec<&Value> =
        list(document, "metrics").filter(|metric| is_own(metric, "metric_name")).collect();
    if !metrics.is_empty() {
        structured["metrics"] = json!(metrics);
    }
    let is_error = document["status"] != "SUCCESS";
    let texts = if is_error && !denials.is_empty() { vec![explained(&denials)] } else { Vec::new() };
    Answer { structured: Some(structured), texts, is_error }
}

/// Whether a run came to its end by what the operator has set up, and not by the script: then the reason has paths of this host in it.
fn is_operators(document: &Value) -> bool {
    let is_senders = ["SCRIPT_EXCEPTION", "VALIDATION_EXCEPTION"]
        .iter()
        .any(|kind| document["error"]["error_type"] == *kind);
    match document["exit"].as_u64() {
        Some(64 | 66 | 71 | 74 | 78) => true,
        Some(65) => !is_senders,
        _ => false,
    }
}

fn logs(document: &Value) -> Vec<Value> {
    let line = |log: &Value| {
        let of = |key: &str| log["attributes"][key].as_str().unwrap_or_default().to_owned();
        let number = of("line_number").parse::<u64>().unwrap_or_default();
        json!({ "level": of("level"), "line": number, "message": of("message") })
    };
    list(document, "logs").map(line).collect()
}

fn list<'a>(document: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    document[key].as_array().into_iter().flatten()
}

/// One denial, with what to make of it.
fn denial(denial: &Value) -> Value {
    let is_forbidden = denial["policies"].as_array().is_some_and(|ids| !ids.is_empty());
    let hint = if is_forbidden {
        "a policy forbids it; no further permit would change that"
    } else {
        "no policy permits it; the owner of the policy may want to add what grant says"
    };
    let mut shown = Map::new();
    for (key, from) in [
        ("action", "action"),
        ("resource", "resource"),
        ("line", "line"),
        ("count", "count"),
        ("policy_ids", "policies"),
        ("needs", "needs"),
        ("grant", "grant"),
        ("nearest", "nearest"),
    ] {
        if !denial[from].is_null() {
            shown.insert(key.to_owned(), without_directories(denial[from].clone()));
        }
    }
    shown.insert("hint".to_owned(), json!(hint));
    Value::Object(shown)
}

/// The denials in words, for clients that show text alone.
fn explained(denials: &[Value]) -> String {
    let of = |denial: &Value, key: &str| denial[key].as_str().unwrap_or_default().to_owned();
    let mut text = String::new();
    for denial in denials.iter().take(MOST_EXPLAINED) {
        text.push_str(&format!("denied: {} on {}", of(denial, "action"), of(denial, "resource")));
        if let Some(line) = denial["line"].as_u64().filter(|line| *line > 0) {
            text.push_str(&format!(" (line {line})"));
        }
        text.push_str(&format!(": {}\n", of(denial, "hint")));
        for rule in of(denial, "grant").lines() {
            text.push_str(&format!("  {rule}\n"));
        }
    }
    if denials.len() > MOST_EXPLAINED {
        text.push_str(&format!("and {} more\n", denials.len().saturating_sub(MOST_EXPLAINED)));
    }
    text
}

/// The broker was ended before it could write its document, or never began.
fn without_document(status: Option<ExitStatus>, told: &str) -> Answer {
    let how = match (status.and_then(|status| status.code()), status.and_then(|status| status.signal())) {
        (Some(code), _) => format!("the broker ended with status {code}"),
        (_, Some(signal)) => format!("the broker was ended by signal {signal}"),
        _ => "the broker ended".to_owned(),
    };
    if !told.is_empty() {
        for_the_operator(told);
    }
    Answer::failed(how)
}

pub(super) fn schema() -> Value {
    let objects = json!({ "type": "array", "items": { "type": "object" } });
    json!({
        "type": "object",
        "properties": {
            "status": { "type": "string", "enum": ["SUCCESS", "ERROR"] },
            "exit": { "type": "integer", "description": "0 done, 1 the script failed, 65 it is not valid, 75 a limit, 77 denied, 124 too slow" },
            "output": { "type": "string", "description": "the last value of the script as text" },
            "run": { "type": "string", "description": "how the record of decisions calls the run" },
            "error": {
                "type": "object",
                "properties": { "type": { "type": "string" }, "message": { "type": "string" } },
                "required": ["type", "message"],
                "additionalProperties": false,
            },
            "logs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "level": { "type": "string" },
                        "line": { "type": "integer" },
                        "message": { "type": "string" },
                    },
                    "required": ["level", "line", "message"],
                    "additionalProperties": false,
                },
            },
            "denials": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "action": { "type": "string" },
                        "resource": { "type": "string" },
                        "line": { "type": "integer" },
                        "count": { "type": "integer" },
                        "policy_ids": { "type": "array", "items": { "type": "string" }, "description": "the rules that forbade it" },
                        "needs": objects,
                        "grant": { "type": "string", "description": "the policy that would permit exactly that, for its owner" },
                        "nearest": { "type": "object", "description": "the permit that came nearest, and what of it was not true" },
                        "hint": { "type": "string" },
                    },
                    "required": ["action", "resource", "policy_ids", "hint"],
                    "additionalProperties": false,
                },
            },
            "denials_dropped": { "type": "integer" },
            "limit": { "type": "object" },
            "alarms": objects,
            "metrics": objects,
            "diagnostics": objects,
            "dry_run": { "type": "boolean" },
        },
        "required": ["status", "exit", "output", "logs"],
        "additionalProperties": false,
    })
}

/// Longer than any document: output, logs, denials and signals have limits of their own. An operator who raises
/// `--max-output` beyond it gets no document.
const MOST_EVENT_BYTES: usize = 128 * 1024 * 1024;

/// What a line of the script's log begins with where it is told as progress.
const LOGGED: &str = "log: ";

const MOST_EXPLAINED: usize = 20;
