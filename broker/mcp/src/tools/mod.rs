//! The tools: what each is called, takes and gives, and who does it.

mod asking;
mod going;
mod run;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value, json};

pub(crate) use asking::DIGEST;
pub(crate) use run::rehearse;

use crate::arguments::{self, Field, Kind};
use crate::in_flight::InFlight;
use crate::message::Id;

/// Something that a client can have done.
pub(crate) struct Tool {
    /// Its name.
    pub(crate) name: &'static str,
    title: &'static str,
    about: &'static str,
    fields: &'static [Field],
    output: fn() -> Value,
    can_change: bool,
    /// Whether a broker is started for it, so that it takes a while and can be cancelled.
    pub(crate) starts_a_process: bool,
    act: fn(&Call<'_>) -> Answer,
}

/// One call of a tool.
pub(crate) struct Call<'a> {
    /// Its request.
    pub(crate) id: &'a Id,
    /// What it was given; checked.
    pub(crate) arguments: &'a Map<String, Value>,
    /// Everything that lasts longer than a call.
    pub(crate) served: &'a Arc<Operator>,
    /// Whom to tell how far it is.
    pub(crate) progress: &'a dyn Fn(&str),
}

/// What the operator has decided, and what is going on.
pub(crate) struct Operator {
    /// The broker.
    pub(crate) broker: PathBuf,
    /// The policies of every run.
    pub(crate) policies: Vec<PathBuf>,
    /// Files of the further options that forbid besides, and so decide with them.
    pub(crate) forbids: Vec<PathBuf>,
    /// How the policies are looked at, as an option of the broker.
    pub(crate) policy_mode: Option<OsString>,
    /// The most seconds of a run.
    pub(crate) timeout: u64,
    /// Further options of every run.
    pub(crate) further: Vec<OsString>,
    /// What is being served.
    pub(crate) in_flight: InFlight,
}

/// What a tool gives.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    structured: Option<Value>,
    texts: Vec<String>,
    is_error: bool,
}

/// The tool of this name.
pub(crate) fn find(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.name == name)
}

/// All tools, in an order that does not change.
pub(crate) fn list() -> Vec<Value> {
    TOOLS.iter().map(Tool::shown).collect()
}

impl Tool {
    /// Does it, if the arguments are those of the tool.
    pub(crate) fn call(&self, call: &Call<'_>) -> Answer {
        match arguments::check(self.fields, call.arguments) {
            Ok(()) => (self.act)(call),
            Err(told) => Answer::failed(told),
        }
    }

    fn shown(&self) -> Value {
        json!({
            "name": self.name,
            "title": self.title,
            "description": self.about,
            "inputSchema": arguments::schema(self.fields),
            "outputSchema": (self.output)(),
            "annotations": {
                "title": self.title,
                // What a script may change is the policy's to say, and a policy that permits nothing but reading is not
                // told from others here: what is not known to be read-only is not called so.
                "readOnlyHint": !self.can_change,
                "destructiveHint": self.can_change,
                "idempotentHint": !self.can_change,
                "openWorldHint": self.can_change,
            },
        })
    }
}

impl Answer {
    /// What was asked for.
    pub(crate) fn of(structured: Value) -> Self {
        Self { structured: Some(structured), texts: Vec::new(), is_error: false }
    }

    /// It could not be done; the reason is for whoever asked.
    pub(crate) fn failed(told: impl Into<String>) -> Self {
        Self { structured: None, texts: vec![told.into()], is_error: true }
    }

    /// The `CallToolResult`. What is structured is there as text, too, for clients that look at text alone.
    pub(crate) fn result(self) -> Value {
        let written = self.structured.as_ref().map(Value::to_string);
        let content: Vec<Value> = written
            .into_iter()
            .chain(self.texts)
            .map(|text| json!({ "type": "text", "text": text }))
            .collect();
        let mut result = json!({ "content": content, "isError": self.is_error });
        if let Some(structured) = self.structured {
            result["structuredContent"] = structured;
        }
        result
    }
}

/// The files of policies by their names alone: where they lie is the operator's to know.
fn without_directories(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(file) if key == "file" => {
                        if let Some((_, name)) = file.rsplit_once('/') {
                            *file = name.to_owned();
                        }
                    }
                    _ => *value = without_directories(value.take()),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| *value = without_directories(value.take())),
        _ => {}
    }
    value
}

/// Says on standard error what a client is not to know, in one line.
fn for_the_operator(told: &str) {
    // Where nobody reads it, the client still has its answer.
    let _ = writeln!(io::stderr(), "rex-mcp: {}", told.escape_debug());
}

/// What a client learns in the place of that.
const OPERATORS: &str = "the broker cannot serve this as the operator has set it up; what is wrong stands on the standard error of this \
    server, and nothing that is sent changes it";

const SCRIPT: Field = Field {
    name: "script",
    kind: Kind::Text(MOST_SCRIPT_BYTES),
    is_required: true,
    about: "The script, in Rhai. Its last value is the output.",
};

const ARGUMENTS: Field = Field {
    name: "arguments",
    kind: Kind::Map,
    is_required: false,
    about: "Variables that the script starts with: texts, numbers, booleans, and lists and maps of these.",
};

