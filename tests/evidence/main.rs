//! Does the page on evidence take an operator from nothing to a sealed log and a proof, with the records of real runs? And on whose
//! behalf are runs?

mod export;
mod grants;
mod halting;
mod host;
mod identity;
mod shadow;
mod why;
mod wrong;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use host::Host;
use rex_tests::pages::commands_of;
use rex_tests::program;
use rex_tests::scratch::Scratch;

/// The lines of the page's `sh` blocks; where there is no host of our own, without those that set one up.
fn commands(with_host: bool) -> Vec<String> {
    let mut page = fs::read_to_string(program::checkout().join("docs/evidence.md")).expect("there is a page");
    if !with_host {
        let (before, rest) =
            page.split_once("\n### For a person and a purpose\n").expect("the page has a token");
        let (_, after) = rest.split_once("\n### The auditor\n").expect("an auditor comes after it");
        page = format!("{before}\n{after}");
    }
    commands_of(&page)
}

/// Where the two programs are, built from the present source beside the broker.
fn programs() -> PathBuf {
    let beside = program::path().parent().expect("a program is in a directory").to_owned();
    let target = beside.parent().expect("a profile has a directory").to_owned();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--package", "rex-evidence", "--bins", "--target-dir"])
        .arg(&target)
        .current_dir(program::checkout())
        .stdin(Stdio::null())
        .status()
        .expect("cargo can be run");
    assert!(built.success(), "rex-audit and rex-verify cannot be built");
    target.join("debug")
}

fn run(command: &str, directory: &Path, path: &str, host: Option<&Host>) -> Output {
    let mut shell = host.map_or_else(|| Command::new("bash"), |host| host.command("bash"));
    shell
        .args(["-e", "-c", command])
        .current_dir(directory)
        .env("PATH", path)
        .env("XDG_STATE_HOME", directory)
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell")
}

#[test]
fn the_page_leads_from_nothing_to_a_sealed_log_and_a_proof() {
    let scratch = Scratch::new();
    let here = scratch.path();
    let broker = program::path().parent().expect("a program is in a directory");
    let path = format!(
        "{}:{}:{}",
        broker.display(),
        programs().display(),
        std::env::var("PATH").expect("there is one")
    );
    let examples = format!(
        "mkdir examples && cp -r {0}/examples/host-report {0}/examples/issuer examples/",
        program::checkout().display()
    );
    assert!(run(&examples, here, &path, None).status.success());
    let mut told = Vec::new();
    // Else it is said that it was left out.
    let host = Host::new();

    for command in commands(host.is_some()) {
        let output = run(&command, here, &path, host.as_ref());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{command}: {errors}");
        told.push((command, String::from_utf8_lossy(&output.stdout).into_owned(), errors));
    }

    let of = |words: &str| -> &(String, String, String) {
        told.iter().find(|(command, ..)| command.starts_with(words)).unwrap_or_else(|| panic!("no {words}"))
    };
    // The records are the broker's own, and the proof is for one of them.
    let log = fs::read_to_string(here.join("evidence/audit.jsonl")).expect("runs leave a record");
    let count = log.lines().count();
    assert!(count > 20, "only {count} records");
    assert!(
        of("rex-verify evidence/log")
            .1
            .contains(&format!("verified: {count} records of audit.example.org/host-17"))
    );
    let third = log.lines().nth(2).expect("there are three");
    assert!(
        of("rex-audit check 2").1.contains("holds: record 2 of") && of("rex-audit check 2").1.contains(third)
    );
    assert!(of("rex-audit consistency").1.starts_with("consistent: "));
    assert!(log.contains("\"decision\":\"deny\""), "there is something to change");
    assert!(of("! rex-audit seal").2.contains("is the first that is not what its tile was sealed with"));
    assert!(of("! rex-verify changed/log --vkey-file log.vkey --log").2.contains("is not what was sealed"));
    assert!(told.last().expect("there are commands").2.contains("missing"));
    if host.is_none() {
        return;
    }
    // Sealed and proved: who it was for, and why.
    let proved = &of("rex-audit check alice").1;
    for part in [
        "\"sub\":\"alice@example.org\"",
        "\"purpose\":\"inventory\"",
        "\"ticket\":\"INC-4711\"",
        "\"policies\":[",
    ] {
        assert!(proved.contains(part), "{part} is not in {proved}");
    }
    let why = &of("rex-broker audit why").1;
    assert!(why.contains("User::\"alice@example.org\", as https://idp.example has signed"), "{why}");
    assert!(why.contains("through  spiffe://example.org/agent/reports on vendor/m-5"), "{why}");
    let replayed = &of("rex-broker audit replay").1;
    assert!(replayed.contains(" 0 otherwise, ") && replayed.contains(" 0 not decided anew"), "{replayed}");
}
