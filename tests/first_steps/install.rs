//! The README's way to install the program and to remove it, walked with its own commands in an empty home.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rex_tests::pages::commands_of;
use rex_tests::program;
use rex_tests::scratch::Scratch;

use crate::readme;

fn section() -> String {
    let readme = readme();
    let (_, rest) = readme.split_once("\n## Install, upgrade, remove\n").expect("there is such a section");
    rest.split_once("\n## ").expect("another follows").0.to_owned()
}

/// Its commands, in their order.
pub(crate) fn commands() -> Vec<String> {
    commands_of(&section())
}

/// Gives a command in the checkout; the program that is built already stands for the one in `target/release`.
fn give(command: &str, home: &Path) -> Output {
    let built = program::path().to_str().expect("its path is text");
    Command::new("sh")
        .args(["-e", "-c", &command.replace("target/release/rex-broker", built)])
        .current_dir(program::checkout())
        .env("HOME", home)
        .env_remove("XDG_STATE_HOME")
        .output()
        .expect("there is a shell")
}

/// Every file below a directory.
fn files(below: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(below).expect("it can be read").map(|entry| entry.expect("it can be read").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn what_is_installed_runs_and_what_is_removed_leaves_only_what_the_page_names() {
    let commands = commands();
    let (build, rest) = commands.split_first().expect("there are commands");
    assert_eq!(build, "cargo build --release");
    let (remove, install) = rest.split_last().expect("the last one removes it");
    assert!(remove.starts_with("rm "), "{remove}");
    let home = Scratch::new();

    for command in install {
        let given = give(command, home.path());
        assert!(given.status.success(), "{command}: {}", String::from_utf8_lossy(&given.stderr));
    }
    let installed = home.path().join(".local/bin/rex-broker");
    let run = Command::new(&installed)
        .args(["run", "examples/host-report/report.rhai", "--policy", "examples/host-report/policy.cedar"])
        .current_dir(program::checkout())
        .env("HOME", home.path())
        .env_remove("XDG_STATE_HOME")
        .output()
        .expect("it is a program");
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stderr));
    let man = Command::new("man")
        .args(["-w", "rex-broker-policy-check"])
        .env("MANPATH", home.path().join(".local/share/man"))
        .output()
        .expect("man can be run; the pages are looked for with it");
    assert!(man.status.success(), "{}", String::from_utf8_lossy(&man.stderr));
    assert!(files(home.path()).len() > 10);

    let removed = give(remove, home.path());
    assert!(removed.status.success(), "{}", String::from_utf8_lossy(&removed.stderr));
    let left: Vec<PathBuf> = files(home.path());
    let record = home.path().join(".local/state/rex-broker/audit.jsonl");
    let expected = if nix::unistd::geteuid().is_root() { Vec::new() } else { vec![record] };
    assert_eq!(left, expected);
}