const TOOLS: &[Tool] = &[
    Tool {
        name: "run_script",
        title: "Run a script",
        about: "Runs a Rhai script on this host, in a jail that can do nothing but ask; the operator's policy decides about each act. \
            Gives the output, the log lines, and what was denied. A denial is final until the policy's owner changes the policy: \
            `denials` says what was missing and which policy would permit exactly that. Do not try the same act again or around it.",
        fields: &[
            SCRIPT,
            ARGUMENTS,
            Field {
                name: "timeout_seconds",
                kind: Kind::Whole(1, 86_400),
                is_required: false,
                about: "End the run after so many seconds. The operator's bound holds all the same.",
            },
        ],
        output: run::schema,
        can_change: true,
        starts_a_process: true,
        act: run::run,
    },
    Tool {
        name: "check_script",
        title: "Check a script",
        about: "Compiles a script and looks at its arguments and the operator's policy, and runs nothing. Gives what a run gives, with \
            `diagnostics` that name line and column.",
        fields: &[SCRIPT, ARGUMENTS],
        output: run::schema,
        can_change: false,
        starts_a_process: true,
        act: run::check,
    },
    Tool {
        name: "search_sdk",
        title: "Search what scripts can call",
        about: "Finds functions, methods, properties and constants of scripts that have all of these words in name, documentation or \
            permissions. At most 40 are given.",
        fields: &[Field {
            name: "words",
            kind: Kind::Text(MOST_WORDS_BYTES),
            is_required: true,
            about: "Words or parts of words, such as: gzip read",
        }],
        output: asking::search_schema,
        can_change: false,
        starts_a_process: true,
        act: asking::search,
    },
    Tool {
        name: "show_sdk",
        title: "Show a function of scripts",
        about: "Everything about one name that scripts can call, or about a type: signatures, the permissions that it asks for, errors, \
            and an example that was run.",
        fields: &[Field {
            name: "name",
            kind: Kind::Text(MOST_WORDS_BYTES),
            is_required: true,
            about: "Such as cat, FileHandle.read, grep::n or OpenFileOptions",
        }],
        output: asking::show_schema,
        can_change: false,
        starts_a_process: true,
        act: asking::show,
    },
    Tool {
        name: "sdk_digest",
        title: "Read the digest of the SDK",
        about: "The language of scripts in short, with every function and type and examples that were run, in less than 12,000 tokens. \
            Read it once before writing the first script.",
        fields: &[],
        output: asking::digest_schema,
        can_change: false,
        starts_a_process: false,
        act: asking::digest,
    },
    Tool {
        name: "explain_denial",
        title: "Explain a denial",
        about: "Asks the operator's policy about one act, and does nothing: whether it is permitted, which rule came nearest, and the Cedar \
            text that would permit exactly that, for the policy's owner.",
        fields: &[
            Field {
                name: "action",
                kind: Kind::Text(MOST_WORDS_BYTES),
                is_required: true,
                about: "As a denial has it, such as file_system::Action::\"read\", or in short: read",
            },
            Field {
                name: "resource",
                kind: Kind::Text(MOST_RESOURCE_BYTES),
                is_required: false,
                about: "As a denial has it, such as file_system::File::\"/etc/hosts\", or an absolute path",
            },
        ],
        output: asking::explain_schema,
        can_change: false,
        starts_a_process: true,
        act: asking::explain,
    },
    Tool {
        name: "run_status",
        title: "List the runs that go on",
        about: "The runs of this server that have not ended, the eldest first.",
        fields: &[],
        output: going::status_schema,
        can_change: false,
        starts_a_process: false,
        act: going::status,
    },
    Tool {
        name: "stop_run",
        title: "End a run",
        about: "Ends a run of this server. Its own call is answered with what it had done so far.",
        fields: &[Field {
            name: "run",
            kind: Kind::Text(MOST_WORDS_BYTES),
            is_required: true,
            about: "The run, as run_status has it",
        }],
        output: going::stop_schema,
        can_change: true,
        starts_a_process: false,
        act: going::stop,
    },
];

/// What the broker takes: script and arguments together.
pub(crate) const MOST_SCRIPT_BYTES: usize = 32 * 1024 * 1024;
const MOST_WORDS_BYTES: usize = 1024;
/// A path of the system is no longer, and a URL has room in it, too.
const MOST_RESOURCE_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_one_and_no_name_comes_twice() {
        let mut names: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
        for shown in list() {
            for key in ["inputSchema", "outputSchema"] {
                let mut schemas = boon::Schemas::new();
                let mut compiler = boon::Compiler::new();
                compiler.add_resource("schema.json", shown[key].clone()).unwrap();
                assert!(compiler.compile("schema.json", &mut schemas).is_ok(), "{key} of {}", shown["name"]);
                assert_eq!(shown[key]["type"], "object");
            }
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TOOLS.len());
    }

    #[test]
    fn what_may_change_something_is_never_called_read_only() {
        for shown in list() {
            let may_change = ["run_script", "stop_run"].contains(&shown["name"].as_str().unwrap());
            assert_eq!(shown["annotations"]["readOnlyHint"], json!(!may_change), "{}", shown["name"]);
            assert_eq!(shown["annotations"]["destructiveHint"], json!(may_change), "{}", shown["name"]);
        }
    }

    #[test]
    fn what_is_structured_is_there_as_text_too() {
        let result = Answer::of(json!({ "a": 1 })).result();

        assert_eq!(result["content"][0]["text"], r#"{"a":1}"#);
        assert_eq!(result["structuredContent"], json!({ "a": 1 }));
        assert_eq!(Answer::failed("no").result().get("structuredContent"), None);
    }
}
