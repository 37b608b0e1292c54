//! Every command of the README works and says what the README says.
//!
//! With `REX_FIRST_STEPS_FULL` set, as `.ci/full` has it, each command is run as it stands, release build and tests included.
//! Without it `cargo run --release --` stands for the program that is already built, and what only builds is left out.

mod denial;
mod documents;
mod guide;
mod install;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rex_tests::contract;
use rex_tests::pages::commands_of;
use rex_tests::program;
use rex_tests::scratch::Scratch;

const RELEASE_RUN: &str = "cargo run --release -- ";

fn readme() -> String {
    std::fs::read_to_string(program::checkout().join("README.md")).expect("there is a README")
}

/// The lines of the README's `sh` blocks.
fn commands() -> Vec<String> {
    commands_of(&readme())
}

fn is_full() -> bool {
    std::env::var_os("REX_FIRST_STEPS_FULL").is_some()
}

/// Runs a command of the README in the checkout, with a home of its own, so that nothing of it stays behind.
fn execute(command: &str) -> Output {
    let home = Scratch::new();
    match command.strip_prefix(RELEASE_RUN) {
        Some(arguments) if !is_full() => execute_built(arguments, program::checkout(), home.path()),
        _ => finish(Command::new("sh").args(["-c", command]).current_dir(program::checkout()), home.path()),
    }
}

/// Runs the program that is already built, in a directory; the words may have what a shell understands.
fn execute_built(arguments: &str, directory: &Path, home: &Path) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("\"$0\" {arguments}")]).arg(program::path()).current_dir(directory);
    finish(&mut shell, home)
}

fn finish(shell: &mut Command, home: &Path) -> Output {
    shell.env("XDG_STATE_HOME", home).stdin(Stdio::null()).output().expect("there is a shell")
}

/// The output of the only command that has all these words.
fn run(words: &[&str], without: &str) -> Output {
    let matching: Vec<String> = commands()
        .into_iter()
        .filter(|command| words.iter().all(|word| command.contains(word)))
        .filter(|command| without.is_empty() || !command.contains(without))
        .collect();
    assert_eq!(matching.len(), 1, "commands of the README with {words:?}: {matching:?}");
    let output = execute(&matching[0]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{}: {stderr}", matching[0]);
    output
}

#[test]
fn every_command_is_tried_here() {
    let tried = ["examples/host-report", " doctor", " protocol", "cargo test --workspace"];
    let walked = [denial::commands(), install::commands()].concat();

    let untried: Vec<String> = commands()
        .into_iter()
        .filter(|command| !tried.iter().any(|words| command.contains(words)) && !walked.contains(command))
        .collect();

    assert!(untried.is_empty(), "these commands of the README have no test: {untried:?}");
    assert!(!commands().is_empty());
}

// "builds everything … and prints a report on this host, made by a script in a jail"
#[test]
fn the_first_command_prints_a_report() {
    assert!(commands()[0].contains(" run examples/host-report"), "people come first");
    let output = run(&["run examples/host-report"], "");

    let text = String::from_utf8(output.stdout).expect("a report is text");
    let sections: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let expected =
        ["host", "system", "kernel", "uptime", "load", "processors", "memory", "accounts", "in", "shadow"];
    assert_eq!(sections, expected, "{text}");
    assert!(text.contains("shadow     PermissionDenied"), "{text}");
    // "the last line says how often that happened"
    let stderr = String::from_utf8(output.stderr).expect("it is text");
    let last = stderr.lines().last().unwrap_or_default();
    assert!(last.contains("denied, and the script went on") && last.contains("-v"), "{stderr}");
}

// "Programs that drive Rex use Rex's flags, and get one JSON document"
#[test]
fn programs_get_the_report_as_a_document() {
    let output = run(&["--jail", "examples/host-report"], "");

    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    contract::assert_document(&document);
    assert_eq!(document["status"], "SUCCESS");
    assert_eq!(document["jail"]["end"], "finished");
    assert_eq!(document["denials"][0]["resource"], "file_system::File::\"/etc/shadow\"");
}

// "As an ordinary user the record of decisions goes to `~/.local/state/rex-broker/audit.jsonl`, as root to
// `/var/log/rex-broker/audit.jsonl`".
#[test]
fn the_record_is_where_the_readme_says() {
    let output = run(&["--jail", "examples/host-report"], "");

    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let log = PathBuf::from(document["jail"]["audit_log"].as_str().expect("it names the record"));
    assert!(log.ends_with("rex-broker/audit.jsonl"), "{}", log.display());
    if nix::unistd::geteuid().is_root() {
        assert_eq!(log, PathBuf::from("/var/log/rex-broker/audit.jsonl"));
    }
}

// "What the kernel gives, and proof of it"
#[test]
fn doctor_finds_what_is_required() {
    let output = run(&["doctor"], "--prove");

    assert!(String::from_utf8_lossy(&output.stdout).contains("everything that is required is in force"));
}

// "with a jail whose program tries what it must not"
#[test]
fn doctor_proves_it() {
    let output = run(&["doctor --prove"], "");

    assert!(String::from_utf8_lossy(&output.stdout).contains("everything that is required is in force"));
}

// "What can cross between jail and broker, for auditors"
#[test]
fn the_protocol_is_told_to_people() {
    let output = run(&[" protocol"], "--json");

    assert!(String::from_utf8_lossy(&output.stdout).contains("read_chunk"));
}

#[test]
fn the_protocol_is_json() {
    let output = run(&["protocol --json"], "");

    let table: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert!(table.to_string().contains("read_chunk"));
}

// The command that passes the tests is the one that runs this test; a second run of it within itself would not end.
#[test]
fn the_test_command_is_the_one_that_runs_these() {
    let tests: Vec<String> =
        commands().into_iter().filter(|command| command.contains("cargo test")).collect();

    assert_eq!(tests, ["cargo test --workspace"]);
}

#[test]
fn the_example_policies_of_the_readme_load() {
    let readme = readme();
    let block = |language: &str| {
        let (_, rest) = readme.split_once(&format!("```{language}\n")).expect("there is a block");
        rest.split_once("\n```").expect("it ends").0.to_owned()
    };
    let scratch = Scratch::new();
    // The file that the example reads need not be there; then the script fails, and is not denied.
    let script = scratch.file("script.rhai", block("rhai"));
    let policy = scratch.file("policy.cedar", block("cedar"));

    let output = Command::new(program::path())
        .args(["--jail", "--audit-log", "none", "-s"])
        .arg(script)
        .arg("-p")
        .arg(policy)
        .output()
        .expect("the program can be started");

    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert!(document.get("denials").is_none(), "{document}");
    assert!(matches!(output.status.code(), Some(0 | 1)), "{document}");
}
