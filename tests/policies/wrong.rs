//! Policies that are wrong: each is refused at its line, or denies when it is asked.
//!
//! The first line of each file in `wrong/` says what is expected: `// <line>: <part of the message>`, or
//! `// denies at run time`.

use std::fs;
use std::path::{Path, PathBuf};

use rex_broker::policy::{Engine, Mode, Policies, PolicyText, Question, ResourceRef, Severity};
use rex_ipc::action::ActionId;

use crate::with_room;

fn corpus() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/wrong");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn every_wrong_policy_is_refused_at_its_line_or_denies() {
    let files = corpus();
    assert!(files.len() >= 40, "only {} wrong policies were found", files.len());
    let (mut refused, mut denying) = (0, 0);

    for (path, text) in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected =
            text.lines().next().unwrap().strip_prefix("// ").expect("the first line says what is expected");
        if expected == "denies at run time" {
            assert!(denies(&text), "{name} permits");
            denying += 1;
        } else {
            let (line, message) = expected.split_once(": ").unwrap_or_else(|| panic!("{name}: {expected}"));
            assert_refused(&name, &text, line.parse().unwrap(), message);
            refused += 1;
        }
    }

    assert!(refused >= 40 && denying >= 5, "{refused} {denying}");
}

fn assert_refused(name: &str, text: &str, line: usize, message: &str) {
    let (owned_name, owned_text) = (name.to_owned(), text.to_owned());
    let result = with_room(move || {
        let source = PolicyText { name: &owned_name, text: &owned_text };
        Policies::load(&[source], Mode::Standard).map(|loaded| loaded.policies.len())
    });
    let Err(errors) = result else { panic!("{name} was accepted") };
    let is_expected = |finding: &&rex_broker::policy::Finding| {
        finding.severity == Severity::Error && finding.line == line && finding.message.contains(message)
    };
    assert!(errors.findings().iter().any(|finding| is_expected(&finding)), "{name}: {errors}");
    // Nothing is said of lines that are not there, and every finding can be shown.
    assert!(errors.findings().iter().all(|finding| finding.line <= text.lines().count()), "{name}: {errors}");
    let shown = rex_broker::policy::render(errors.findings(), &[PolicyText { name, text }], false);
    assert!(shown.contains(&format!("{name}:{line}:")), "{shown}");
}

/// Whether the text, loaded as leniently as can be, says no to the question about which all of them are.
fn denies(text: &str) -> bool {
    let text = text.to_owned();
    with_room(move || {
        let loaded = Policies::load(&[PolicyText { name: "wrong", text: &text }], Mode::Rex).unwrap();
        let question = Question::new(ActionId::FileSystemRead, ResourceRef::File("/srv/data/a"));
        !Engine::new(loaded.policies, "root").decide(&question).permitted
    })
}

// The other side: with the mistake repaired, the same question is answered with yes.
#[test]
fn what_denies_at_run_time_denies_because_of_its_mistake() {
    for right in [
        "permit(principal, action, resource);\nforbid(principal, action, resource) when { resource is process_system::Process && resource.username == \"root\" };",
        "permit(principal, action, resource);\nforbid(principal, action, resource) when { context has destination && context.destination.path like \"/etc/*\" };",
        "permit(principal, action, resource) when { resource has path && resource.path == \"/srv/data/a\" };",
        "permit(principal, action, resource in file_system::Dir::\"/srv/data\");",
    ] {
        assert!(!denies(right), "{right}");
    }
}
