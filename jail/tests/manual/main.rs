//! Does `jail/sdk.json`, which `rex-broker sdk` prints, say what the engine and the manual say?
//!
//! The engine's table is the list of what exists; the manual (`jail/manual`, one file for each chapter) has what there
//! is to know about it beyond a sentence, and an example for everything. Neither may have what the other lacks. With
//! `REX_GOLDEN=write` in the environment the file is written and not compared.

mod chapter;
mod doubts;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rex_ipc::control::{EngineLimits, Hello};
use rex_ipc::failure::ErrorKind;
use rex_ipc::runtime::LogLevel;
use rex_jail::engine;
use rex_jail::error::CommonErrorKind;
use rex_jail::error::family::{Disks, Family, Network, Processes, SystemInfo};
use rex_jail::link::{Frames, Link};
use rex_jail::registry::Entry;
use rex_jail::session::Session;
use serde_json::{Value, json};

use chapter::{Chapter, Heading, Section};

#[test]
fn the_reference_is_that_of_the_engine_and_the_manual() {
    let expected = written(&reference());
    let file = root().join("sdk.json");
    if std::env::var_os("REX_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&file, &expected).expect("the package can be written");
    }

    let found = fs::read_to_string(&file).expect("the reference is there");

    let different = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert_eq!(different, None, "REX_GOLDEN=write writes jail/sdk.json anew");
    assert_eq!(found.len(), expected.len());
}

#[test]
fn everything_registered_is_in_the_manual_once_and_nothing_else_is() {
    let entries = entries();
    let mut described: BTreeMap<Heading, usize> = BTreeMap::new();
    for section in chapters().iter().flat_map(|chapter| &chapter.sections) {
        for heading in &section.headings {
            *described.entry(heading.clone()).or_default() += 1;
        }
    }

    let missing: Vec<String> = entries
        .iter()
        .map(heading_of)
        .filter(|heading| !described.contains_key(heading))
        .map(|h| h.line())
        .collect();
    assert!(missing.is_empty(), "{} entries have no section:\n{}", missing.len(), missing.join("\n"));
    let invented: Vec<String> = described
        .iter()
        .filter(|(heading, count)| **count > 1 || !entries.iter().any(|entry| heading_of(entry) == **heading))
        .map(|(heading, _)| heading.line())
        .collect();
    assert!(invented.is_empty(), "sections twice or without an entry:\n{}", invented.join("\n"));
}

#[test]
fn sections_for_several_entries_are_for_the_same_thing() {
    let entries = entries();
    for section in chapters().iter().flat_map(|chapter| &chapter.sections) {
        let members: Vec<&Entry> =
            section.headings.iter().filter_map(|heading| find(&entries, heading)).collect();
        let alike = members.windows(2).all(|pair| match pair {
            [first, second] => {
                first.module == second.module
                    && first.signature == second.signature
                    && first.returns == second.returns
                    && first.actions == second.actions
            }
            _ => true,
        });
        assert!(alike, "{:?}", section.headings);
    }
}

#[test]
fn every_named_parameter_is_explained_and_no_other() {
    let entries = entries();
    for section in chapters().iter().flat_map(|chapter| &chapter.sections) {
        let Some(entry) = section.headings.first().and_then(|heading| find(&entries, heading)) else {
            continue;
        };
        let named: Vec<&str> =
            parameters(entry.signature).filter_map(|part| part.split_once(": ")).map(|p| p.0).collect();
        let explained: Vec<&str> = section.arguments.iter().map(|(name, _)| name.as_str()).collect();

        assert_eq!(explained, named, "{}", section.headings[0].line());
    }
}

#[test]
fn every_error_has_a_kind_that_scripts_can_see() {
    let io = ErrorKind::ALL.iter().map(|kind| kind.name());
    let common = CommonErrorKind::ALL.iter().map(|kind| kind.name());
    let families =
        [Processes::KINDS, SystemInfo::KINDS, Disks::KINDS, Network::KINDS].into_iter().flatten().copied();
    let kinds: Vec<&str> = io.chain(common).chain(families).chain(["text"]).collect();

    for section in chapters().iter().flat_map(|chapter| &chapter.sections) {
        for (kind, _) in &section.errors {
            assert!(kinds.contains(&kind.as_str()), "{}: {kind}", section.headings[0].line());
        }
    }
}

#[test]
fn nothing_in_it_is_for_a_terminal_to_obey() {
    fn check(value: &Value) {
        match value {
            Value::String(text) => assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}"),
            Value::Array(values) => values.iter().for_each(check),
            Value::Object(fields) => fields.values().for_each(check),
            _ => {}
        }
    }

    check(&reference());
}

