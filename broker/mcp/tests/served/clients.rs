//! Clients that nobody here wrote speak with the server: the official ones of Python and of TypeScript, in either era of MCP.
//!
//! `.ci/full agents` brings them along. Without them these tests say that they were left out, and there that is a failure.

use std::path::Path;
use std::process::Command;

use rex_tests::scratch::Scratch;
use rex_tests::skip::skipped;
use serde_json::{Value, json};

use crate::server::command;

/// What a client says of a server whose policy permits nothing that matters.
fn told(program: &Path, script: &str, mode: &str) -> Value {
    let scratch = Scratch::new();
    let served =
        command(&scratch, "permit(principal, action, resource == file_system::Dir::\"/etc\");", &[], &[]);
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/served/peers");
    let output = Command::new(program)
        .arg(if script.ends_with(".mjs") { Path::new(script).to_owned() } else { peers.join(script) })
        .arg(mode)
        .arg(served.get_program())
        .args(served.get_args())
        .output()
        .expect("the client can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} {mode}: {errors}");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{script} {mode}: {error}: {errors}"))
}

fn assert_served(told: &Value, mode: &str) {
    assert_eq!(told["server"], "rex-mcp", "{mode}: {told}");
    assert!(
        told["tools"].as_array().is_some_and(|tools| tools.contains(&json!("run_script"))),
        "{mode}: {told}"
    );
    assert_eq!(told["output"], "3", "{mode}: {told}");
    assert_eq!(told["denied"], json!([true, "file_system::Action::\"open\""]), "{mode}: {told}");
    assert_eq!(told["refused"][0], true, "{mode}: {told}");
    assert!(
        told["refused"][1].as_str().is_some_and(|text| text.contains("the policy is the operator's")),
        "{mode}: {told}"
    );
    assert!(told["unknown"].as_str().is_some_and(|text| text.contains("there is no tool")), "{mode}: {told}");
    assert_eq!(told["digest"], "# Scripts for rex-broker, in short", "{mode}: {told}");
    assert!(told["late"].is_string(), "{mode}: {told}");
    assert_eq!(told["going"], json!([]), "{mode}: {told}");
    assert!(told["progress"].as_array().is_some_and(|steps| !steps.is_empty()), "{mode}: {told}");
}

#[test]
fn the_official_python_client_is_served_in_both_eras() {
    let Some(python) = std::env::var_os("REX_MCP_PYTHON") else {
        return skipped("REX_MCP_PYTHON names no Python with the package mcp");
    };
    for (mode, version) in [("auto", "2026-07-28"), ("legacy", "2025-11-25")] {
        let told = told(Path::new(&python), "client.py", mode);

        assert_served(&told, mode);
        assert_eq!(told["version"], version);
    }
}

#[test]
fn the_official_typescript_clients_are_served_in_both_eras() {
    let Some(peers) = std::env::var_os("REX_MCP_NODE_PEERS") else {
        return skipped("REX_MCP_NODE_PEERS names no directory with the packages of package.json");
    };
    // Node looks for packages beside the script.
    let script = Path::new(&peers).join("client.mjs");
    for (mode, version) in
        [("auto", json!("2026-07-28")), ("legacy", json!("2025-11-25")), ("old", json!(null))]
    {
        let told = told(Path::new("node"), script.to_str().expect("it is text"), mode);

        assert_served(&told, mode);
        assert_eq!(told["version"], version);
    }
}
