//! Is anything doubtful in the scripts that there are?

use std::fs;
use std::path::{Path, PathBuf};

use rex_ipc::control::{Arguments, Doubt};
use rex_jail::{engine, run};

use crate::session;

/// What stands in the manual, the guide, the examples and the conformance cases is what people mean.
#[test]
fn nothing_is_told_of_the_scripts_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut scripts: Vec<(String, String)> = Vec::new();
    for path in files_below(&root.join("examples")) {
        if path.extension().is_some_and(|extension| extension == "rhai") {
            scripts.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    for folder in ["jail/manual", "docs"] {
        for path in files_below(&root.join(folder)) {
            let is_page = path.extension().is_some_and(|extension| extension == "md");
            if is_page && !path.ends_with("language.md") {
                let page = fs::read_to_string(&path).unwrap();
                let blocks = page.split("```rhai\n").skip(1).filter_map(|rest| rest.split("```").next());
                scripts.extend(blocks.map(|block| (path.display().to_string(), block.to_owned())));
            }
        }
    }
    for path in files_below(&root.join("tests/conformance/cases")) {
        let case: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        if let Some(script) = case["script"].as_str() {
            scripts.push((path.display().to_string(), script.to_owned()));
        }
    }
    let (mut checked, mut wrong) = (0, Vec::new());
    let session = session();
    let mut ready = engine::build(&session);
    for (from, script) in &scripts {
        let ended = run::check(&mut ready, &session, script, Arguments::default());
        // Some use arguments, which are not there, or functions that do not exist yet.
        checked += usize::from(ended.text.is_empty());
        for remark in ended.outcome.remarks.as_slice() {
            // A last statement that gives data is what a reader of these should be told.
            if remark.doubt != Doubt::LastValue {
                let line = script.lines().nth(remark.place.line as usize - 1).unwrap_or_default();
                wrong.push(format!("{from}: {:?} {line}", remark.doubt));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 500, "{checked} of {}", scripts.len());
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}
