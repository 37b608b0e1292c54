//! docs/result.md, docs/result.schema.json and the program say the same of a result.
//!
//! Every document that these tests read through `rex_tests::runs`, and every one of the conformance cases, is held against
//! the schema as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use rex_broker::result::Exit;
use rex_tests::contract;
use rex_tests::program::checkout;
use rex_tests::runs::{PERMIT_ALL, Run};
use serde_json::{Value, json};

use crate::people::{USUAL, document, finish, place, run, text};

fn page() -> String {
    fs::read_to_string(checkout().join("docs/result.md")).expect("the page can be read")
}

/// The part of the page below a title of whatever level, up to the next.
fn section(title: &str) -> String {
    let page = page();
    let (_, rest) = page.split_once(&format!(" {title}\n")).unwrap_or_else(|| panic!("no section {title}"));
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

/// The first cell of each row of the first table in a text, with the whole row.
fn rows(text: &str) -> Vec<(String, String)> {
    let table = text.lines().skip_while(|line| !line.starts_with("| ") && !line.starts_with("| |"));
    let rows = table.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| (row.split('|').nth(1).unwrap_or_default().trim().to_owned(), row.to_owned())).collect()
}

/// What stands between backticks.
fn names(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn set(names: impl IntoIterator<Item = impl Into<String>>) -> BTreeSet<String> {
    names.into_iter().map(Into::into).collect()
}

fn keys(object: &Value) -> BTreeSet<String> {
    set(object.as_object().expect("it is an object").keys())
}

fn texts(array: &Value) -> BTreeSet<String> {
    set(array.as_array().expect("it is a list").iter().filter_map(Value::as_str))
}

#[test]
fn the_page_lists_the_keys_of_the_schema() {
    let schema = contract::schema();

    let listed = set(rows(&page()).into_iter().flat_map(|(key, _)| names(&key)));

    assert_eq!(listed, keys(&schema["$defs"]["document"]["properties"]));
}

#[test]
fn the_page_lists_every_exit_status() {
    let listed: Vec<String> = rows(&section("Exit statuses and error types"))
        .into_iter()
        .map(|(status, _)| status.replace(' ', ""))
        .collect();

    assert_eq!(listed, Exit::each().map(Exit::status_text).collect::<Vec<_>>());
}

/// The classes that the page lists for a status.
fn classes(status: i64) -> BTreeSet<String> {
    let wanted = if status > 128 { "128 + n".to_owned() } else { status.to_string() };
    let rows: BTreeMap<String, String> =
        rows(&section("Exit statuses and error types")).into_iter().collect();
    let row = rows.get(&wanted).unwrap_or_else(|| panic!("no row for {wanted}"));
    set(names(row).into_iter().filter(|name| name.ends_with("_EXCEPTION")))
}

#[test]
fn the_page_and_the_schema_list_every_error_type() {
    let code: BTreeSet<String> = rex_broker::result::ErrorType::each()
        .filter_map(|class| json!(class).as_str().map(str::to_owned))
        .collect();
    let listed = set(names(&section("Exit statuses and error types")))
        .into_iter()
        .filter(|name| name.ends_with("_EXCEPTION"))
        .collect::<BTreeSet<_>>();
    let schema = contract::schema();

    assert_eq!(
        code,
        texts(&schema["$defs"]["document"]["properties"]["error"]["properties"]["error_type"]["enum"])
    );
    assert_eq!(code, listed);
}

#[test]
fn every_status_comes_with_a_class_of_its_row() {
    let scratch = place("1");
    scratch.file("throws.rhai", "throw 1");
    scratch.file("broken.rhai", "1 +");
    scratch.file("reads.rhai", "cat(\"/etc/hostname\")");
    scratch.file("deep.rhai", "loop {}");
    scratch.file("none.cedar", "permit(principal == User::\"nobody\", action, resource);");
    scratch.file("broken.cedar", "permit(");
    scratch.file("deep.json", format!("{{\"a\": {}1{}}}", "[".repeat(300), "]".repeat(300)));
    scratch.file("broken.json", "{");
    let table: [(&[&str], i64); 15] = [
        (&["script.rhai", "-p", "policy.cedar"], 0),
        (&["throws.rhai", "-p", "policy.cedar"], 1),
        (&["script.rhai", "-p", "policy.cedar", "--no-such-option"], 64),
        (&["script.rhai"], 64),
        (&["broken.rhai", "-p", "policy.cedar"], 65),
        (&["script.rhai", "-p", "broken.cedar"], 65),
        (&["script.rhai", "-p", "policy.cedar", "--args", "broken.json"], 65),
        (&["script.rhai", "-p", "policy.cedar", "--args", "deep.json"], 65),
        (&["missing.rhai", "-p", "policy.cedar"], 66),
        (&["script.rhai", "-p", "policy.cedar", "--audit-log", "/proc/self/nothing"], 74),
        (&["deep.rhai", "-p", "policy.cedar", "--max-operations", "1000"], 75),
        (&["reads.rhai", "-p", "none.cedar"], 77),
        (&["script.rhai", "-p", "policy.cedar", "--forbid", "policy.cedar"], 78),
        (&["deep.rhai", "-p", "policy.cedar", "--timeout", "1"], 124),
        (&["reads.rhai", "-p", "policy.cedar", "--max-calls", "0"], 64),
    ];

    for (words, status) in table {
        let words = [words, &["--json"]].concat();
        let output = run(&scratch, &words).output().expect("the program can be started");

        assert_eq!(output.status.code().map(i64::from), Some(status), "{words:?}: {}", text(&output.stderr));
        let document = document(&output);
        assert_eq!(document["exit"], status, "{words:?}: {document}");
        let class = document["error"]["error_type"].as_str().map(str::to_owned);
        let classes = classes(status);
        assert!(
            class.as_ref().map_or(classes.is_empty(), |class| classes.contains(class)),
            "{words:?}: {class:?} is none of {classes:?}"
        );
    }
}

// Issue: whoever asked for a document gets one, whatever is wrong with the rest of the command line.
#[test]
fn a_wrong_command_line_is_told_in_the_form_that_was_asked_for() {
    let scratch = place("1");

    for (form, reads) in [("--json", false), ("--pretty-json", false), ("--ndjson", true)] {
        let output = finish(&scratch, &[form, "--no-such-option"]);

        let document: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
        match reads {
            true => contract::assert_line(&document),
            false => contract::assert_document(&document),
        }
        assert_eq!((output.status.code(), &document["exit"]), (Some(64), &json!(64)));
        assert_eq!(document["jail"]["end"], "not_started");
        let message = document["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("--no-such-option"), "{message}");
        assert!(text(&output.stderr).contains("--no-such-option"), "people are told as before");
    }
    // What is an argument of the script asks for nothing.
    let output = finish(&scratch, &["--no-such-option", "--arg", "a=--json", "--", "--json"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(64), ""));
}

/// The names of the broker's own alarms and metrics, as they stand in its sources.
fn own_names() -> BTreeSet<String> {
    let found = Command::new("grep")
        .args(["-rhoE", "--include=*.rs", "--exclude-dir=tests", "\"RexRunner[A-Za-z]+\"", "broker/src"])
        .current_dir(checkout())
        .output()
        .expect("grep is there");
    let found = String::from_utf8(found.stdout).expect("names are text");
    set(found.lines().map(|line| line.trim_matches('"')))
}

#[test]
fn the_page_lists_every_alarm_and_metric_of_the_broker() {
    let section = section("What a script and the broker report");
    let listed = set(names(&section)).into_iter().filter(|name| name.starts_with("RexRunner"));

    let listed: BTreeSet<String> = listed.collect();
    assert!(listed.len() > 10, "{listed:?}");
    assert_eq!(listed, own_names());
}

#[test]
fn the_page_and_the_schema_list_every_attribute_of_a_log_line() {
    let schema = contract::schema();
    let section = section("What a script and the broker report");
    let (_, rest) = section.split_once("`logs[].attributes`").expect("the page tells of them");
    let paragraph = rest.split("\n\n").next().unwrap_or_default();
    let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "0"];
    let listed = set(names(paragraph)).into_iter().filter(|name| !levels.contains(&name.as_str()));

    assert_eq!(listed.collect::<BTreeSet<_>>(), keys(&schema["$defs"]["attributes"]["properties"]));
    let named = Run::of("info(\"x\"); mkdir([mkdir::p], \"/tmp\")").variable("LOG_LEVEL", "trace").finish();
    for log in named.document()["logs"].as_array().expect("something was logged") {
        let unknown: Vec<String> = keys(&log["attributes"])
            .difference(&keys(&schema["$defs"]["attributes"]["properties"]))
            .cloned()
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}

#[test]
fn the_page_lists_every_end_of_a_jail_and_every_event() {
    let schema = contract::schema();
    let (_, rest) =
        page().split_once("`end` is").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("they are listed");
    let sentence = rest.split(", and").next().unwrap_or_default().to_owned();
    let events: BTreeSet<String> = schema["$defs"]["event"]["oneOf"]
        .as_array()
        .expect("it is a list")
        .iter()
        .filter_map(|event| event["properties"]["event"]["const"].as_str().map(str::to_owned))
        .collect();

    assert_eq!(set(names(&sentence)), texts(&schema["$defs"]["jail"]["properties"]["end"]["enum"]));
    let listed = rows(&section("Events")).into_iter().flat_map(|(event, _)| names(&event));
    assert_eq!(set(listed), events);
}

#[test]
fn the_example_of_the_page_keeps_the_contract() {
    let section = section("An example");
    let (_, rest) = section.split_once("```json\n").expect("there is an example");
    let example: Value =
        serde_json::from_str(rest.split("```").next().unwrap_or_default()).expect("it is JSON");

    contract::assert_document(&example);
    assert_eq!(
        keys(&example["jail"]),
        keys(&json!(complete_jail())),
        "the example shows what a real one has"
    );
}

/// The keys of the jail in a document of a run that was denied something.
fn complete_jail() -> Value {
    let scratch = place("cat(\"/etc/shadow\")");
    scratch.file("policy.cedar", "permit(principal == User::\"nobody\", action, resource);");
    document(&finish(&scratch, &["--json", "--audit-log", "audit.jsonl"]))["jail"].clone()
}

/// Makes a document break the contract.
type Break = fn(&mut Value);

// Without this the others could pass because nothing is ever refused.
#[test]
fn the_validator_finds_what_breaks_the_contract() {
    let scratch = place("info(\"x\"); throw 1");
    let whole = document(&finish(&scratch, &["--json"]));
    let breaches: [(&str, Break); 8] = [
        ("a key that is not there", |document| document["extra"] = json!(1)),
        ("a status that there is not", |document| document["status"] = json!("DONE")),
        ("a class that there is not", |document| document["error"]["error_type"] = json!("OTHER_EXCEPTION")),
        ("no output", |document| drop(document.as_object_mut().map(|object| object.remove("output")))),
        ("a number as a text", |document| document["exit"] = json!("1")),
        ("null for nothing", |document| document["denials"] = Value::Null),
        ("an end that there is not", |document| document["jail"]["end"] = json!("vanished")),
        ("a line as a number", |document| document["logs"][0]["attributes"]["line_number"] = json!(1)),
    ];

    assert_eq!(contract::breach_of_document(&whole), None);
    for (what, break_it) in breaches {
        let mut broken = whole.clone();
        break_it(&mut broken);
        assert!(contract::breach_of_document(&broken).is_some(), "{what}: {broken}");
    }
    let line = json!({"event": "log", "level": "LOUD", "line_number": "1", "message": "", "timestamp": "x"});
    assert!(contract::breach_of_line(&line).is_some());
}

// Both forms of the command line, and what Rex's callers get.
#[test]
fn the_documents_of_every_form_keep_the_contract() {
    for script in ["1", "throw 1", "cat(\"/denied\")", "let x = ;", "loop {}"] {
        for options in [&[] as &[&str], &["--bare"], &["--rex-compat"], &["--rex-compat", "--bare"]] {
            let options = [options, &["--max-operations", "10000"]].concat();
            let ended = Run::of(script).policy(crate::ALL_BUT_DENIED).options(options).finish();

            contract::assert_document(&ended.document());
        }
    }
    let scratch = place(crate::TRACES);
    for words in [&["--ndjson"] as &[&str], &["--ndjson", "--dry-run"]] {
        scratch.file("policy.cedar", format!("{PERMIT_ALL}{}", crate::ALL_BUT_DENIED));
        let output = run(&scratch, &[&USUAL, words].concat()).output().expect("the program can be started");

        let lines: Vec<Value> = text(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).expect("each line is JSON"))
            .collect();
        assert!(!lines.is_empty());
        lines.iter().for_each(contract::assert_line);
    }
}
