//! A second policy that is asked and never followed: what it says is recorded, and everything else is as without it.

use std::path::Path;
use std::process::Command;

use rex_tests::program;
use rex_tests::runs::{Ended, Run};
use rex_tests::scratch::Scratch;
use serde_json::{Value, json};

const PERMIT: &str = "@id(\"all\") permit(principal, action, resource);";

struct Tried {
    here: Scratch,
}

impl Tried {
    fn new() -> Self {
        let here = Scratch::new();
        for name in ["a", "b"] {
            here.file(name, "text");
        }
        Self { here }
    }

    /// A run that reads both files, and tells what it could not read.
    fn run(&self, policy: &str, shadow: Option<&str>) -> Ended {
        let script = format!(
            "let told = []; for name in [\"a\", \"b\", \"b\"] {{ try {{ told += cat(`{}/${{name}}`) }} catch {{ told += \"no\" }} }} told",
            self.here.path().display()
        );
        let run = Run::of(&script).policy(policy).audit_log(self.here.path().join("audit.jsonl"));
        drop(std::fs::remove_file(self.here.path().join("audit.jsonl")));
        let path = self.here.path().join("shadow.cedar");
        match shadow {
            None => run.finish(),
            Some(text) => {
                self.here.file("shadow.cedar", text);
                run.options([Path::new("--shadow"), &path]).finish()
            }
        }
    }

    fn records(&self) -> Vec<Value> {
        rex_tests::runs::records(&self.here.path().join("audit.jsonl"))
    }

    fn forbids_b(&self) -> String {
        format!(
            "{PERMIT} @id(\"no b\") forbid(principal, action == file_system::Action::\"read\", resource == file_system::File::\"{}/b\");",
            self.here.path().display()
        )
    }
}

/// What the caller is told but for what no two runs have in common.
fn told(ended: &Ended) -> (Option<i32>, Value) {
    (ended.code(), ended.document()["output"].clone())
}

/// The decisions alone, as they stand without a shadow.
fn decisions(records: &[Value]) -> Vec<Value> {
    let fields = ["action", "resource", "decision", "policies", "errors", "operation"];
    let decided = records.iter().filter(|record| record["event"] == "decision");
    decided
        .map(|record| fields.iter().map(|field| (field.to_string(), record[field].clone())).collect())
        .collect()
}

#[test]
fn a_shadow_policy_is_recorded_and_changes_nothing() {
    let tried = Tried::new();
    let forbidding = tried.forbids_b();
    let overflow = format!(
        "{PERMIT} @id(\"errs\") forbid(principal, action == network::Action::\"connect\", resource) when {{ context.port * 9223372036854775807 > 10 }};"
    );
    let nothing = "";
    for (policy, shadows) in [
        (PERMIT, [forbidding.as_str(), nothing, &overflow]),
        (forbidding.as_str(), [PERMIT, nothing, &overflow]),
        (nothing, [PERMIT, &forbidding, nothing]),
    ] {
        let without = tried.run(policy, None);
        let alone = tried.records();
        assert!(
            alone
                .iter()
                .all(|record| record.get("shadow").is_none() && record.get("shadow_sha256").is_none())
        );
        for shadow in shadows {
            let with = tried.run(policy, Some(shadow));
            assert_eq!(told(&with), told(&without), "{policy} {shadow} {}", with.stderr);
            assert_eq!(decisions(&tried.records()), decisions(&alone), "{policy} {shadow}");
        }
    }
}

#[test]
fn where_a_shadow_policy_differs_the_record_says_so_and_the_end_counts() {
    let tried = Tried::new();

    let ended = tried.run(PERMIT, Some(&tried.forbids_b()));

    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let records = tried.records();
    let marked: Vec<&Value> = records.iter().filter(|record| record.get("shadow").is_some()).collect();
    assert!(!marked.is_empty());
    for record in &marked {
        assert_eq!(record["decision"], "permit");
        assert!(record["resource"].as_str().is_some_and(|resource| resource.ends_with("/b")), "{record}");
        assert_eq!(record["shadow"], json!({ "decision": "deny", "policies": ["no b"] }));
    }
    let end = records.last().expect("it ended");
    assert!(end["shadow_otherwise"].as_u64() >= Some(2), "what is repeated counts: {end}");
    assert_eq!(records[0]["shadow_sha256"].as_str().map(str::len), Some(64));
    let output = Command::new(program::path())
        .args(["audit", "why", "--shadow"])
        .arg(tried.here.path().join("audit.jsonl"))
        .output()
        .expect("it can be run");
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(words.matches("shadow   deny: no b").count(), marked.len(), "{words}");
}

#[test]
fn a_shadow_policy_that_cannot_be_used_is_refused_at_the_start() {
    let tried = Tried::new();

    let wrong = tried.run(PERMIT, Some("permit(principal);"));

    assert_eq!(wrong.code(), Some(65), "{}", wrong.stderr);
    assert!(wrong.message().contains("shadow.cedar:1:"), "{}", wrong.message());
    let missing = Run::of("1").options(["--shadow", "/nonexistent.cedar"]).finish();
    assert_eq!(missing.code(), Some(66), "{}", missing.stderr);
}

#[test]
fn a_script_reaches_neither_the_shadow_policy_nor_what_is_kept() {
    let tried = Tried::new();
    let (shadow, blobs) = (tried.here.path().join("shadow.cedar"), tried.here.path().join("blobs"));
    tried.here.file("shadow.cedar", PERMIT);
    let script = format!(
        "let told = []; for path in [\"{0}\", \"{1}\"] {{ try {{ told += cat(path) }} catch {{ told += \"no\" }} }}
         try {{ ls(\"{1}\"); told += \"listed\" }} catch {{ told += \"no\" }}
         try {{ write(\"{1}/x\", \"y\"); told += \"written\" }} catch {{ told += \"no\" }} told",
        shadow.display(),
        blobs.display()
    );

    let ended = Run::of(&script)
        .policy(PERMIT)
        .options([Path::new("--shadow"), &shadow, Path::new("--audit-blobs"), &blobs])
        .finish();

    assert_eq!(ended.document()["output"], json!("[\"no\", \"no\", \"no\", \"no\"]"), "{}", ended.stderr);
    assert!(!blobs.join("x").exists());
}
