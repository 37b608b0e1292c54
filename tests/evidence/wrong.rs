//! T17: wrong policies and wrong configurations, each refused with file and line before a script begins.

use std::fs;

use rex_tests::program;
use rex_tests::runs::{Ended, Run};

use crate::host::Host;

/// Tells where it has begun, in a word that does not stand in it.
const SCRIPT: &str = "\"beg\" + \"un\"";

#[track_caller]
fn refused(ended: &Ended, what: &str, status: i32, place: &str) {
    assert_eq!(ended.code(), Some(status), "{what}: {} {}", ended.text(), ended.stderr);
    let told = format!("{}{}", ended.text(), ended.stderr);
    assert!(told.contains(place), "{what}: {place} is not in {told}");
    assert!(!told.contains("begun"), "{what}: {told}");
}

// The corpus is the one of `tests/policies`, which holds each of them to its line and message; here it is the whole program.
#[test]
fn t17_wrong_policies_are_refused_with_their_line_before_a_script_begins() {
    let folder = program::checkout().join("tests/policies/wrong");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("it is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    files.sort();
    let mut count = 0;
    for path in files {
        let text = fs::read_to_string(&path).expect("it is text");
        let expected = text.lines().next().and_then(|line| line.strip_prefix("// ")?.split_once(": "));
        // Some load, and deny when they are asked.
        let Some((line, _)) = expected else { continue };
        count += 1;
        if count % 3 != 0 {
            continue;
        }
        let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
        let run = Run::of(SCRIPT).policy(&text);
        refused(&run.finish(), &name, 65, &format!("policy.cedar:{line}:"));
    }
    assert!(count >= 60, "only {count} wrong policies");
}

#[test]
fn t17_wrong_configurations_are_refused_with_their_line_before_a_script_begins() {
    let Some(host) = Host::new() else { return };
    let wrong = [
        (1, "require"),
        (1, "require = core\n"),
        (1, "require = 7\n"),
        (1, "require = \"coer\"\n"),
        (1, "requires = \"core\"\n"),
        (1, "policy-mode = \"lax\"\n"),
        (1, "policy-mode = true\n"),
        (1, "hard-links = \"maybe\"\n"),
        (1, "children = \"free\"\n"),
        (1, "audit-sync = \"never\"\n"),
        (1, "audit-log = \"relative\"\n"),
        (1, "audit-log = \"fd:x\"\n"),
        (1, "audit-blobs = \"relative\"\n"),
        (1, "ca-file = \"relative\"\n"),
        (1, "delegation-keys = \"keys.json\"\n"),
        (1, "forbid = \"/etc/a.cedar\"\n"),
        (1, "forbid = [\"a.cedar\"]\n"),
        (1, "forbid = [1]\n"),
        (1, "proxy = \"https://x\"\n"),
        (1, "url-userinfo = \"yes\"\n"),
        (1, "color = \"green\"\n"),
        (1, "explain-denials = \"sometimes\"\n"),
        (2, "color = \"auto\"\ncolor = \"auto\"\n"),
        (2, "[limits]\ntimeout = \"x\"\n"),
        (2, "[limits]\ntimeout = -1\n"),
        (2, "[limits]\ntimeuot = 3\n"),
        (2, "[limits]\nmemory = \"1parsec\"\n"),
        (2, "[limits]\nmax-calls-per-operation = \"open_dir=x\"\n"),
        (2, "[limits]\nmax-calls-per-operation = \"100,opendir=5\"\n"),
        (2, "# a comment\n[limit]\ntimeout = 3\n"),
        (3, "[limits]\ntimeout = 3\n[limits\n"),
        (2, "[limits]\nrequire = \"core\"\n"),
    ];
    for (line, text) in wrong {
        host.write("etc/rex-broker/config.toml", text);
        refused(
            &host.behind(Run::of(SCRIPT)).finish(),
            text,
            78,
            &format!("/etc/rex-broker/config.toml:{line}"),
        );
    }
    host.write("etc/rex-broker/config.toml", "[limits]\ntimeout = 3\n");
    let ended = host.behind(Run::of(SCRIPT)).finish();
    assert_eq!(ended.document()["output"], "begun", "a right one is taken: {}", ended.stderr);
}
