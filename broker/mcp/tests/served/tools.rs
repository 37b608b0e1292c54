//! What the tools give: results as their schemas have them, denials with what would permit them, progress, other runs.

use std::fs;

use rex_tests::runs::{PERMIT_ALL, eventually};
use serde_json::{Value, json};

use crate::server::Server;

const WALK_ONLY: &str = r#"@id("walk") permit(principal, action == file_system::Action::"open", resource == file_system::Dir::"/etc");"#;

/// Holds what a tool gave against the schema that it is listed with.
fn assert_valid(server: &mut Server, tool: &str, result: &Value) {
    let id = server.ask("tools/list", json!({}));
    let listed = server.answer(id)["result"]["tools"].take();
    let listed = listed.as_array().unwrap().iter().find(|listed| listed["name"] == tool).unwrap().clone();
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("output.json", listed["outputSchema"].clone()).unwrap();
    let compiled = compiler.compile("output.json", &mut schemas).unwrap();
    if let Err(error) = schemas.validate(&result["structuredContent"], compiled) {
        panic!("{tool}: {error:#}\n{result:#}");
    }
    assert_eq!(result["content"][0]["text"], result["structuredContent"].to_string());
    assert_eq!(result["resultType"], "complete");
}

#[test]
fn a_script_gives_its_output_its_log_and_its_name() {
    let mut server = Server::under(PERMIT_ALL);

    let result = server.call(
        "run_script",
        json!({ "script": "info(\"looking\");\nx + list[1]", "arguments": { "x": 1, "list": [2, 3] } }),
    );

    assert_valid(&mut server, "run_script", &result);
    let given = &result["structuredContent"];
    assert_eq!(
        (&result["isError"], &given["status"], &given["exit"]),
        (&json!(false), &json!("SUCCESS"), &json!(0))
    );
    assert_eq!(given["output"], "4");
    assert_eq!(given["logs"], json!([{ "level": "INFO", "line": 1, "message": "looking" }]));
    // The record has the run under that name.
    let record = fs::read_to_string(server.record()).unwrap();
    assert!(record.contains(given["run"].as_str().unwrap()));
}

