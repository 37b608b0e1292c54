//! Which runs of this server go on, and how one is ended.

use serde_json::{Value, json};

use super::{Answer, Call};
use crate::arguments::text;

/// The runs that go on.
pub(super) fn status(call: &Call<'_>) -> Answer {
    let runs = call.served.in_flight.list();
    let shown: Vec<Value> = runs
        .iter()
        .map(|going| json!({ "run": going.run, "tool": going.tool, "seconds": going.age.as_secs() }))
        .collect();
    Answer::of(json!({ "runs": shown }))
}

/// Ends one.
pub(super) fn stop(call: &Call<'_>) -> Answer {
    let run = text(call.arguments, "run").unwrap_or_default();
    if call.served.in_flight.stop_run(run) {
        Answer::of(json!({ "stopped": true }))
    } else {
        Answer::failed("no run of this server that goes on has that name; it may have ended")
    }
}

pub(super) fn status_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "runs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "run": { "type": ["string", "null"], "description": "null until its jail has begun" },
                        "tool": { "type": "string" },
                        "seconds": { "type": "integer" },
                    },
                    "required": ["run", "tool", "seconds"],
                    "additionalProperties": false,
                },
            },
        },
        "required": ["runs"],
        "additionalProperties": false,
    })
}

pub(super) fn stop_schema() -> Value {
    json!({
        "type": "object",
        "properties": { "stopped": { "type": "boolean" } },
        "required": ["stopped"],
        "additionalProperties": false,
    })
}