fn reference() -> Value {
    let entries = entries();
    let remarks = |remarks: &[(String, String)]| -> Vec<Value> {
        remarks.iter().map(|(name, text)| json!({ "name": name, "text": text })).collect()
    };
    let section = |section: &Section| {
        let members: Vec<Value> =
            section.headings.iter().filter_map(|heading| find(&entries, heading)).map(row).collect();
        let mut written = json!({
            "entries": members,
            "text": section.text,
            "arguments": remarks(&section.arguments),
            "errors": remarks(&section.errors),
            "example": section.example,
            "output": section.output,
        });
        if !section.title.is_empty() {
            written["title"] = json!(section.title);
        }
        written
    };
    let chapters: Vec<Value> = chapters()
        .iter()
        .map(|chapter| {
            json!({
                "name": chapter.name,
                "title": chapter.title,
                "introduction": chapter.introduction,
                "sections": chapter.sections.iter().map(section).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "preface": read("manual/README.md"), "chapters": chapters })
}

fn row(entry: &Entry) -> Value {
    json!({
        "module": entry.module,
        "name": entry.name,
        "signature": entry.signature,
        "returns": entry.returns,
        "actions": entry.actions,
        "doc": entry.doc,
    })
}

/// One line for each section, so that a change is a line.
fn written(reference: &Value) -> String {
    let mut text = format!("{{\n\"preface\": {},\n\"chapters\": [", reference["preface"]);
    for (index, chapter) in reference["chapters"].as_array().into_iter().flatten().enumerate() {
        let separator = if index > 0 { "," } else { "" };
        text.push_str(&format!(
            "{separator}\n{{\"name\": {}, \"title\": {}, \"introduction\": {}, \"sections\": [\n",
            chapter["name"], chapter["title"], chapter["introduction"]
        ));
        let sections = chapter["sections"].as_array().into_iter().flatten();
        text.push_str(&sections.map(Value::to_string).collect::<Vec<_>>().join(",\n"));
        text.push_str("\n]}");
    }
    text.push_str("\n]\n}\n");
    text
}

fn find<'e>(entries: &'e [Entry], heading: &Heading) -> Option<&'e Entry> {
    entries.iter().find(|entry| heading_of(entry) == *heading)
}

fn heading_of(entry: &Entry) -> Heading {
    Heading { module: entry.module.into(), name: entry.name.into(), signature: entry.signature.into() }
}

fn parameters(signature: &'static str) -> impl Iterator<Item = &'static str> {
    let list = signature.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or_default();
    list.split(", ").filter(|part| !part.is_empty())
}

/// The chapters, in the order in which the preface lists them.
fn chapters() -> Vec<Chapter> {
    let preface = read("manual/README.md");
    let names = preface.split("](").skip(1).filter_map(|rest| rest.split_once(".md)")).map(|(name, _)| name);
    let chapters: Vec<Chapter> =
        names.map(|name| Chapter::parse(name, &read(&format!("manual/{name}.md")))).collect();
    let files = fs::read_dir(root().join("manual")).expect("the manual is there").count();
    assert_eq!(files, chapters.len() + 1, "the preface does not list every chapter");
    chapters
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("cannot read jail/{path}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// What an engine registers before there is anybody to talk to.
fn entries() -> Vec<Entry> {
    engine::build(&session()).entries
}

/// A session with nobody at the other end.
fn session() -> Session {
    let limits = EngineLimits {
        operations: 1_000_000,
        call_levels: 64,
        expression_depth: 64,
        function_expression_depth: 32,
        string_bytes: 1 << 20,
        array_elements: 100_000,
        map_entries: 10_000,
        variables: 1_000,
        functions: 1_000,
    };
    let hello = Hello {
        fingerprint: 0,
        lockdown_bits: 0,
        arena_bytes: 0,
        log_threshold: LogLevel::Error,
        limits,
        rex_compat: false,
    };
    Session::new(Frames::new(Box::new(Nobody)), &hello)
}

/// The other end of a link that is never used.
struct Nobody;

impl Link for Nobody {
    fn out(&mut self) -> &mut [u8] {
        unreachable!("an engine asks for nothing while it is built")
    }

    fn send(&mut self, _frame_bytes: usize) {
        unreachable!("an engine asks for nothing while it is built")
    }

    fn receive(&mut self) -> &[u8] {
        unreachable!("an engine asks for nothing while it is built")
    }
}
