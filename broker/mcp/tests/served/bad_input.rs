//! What a client gets wrong is told it, and costs nothing else: the server serves on, and nothing runs that should not.

use std::fs;
use std::io::{BufRead, Write};
use std::process::Stdio;
use std::time::Duration;

use rex_tests::runs::PERMIT_ALL;
use rex_tests::scratch::Scratch;
use serde_json::{Value, json};

use crate::server::{Server, children, command, meta};

#[test]
fn a_line_that_is_no_request_is_named_and_the_next_one_served() {
    let mut server = Server::under(PERMIT_ALL);
    let deep = "[".repeat(100_000);
    let nested = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}1{}}}"#,
        r#"{"a":"#.repeat(70),
        "}".repeat(70)
    );
    for (line, code) in [
        ("{", -32_700),
        ("\u{0}", -32_700),
        ("nonsense", -32_700),
        (deep.as_str(), -32_700),
        (nested.as_str(), -32_700),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32_700),
        ("[]", -32_600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32_600),
        ("null", -32_600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","policy":"x"}"#, -32_600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, -32_602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"nonesuch"}"#, -32_602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, -32_602),
    ] {
        server.send_bytes(format!("{line}\n").as_bytes());
        let told = server.next();
        assert_eq!(told["error"]["code"], code, "{}: {told}", &line[..line.len().min(80)]);
    }
    server.send_bytes(b"\xff\xfe\n\n   \n\r\n");
    assert_eq!(server.next()["error"]["code"], -32_700);

    server.assert_alive();
}

#[test]
fn a_method_that_does_not_exist_is_told_in_either_revision() {
    let mut server = Server::under(PERMIT_ALL);
    let id = server.ask("prompts/list", json!({}));
    assert_eq!(server.answer(id)["error"]["code"], -32_601);
    let id = server.ask("rm -rf /", json!({}));
    assert_eq!(server.answer(id)["error"]["code"], -32_601);
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } });
    server.send(&json!({ "jsonrpc": "2.0", "id": "a", "method": "initialize", "params": hello }));
    assert_eq!(server.next()["result"]["protocolVersion"], "2025-11-25");
    server.send(
        &json!({ "jsonrpc": "2.0", "id": "b", "method": "logging/setLevel", "params": { "level": "info" } }),
    );
    assert_eq!(server.next()["error"]["code"], -32_601);

    server.assert_alive();
}

