//! What the result document and the streams hold, in every form, whatever became of the run.

use rex_tests::runs::Run;
use serde_json::Value;

use crate::{ALL_BUT_DENIED, TRACES};

fn keys(document: &Value) -> Vec<String> {
    document.as_object().expect("it is an object").keys().cloned().collect()
}

#[test]
fn the_keys_are_rexs_in_rexs_order_and_ours_follow() {
    let script = format!("{TRACES} throw 1");

    let document = Run::of(&script).policy(ALL_BUT_DENIED).finish().document();
    let bare = Run::of(&script).policy(ALL_BUT_DENIED).options(["--bare"]).finish().document();

    let of_rex = ["output", "status", "error", "alarms", "metrics", "logs"];
    assert_eq!(keys(&bare), of_rex);
    assert_eq!(keys(&document), [&of_rex as &[&str], &["denials", "diagnostics", "exit", "jail"]].concat());
}

#[test]
fn json_is_one_line_without_an_end_of_line() {
    let ended = Run::of("\"a\\nb\"").finish();

    assert!(!ended.text().contains('\n'));
    assert!(ended.stderr.is_empty());
    assert_eq!(ended.document()["output"], "a\nb");
}

#[test]
fn pretty_json_is_the_same_document_on_many_lines() {
    let ended = Run::of("#{a: 1}").options(["-o", "pretty-json"]).finish();

    assert!(
        ended.text().starts_with("{\n  \"output\": \"#{\\\"a\\\": 1}\",\n  \"status\": \"SUCCESS\","),
        "{}",
        ended.text()
    );
    assert!(ended.text().ends_with('}'));
}

#[test]
fn the_human_form_is_the_output_and_a_newline() {
    let ended = Run::of("info(\"seen\"); 42").options(["-o", "human"]).finish();
    let silent = Run::of("let x = 1;").options(["-o", "human"]).finish();
    let wrong = Run::of("throw \"bad\"").options(["-o", "human"]).finish();

    assert_eq!((ended.text(), ended.stderr.as_str()), ("42\n", ""));
    assert_eq!((silent.text(), silent.stderr.as_str()), ("", ""));
    assert_eq!(wrong.text(), "");
    assert_eq!(wrong.stderr, "error: Runtime error: bad (line 1, position 1)\n");
}

#[test]
fn the_verbose_human_form_has_logs_metrics_and_denials() {
    let ended =
        Run::of(&format!("{TRACES} 7")).policy(ALL_BUT_DENIED).options(["-o", "human", "-v"]).finish();

    let lines: Vec<&str> = ended.text().lines().collect();
    assert_eq!(lines.first(), Some(&"[INFO] seen"));
    assert_eq!(lines.get(1), Some(&"7"));
    assert_eq!(lines.get(2), Some(&"--- metrics ---"));
    assert!(lines.contains(&"RexRunnerScriptExecutionSuccessCount: 1"), "{lines:?}");
    assert!(lines.contains(&"--- denials ---"), "{lines:?}");
    assert!(ended.text().contains("/denied"), "{lines:?}");
}

#[test]
fn what_a_terminal_would_obey_is_spelled_out() {
    let ended = Run::of("throw \"a\\x1b[2Jb\\u202ec\"").options(["-o", "human"]).finish();
    let logged = Run::of("info(\"a\\x1b[2J\\r\\x07b\"); 1").options(["-o", "human", "-v"]).finish();

    assert!(ended.stderr.contains("a\\u{1b}[2Jb\\u{202e}c"), "{}", ended.stderr);
    assert!(logged.text().starts_with("[INFO] a\\u{1b}[2J\\r\\u{7}b\n"), "{}", logged.text());
}

#[test]
fn a_pipe_gets_the_output_byte_for_byte() {
    let ended = Run::of("\"a\\x1b[2Jb\"").options(["-o", "human"]).finish();

    assert_eq!(ended.stdout, b"a\x1b[2Jb\n");
}

#[test]
fn nothing_but_the_result_goes_to_standard_output() {
    let ended =
        Run::of("info(\"x\"); debug(#{a: 1}); error(\"y\"); 42").variable("REX_BROKER_LOG", "trace").finish();

    assert_eq!(ended.document()["output"], "42");
    assert_eq!(ended.document()["logs"].as_array().map(Vec::len), Some(2));
}

// Rex: "Failures of the exit-1 group always print compact JSON on stdout, even under -o human".
#[test]
fn an_early_failure_has_the_form_that_was_asked_for_but_for_rex() {
    let run = || Run::of("1").policy("permit(").options(["-o", "human"]);

    let own = run().finish();
    let rex = run().options(["--rex-compat"]).finish();

    assert_eq!(own.text(), "");
    assert!(own.stderr.starts_with("error: "), "{}", own.stderr);
    assert_eq!(rex.document()["error"]["error_type"], "INTERNAL_EXCEPTION");
    assert_eq!(rex.stderr, "");
}

// W14: a denial that the script swallows is still in the result.
#[test]
fn a_denial_is_told_even_when_the_script_does_not_mind() {
    let script = "for i in 0..3 { try { cat(\"/denied\") } catch (e) {} } \"clean\"";

    let document = Run::of(script).policy(ALL_BUT_DENIED).finish().document();

    assert_eq!(document["status"], "SUCCESS");
    let denial = &document["denials"][0];
    assert_eq!(denial["action"], "file_system::Action::\"open\"");
    assert_eq!(denial["resource"], "file_system::File::\"/denied\"");
    assert_eq!(denial["policies"][0], "marked");
    assert_eq!(denial["count"], 3);
}

// W18: a reserved name costs the script an error, and not the operator the result.
#[test]
fn a_reserved_name_is_an_error_and_the_rest_stays() {
    let script = "info(\"seen\"); AlarmBuilder().type(\"RexSomething\").publish();";

    let own = Run::of(script).finish();
    let rex = Run::of(script).options(["--rex-compat"]).finish();

    assert_eq!(own.code(), Some(1));
    assert_eq!(own.document()["logs"].as_array().map(Vec::len), Some(1));
    assert_eq!(rex.code(), Some(1));
    assert!(rex.document().get("logs").is_none());
    assert!(rex.message().starts_with("Script alarm validation failed:"), "{}", rex.message());
}
