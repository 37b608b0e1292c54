//! What another policy decides otherwise: `rex-broker policy diff`.

use std::process::{Command, Stdio};

use rex_tests::program;
use rex_tests::scratch::Scratch;
use serde_json::{Value, json};

struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

fn diff(scratch: &Scratch, words: &[&str]) -> Said {
    let output = Command::new(program::path())
        .args(["policy", "diff"])
        .args(words)
        .current_dir(scratch.path())
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("the program can be started");
    let text = |bytes| String::from_utf8(bytes).expect("it writes text");
    Said {
        code: output.status.code().expect("it ends by itself"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

fn changes(scratch: &Scratch, old: &str, new: &str) -> Vec<Value> {
    scratch.file("old.cedar", old);
    scratch.file("new.cedar", new);
    let said = diff(scratch, &["old.cedar", "new.cedar", "--json"]);
    let whole: Value =
        serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}{}", said.stdout, said.stderr));
    assert!(whole["asked"].as_u64().is_some_and(|asked| asked > 0));
    let changes = whole["changes"].as_array().expect("an array").clone();
    assert_eq!(said.code, i32::from(!changes.is_empty()), "{}", said.stdout);
    changes
}

fn is(change: &Value, now: &str, principal: &str, action: &str, resource: &str) -> bool {
    change["now"] == now
        && change["principal"] == principal
        && change["action"] == action
        && change["resource"] == resource
}

const LOGS: &str = r#"
@id("logs")
permit(principal == User::"monitor", action in [file_system::Action::"open", file_system::Action::"read"],
       resource in file_system::Dir::"/var/log");
"#;

#[test]
fn a_policy_says_what_it_says_itself() {
    let scratch = Scratch::new();
    let reordered = r#"
permit(principal == User::"monitor", action == file_system::Action::"read", resource in file_system::Dir::"/var/log");
permit(principal == User::"monitor", action == file_system::Action::"open", resource in file_system::Dir::"/var/log");
"#;

    assert_eq!(changes(&scratch, LOGS, LOGS), Vec::<Value>::new());
    assert_eq!(changes(&scratch, LOGS, reordered), Vec::<Value>::new());
    let said = diff(&scratch, &["old.cedar", "new.cedar"]);
    assert_eq!(said.code, 0);
    assert!(said.stdout.ends_with(" questions, 0 answered otherwise\n"), "{}", said.stdout);
}

#[test]
fn what_is_permitted_to_more_and_to_fewer_is_told_with_the_statements_that_decided() {
    let scratch = Scratch::new();
    let new = r#"
@id("logs")
permit(principal, action == file_system::Action::"open", resource in file_system::Dir::"/var/log");
@id("closed")
forbid(principal, action, resource == file_system::File::"/var/log/x");
"#;

    let changes = changes(&scratch, LOGS, new);

    // Nobody whom the old one names, and nobody else either, is left out.
    let open = r#"file_system::Action::"open""#;
    let read = r#"file_system::Action::"read""#;
    assert!(
        changes.iter().any(|change| is(change, "permitted", "somebody", open, "/var/log/x/x")),
        "{changes:#?}"
    );
    assert!(changes.iter().any(|change| is(change, "denied", "monitor", read, "/var/log/x/x")));
    let closed = changes
        .iter()
        .find(|change| {
            is(change, "denied", "monitor", open, "/var/log/x")
                && change["resource_type"] == "file_system::File"
        })
        .expect("what a forbid closes");
    assert_eq!(closed["was_by"], json!(["permitted by `logs` (old.cedar:2)"]));
    assert_eq!(closed["is_by"], json!(["forbidden by `closed` (new.cedar:4)"]));
    // What is beside it is answered as before.
    assert!(!changes.iter().any(|change| change["resource"] == "/var"), "{changes:#?}");
    let shown = diff(&scratch, &["old.cedar", "new.cedar", "--principal", "monitor"]);
    assert_eq!(shown.code, 1);
    assert!(shown.stdout.contains(
        r#"- denied: file_system::Action::"open" on file_system::File::"/var/log/x" for User::"monitor": was permitted by `logs` (old.cedar:2); is forbidden by `closed` (new.cedar:4)"#
    ), "{}", shown.stdout);
    assert!(!shown.stdout.contains("somebody"));
}

// Of each kind of question one that only its own word or context can tell apart.
#[test]
fn words_patterns_and_contexts_make_questions_of_every_kind() {
    let scratch = Scratch::new();
    let pairs = [
        (
            r#"resource in file_system::Dir::"/"} when {resource.path like "/srv/*.log""#,
            r#"file_system::Action::"read""#,
            "/srv/x.log",
        ),
        (
            r#"resource in systemd::Service::"x"} when {resource.name == "nginx.service""#,
            r#"systemd::Action::"restart""#,
            "nginx.service",
        ),
        (
            r#"resource} when {resource.command like "/usr/bin/nginx *""#,
            r#"process_system::Action::"kill""#,
            "4000",
        ),
        (
            r#"resource} when {context.destination.path == "/srv/new""#,
            r#"file_system::Action::"move""#,
            "/srv/new",
        ),
        (r#"resource} when {context.xattr.name == "user.mark""#, r#"file_system::Action::"set_x_attr""#, "/"),
        (r#"resource} when {context.command_line == "git status""#, r#"file_system::Action::"execute""#, "/"),
    ];
    for (rest, action, resource) in pairs {
        let (head, condition) = rest.split_once("} when {").expect("two parts");
        // Only the condition tells; a head of `x` would close it.
        let head = if head.contains("\"x\"") { "resource" } else { head };
        let base = r#"permit(principal == User::"a", action == file_system::Action::"read", resource == file_system::File::"/a/b");"#;
        let new = format!("{base}\npermit(principal, action == {action}, {head}) when {{ {condition} }};");

        let changes = changes(&scratch, base, &new);

        assert!(!changes.is_empty(), "{condition} makes no question");
        assert!(
            changes.iter().all(|change| change["now"] == "permitted" && change["action"] == action),
            "{changes:#?}"
        );
        let told = Value::from(changes).to_string();
        assert!(told.contains(resource), "{condition}: {told}");
    }
}

#[test]
fn decisions_on_record_are_compared_and_counted() {
    let scratch = Scratch::new();
    scratch.file("data", "1");
    let data = scratch.path().join("data");
    let data = data.to_str().expect("a path of this test");
    let permit = |action: &str| {
        format!(
            r#"permit(principal, action == file_system::Action::"{action}", resource == file_system::File::"{data}");"#
        )
    };
    let directory = scratch.path().to_str().expect("a path of this test");
    let open = format!(
        r#"permit(principal, action == file_system::Action::"open", resource == file_system::Dir::"{directory}");"#
    ) + &permit("open");
    scratch.file("old.cedar", &(open.clone() + &permit("read")));
    scratch.file("new.cedar", &open);
    scratch.file("script.rhai", format!("cat(\"{data}\"); cat(\"{data}\")"));
    let log = scratch.path().join("audit.jsonl");
    let ran = Command::new(program::path())
        .args(["run", "script.rhai", "-p", "old.cedar", "--audit-log"])
        .arg(&log)
        .current_dir(scratch.path())
        .output()
        .expect("the program can be started");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let log = log.to_str().expect("a path of this test");

    let same = diff(&scratch, &["old.cedar", "old.cedar", "--over", log]);
    let other = diff(&scratch, &["old.cedar", "new.cedar", "--over", log, "--json"]);

    assert_eq!(same.code, 0, "{}", same.stdout);
    let whole: Value = serde_json::from_str(&other.stdout).expect("JSON");
    assert_eq!(other.code, 1);
    assert_eq!(whole["not_asked"], 0);
    assert!(whole["asked"].as_u64().is_some_and(|asked| asked >= 4), "{whole}");
    let changes = whole["changes"].as_array().expect("an array");
    assert_eq!(changes.len(), 1, "{whole}");
    assert_eq!(changes[0]["now"], "denied");
    assert_eq!(changes[0]["resource"], data);
    assert_eq!(changes[0]["decisions"], 2);
}

#[test]
fn what_is_missing_refused_or_no_record_is_told_with_its_status() {
    let scratch = Scratch::new();
    scratch.file("good.cedar", LOGS);
    scratch.file("bad.cedar", "permit(principal, action, resource) when { resource.nothing };");
    scratch.file("torn.jsonl", "{\"run\":\"a\",\"seq\":0\n\u{0}\u{1}\n{}\n");

    let refused = diff(&scratch, &["good.cedar", "bad.cedar"]);
    let missing = diff(&scratch, &["good.cedar", "missing.cedar"]);
    let no_log = diff(&scratch, &["good.cedar", "good.cedar", "--over", "missing.jsonl"]);
    let torn = diff(&scratch, &["good.cedar", "good.cedar", "--over", "torn.jsonl"]);
    let senseless = diff(&scratch, &["good.cedar"]);

    assert_eq!(refused.code, 65);
    assert!(refused.stderr.contains("bad.cedar:1"), "{}", refused.stderr);
    assert_eq!(missing.code, 66);
    assert!(missing.stderr.contains("missing.cedar"), "{}", missing.stderr);
    assert_eq!(no_log.code, 66);
    assert!(no_log.stderr.contains("missing.jsonl"), "{}", no_log.stderr);
    assert_eq!(
        (torn.code, torn.stdout.as_str()),
        (0, "0 questions, 0 answered otherwise; 3 could not be put\n")
    );
    assert_eq!(senseless.code, 64);
}