#[test]
fn notifications_and_answers_that_nobody_asked_for_are_passed_over() {
    let mut server = Server::under(PERMIT_ALL);

    server.tell("notifications/cancelled", json!({ "requestId": 1 }));
    server.tell("notifications/cancelled", json!({ "requestId": [] }));
    server.tell("notifications/cancelled", json!({}));
    server.tell("notifications/initialized", json!({}));
    server.tell("notifications/nonesuch", json!({ "policy": "x" }));
    server.tell(
        "tools/call",
        json!({ "name": "run_script", "arguments": { "script": "touch(\"/tmp/x\")" }, "_meta": meta() }),
    );
    server.send(&json!({ "jsonrpc": "2.0", "method": "notifications/x", "more": 1 }));
    server.send(&json!({ "jsonrpc": "1.0", "method": "notifications/x" }));
    server.send(&json!({ "method": "notifications/x", "params": 1 }));
    server.send(&json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
    server.send(&json!({ "jsonrpc": "2.0", "id": 2, "error": { "code": 1, "message": "" } }));

    assert!(server.is_silent_for(Duration::from_millis(300)));
    assert!(!server.record().exists(), "a notification has run something");
    server.assert_alive();
}

#[test]
fn arguments_that_the_schema_does_not_have_are_refused_and_nothing_runs() {
    let mut server = Server::under("permit(principal, action, resource == file_system::Dir::\"/etc\");");
    let policy = "permit(principal, action, resource);";
    for (tool, arguments, piece) in [
        ("run_script", json!({}), "\"script\" is missing"),
        ("run_script", json!({ "script": 1 }), "has to be a text"),
        ("run_script", json!({ "script": ["1"] }), "has to be a text"),
        ("run_script", json!({ "script": "1", "arguments": [] }), "has to be an object"),
        ("run_script", json!({ "script": "1", "arguments": { "a": null } }), "null"),
        ("run_script", json!({ "script": "1", "timeout_seconds": 0 }), "from 1 to 86400"),
        ("run_script", json!({ "script": "1", "timeout_seconds": "9" }), "from 1 to 86400"),
        ("run_script", json!({ "script": "1", "timeout_seconds": -1 }), "from 1 to 86400"),
        ("run_script", json!({ "script": "1", "policy": policy }), "the policy is the operator's"),
        ("run_script", json!({ "script": "1", "policies": [policy] }), "the policy is the operator's"),
        ("run_script", json!({ "script": "1", "--policy": "/tmp/x" }), "the policy is the operator's"),
        ("check_script", json!({ "script": "1", "policy_file": "/tmp/x" }), "the policy is the operator's"),
        ("run_script", json!({ "script": "1", "audit_log": "none" }), "there is no argument"),
        ("explain_denial", json!({ "action": "read", "policy": policy }), "the policy is the operator's"),
        ("explain_denial", json!({ "action": "read\u{0}" }), "zero byte"),
        ("sdk_digest", json!({ "x": 1 }), "takes none"),
        ("stop_run", json!({ "run": 7 }), "has to be a text"),
        ("search_sdk", json!({ "words": "a".repeat(2_000) }), "may have 1024"),
    ] {
        let result = server.call(tool, arguments.clone());
        let told = result["content"][0]["text"].as_str().unwrap_or_default();
        assert!(result["isError"] == true && told.contains(piece), "{tool} {arguments}: {result}");
    }

    assert!(!server.record().exists(), "something was run");
    server.assert_alive();
}

// What stands in a script is a script, and what is asked is no option.
#[test]
fn nothing_that_is_sent_becomes_an_option_of_the_broker() {
    let mut server = Server::under("permit(principal, action, resource == file_system::Dir::\"/nonesuch\");");
    let wide = server.scratch.file("wide.cedar", PERMIT_ALL);

    let told = server.call("run_script", json!({ "script": format!("--policy {}", wide.display()) }));
    assert_eq!(told["structuredContent"]["exit"], 65);
    let named = json!({ "--policy": wide, "a": 1 });
    let told = server.call("run_script", json!({ "script": "cat(\"/etc/passwd\")", "arguments": named }));
    assert_eq!(told["isError"], true);
    let told = server.call(
        "explain_denial",
        json!({ "action": "open", "resource": format!("/etc\" --policy {}", wide.display()) }),
    );
    assert_ne!(told["structuredContent"]["decision"], "permitted");
    let told = server.call("show_sdk", json!({ "name": "--help" }));
    assert_eq!(told["isError"], true);

    let record = fs::read_to_string(server.record()).unwrap_or_default();
    assert!(!record.contains("\"permit\":true") && !record.contains("wide.cedar"));
    server.assert_alive();
}

#[test]
fn scripts_and_arguments_of_any_size_are_taken_or_refused() {
    let mut server = Server::under(PERMIT_ALL);

    let long = format!("let a = \"{}\"; a.len()", "\t\u{1}é".repeat(1_000_000));
    let ran = server.call("run_script", json!({ "script": long }));
    assert_eq!(ran["structuredContent"]["output"], "3000000", "{}", ran["content"][0]["text"]);
    let too_long = server.call("run_script", json!({ "script": " ".repeat(32 * 1024 * 1024 + 1) }));
    assert_eq!(too_long["isError"], true);
    let deep = json!({ "script": "a", "arguments": { "a": [[[[1]]]] } });
    assert_eq!(server.call("run_script", deep)["isError"], true);
    // Longer than any message may be: its end is found, and what follows is served.
    let piece = vec![b' '; 1024 * 1024];
    for _ in 0..65 {
        server.send_bytes(&piece);
    }
    server.send_bytes(b"{}\n");
    let told = server.next();
    assert!(
        told["error"]["code"] == -32_600 && told["error"]["message"].as_str().unwrap().contains("at most"),
        "{told}"
    );

    server.assert_alive();
}

#[test]
fn a_name_that_is_in_use_is_refused_and_the_first_request_answered() {
    let mut server = Server::under(PERMIT_ALL);
    let id = server.begin("run_script", json!({ "script": "sleep(1); \"first\"" }));

    let params = json!({ "name": "run_script", "arguments": { "script": "2" }, "_meta": meta() });
    server.send(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }));
    server
        .send(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list", "params": { "_meta": meta() } }));

    assert_eq!(server.answer(id)["error"]["code"], -32_600);
    assert_eq!(server.answer(id)["error"]["code"], -32_600);
    assert_eq!(server.answer(id)["result"]["structuredContent"]["output"], "first");
    server.assert_alive();
}

