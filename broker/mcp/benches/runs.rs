//! What a script costs through a server that is up, beside what `rex-broker run` of it costs: one after the other, so that both have the
//! machine as it is.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rex_tests::program;
use rex_tests::scratch::Scratch;
use serde_json::{Value, json};

const PAIRS: usize = 200;

/// What the design allows.
const MOST: f64 = 1.3;

fn main() {
    let scratch = Scratch::new();
    let script = scratch.file("script.rhai", "");
    let policy = scratch.file("policy.cedar", "permit(principal, action, resource);\n");
    let log = scratch.path().join("audit.jsonl");
    let mut server = Command::new(env!("CARGO_BIN_EXE_rex-mcp"))
        .arg("--broker")
        .arg(program::path())
        .arg("--policy")
        .arg(&policy)
        .arg("--")
        .arg("--audit-log")
        .arg(&log)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server can be started");
    let mut stdin = server.stdin.take().expect("it is a pipe");
    let mut stdout = BufReader::new(server.stdout.take().expect("it is a pipe"));
    let mut served = |id: usize| {
        let params = json!({
            "name": "run_script",
            "arguments": { "script": "" },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        });
        let begun = Instant::now();
        let line = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        writeln!(stdin, "{line}").expect("the server reads");
        let mut answer = String::new();
        stdout.read_line(&mut answer).expect("the server answers");
        let taken = begun.elapsed();
        let answer: Value = serde_json::from_str(&answer).expect("it is JSON");
        assert_eq!(answer["result"]["structuredContent"]["status"], "SUCCESS", "{answer}");
        taken
    };
    let mut pairs = Vec::new();
    for id in 0..PAIRS {
        // Which comes first changes, so that neither gains by it.
        if id % 2 == 0 {
            let first = direct(&script, &policy, &log);
            pairs.push((first, served(id)));
        } else {
            let first = served(id);
            pairs.push((direct(&script, &policy, &log), first));
        }
    }
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e3
    };
    let direct = median(pairs.iter().map(|pair| pair.0).collect());
    let served = median(pairs.iter().map(|pair| pair.1).collect());
    let ratio = served / direct;
    println!(
        "an empty script: rex-broker run {direct:.2} ms, run_script {served:.2} ms, {ratio:.2} times; at most {MOST}"
    );
    drop(stdin);
    server.wait().expect("the server ends");
}

/// A run as a person or a program would have it.
fn direct(script: &Path, policy: &Path, log: &Path) -> Duration {
    let begun = Instant::now();
    let output = Command::new(program::path())
        .arg("run")
        .arg(script)
        .arg("--policy")
        .arg(policy)
        .arg("--audit-log")
        .arg(log)
        .arg("--json")
        .stdin(Stdio::null())
        .output()
        .expect("the broker can be started");
    assert!(output.status.success());
    begun.elapsed()
}
