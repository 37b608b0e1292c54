//! What is asked of the broker without running anything: its SDK, and what the policy says of one act.

use std::ffi::OsString;
use std::io::Read;
use std::process::ExitStatus;
use std::thread;

use serde_json::{Value, json};

use super::{Answer, Call, OPERATORS, for_the_operator, without_directories};
use crate::arguments::text;
use crate::child::Child;
use crate::json;

/// Finds functions by words.
pub(super) fn search(call: &Call<'_>) -> Answer {
    let words = text(call.arguments, "words").unwrap_or_default().split_whitespace().map(OsString::from);
    let words: Vec<OsString> =
        ["sdk", "search", "--json", "--"].map(OsString::from).into_iter().chain(words).collect();
    let Asked { status, document, told } = match ask(call, &words) {
        Ok(asked) => asked,
        Err(told) => return Answer::failed(told),
    };
    match (status, document) {
        (Some(0), Some(Value::Array(entries))) => {
            let left_out = entries.len().saturating_sub(MOST_FOUND);
            let entries: Vec<Value> = entries.into_iter().take(MOST_FOUND).collect();
            Answer::of(json!({ "entries": entries, "left_out": left_out }))
        }
        (Some(1), _) => Answer::of(json!({ "entries": [], "left_out": 0 })),
        _ => unanswered(status, &told),
    }
}

/// Shows one name.
pub(super) fn show(call: &Call<'_>) -> Answer {
    let name = text(call.arguments, "name").unwrap_or_default();
    let words: Vec<OsString> = ["sdk", "show", "--json", "--", name].map(OsString::from).to_vec();
    match ask(call, &words) {
        Ok(Asked { status: Some(0), document: Some(entries), .. }) => {
            Answer::of(json!({ "entries": entries }))
        }
        Ok(Asked { status, told, .. }) => unanswered(status, &told),
        Err(told) => Answer::failed(told),
    }
}

/// Asks the policy about one act.
pub(super) fn explain(call: &Call<'_>) -> Answer {
    let mut words: Vec<OsString> = ["policy", "explain", "--json"].map(OsString::from).to_vec();
    // What only forbids is a policy like any other here.
    for policy in call.served.policies.iter().chain(&call.served.forbids) {
        words.extend(["--policy".into(), policy.into()]);
    }
    words.extend(call.served.policy_mode.clone());
    for name in ["action", "resource"] {
        if let Some(value) = text(call.arguments, name) {
            // In one word, so that a value which begins with a hyphen is no option.
            words.push(format!("--{name}={value}").into());
        }
    }
    match ask(call, &words) {
        Ok(Asked { status: Some(0 | 77), document: Some(explained @ Value::Object(_)), .. }) => {
            Answer::of(without_directories(explained))
        }
        Ok(Asked { status, told, document }) => {
            let why = document.as_ref().and_then(|document| document["error"].as_str()).unwrap_or(&told);
            unanswered(status, why)
        }
        Err(told) => Answer::failed(told),
    }
}

/// Why there is no answer: in the broker's words where the question is to blame, and else for the operator alone.
fn unanswered(status: Option<i32>, told: &str) -> Answer {
    if matches!(status, Some(1 | 64)) {
        return Answer::failed(told);
    }
    for_the_operator(told);
    Answer::failed(OPERATORS)
}

/// The digest of the SDK.
pub(super) fn digest(_: &Call<'_>) -> Answer {
    Answer::of(json!({ "markdown": DIGEST }))
}

/// What the broker has said to a question.
struct Asked {
    status: Option<i32>,
    document: Option<Value>,
    /// What went wrong, in its own words.
    told: String,
}

fn ask(call: &Call<'_>, words: &[OsString]) -> Result<Asked, String> {
    let (child, said) = Child::start(&call.served.broker, words, None)
        .map_err(|error| format!("the broker cannot be started: {error}"))?;
    call.served.in_flight.attach(call.id, child.child());
    let (answer, told) = beside(said.stderr, || {
        let mut answer = Vec::new();
        said.stdout.take(MOST_ANSWER_BYTES).read_to_end(&mut answer).map(|_| answer)
    })?;
    let status = child.wait().as_ref().and_then(ExitStatus::code);
    let answer = answer.map_err(|error| format!("the broker's answer cannot be read: {error}"))?;
    let told = if told.trim().is_empty() { "the broker gave no answer".to_owned() } else { told };
    Ok(Asked { status, document: json::parse(&answer, json::MOST_VALUES_OF_A_BROKER).ok(), told })
}

