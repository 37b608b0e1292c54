//! The lines of a record, and the decisions that they tell of.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;

/// A record that is read from its beginning.
pub(in crate::front) struct Records {
    lines: Box<dyn BufRead>,
    /// Lines so far that are no records: torn ones, or somebody else's.
    pub(in crate::front) unreadable: u64,
}

impl Records {
    /// Opens a record; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(in crate::front) fn open(path: &Path) -> Result<Self, String> {
        let lines: Box<dyn BufRead> = if path == Path::new("-") {
            Box::new(std::io::stdin().lock())
        } else {
            let opened =
                File::open(path).map_err(|error| format!("cannot open {}: {error}", path.display()))?;
            Box::new(BufReader::with_capacity(BUFFER_BYTES, opened))
        };
        Ok(Self { lines, unreadable: 0 })
    }

    /// The next record. Lines that are none are counted.
    ///
    /// # Errors
    /// When it cannot be read, or a line is longer than any record.
    pub(in crate::front) fn next(&mut self) -> Result<Option<Value>, String> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = self.lines.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut line);
            read.map_err(|error| format!("cannot read the record: {error}"))?;
            if line.is_empty() {
                return Ok(None);
            }
            if line.len() as u64 > MAX_LINE_BYTES {
                return Err(format!(
                    "a line of the record is longer than {MAX_LINE_BYTES} bytes, which no record is"
                ));
            }
            match serde_json::from_slice::<Value>(&line) {
                Ok(record) if is_record(&record) => return Ok(Some(record)),
                _ => self.unreadable = self.unreadable.saturating_add(1),
            }
        }
    }
}

fn is_record(record: &Value) -> bool {
    record["run"].is_string()
        && record["seq"].is_u64()
        && record["time"].is_string()
        && record["event"].is_string()
}

/// What every run has said at its start, as long as it goes on.
#[derive(Default)]
pub(in crate::front) struct Starts(HashMap<String, Value>);

impl Starts {
    /// Takes note of a record; what it is about is looked up before.
    pub(in crate::front) fn note(&mut self, record: &Value) {
        let run = text(record, "run");
        match text(record, "event") {
            "start" => drop(self.0.insert(run.to_owned(), record.clone())),
            "end" => drop(self.0.remove(run)),
            _ => {}
        }
    }

    /// How the run of a record began.
    pub(in crate::front) fn of(&self, record: &Value) -> Option<&Value> {
        self.0.get(text(record, "run"))
    }
}

/// One decision. Of a record that tells several, one of them.
pub(in crate::front) struct Decision<'a> {
    /// The record that it stands in.
    pub(in crate::front) record: &'a Value,
    pub(in crate::front) action: &'a str,
    pub(in crate::front) resource_type: &'a str,
    pub(in crate::front) resource: Cow<'a, str>,
    pub(in crate::front) permitted: bool,
    /// Those that decided.
    pub(in crate::front) policies: Vec<&'a str>,
}

/// Why what a record says of its decisions cannot be true; nothing where it can.
pub(super) fn contradiction(record: &Value) -> Option<&'static str> {
    let told = matches!(text(record, "decision"), "permit" | "deny");
    match text(record, "event") {
        "decision" | "decisions" if !told => Some("it has no decision"),
        "decisions" if !is_whole(record) => Some("it has not as many names and questions as it counts"),
        _ => None,
    }
}

/// Whether a record of several decisions has as many as it counts, and no more than any has room for.
fn is_whole(record: &Value) -> bool {
    let count = items(&record["names"]).count().saturating_mul(items(&record["asked"]).count());
    count <= MAX_TOGETHER && record["count"].as_u64() == u64::try_from(count).ok()
}

/// The decisions that a record tells of, in the order in which they were made.
pub(in crate::front) fn decisions(record: &Value) -> Box<dyn Iterator<Item = Decision<'_>> + '_> {
    match text(record, "event") {
        "decision" => Box::new(std::iter::once(Decision {
            record,
            action: text(record, "action"),
            resource_type: text(record, "resource_type"),
            resource: text(record, "resource").into(),
            permitted: text(record, "decision") == "permit",
            policies: texts(&record["policies"]),
        })),
        "decisions" if is_whole(record) => Box::new(items(&record["names"]).flat_map(move |name| {
            items(&record["asked"]).map(move |asked| Decision {
                record,
                action: text(asked, "action"),
                resource_type: text(asked, "resource_type"),
                resource: (text(record, "directory").to_owned() + name.as_str().unwrap_or_default()).into(),
                permitted: text(record, "decision") == "permit",
                policies: texts(&asked["policies"]),
            })
        })),
        _ => Box::new(std::iter::empty()),
    }
}

/// Run and number of a record, as `audit why` takes them.
pub(in crate::front) fn name(record: &Value) -> String {
    format!("{}:{}", text(record, "run"), record["seq"])
}

/// A field that is a text; empty where there is none.
pub(in crate::front) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The texts in an array.
pub(in crate::front) fn texts(value: &Value) -> Vec<&str> {
    items(value).filter_map(Value::as_str).collect()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Its line has at most 4,096 bytes.
const MAX_TOGETHER: usize = 100_000;
const BUFFER_BYTES: usize = 1 << 20;
/// More than what any record has: names are up to 16 KiB, and arguments of programs at most a few MiB.
const MAX_LINE_BYTES: u64 = 16 << 20;
