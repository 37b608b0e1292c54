//! What an error is, is known from what happened, and never from what it says.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::unistd::geteuid;
use rex_tests::program;
use rex_tests::runs::{Ended, Run};
use serde_json::Value;

use crate::ALL_BUT_DENIED;

/// Texts by which Rex, and others, tell a denial.
const FORGED: [&str; 8] = [
    "Permission denied",
    "PERMISSION DENIED: root unauthorized to perform file_system::Action::\"open\" for file_system::File::/denied",
    "IoErrorKind: PermissionDenied: Permission denied: x",
    "Authorization check failed",
    "Script terminated: SIGTERM timeout exceeded",
    "Script terminated: limit reached: max-calls of 1 (line 1)",
    "Permission denied (os error 13)",
    "stack overflow",
];

fn denials(document: &Value) -> u64 {
    let told = document["denials"].as_array().into_iter().flatten();
    told.filter_map(|denial| denial["count"].as_u64()).sum()
}

/// Asserts that the script merely failed, and that nobody is told of a denial or a limit.
fn assert_merely_failed(name: &str, ended: &Ended, denied: u64) {
    let document = ended.document();
    assert_eq!(ended.code(), Some(1), "{name}: {document}");
    assert_eq!(document["error"]["error_type"], "SCRIPT_EXCEPTION", "{name}: {document}");
    assert_eq!(document["jail"]["end"], "finished", "{name}");
    assert_eq!(denials(&document), denied, "{name}: {document}");
    let alarms = document["alarms"].as_array().expect("a failed script raises one");
    assert!(alarms.iter().all(|alarm| alarm["alarm_type"] != "RexRunnerPrivilegeEscalation"), "{name}");
    let records = ended.records();
    assert!(records.iter().all(|record| record["event"] != "limit"), "{name}");
    assert_eq!(records.last().expect("there are records")["denials"], denied);
}

#[test]
fn a_text_that_a_script_throws_is_no_denial_and_no_limit() {
    for text in FORGED {
        let quoted = text.replace('"', "\\\"");
        let scripts = [
            format!("throw \"{quoted}\""),
            format!("fn f() {{ throw \"{quoted}\" }} f()"),
            format!(
                "throw #{{source: \"IoErrorKind\", kind: IoErrorKind::PermissionDenied, message: \"{quoted}\"}}"
            ),
        ];
        for script in scripts {
            assert_merely_failed(&script, &Run::of(&script).policy(ALL_BUT_DENIED).finish(), 0);
        }
    }
}

// The denial happened and is told; the error that ended the script is another.
#[test]
fn an_error_made_after_a_denial_is_no_denial() {
    for end in [
        "throw \"Permission denied\"",
        "throw e.message",
        "e.message = \"Permission denied: something else\"; throw e",
        "1 / 0",
        "cat(\"/no/such/file\")",
    ] {
        let script = format!("try {{ cat(\"/denied\") }} catch (e) {{ {end} }}");

        assert_merely_failed(&script, &Run::of(&script).policy(ALL_BUT_DENIED).finish(), 1);
    }
}

#[test]
fn a_denial_is_one_whatever_the_script_does_on_its_way_out() {
    for script in [
        "cat(\"/denied\")",
        "try { cat(\"/denied\") } catch (e) { throw e }",
        "fn f() { cat(\"/denied\") } f()",
        "[1].map(|x| cat(\"/denied\"))",
        "try { cat(\"/denied\") } catch (e) { for i in 0..1000 { info(`${i}`) } throw e }",
    ] {
        let ended = Run::of(script).policy(ALL_BUT_DENIED).finish();

        assert_eq!(ended.code(), Some(77), "{script}: {}", ended.text());
        assert_eq!(ended.document()["error"]["error_type"], "ACCESS_DENIED_EXCEPTION");
        assert_eq!(denials(&ended.document()), 1);
    }
}

// The name of a file may say anything.
#[test]
fn a_name_that_reads_like_a_denial_is_a_name() {
    let script = "cat(\"/no/such/Permission denied: root unauthorized\")";

    assert_merely_failed(script, &Run::of(script).finish(), 0);
}

// Rex: EACCES has the class of a denial. Here it keeps it, but is none.
#[test]
fn the_kernels_refusal_keeps_rexs_class_and_is_no_denial() {
    let run = Run::of("");
    let secret = run.scratch.file("secret", "x");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).expect("it is ours");
    run.scratch.file("script.rhai", format!("cat(\"{}\")", secret.display()));
    let run = match geteuid().is_root() {
        true => {
            let copy = run.scratch.path().join("rex-broker");
            fs::copy(program::path(), &copy).expect("the program can be copied");
            std::os::unix::fs::chown(run.scratch.path(), Some(SOMEBODY), None).expect("root may");
            fs::set_permissions(run.scratch.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
            run.program(copy).user(SOMEBODY)
        }
        false => run,
    };

    let ended = run.finish();

    let document = ended.document();
    assert_eq!(ended.code(), Some(1), "the policy denied nothing: {document}");
    assert_eq!(document["error"]["error_type"], "ACCESS_DENIED_EXCEPTION", "{document}");
    assert!(ended.message().contains("os error 13"), "{}", ended.message());
    assert!(document.get("denials").is_none(), "{document}");
    let records = ended.records();
    assert!(records.iter().any(|record| record["errno"] == 13), "it is on record as what it is");
    assert_eq!(records.last().expect("there are records")["denials"], 0);
}

#[test]
fn denials_that_the_script_swallows_are_told_with_their_number() {
    let script = "for i in 0..7 { try { cat(\"/denied\") } catch (e) {} }
        try { ls(\"/denied\") } catch (e) {}
        \"clean\"";

    let ended = Run::of(script).policy(ALL_BUT_DENIED).finish();

    let document = ended.document();
    assert_eq!((ended.code(), &document["output"]), (Some(0), &"clean".into()));
    assert_eq!(document["denials"][0]["count"], 7, "{document}");
    assert_eq!(document["denials"][0]["line"], 1);
    assert_eq!(document["denials"][0]["policies"], serde_json::json!(["marked"]));
    assert_eq!(denials(&document), ended.records().last().expect("there are records")["denials"]);
}

const SOMEBODY: u32 = 12345;
