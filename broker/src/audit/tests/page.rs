//! Whether `docs/audit.md` says what the code does.

use rex_ipc::control::RequestNumber;

use super::*;

const PAGE: &str = include_str!("../../../../docs/audit.md");

/// One kind of record, as the page has it.
struct Section {
    event: &'static str,
    /// Name, and whether it may be absent.
    fields: Vec<(&'static str, bool)>,
    example: &'static str,
}

fn sections() -> Vec<Section> {
    PAGE.split("\n### ").skip(1).map(section).collect()
}

fn section(text: &'static str) -> Section {
    // What comes behind the last record is another chapter.
    let text = text.split("\n## ").next().unwrap();
    let row = |line: &'static str| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` |")?;
        Some((name, rest.contains("*optional*")))
    };
    let (_, example) = text.split_once("```json\n").unwrap();
    Section {
        event: text.lines().next().unwrap(),
        fields: text.lines().filter_map(row).collect(),
        example: example.split_once("\n```").unwrap().0,
    }
}

fn keys(record: &Value) -> Vec<&str> {
    record.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The keys that a record of this section has, with or without the optional ones.
fn expected(section: &Section, with_optional: bool) -> Vec<&'static str> {
    let common = ["run", "seq", "time", "event"];
    let own = section.fields.iter().filter(|(_, optional)| with_optional || !optional).map(|(name, _)| *name);
    common.into_iter().chain(own).collect()
}

/// One record of each kind, with everything that may stand in it, or with nothing that need not.
fn written(with_optional: bool) -> Vec<Value> {
    let delegation = Value::Object(serde_json::Map::new());
    let memory = Memory::default();
    let identity = Identity { delegation: with_optional.then_some(&delegation), ..IDENTITY };
    let mut journal = Journal::new(memory.clone(), identity, PLENTY, AuditSync::Run);
    let texts = ["text".to_owned()];
    let context = Value::Bool(true);
    let shadow = serde_json::json!({ "decision": "deny" });
    let text = with_optional.then_some("text");
    if with_optional {
        journal.request(RequestNumber { frame: 3, index: 1 });
    }
    let start = Start {
        arguments_sha256: text,
        image_sha256: text,
        require: text,
        delegation_terms: with_optional.then_some(&delegation),
        policy_links: with_optional.then_some(&delegation),
        schema_sha256: text,
        engine: text,
        shadow_sha256: text,
        ..Start::default()
    };
    let decided = Decision {
        context: with_optional.then_some(&context),
        facts: with_optional.then_some(&context),
        act: with_optional.then_some(&context),
        errors: if with_optional { &texts } else { &[] },
        shadow: with_optional.then_some(&shadow),
        ..decision("/a")
    };
    let failed = Outcome { chunk_of: Some(7), failure: text, errno: Some(5), ..outcome("read_chunk") };

    journal.note(&Record::Start(start)).unwrap();
    for _ in 0..2 {
        journal.after(&if with_optional { failed.clone() } else { outcome("stat") }).unwrap();
    }
    journal.before(&decided).unwrap();
    if with_optional {
        journal.after(&failed).unwrap();
    }
    for name in ["/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8"] {
        journal.before(&Decision { operation: "list_details", ..decision(name) }).unwrap();
    }
    if with_optional {
        journal.after(&failed).unwrap();
    }
    journal.note(&Record::Violation(Violation { detail: "text" })).unwrap();
    journal.note(&Record::Limit(Limit { name: "text", value: 1, claimed_line: 2 })).unwrap();
    let stop = Stop { uid: 0, by: "root", reason: "text", at_seconds: 1, claimed_line: 2 };
    journal.note(&Record::Stop(stop)).unwrap();
    let end = End {
        end: "finished",
        end_claimed_by_jail: true,
        status: "ERROR",
        error_type: text,
        exit: 1,
        duration_us: 1,
    };
    journal.note(&Record::End(end)).unwrap();
    memory.records()
}

/// The last record of this kind.
fn of_event<'r>(records: &'r [Value], event: &str) -> &'r Value {
    records.iter().rev().find(|record| record["event"] == event).unwrap()
}

#[test]
fn every_record_has_the_fields_of_the_page_in_its_order() {
    for with_optional in [true, false] {
        let records = written(with_optional);

        for section in sections() {
            let record = of_event(&records, section.event);
            assert_eq!(keys(record), expected(&section, with_optional), "{}", section.event);
        }
    }
}

#[test]
fn every_kind_of_record_is_on_the_page() {
    let events: Vec<&str> = sections().iter().map(|section| section.event).collect();

    for record in written(true) {
        assert!(events.contains(&record["event"].as_str().unwrap()), "{record}");
    }
    assert_eq!(events.len(), 9);
}

#[test]
fn the_examples_have_the_fields_of_their_tables() {
    for section in sections() {
        let example: Value = serde_json::from_str(section.example).unwrap();

        assert_eq!(example["event"], section.event);
        assert_eq!(keys(&example), expected(&section, true), "{}", section.event);
    }
}
