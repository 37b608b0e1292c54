//! T11 and T12: who read what, for what and under which rule, from the record alone; and every decision made anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rex_tests::program;
use rex_tests::runs::{Ended, Run};
use rex_tests::scratch::Scratch;
use serde_json::{Value, json};

use crate::host::Host;

/// Changes a record, if it is one to be changed.
type Change = fn(&mut Value) -> bool;

/// A record that several runs have left, with what they were decided by.
struct Log {
    here: Scratch,
}

impl Log {
    fn new() -> Self {
        let here = Scratch::new();
        fs::create_dir(here.path().join("phi")).expect("a directory can be made");
        here.file("phi/a", "canary");
        here.file("phi/b", "canary");
        fs::create_dir(here.path().join("many")).expect("a directory can be made");
        for number in 0..9 {
            here.file(&format!("many/{number}"), "");
        }
        Self { here }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.here.path().join(name)
    }

    fn place(&self) -> String {
        self.path("phi").display().to_string()
    }

    fn policy(&self) -> String {
        format!(
            "@id(\"find\") permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"stat\"], resource);
             @id(\"treatment\") @reason(\"a provider treats this patient\") @basis(\"45 CFR 164.506\")
             permit(principal, action == file_system::Action::\"read\", resource in file_system::Dir::\"{0}\")
             when {{ context.session.purpose in Purpose::\"claims\" && principal in Group::\"billing\" }};
             @id(\"listing\") permit(principal, action == file_system::Action::\"read\", resource is file_system::Dir);
             @id(\"sealed\") forbid(principal, action, resource == file_system::File::\"{0}/b\");",
            self.place()
        )
    }

    /// A run whose record and policies are kept here.
    fn run(&self, script: &str, policy: &str) -> Run {
        let blobs = self.path("blobs");
        Run::of(script)
            .policy(policy)
            .audit_log(self.path("audit.jsonl"))
            .options([Path::new("--audit-blobs"), &blobs])
    }

    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("audit.jsonl")).expect("there is a record");
        text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect()
    }

    /// `audit` with these words behind the log of this name.
    fn audit(&self, task: &str, log: &str, words: &[&str]) -> Output {
        Command::new(program::path())
            .args(["audit", task])
            .arg(self.path(log))
            .args(words)
            .current_dir(self.here.path())
            .stdin(Stdio::null())
            .output()
            .expect("it can be run")
    }

    fn replay(&self, log: &str) -> (Option<i32>, Vec<Value>) {
        let output = self.audit("replay", log, &["--blobs", "blobs", "--json"]);
        (output.status.code(), json_lines(&output))
    }

    /// The record with one line changed, as a log of its own.
    fn changed(&self, change: impl Fn(&mut Value) -> bool) {
        let mut lines = self.lines();
        assert!(lines.iter_mut().any(change), "there is nothing to change");
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.here.file("changed.jsonl", &text);
    }
}

fn json_lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect()
}

#[track_caller]
fn ended(ended: &Ended, code: i32) {
    assert_eq!(ended.code(), Some(code), "{}", ended.stderr);
}

fn is(record: &Value, name: &str, value: &str) -> bool {
    record[name] == value
}

/// What a replay counts, which is its last line.
#[track_caller]
fn figure(lines: &[Value], name: &str) -> u64 {
    lines.last().expect("there are figures")[name].as_u64().expect("it is a number")
}

#[test]
fn t11_the_record_alone_tells_who_read_it_for_what_and_under_which_rule() {
    let Some(host) = Host::new() else { return };
    let log = Log::new();
    let read = |name: &str| format!("cat(\"{}/{name}\")", log.place());
    ended(&host.with(log.run(&read("a"), &log.policy()), "root").finish(), 0);
    ended(&host.with(log.run(&read("a"), &log.policy()), "for marketing").finish(), 77);
    ended(&host.with(log.run(&read("b"), &log.policy()), "root").finish(), 77);

    let asked = log.audit(
        "why",
        "audit.jsonl",
        &[
            "--resource",
            &format!("{}/a", log.place()),
            "--action",
            "read",
            "--decision",
            "permit",
            "--json",
            "--blobs",
            "blobs",
        ],
    );

    assert_eq!(asked.status.code(), Some(0), "{}", String::from_utf8_lossy(&asked.stderr));
    let [told] = json_lines(&asked).try_into().expect("one run read it");
    let told: Value = told;
    assert_eq!(told["principal"], "alice@corp.example");
    assert_eq!(told["issuer"], "https://idp.example");
    assert_eq!(told["purpose"], "claims");
    assert_eq!(told["ticket"], "INC-4711");
    assert_eq!(told["rules"][0]["id"], "treatment");
    let annotations = json!({ "basis": "45 CFR 164.506", "reason": "a provider treats this patient" });
    assert_eq!(told["rules"][0]["annotations"], annotations);
    assert_eq!(told["outcome"]["outcome"], "done");
    assert!(told["agents"][0].as_str().is_some_and(|agent| agent.starts_with("spiffe://")), "{told}");

    // Without a file of the policy the rule has its name, and the one record says so in words.
    let record = format!("{}:{}", told["run"].as_str().expect("it has a run"), told["seq"]);
    let alone = log.audit("why", "audit.jsonl", &[&record]);
    let words = String::from_utf8_lossy(&alone.stdout).into_owned();
    for part in [
        "permitted\n",
        "who      User::\"alice@corp.example\", as https://idp.example has signed",
        "purpose  claims\n",
        "ticket   INC-4711\n",
        "rule     treatment\n",
        &record,
    ] {
        assert!(words.contains(part), "{part} is not in {words}");
    }
    for (words, count) in [
        (&["--purpose", "marketing", "--decision", "deny", "--action", "read"][..], 1),
        (&["--rule", "sealed"], 1),
        (&["--principal", "mallory"], 0),
        (&["--resource", &format!("{}/", log.place()), "--action", "file_system::read"], 2),
        // What begins alike is another directory.
        (&["--resource", &format!("{}/", &log.place()[..log.place().len() - 1])], 0),
    ] {
        let output = log.audit("why", "audit.jsonl", &[words, &["--json"]].concat());
        let told = json_lines(&output);
        assert_eq!(told.len(), count, "{words:?}: {told:?}");
        assert_eq!(output.status.code(), Some(i32::from(count == 0)), "{words:?}");
    }
}

/// The question of the page in jq, which an auditor has who has nothing of ours.
#[test]
fn t11_jq_answers_it_too() {
    let Some(host) = Host::new() else { return };
    if Command::new("jq").arg("--version").output().is_err() {
        rex_tests::skip::skipped("there is no jq");
        return;
    }
    let log = Log::new();
    ended(&host.with(log.run(&format!("cat(\"{}/a\")", log.place()), &log.policy()), "root").finish(), 0);
    let page = fs::read_to_string(program::checkout().join("docs/audit.md")).expect("there is a page");
    let (_, query) =
        page.split_once("# who read a file, for what, under which rule\n").expect("the page asks it");
    let (query, _) = query.split_once("\n\n").expect("it ends");

    let output = Command::new("sh")
        .args(["-c", &query.replace("/srv/claims/a", &format!("{}/a", log.place()))])
        .current_dir(log.here.path())
        .output()
        .expect("there is a shell");

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let [answer] = json_lines(&output).try_into().expect("one run read it");
    let answer: Value = answer;
    assert_eq!(answer, json!(["alice@corp.example", "claims", "INC-4711", ["treatment"]]));
}

#[test]
fn t12_every_decision_is_made_anew_from_what_was_kept_and_a_forged_one_is_found() {
    let Some(host) = Host::new() else { return };
    let log = Log::new();
    let script = format!(
        "for i in 0..3 {{ cat(\"{0}/a\"); }} try {{ cat(\"{0}/b\") }} catch {{}} try {{ du([du::all_files], \"{1}\") }} catch {{}}",
        log.place(),
        log.path("many").display()
    );
    ended(&host.with(log.run(&script, &log.policy()), "root").finish(), 0);
    ended(
        &log.run(&format!("cat(\"{}/a\")", log.place()), "permit(principal, action, resource);").finish(),
        0,
    );

    let (code, lines) = log.replay("audit.jsonl");
    assert_eq!(code, Some(0), "{lines:?}");
    assert!(figure(&lines, "same") > 10, "{lines:?}");
    for none in ["otherwise", "undecided", "unreadable_lines", "taken_away"] {
        assert_eq!(figure(&lines, none), 0, "{lines:?}");
    }

    assert!(log.lines().iter().any(|record| is(record, "event", "decisions")), "several are told together");
    let forged: [(&str, Change); 10] = [
        ("a name that is left out", |record| {
            record["event"] == "decisions"
                && record["names"].as_array_mut().is_some_and(|names| names.pop().is_some())
        }),
        ("another policy for several", |record| {
            let found = is(record, "event", "decisions");
            if found {
                record["asked"][0]["policies"] = json!(["treatment"]);
            }
            found
        }),
        ("a word that is no decision", |record| {
            let found = record["policies"] == json!(["treatment"]);
            if found {
                record["decision"] = json!("none");
            }
            found
        }),
        ("a denial that becomes a permit", |record| {
            let found = is(record, "decision", "deny");
            if found {
                record["decision"] = json!("permit")
            }
            found
        }),
        ("a permit that becomes a denial", |record| {
            let found = is(record, "decision", "permit");
            if found {
                record["decision"] = json!("deny")
            }
            found
        }),
        ("the id of another policy", |record| {
            let found = record["policies"] == json!(["treatment"]);
            if found {
                record["policies"] = json!(["find"])
            }
            found
        }),
        ("another resource", |record| {
            let found = record["policies"] == json!(["treatment"]);
            if found {
                record["resource"] = json!("/etc/shadow")
            }
            found
        }),
        ("another principal", |record| {
            let found = is(record, "event", "decision");
            if found {
                record["principal"] = json!("mallory")
            }
            found
        }),
        ("another purpose", |record| {
            let found = is(record, "event", "decision") && record["delegation"].is_object();
            if found {
                record["delegation"]["purpose"] = json!("marketing")
            }
            found
        }),
        ("other groups of the whole run", |record| {
            let found = is(record, "event", "start") && record["delegation_terms"].is_object();
            if found {
                record["delegation_terms"]["groups"] = json!(["nobody"])
            }
            found
        }),
    ];
    for (what, change) in forged {
        log.changed(change);
        let (code, lines) = log.replay("changed.jsonl");
        assert_eq!(code, Some(1), "{what}: {lines:?}");
        assert!(figure(&lines, "otherwise") > 0, "{what}: {lines:?}");
    }
    // The policy itself: a blob that is another text has another name.
    for entry in fs::read_dir(log.path("blobs")).expect("it was made") {
        let path = entry.expect("it can be read").path();
        let text = fs::read_to_string(&path).expect("it is text");
        fs::write(&path, text.replace("forbid(", "permit(")).expect("it can be written");
    }
    let (code, lines) = log.replay("audit.jsonl");
    assert_eq!(code, Some(65), "{lines:?}");
    assert!(format!("{lines:?}").contains("is not what its name says"), "{lines:?}");
}

#[test]
fn t12_another_policy_tells_what_it_would_have_decided() {
    let log = Log::new();
    let policy = "@id(\"all\") permit(principal, action, resource);";
    ended(&log.run(&format!("cat(\"{0}/a\"); cat(\"{0}/b\")", log.place()), policy).finish(), 0);
    let next = format!(
        "@id(\"all\") permit(principal, action, resource);
         @id(\"no more\") forbid(principal, action == file_system::Action::\"read\", resource == file_system::File::\"{}/b\");",
        log.place()
    );
    log.here.file("next.cedar", &next);
    log.here.file("present.cedar", policy);

    log.here.file("renamed.cedar", policy.replace("all", "everything"));
    log.here.file("noise.jsonl", "{\n");

    let renamed = log.audit("replay", "audit.jsonl", &["--policy", "renamed.cedar"]);
    let noise = log.audit("replay", "noise.jsonl", &["--policy", "present.cedar"]);
    let same = log.audit("replay", "audit.jsonl", &["--policy", "present.cedar"]);
    let other = log.audit("replay", "audit.jsonl", &["--policy", "next.cedar"]);
    let missing = log.audit("replay", "audit.jsonl", &[]);

    assert_eq!(renamed.status.code(), Some(0), "{renamed:?}");
    assert_eq!(noise.status.code(), Some(65), "{noise:?}");
    assert_eq!(same.status.code(), Some(0), "{same:?}");
    assert_eq!(other.status.code(), Some(1), "{other:?}");
    let table = String::from_utf8_lossy(&other.stdout).into_owned();
    assert!(table.contains("permit (all) -> deny (no more)"), "{table}");
    assert!(
        table.contains(&format!("file_system::Action::\"read\" on file_system::File::\"{}/b\"", log.place()))
    );
    assert!(!table.contains("phi/a\""), "{table}");
    assert_eq!(missing.status.code(), Some(65), "{missing:?}");
    assert!(String::from_utf8_lossy(&missing.stdout).contains("give --blobs"), "{missing:?}");
}

/// A value of a variable that a rule reads is on record, and no other; changed, it is found.
#[test]
fn t12_context_of_programs_and_processes_is_on_record_as_far_as_rules_read_it() {
    let log = Log::new();
    let program = fs::canonicalize("/usr/bin/env").expect("there is env").display().to_string();
    let (directory, name) = program.rsplit_once('/').expect("a path is absolute");
    let policy = format!(
        "@id(\"look\") permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"stat\"], resource);
         @id(\"run\") permit(principal, action == file_system::Action::\"execute\", resource == file_system::File::\"{program}\")
         when {{ context.environment.hasTag(\"MODE\") && context.environment.getTag(\"MODE\") == \"quiet\" }};"
    );
    let script = format!(
        "let program = DirConfig().path(\"{directory}\").build().open(OpenDirOptions().build())\
         .open_file(\"{name}\", OpenFileOptions().read(true).build());
         program.execute(ExecuteOptions().env(#{{ MODE: \"quiet\", TOKEN: \"canary\" }}).build()).exit_code"
    );
    let run = log.run(&script, &policy).finish();
    let lines = log.lines();
    let executed = lines.iter().find(|record| record["action"] == "file_system::Action::\"execute\"");
    let Some(executed) = executed else { panic!("nothing was executed: {}", run.stderr) };

    assert_eq!(executed["facts"], json!({ "environment": { "MODE": "quiet" } }));
    assert!(!format!("{lines:?}").contains("canary"));
    assert_eq!(log.replay("audit.jsonl").0, Some(0));
    log.changed(|record| {
        let found = record["facts"]["environment"]["MODE"].is_string();
        if found {
            record["facts"]["environment"]["MODE"] = json!("loud");
        }
        found
    });
    assert_eq!(log.replay("changed.jsonl").0, Some(1));
    log.changed(|record| record.as_object_mut().is_some_and(|fields| fields.remove("facts").is_some()));
    let (code, lines) = log.replay("changed.jsonl");
    assert_eq!(code, Some(65), "{lines:?}");
    assert!(format!("{lines:?}").contains("lacks what the policy looks at"), "{lines:?}");
}

#[test]
fn t12_no_run_starts_whose_policy_cannot_be_kept() {
    let log = Log::new();
    log.here.file("blobs", "in the way");

    let refused = log.run("1", "").finish();

    assert_eq!(refused.code(), Some(74), "{}", refused.stderr);
    assert!(refused.message().contains("--audit-blobs"), "{}", refused.message());
    assert!(!log.path("audit.jsonl").exists() || log.lines().is_empty(), "nothing was begun");
}

#[test]
fn what_is_no_record_is_counted_and_changes_nothing() {
    let log = Log::new();
    ended(&log.run("1 + 1", "").finish(), 0);
    let own = fs::read_to_string(log.path("audit.jsonl")).expect("there is a record");
    let hostile = [
        "",
        "{",
        "[]",
        "null",
        "{\"run\":1}",
        "\u{1b}[2J",
        "{\"run\":\"x\",\"seq\":0,\"time\":\"t\",\"event\":\"decision\"}",
        "{\"run\":\"x\",\"seq\":1,\"time\":\"t\",\"event\":\"decisions\",\"names\":{},\"asked\":7}",
        "{\"run\":\"x\",\"seq\":2,\"time\":\"t\",\"event\":\"start\",\"policy_mode\":9,\"policy_sha256\":\"../../etc/passwd\",\"policy_links\":[{}]}",
        "{\"run\":\"x\",\"seq\":3,\"time\":\"t\",\"event\":\"decision\",\"action\":\"a\",\"resource\":\"\\u001b[2J\",\"policies\":[1,null]}",
    ];
    log.here.file("hostile.jsonl", &(own + &hostile.join("\n") + "\n"));

    let replay = log.audit("replay", "hostile.jsonl", &["--blobs", "blobs"]);
    let why = log.audit("why", "hostile.jsonl", &[]);

    assert_eq!(replay.status.code(), Some(1), "{replay:?}");
    assert_eq!(why.status.code(), Some(0), "{why:?}");
    for output in [replay, why] {
        assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b), "{output:?}");
    }
}
