//! The same script under the same policy gives the same answer as in Rex. `README.md` here describes the cases.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use rex_tests::contract;
use rex_tests::program;
use rex_tests::scratch::Scratch;
use serde_json::Value;

/// Cases that fail, and cases that pass.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdicts {
    failed: BTreeMap<String, String>,
    passed: BTreeSet<String>,
}

/// Runs `compat.py` on a folder of cases. Python is needed, and its absence is a failure: without it nothing is proved.
fn judge(cases: &str, divergent: &str) -> Verdicts {
    let here = program::checkout().join("tests/conformance");
    let scratch = Scratch::new();
    let report = scratch.path().join("report.json");
    let documents = scratch.path().join("documents.jsonl");
    let under_test = format!(
        "{} --jail --rex-compat --audit-log {}",
        program::path().display(),
        scratch.path().join("audit.jsonl").display()
    );
    let output = Command::new("python3")
        .arg(here.join("compat.py"))
        .args(["--bin", &under_test, "--divergent", divergent])
        .arg("--cases")
        .arg(here.join(cases))
        .arg("--json")
        .arg(&report)
        .arg("--documents")
        .arg(&documents)
        .output()
        .expect("python3 can be run; the conformance cases need it");
    let text = std::fs::read_to_string(&report).unwrap_or_else(|error| {
        panic!("compat.py gave no report ({error}): {}", String::from_utf8_lossy(&output.stderr))
    });
    assert_they_keep_the_contract(&std::fs::read_to_string(&documents).expect("the documents are kept"));
    verdicts(&serde_json::from_str(&text).expect("the report is JSON"))
}

/// Every document of the cases is what docs/result.schema.json says.
fn assert_they_keep_the_contract(documents: &str) {
    let breaches: Vec<String> = documents
        .lines()
        .filter_map(|line| {
            let line: Value = serde_json::from_str(line).expect("each line is JSON");
            let breach = contract::breach_of_document(&line["document"])?;
            Some(format!("{}: {breach}\n{}", line["case"], line["document"]))
        })
        .collect();

    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    assert!(documents.lines().count() > 0, "no case gave a document");
}

fn verdicts(report: &Value) -> Verdicts {
    let nameless = format!("No user mapping found for uid: {}", nix::unistd::geteuid());
    let mut verdicts = Verdicts::default();
    for case in report["cases"].as_array().expect("the report lists cases") {
        let name = case["name"].as_str().expect("each case has a name").to_owned();
        match case["verdict"].as_str() {
            Some("passed") => {
                verdicts.passed.insert(name);
            }
            // The cases were recorded by users that have names; what those without one get, Rex gives them, too.
            Some("failed") if case["reasons"].to_string().contains(&nameless) => {
                rex_tests::skip::skipped(format!("{name}: this user has no name"));
            }
            Some("failed") => {
                verdicts.failed.insert(name, case["reasons"].to_string());
            }
            // What needs root, or something that this machine lacks.
            _ => {}
        }
    }
    verdicts
}

/// The cases that need a function which does not exist yet.
fn not_yet() -> BTreeSet<String> {
    let list = program::checkout().join("tests/conformance/not_yet.txt");
    let text = std::fs::read_to_string(list).expect("the list is there");
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split_whitespace();
            let case = words.next().expect("a line names a case");
            assert!(words.next().is_some(), "{case}: the line does not say what is missing");
            case.to_owned()
        })
        .collect()
}

fn assert_as_listed(verdicts: &Verdicts) {
    let listed = not_yet();
    let unexpected: Vec<String> = verdicts
        .failed
        .iter()
        .filter(|(name, _)| !listed.contains(*name))
        .map(|(name, reasons)| format!("{name}: {reasons}"))
        .collect();
    let begun: Vec<&String> = verdicts.passed.intersection(&listed).collect();

    assert!(unexpected.is_empty(), "these cases fail:\n{}", unexpected.join("\n"));
    assert!(begun.is_empty(), "these cases pass now; take them off not_yet.txt: {begun:?}");
    assert!(!verdicts.passed.is_empty(), "no case was run");
}

#[test]
fn scripts_give_the_answers_that_they_give_in_rex() {
    let verdicts = judge("cases", "skip");

    assert_as_listed(&verdicts);
}

#[test]
fn where_rex_is_wrong_scripts_get_the_better_answer() {
    let verdicts = judge("cases/divergent", "better");

    assert_as_listed(&verdicts);
}

#[test]
fn every_case_that_waits_for_a_function_exists() {
    let folder = program::checkout().join("tests/conformance/cases");

    for name in not_yet() {
        let file = format!("{name}.json");
        let exists = |folder: &Path| folder.join(&file).exists();
        assert!(exists(&folder) || exists(&folder.join("divergent")), "{name}");
    }
}
