//! T16: a template permits somebody something as long as it is linked, and not one operation longer.

use std::path::Path;
use std::process::Output;

use rex_tests::program;
use rex_tests::runs::{Run, eventually};
use rex_tests::scratch::Scratch;
use serde_json::{Value, json};

use crate::host::Host;

/// A template, and a person who is granted what it permits.
fn policy(place: &Scratch) -> String {
    format!(
        "permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"stat\"], resource);
         @id(\"on-call\") permit(principal == ?principal, action == file_system::Action::\"read\", resource in ?resource)
         when {{ resource.path like \"{}/*\" }};",
        place.path().display()
    )
}

struct Granting {
    host: Host,
    data: Scratch,
}

impl Granting {
    fn new() -> Option<Self> {
        let (host, data) = (Host::new()?, Scratch::new());
        data.file("a", "canary");
        Some(Self { host, data })
    }

    /// `policy` with these words, on the host.
    fn policy(&self, words: &[&str]) -> Output {
        self.data.file("policy.cedar", policy(&self.data));
        let mut command = self.host.command(&program::path().display().to_string());
        command.arg("policy").args(words).current_dir(self.data.path());
        command.output().expect("there is unshare")
    }

    fn grant(&self, principal: &str, duration: &str) -> String {
        let place = format!("file_system::Dir::\"{}\"", self.data.path().display());
        let granted = self.policy(&[
            "grant",
            "on-call",
            "-p",
            "policy.cedar",
            "--principal",
            principal,
            "--resource",
            &place,
            "--for",
            duration,
        ]);
        assert_eq!(granted.status.code(), Some(0), "{}", String::from_utf8_lossy(&granted.stderr));
        String::from_utf8(granted.stdout).expect("it is text").trim().to_owned()
    }

    fn run(&self, script: &str) -> Run {
        self.host.with(Run::of(script).policy(&policy(&self.data)), "root")
    }

    fn cat(&self) -> String {
        format!("cat(\"{}/a\")", self.data.path().display())
    }
}

const ALICE: &str = "User::\"alice@corp.example\"";

#[test]
fn t16_a_grant_permits_until_it_is_revoked_or_ends() {
    let Some(granting) = Granting::new() else { return };
    let reads = || granting.run(&granting.cat()).finish();
    assert_eq!(reads().code(), Some(77));

    let id = granting.grant(ALICE, "8h");

    let ended = reads();
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let records = ended.records();
    let read = records
        .iter()
        .rev()
        .find(|record| record["action"] == "file_system::Action::\"read\"")
        .expect("it reads");
    assert_eq!(read["policies"], serde_json::json!([format!("on-call#{id}")]));
    assert_eq!(records[0]["policy_links"][0]["id"], id.as_str());
    let listed = granting.policy(&["grants"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("there is one");
    assert_eq!((&listed["id"], &listed["principal"]), (&Value::from(id.as_str()), &Value::from(ALICE)));
    assert_eq!(granting.policy(&["revoke", &id]).status.code(), Some(0));
    assert_eq!(reads().code(), Some(77));
    assert_eq!(granting.policy(&["revoke", &id]).status.code(), Some(78), "there is none any more");

    granting.grant("User::\"bob@corp.example\"", "8h");
    assert_eq!(reads().code(), Some(77), "it is somebody else's");
    granting.grant(ALICE, "1s");
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert_eq!(reads().code(), Some(77), "it has ended");
}

#[test]
fn t16_the_next_operation_of_a_run_that_goes_on_is_denied() {
    let Some(granting) = Granting::new() else { return };
    let path = granting.data.path().display().to_string();
    // Tells by its record that it has read, and reads on for ten seconds at most.
    let script = format!("let n = 0; for i in 0..2000 {{ n += cat(\"{path}/a\").len; sleep(0.005); }} n");
    for end in ["grant", "delegation"] {
        let id = granting.grant(ALICE, "8h");
        let blobs = granting.data.path().join(format!("blobs-{end}"));
        let run = granting.run(&script).options([Path::new("--audit-blobs"), &blobs]).start();
        run.wait_for_record("on-call#");
        eventually("it goes on", || rex_tests::runs::is_running(run.broker()).then_some(()));

        match end {
            "grant" => assert_eq!(granting.policy(&["revoke", &id]).status.code(), Some(0)),
            _ => granting.host.write("lib/rex-broker/delegations/revoked", "jti root\n"),
        }

        let ended = run.wait();
        assert_eq!(ended.code(), Some(77), "{end}: {} {}", ended.text(), ended.stderr);
        let records = ended.records();
        let denied = records.iter().find(|record| record["decision"] == "deny").expect("it is denied");
        if end == "delegation" {
            assert_eq!(denied["policies"][0], "built-in: the delegation of this run is revoked");
        }
        let after = records.iter().skip_while(|record| record["decision"] != "deny");
        assert!(
            after.filter(|record| record["event"] == "decision").all(|record| record["decision"] == "deny"),
            "{end}"
        );
        // T12: whoever decides it anew finds what was taken away, and nothing that contradicts it.
        let counted = replayed(&granting.data, &records, &blobs);
        assert_eq!(
            (&counted["otherwise"], &counted["undecided"]),
            (&json!(0), &json!(0)),
            "{end}: {counted}"
        );
        assert!(counted["same"].as_u64() > Some(1), "{end}: {counted}");
        let taken = if end == "grant" { "taken_away" } else { "built_in" };
        assert!(counted[taken].as_u64() > Some(0), "{end}: {counted}");
        // A grant that was taken away does not come back.
        let mut again = records.clone();
        let read = records.iter().find(|record| record["decision"] == "permit" && names_the_grant(record));
        again.insert(again.len() - 1, read.expect("it has read").clone());
        if end == "grant" {
            assert_eq!(replayed(&granting.data, &again, &blobs)["otherwise"], json!(1));
        }
    }
}

fn names_the_grant(record: &Value) -> bool {
    record["policies"][0].as_str().is_some_and(|id| id.starts_with("on-call#"))
}

/// What a replay of these records counts.
fn replayed(here: &Scratch, records: &[Value], blobs: &Path) -> Value {
    here.file("replayed.jsonl", records.iter().map(|record| format!("{record}\n")).collect::<String>());
    let mut command = std::process::Command::new(program::path());
    command
        .args(["audit", "replay", "--json"])
        .arg(here.path().join("replayed.jsonl"))
        .arg("--blobs")
        .arg(blobs);
    let output = command.output().expect("it can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(text.lines().last().expect("there are figures")).expect("it is JSON")
}

#[test]
fn t16_what_is_no_grant_is_refused() {
    let Some(granting) = Granting::new() else { return };
    let place = format!("file_system::Dir::\"{}\"", granting.data.path().display());
    let with = |template: &str, principal: &str, duration: &str| {
        let words = [
            "grant",
            template,
            "-p",
            "policy.cedar",
            "--principal",
            principal,
            "--resource",
            &place,
            "--for",
            duration,
        ];
        granting.policy(&words).status.code()
    };

    assert_eq!(with("nothing", ALICE, "8h"), Some(65));
    assert_eq!(with("on-call", "alice", "8h"), Some(65));
    assert_eq!(with("on-call", "Nobody::\"alice\"", "8h"), Some(65));
    assert_eq!(with("on-call", "Group::\"billing\"", "8h"), Some(65), "nobody is a group");
    assert_eq!(with("on-call", ALICE, "0s"), Some(64));
    assert_eq!(with("on-call", ALICE, "9999d"), Some(64));
    let without = ["grant", "on-call", "-p", "policy.cedar", "--principal", ALICE, "--for", "8h"];
    assert_eq!(granting.policy(&without).status.code(), Some(65));
    assert!(granting.policy(&["grants"]).stdout.is_empty(), "none was kept");

    // What was granted is not what somebody makes of the template later.
    granting.grant(ALICE, "8h");
    let wider = policy(&granting.data).replace("when {", "when { true ||");
    let ended = granting.host.with(Run::of(&granting.cat()).policy(&wider), "root").finish();
    assert_eq!(ended.code(), Some(77));
    assert!(ended.stderr.contains("the template is not the one that it was given for"), "{}", ended.stderr);
    granting.host.write("lib/rex-broker/delegations/links", "damaged\n");
    let ended = granting.run(&granting.cat()).finish();
    assert_eq!(ended.code(), Some(78), "{}", ended.stderr);
    assert!(ended.message().contains("line 1 is damaged"), "{}", ended.message());
}
