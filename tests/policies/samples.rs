//! Policies that people have written for Rex: all of them load in its mode.

use std::fs;
use std::path::{Path, PathBuf};

use rex_broker::policy::{Engine, Mode, Policies, PolicyText, Question, ResourceRef};
use rex_ipc::action::ActionId;
use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_policy_of_the_conformance_cases_loads_in_rexs_mode() {
    let cases = files(&folder("conformance/cases"), "json");
    assert!(cases.len() > 100, "only {} cases were found", cases.len());
    let mut refused = Vec::new();

    for path in &cases {
        let case: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let name = path.display().to_string();
        let text = case["policy"].as_str().unwrap();
        let text = text.replace("${DIR}", "/tmp/case").replace("${PORT}", "8080").replace("${VICTIM}", "42");
        if Policies::load(&[PolicyText { name: &name, text: &text }], Mode::Rex).is_err() {
            refused.push((name, case["expect"]["error_type"].clone()));
        }
    }

    // Only what a case says does not parse is refused.
    assert!(refused.iter().all(|(_, error)| error == "INTERNAL_EXCEPTION"), "{refused:?}");
}

#[test]
fn the_sample_policies_load_in_rexs_mode_and_decide_as_described() {
    let may_read = |name: &str, path: &str| {
        let text = fs::read_to_string(folder("policies/samples").join(name)).unwrap();
        let loaded = Policies::load(&[PolicyText { name, text: &text }], Mode::Rex).unwrap();
        let question = Question::new(ActionId::FileSystemRead, ResourceRef::File(path));
        Engine::new(loaded.policies, "root").decide(&question).permitted
    };

    assert_eq!(files(&folder("policies/samples"), "cedar").len(), 6);
    assert!(!may_read("nothing.cedar", "/tmp/rexdemo/logs/app.log"));
    assert!(may_read("read-logs.cedar", "/tmp/rexdemo/logs/app.log"));
    assert!(!may_read("read-logs.cedar", "/tmp/rexdemo/logs/other.log"));
    assert!(may_read("tree.cedar", "/tmp/rexdemo/logs/other.log"));
    assert!(!may_read("tree.cedar", "/tmp/rexdemo2"));
    assert!(may_read("all.cedar", "/etc/shadow"));
    assert!(!may_read("other-user.cedar", "/tmp/rexdemo/logs/app.log"));
    // Rex skips the forbid; here it denies.
    assert!(!may_read("broken-forbid.cedar", "/tmp/rexdemo/logs/app.log"));
}

#[test]
fn every_policy_that_is_shipped_passes_the_strictest_mode() {
    let shipped = files(&folder("../policies/examples"), "cedar");
    assert!(shipped.len() >= 4);

    for path in shipped {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.display().to_string();
        let loaded = Policies::load(&[PolicyText { name: &name, text: &text }], Mode::Strict);
        assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
    }
}