#[test]
fn a_client_that_wants_to_be_told_of_changes_is_told_that_there_are_none() {
    let mut server = Server::under(PERMIT_ALL);

    let id = server.ask("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } }));

    let told = server.next();
    assert_eq!(told["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(
        (
            &told["params"]["notifications"],
            &told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"]
        ),
        (&json!({}), &json!(id))
    );
    assert_eq!(server.answer(id)["result"]["resultType"], "complete");
}

#[test]
fn random_lines_never_end_the_server() {
    let mut server = Server::under("permit(principal, action, resource == file_system::Dir::\"/nonesuch\");");
    let whole = json!({ "jsonrpc": "2.0", "id": "x", "method": "tools/call", "params": { "name": "run_status", "arguments": {}, "_meta": meta() } }).to_string();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for _ in 0..2_000 {
        let mut line = whole.clone().into_bytes();
        for _ in 0..=random(3) {
            let at = random(line.len());
            match random(3) {
                0 => line[at] = u8::try_from(random(256)).unwrap(),
                1 => line.truncate(at.max(1)),
                _ => line.insert(at, b"{}[]\",:"[random(7)]),
            }
        }
        line.retain(|byte| *byte != b'\n');
        line.push(b'\n');
        server.send_bytes(&line);
    }

    server.assert_alive();
    assert_eq!(children(server.pid()), [0_i32; 0]);
}

#[test]
fn a_server_without_a_sound_policy_does_not_begin() {
    let scratch = Scratch::new();
    for (policy, options, code) in [
        ("permit(principal", &[] as &[&str], 65),
        ("permit(principal, action == file_system::Action::\"raed\", resource);", &[], 65),
        (PERMIT_ALL, &["--policy", "/nonesuch.cedar"], 66),
        (PERMIT_ALL, &["--nonesuch"], 64),
        (PERMIT_ALL, &["--timeout", "0"], 64),
    ] {
        let ended = command(&scratch, policy, options, &[]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(ended.status.code(), Some(code), "{policy} {options:?}");
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{policy} {options:?}");
    }
    let none = std::process::Command::new(crate::server::program())
        .args(["--broker", "/nonesuch", "--policy", "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(none.status.code(), Some(71));
}

/// The policy of every test above stands on the server's command line; this is what an installed client would have.
#[test]
fn what_is_installed_names_program_and_policy_by_whole_paths() {
    for (client, pointer) in [
        ("claude-code", "/mcpServers/rex-broker"),
        ("cursor", "/mcpServers/rex-broker"),
        ("vscode", "/servers/rex-broker"),
    ] {
        let printed = std::process::Command::new(crate::server::program())
            .args(["install", "--client", client, "--policy", "agents.cedar"])
            .current_dir("/tmp")
            .output()
            .unwrap();
        let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
        let entry = printed.pointer(pointer).unwrap();
        assert_eq!(entry["command"].as_str(), crate::server::program().to_str());
        assert_eq!(entry["args"][1], "/tmp/agents.cedar");
    }
}

// A run would find its own streams, or the file of its arguments, under these numbers; and another policy would decide than the
// one that is checked and explained.
#[test]
fn what_runs_would_take_for_something_else_is_refused_at_the_start() {
    let scratch = Scratch::new();
    let policy =
        scratch.file("policy.cedar", "permit(principal, action, resource == file_system::Dir::\"/etc\");");
    let wide = scratch.file("wide.cedar", PERMIT_ALL);
    let wide = wide.to_str().unwrap();
    for further in [
        &["--audit-log", "fd:1"] as &[&str],
        &["--audit-log", "fd:2"],
        &["--audit-log", "fd:3"],
        &["--audit-log=fd:200"],
        &["--policy", wide],
        &["-vp", wide],
    ] {
        let ended = std::process::Command::new(crate::server::program())
            .arg("--broker")
            .arg(rex_tests::program::path())
            .arg("--policy")
            .arg(&policy)
            .arg("--")
            .args(further)
            .stdin(Stdio::null())
            .output()
            .unwrap();

        assert_eq!(ended.status.code(), Some(64), "{further:?}");
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{further:?}");
    }
}

#[test]
fn a_descriptor_that_the_operator_has_opened_takes_the_record_and_nothing_else() {
    let scratch = Scratch::new();
    let policy = scratch.file("policy.cedar", PERMIT_ALL);
    let record = scratch.path().join("record");
    let mut server = std::process::Command::new("bash")
        .args(["-c", "exec 3>>\"$1\"; shift; exec \"$@\"", "bash"])
        .arg(&record)
        .arg(crate::server::program())
        .arg("--broker")
        .arg(rex_tests::program::path())
        .arg("--policy")
        .arg(policy)
        .args(["--", "--audit-log", "fd:3"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let arguments = json!({ "script": "cat(\"/etc/hostname\"); x", "arguments": { "x": 7 } });
    let params = json!({ "name": "run_script", "arguments": arguments, "_meta": meta() });
    let line = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let mut stdin = server.stdin.take().unwrap();

    stdin.write_all(format!("{line}\n").as_bytes()).unwrap();

    let mut answer = String::new();
    std::io::BufReader::new(server.stdout.take().unwrap()).read_line(&mut answer).unwrap();
    assert!(answer.contains("\"output\":\"7\""), "{answer}");
    let record = fs::read_to_string(record).unwrap();
    assert!(record.contains("\"event\":\"start\"") && record.contains("\"event\":\"end\""), "{record}");
    drop(stdin);
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

// Each of these values takes hundreds of bytes where the message has seven for it.
#[test]
fn a_message_of_the_greatest_length_takes_no_more_than_a_few_times_of_that() {
    const MOST_KIB: u64 = 512 * 1024;
    let mut server = Server::under(PERMIT_ALL);
    let many = r#"{"":0},"#.repeat(9_000_000);

    server.send_bytes(
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":[{many}0]}}}}"#).as_bytes(),
    );
    server.send_bytes(b"\n");

    assert_eq!(server.next()["error"]["code"], -32_700);
    let peak = rex_tests::runs::status_field(server.pid(), "VmHWM:").unwrap();
    let kib: u64 = peak.trim_end_matches(" kB").parse().unwrap();
    assert!(kib < MOST_KIB, "{kib} KiB");
    server.assert_alive();
}

// What is printed in one directory is read in another, where other files may lie under the same names.
#[test]
fn what_is_installed_serves_under_the_same_files_from_anywhere() {
    let scratch = Scratch::new();
    let (here, there) = (scratch.path().join("here"), scratch.path().join("there"));
    for (directory, file) in [(&here, "/etc/hosts"), (&there, "/nonesuch")] {
        fs::create_dir(directory).unwrap();
        fs::write(directory.join("policy.cedar"), PERMIT_ALL).unwrap();
        let forbid = format!("forbid(principal, action, resource == file_system::File::\"{file}\");");
        fs::write(directory.join("deny.cedar"), forbid).unwrap();
    }
    let beside = rex_tests::program::path().parent().unwrap();
    for forbid in [&["--forbid", "deny.cedar"] as &[&str], &["--forbid=deny.cedar"]] {
        let printed = std::process::Command::new(crate::server::program())
            .args([
                "install",
                "--client",
                "claude-code",
                "--policy",
                "policy.cedar",
                "--broker",
                "rex-broker",
                "--",
            ])
            .args(forbid)
            .args(["--audit-log", "none", "--require=core"])
            .current_dir(&here)
            .env("PATH", beside)
            .output()
            .unwrap();
        let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
        let entry = &printed["mcpServers"]["rex-broker"];
        let words: Vec<&str> = entry["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(words.ends_with(&["--audit-log", "none", "--require=core"]), "{words:?}");
        let mut server = std::process::Command::new(entry["command"].as_str().unwrap())
            .args(&words)
            .current_dir(&there)
            .env("PATH", "/nonesuch")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let params = json!({ "name": "run_script", "arguments": { "script": "cat(\"/etc/hosts\")" }, "_meta": meta() });
        let line = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let mut stdin = server.stdin.take().unwrap();

        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();

        let mut answer = String::new();
        std::io::BufReader::new(server.stdout.take().unwrap()).read_line(&mut answer).unwrap();
        assert!(answer.contains("\"exit\":77"), "{words:?}: {answer}");
        drop(stdin);
        assert_eq!(server.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn what_is_wrong_is_not_sent_back_whole() {
    let mut server = Server::under(PERMIT_ALL);
    let long = "a".repeat(3_000_000);

    for (tool, arguments) in [
        ("sdk_digest", json!({ long.as_str(): 1 })),
        ("run_script", json!({ "script": "1", long.as_str(): 1 })),
        ("run_script", json!({ "script": "1", format!("policy{long}"): 1 })),
        ("run_script", json!({ "script": "1", "arguments": { long.as_str(): null } })),
        ("run_script", json!({ "script": "1", "arguments": { long.as_str(): 1 } })),
    ] {
        let told = server.call(tool, arguments).to_string();
        assert!(told.len() < 10_000, "{tool}: {} bytes", told.len());
    }
    server.send_bytes(format!("{{\"{long}\":1,\"{long}\":2}}\n").as_bytes());
    assert!(server.next().to_string().len() < 1_000);
    server.assert_alive();
}

#[test]
fn options_with_which_every_run_would_be_refused_end_the_start() {
    let scratch = Scratch::new();
    let forbids = scratch.file("forbids.cedar", "permit(principal, action, resource);");
    for (further, code, piece) in [
        (&["--nonesuch"] as &[&str], 64, "--nonesuch"),
        (&["--timeout", "7"], 64, "--timeout"),
        (&["--json"], 64, "--json"),
        (&["--max-output", "much"], 64, "much"),
        (&["--forbid", forbids.to_str().unwrap()], 78, "may only forbid"),
        (&["--forbid", "/nonesuch.cedar"], 66, "/nonesuch.cedar"),
    ] {
        let ended = command(&scratch, PERMIT_ALL, &[], further).stdin(Stdio::null()).output().unwrap();

        let told = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{further:?}: {told}");
        assert!(ended.stdout.is_empty() && told.contains(piece), "{further:?}: {told}");
    }
    assert!(!scratch.path().join("audit.jsonl").exists(), "something was run");
}

#[test]
fn scripts_and_their_arguments_stand_on_no_command_line() {
    const SECRET: &str = "hunter2-of-the-client";
    let mut server = Server::under(PERMIT_ALL);
    let script = format!("let a = \"{SECRET}\"; sleep(60)");
    server.begin("run_script", json!({ "script": script, "arguments": { "b": SECRET, SECRET: 1 } }));

    for process in server.processes_of_a_run() {
        let words = fs::read(format!("/proc/{process}/cmdline")).unwrap();
        assert!(!String::from_utf8_lossy(&words).contains(SECRET), "{}", String::from_utf8_lossy(&words));
    }
}