/// Does something while another thread reads what is told, and gives the beginning of that, too.
///
/// # Errors
/// When there is no other thread to be had. Then nothing was done.
pub(super) fn beside<T>(
    told: impl Read + Send,
    work: impl FnOnce() -> T,
) -> Result<(T, String), &'static str> {
    thread::scope(|scope| {
        let told = thread::Builder::new()
            .name("told".to_owned())
            .spawn_scoped(scope, || start_of(told))
            .map_err(|_| "there is no thread for another call")?;
        Ok((work(), told.join().unwrap_or_default()))
    })
}

/// The first of what a stream says, which is read to its end.
fn start_of(mut stream: impl Read) -> String {
    let mut kept = Vec::new();
    let read = stream.by_ref().take(MOST_TOLD_BYTES).read_to_end(&mut kept);
    if read.is_ok() {
        // The rest has to go somewhere, or its writer would wait for ever.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    }
    String::from_utf8_lossy(&kept).trim_end().to_owned()
}

pub(super) fn search_schema() -> Value {
    let row = json!({
        "type": "object",
        "properties": {
            "module": { "type": "string" },
            "name": { "type": "string" },
            "signature": { "type": "string" },
            "returns": { "type": "string" },
            "actions": { "type": "string", "description": "the permissions that it asks for" },
            "doc": { "type": "string" },
        },
        "required": ["module", "name", "signature", "returns", "actions", "doc"],
    });
    json!({
        "type": "object",
        "properties": {
            "entries": { "type": "array", "items": row },
            "left_out": { "type": "integer", "description": "how many more there are" },
        },
        "required": ["entries", "left_out"],
        "additionalProperties": false,
    })
}

pub(super) fn show_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "entries": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "module": { "type": "string" },
                        "name": { "type": "string" },
                        "call": { "type": "string" },
                        "returns": { "type": "string" },
                        "actions": { "type": "string", "description": "the permissions that it asks for" },
                        "text": { "type": "string" },
                        "example": { "type": "string" },
                        "output": { "type": "string", "description": "what the example gives" },
                    },
                    "required": ["module", "name", "call", "returns", "actions", "text", "example", "output"],
                },
            },
        },
        "required": ["entries"],
        "additionalProperties": false,
    })
}

pub(super) fn digest_schema() -> Value {
    json!({
        "type": "object",
        "properties": { "markdown": { "type": "string" } },
        "required": ["markdown"],
        "additionalProperties": false,
    })
}

pub(super) fn explain_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "decision": { "type": "string", "enum": ["permitted", "denied"] },
            "principal": { "type": "string" },
            "action": { "type": "string" },
            "resource_type": { "type": "string" },
            "resource": { "type": "string" },
            "grounds": { "type": "array", "description": "the rules that decided it" },
            "nearest": { "type": ["object", "null"], "description": "the permit that came nearest, and what of it was not true" },
            "grant": { "type": ["string", "null"], "description": "the policy that would permit exactly that, for its owner" },
        },
        "required": ["decision", "principal", "action", "resource"],
    })
}

/// The digest of the SDK for language models; made by `.ci/regenerate`.
pub(crate) const DIGEST: &str = include_str!("../../digest.md");

const MOST_FOUND: usize = 40;
/// All of the SDK as JSON is less than half of that.
const MOST_ANSWER_BYTES: u64 = 4 * 1024 * 1024;
const MOST_TOLD_BYTES: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_told_the_beginning_is_kept() {
        let much = "é".repeat(1024 * 1024);

        let kept = start_of(much.as_bytes());

        assert_eq!(kept.len() as u64, MOST_TOLD_BYTES);
        assert!(much.starts_with(&kept));
    }
}