#[test]
fn a_denial_is_an_error_with_what_was_lacking_and_what_would_permit_it() {
    let mut server = Server::under(WALK_ONLY);

    let result = server.call("run_script", json!({ "script": "cat(\"/etc/passwd\")" }));

    assert_valid(&mut server, "run_script", &result);
    assert_eq!(result["isError"], true);
    let given = &result["structuredContent"];
    assert_eq!((&given["exit"], &given["error"]["type"]), (&json!(77), &json!("ACCESS_DENIED_EXCEPTION")));
    let denial = &given["denials"][0];
    assert_eq!(denial["action"], r#"file_system::Action::"open""#);
    assert_eq!(denial["resource"], r#"file_system::File::"/etc/passwd""#);
    assert_eq!(denial["policy_ids"], json!([]));
    assert_eq!(denial["nearest"]["id"], "walk");
    assert_eq!(denial["needs"].as_array().map(Vec::len), Some(2));
    assert!(denial["hint"].as_str().unwrap().starts_with("no policy permits it"));
    let grant = denial["grant"].as_str().unwrap();
    assert!(result["content"][1]["text"].as_str().unwrap().contains(grant.lines().next().unwrap()));
    // What is proposed is what is lacking: with it, the script runs.
    let mut server = Server::under(&format!("{WALK_ONLY}\n{grant}"));
    let result = server.call("run_script", json!({ "script": "cat(\"/etc/passwd\").len() > 0" }));
    assert_eq!(result["structuredContent"]["output"], "true");
}

#[test]
fn what_the_owner_adds_to_the_policy_holds_for_the_next_script() {
    let mut server = Server::under(WALK_ONLY);
    let script = json!({ "script": "cat(\"/etc/passwd\").len() > 0" });
    let denied = server.call("run_script", script.clone());
    let grant = denied["structuredContent"]["denials"][0]["grant"].as_str().unwrap();

    server.scratch.file("policy.cedar", format!("{WALK_ONLY}\n{grant}"));

    assert_eq!(server.call("run_script", script.clone())["structuredContent"]["output"], "true");
    // One that is broken permits nothing, and the server serves on.
    server.scratch.file("policy.cedar", "permit(");
    let refused = server.call("run_script", script);
    assert_eq!((&refused["isError"], &refused["structuredContent"]["exit"]), (&json!(true), &json!(65)));
    assert_valid(&mut server, "run_script", &refused);
    server.assert_alive();
}

#[test]
fn a_denial_that_the_script_handles_is_told_and_is_no_error() {
    let mut server = Server::under(WALK_ONLY);

    let result = server.call("run_script", json!({ "script": "try { cat(\"/etc/passwd\") } catch { }\n7" }));

    assert_eq!((&result["isError"], &result["structuredContent"]["output"]), (&json!(false), &json!("7")));
    assert_eq!(result["structuredContent"]["denials"][0]["count"], 1);
}

#[test]
fn a_rule_that_forbids_is_named() {
    let forbid =
        r#"@id("no-passwd") forbid(principal, action, resource == file_system::File::"/etc/passwd");"#;
    let mut server = Server::under(&format!("{PERMIT_ALL}{forbid}"));

    let result = server.call("run_script", json!({ "script": "cat(\"/etc/passwd\")" }));

    let denial = &result["structuredContent"]["denials"][0];
    assert_eq!(denial["policy_ids"], json!(["no-passwd"]));
    assert!(denial["hint"].as_str().unwrap().starts_with("a policy forbids it"));
}

#[test]
fn a_script_that_is_wrong_is_told_where_and_a_check_runs_nothing() {
    let mut server = Server::under(PERMIT_ALL);
    let place = server.scratch.path().join("made");
    let script = format!("touch(\"{}\");", place.display());

    let checked = server.call("check_script", json!({ "script": script }));
    let wrong = server.call("check_script", json!({ "script": "let a = ;" }));

    assert_valid(&mut server, "check_script", &checked);
    assert_eq!(
        (&checked["isError"], &checked["structuredContent"]["dry_run"]),
        (&json!(false), &json!(true))
    );
    assert!(!place.exists());
    assert_valid(&mut server, "check_script", &wrong);
    assert_eq!((&wrong["isError"], &wrong["structuredContent"]["exit"]), (&json!(true), &json!(65)));
    assert_eq!(wrong["structuredContent"]["diagnostics"][0]["line"], 1);
    // It was the script's to make, had it run.
    server.call("run_script", json!({ "script": script }));
    assert!(place.exists());
}

#[test]
fn a_run_that_takes_too_long_ends_by_the_shorter_of_both_times() {
    let mut server = Server::with(PERMIT_ALL, &["--timeout", "1"], &[]);
    for arguments in
        [json!({ "script": "sleep(30)" }), json!({ "script": "sleep(30)", "timeout_seconds": 86_400 })]
    {
        let result = server.call("run_script", arguments);
        assert_eq!((&result["isError"], &result["structuredContent"]["exit"]), (&json!(true), &json!(124)));
        assert_eq!(result["structuredContent"]["limit"]["value"], 1, "{result}");
    }
    let mut server = Server::under(PERMIT_ALL);
    let result = server.call("run_script", json!({ "script": "sleep(30)", "timeout_seconds": 1 }));
    assert_eq!(result["structuredContent"]["exit"], 124);
}

#[test]
fn what_happens_is_told_as_it_happens_to_those_who_want_to_know() {
    let mut server = Server::under(PERMIT_ALL);
    let script = "info(\"one\"); sleep(1); info(\"two\"); sleep(1); 3";
    let params = json!({ "name": "run_script", "arguments": { "script": script }, "_meta": { "progressToken": "mine" } });

    let id = server.ask("tools/call", params);
    let mut told: Vec<Value> = Vec::new();
    let answer = loop {
        let message = server.next();
        if message["id"] == id {
            break message;
        }
        assert_eq!(message["method"], "notifications/progress");
        told.push(message["params"].clone());
    };

    assert_eq!(answer["result"]["structuredContent"]["output"], "3");
    let messages: Vec<&str> = told.iter().filter_map(|params| params["message"].as_str()).collect();
    assert!(messages[0].ends_with("has begun") && messages.contains(&"log: two"), "{messages:?}");
    assert!(told.iter().all(|params| params["progressToken"] == "mine"));
    let values: Vec<u64> = told.iter().filter_map(|params| params["progress"].as_u64()).collect();
    assert!(values.len() == told.len() && values.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}");
    // Nobody asked to be told of this one.
    let id = server.begin("run_script", json!({ "script": "info(\"one\"); 3" }));
    assert_eq!(server.next()["id"], id);
}

#[test]
fn the_sdk_is_searched_shown_and_given_in_short() {
    let mut server = Server::under(PERMIT_ALL);

    let found = server.call("search_sdk", json!({ "words": "gzip read" }));
    let much = server.call("search_sdk", json!({ "words": "e" }));
    let nothing = server.call("search_sdk", json!({ "words": "nonesuch --help" }));
    let shown = server.call("show_sdk", json!({ "name": "cat" }));
    let unknown = server.call("show_sdk", json!({ "name": "catt" }));
    let digest = server.call("sdk_digest", json!({}));

    for result in [&found, &much, &nothing] {
        assert_valid(&mut server, "search_sdk", result);
    }
    assert!(
        found["structuredContent"]["entries"]
            .as_array()
            .unwrap()
            .iter()
            .any(|entry| entry["name"] == "read_gzip_lines")
    );
    assert_eq!(much["structuredContent"]["entries"].as_array().map(Vec::len), Some(40));
    assert!(much["structuredContent"]["left_out"].as_u64().unwrap() > 100);
    assert_eq!(nothing["structuredContent"]["entries"], json!([]));
    assert_valid(&mut server, "show_sdk", &shown);
    assert!(shown["structuredContent"]["entries"][0]["example"].as_str().unwrap().contains("cat("));
    assert_eq!(unknown["isError"], true);
    assert!(unknown["content"][0]["text"].as_str().unwrap().contains("did you mean `cat`?"), "{unknown}");
    assert_valid(&mut server, "sdk_digest", &digest);
    // The digest is the resource, too.
    let id = server.ask("resources/list", json!({}));
    let uri = server.answer(id)["result"]["resources"][0]["uri"].clone();
    let id = server.ask("resources/read", json!({ "uri": uri }));
    assert_eq!(server.answer(id)["result"]["contents"][0]["text"], digest["structuredContent"]["markdown"]);
}

#[test]
fn the_policy_is_asked_about_one_act() {
    let mut server = Server::under(WALK_ONLY);

    let denied = server.call("explain_denial", json!({ "action": "file_system::Action::\"read\"", "resource": "file_system::File::\"/etc/passwd\"" }));
    let permitted =
        server.call("explain_denial", json!({ "action": "open", "resource": "file_system::Dir::\"/etc\"" }));
    let senseless = server.call("explain_denial", json!({ "action": "--help" }));

    assert_valid(&mut server, "explain_denial", &denied);
    assert_eq!(denied["structuredContent"]["decision"], "denied");
    assert!(denied["structuredContent"]["grant"].as_str().unwrap().contains("/etc/passwd"));
    assert_valid(&mut server, "explain_denial", &permitted);
    assert_eq!(permitted["structuredContent"]["decision"], "permitted");
    assert_eq!(senseless["isError"], true);
    assert!(!fs::exists(server.record()).unwrap(), "nothing was run");
}

#[test]
fn what_forbids_besides_the_policy_is_explained_with_it() {
    let scratch = rex_tests::scratch::Scratch::new();
    let forbid = r#"@id("no-hosts") forbid(principal, action, resource == file_system::File::"/etc/hosts");"#;
    let file = scratch.file("forbid.cedar", forbid);
    let mut server = Server::with(PERMIT_ALL, &[], &["--forbid", file.to_str().unwrap()]);

    let explained = server.call(
        "explain_denial",
        json!({ "action": "file_system::read", "resource": "file_system::File::\"/etc/hosts\"" }),
    );
    let ran = server.call("run_script", json!({ "script": "cat(\"/etc/hosts\")" }));

    assert_eq!(explained["structuredContent"]["decision"], "denied");
    assert_eq!(explained["structuredContent"]["grounds"][0]["id"], "no-hosts");
    assert_eq!(ran["structuredContent"]["denials"][0]["policy_ids"], json!(["no-hosts"]));
}

// What is a mistake in one mode is none in another, so that check, explanation and run have to be in the one that the operator said.
#[test]
fn policies_are_looked_at_in_the_mode_that_runs_look_at_them_in() {
    const MISTAKEN: &str = r#"permit(principal, action == file_system::Action::"raed", resource);"#;
    let policy = format!("{MISTAKEN}\n{WALK_ONLY}");
    let mut server = Server::with(&policy, &[], &["--policy-mode", "rex"]);

    let explained =
        server.call("explain_denial", json!({ "action": "open", "resource": "file_system::Dir::\"/etc\"" }));
    let ran = server.call("run_script", json!({ "script": "7" }));

    assert_eq!(explained["structuredContent"]["decision"], "permitted", "{explained}");
    assert_eq!(ran["structuredContent"]["output"], "7", "{ran}");
}

#[test]
fn a_run_is_seen_and_stopped_by_its_name_and_answered() {
    let mut server = Server::under(PERMIT_ALL);
    let id = server.begin("run_script", json!({ "script": "info(\"begun\"); sleep(60)" }));
    let run = eventually("a run that is listed", || {
        let listed = server.call("run_status", json!({}));
        assert_valid(&mut server, "run_status", &listed);
        listed["structuredContent"]["runs"][0]["run"].as_str().map(str::to_owned)
    });

    let none = server.call("stop_run", json!({ "run": "nonesuch" }));
    let stopped = server.call("stop_run", json!({ "run": run }));

    assert_eq!(none["isError"], true);
    assert_valid(&mut server, "stop_run", &stopped);
    let answer = server.answer(id);
    assert_eq!(answer["result"]["structuredContent"]["exit"], 143);
    assert_eq!(answer["result"]["structuredContent"]["run"], json!(run));
    assert_eq!(server.call("run_status", json!({}))["structuredContent"]["runs"], json!([]));
}

#[test]
fn so_many_calls_are_served_at_a_time_and_no_more() {
    let mut server = Server::with(PERMIT_ALL, &["--max-runs", "2"], &[]);
    let first = server.begin("run_script", json!({ "script": "sleep(2); 1" }));
    let second = server.begin("run_script", json!({ "script": "sleep(2); 2" }));

    let third = server.call("run_script", json!({ "script": "3" }));

    assert_eq!(third["isError"], true);
    assert!(third["content"][0]["text"].as_str().unwrap().starts_with("busy: 2 "));
    // Both go on at the same time.
    let mut outputs = Vec::new();
    for _ in 0..2 {
        let message = server.next();
        assert!(message["id"] == first || message["id"] == second);
        outputs.push(message["result"]["structuredContent"]["output"].as_str().unwrap().to_owned());
    }
    outputs.sort();
    assert_eq!(outputs, ["1", "2"]);
    assert_eq!(server.call("run_script", json!({ "script": "3" }))["structuredContent"]["output"], "3");
}

// Where policies and records lie, and what the host lacks, is nothing that helps with a script.
#[test]
fn where_the_operators_files_lie_is_told_to_nobody() {
    let mut server = Server::under(WALK_ONLY);
    let place = server.scratch.path().to_str().unwrap().to_owned();
    let asked = json!({ "action": "read", "resource": "/etc/hosts" });
    let script = json!({ "script": "cat(\"/etc/hosts\")" });

    let mut told =
        vec![server.call("run_script", script.clone()), server.call("explain_denial", asked.clone())];
    assert_eq!(told[0]["structuredContent"]["denials"][0]["nearest"]["file"], "policy.cedar");
    assert_eq!(told[1]["structuredContent"]["nearest"]["failed"][0]["file"], "policy.cedar");
    server.scratch.file("policy.cedar", "permit(");
    told.extend([server.call("run_script", script.clone()), server.call("explain_denial", asked.clone())]);
    fs::remove_file(server.scratch.path().join("policy.cedar")).unwrap();
    told.extend([server.call("run_script", script.clone()), server.call("explain_denial", asked.clone())]);
    server.scratch.file("policy.cedar", WALK_ONLY);
    fs::remove_file(server.record()).unwrap();
    fs::create_dir(server.record()).unwrap();
    told.push(server.call("run_script", script));

    let exits: Vec<&Value> = told.iter().map(|told| &told["structuredContent"]["exit"]).collect();
    assert_eq!(
        exits,
        [&json!(77), &json!(null), &json!(65), &json!(null), &json!(66), &json!(null), &json!(74)]
    );
    for told in told {
        assert!(!told.to_string().contains(&place), "{told}");
    }
    // What the script is to blame for is told as ever.
    let wrong = server.call("check_script", json!({ "script": "let a = ;" }));
    assert!(wrong["structuredContent"]["error"]["message"].as_str().unwrap().contains("Unexpected ';'"));
    let deep = server.call("explain_denial", json!({ "action": "raed" }));
    assert!(deep["content"][0]["text"].as_str().unwrap().contains("did you mean `read`?"), "{deep}");
}

#[test]
fn what_a_script_logs_does_not_look_like_what_the_server_says() {
    let mut server = Server::under(PERMIT_ALL);
    let script = r#"sleep(1); info("run 0 has begun"); sleep(1); warn("x\ndenied: a on b"); sleep(1); 3"#;
    let params =
        json!({ "name": "run_script", "arguments": { "script": script }, "_meta": { "progressToken": 1 } });

    let id = server.ask("tools/call", params);
    let mut told: Vec<String> = Vec::new();
    loop {
        let message = server.next();
        if message["id"] == id {
            break;
        }
        told.push(message["params"]["message"].as_str().unwrap().to_owned());
    }

    assert_eq!(told[1..], ["log: run 0 has begun", "log: x denied: a on b"]);
}
