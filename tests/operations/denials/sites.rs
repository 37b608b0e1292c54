//! Whether each place in the broker that asks has once been told no.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rex_tests::records::Place;

/// Compares the places that the scenarios have seen denying with those in the source.
pub(crate) fn all_have_said_no(seen: &BTreeSet<Place>) {
    if !cfg!(debug_assertions) {
        rex_tests::skip::skipped("an optimized build does not know its lines");
        return;
    }
    let sites = sites();
    assert!(sites.len() > 90, "only {} places were found: the search has to be adapted", sites.len());
    let never = |site: &&Site| !seen.contains(&site.place);
    let is_known = |site: &Site| NEVER.iter().any(|(file, text, _)| site.is(file, text));

    let silent: Vec<_> = sites.iter().filter(never).filter(|site| !is_known(site)).collect();
    let stale: Vec<_> = NEVER
        .iter()
        .filter(|(file, text, _)| !sites.iter().filter(never).any(|site| site.is(file, text)))
        .collect();

    assert!(silent.is_empty(), "no scenario has these say no: {silent:#?}");
    assert!(stale.is_empty(), "these have said no, or are gone: {stale:#?}");
}

/// A place that asks.
#[derive(Debug)]
struct Site {
    place: Place,
    text: String,
}

impl Site {
    fn is(&self, file: &str, text: &str) -> bool {
        self.place.0.ends_with(file) && self.text.contains(text)
    }
}

fn sites() -> Vec<Site> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let mut files = Vec::new();
    // What is asked about the host as a whole depends on the host: each row's own tests say no to each of its questions.
    collect(&root.join("broker/src/ops/file_system"), &mut files);
    let mut sites = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        for (number, line) in (1..).zip(fs::read_to_string(&file).unwrap().lines()) {
            let text = line.trim();
            if !text.starts_with("//") && ASKING.iter().any(|asking| text.contains(asking)) {
                sites.push(Site { place: (name.clone(), number), text: text.to_owned() });
            }
        }
    }
    sites
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// How a question is spelled, and a refusal.
const ASKING: [&str; 4] = [".authorize::<", "must::<", ".refuse::<", "ask_through(call"];

/// What cannot be told no by a policy that stays the same within the call: file, text of the line, reason.
const NEVER: &[(&str, &str, &str)] = &[
    ("move_dir.rs", "refuse::<Move, _>(&source.moving(path, given, &to), reason)", WAYS),
    ("move_dir.rs", "refuse::<Open, _>(way.place(), reason)", WAYS),
    ("move_file.rs", "refuse::<Create, _>(&place, reason)", WAYS),
    ("finish_write.rs", "refuse::<Write, _>(writer, reason)", WAYS),
    ("relocation.rs", "refuse::<Open, _>(way.place(), reason)", WAYS),
    ("read_link.rs", "refuse::<Read, _>(read.resource(), OWN_PROC)", PROC),
    ("removal.rs", "authorize::<Delete, _>(file_at(&item))", PLANNED),
    ("removal.rs", "authorize::<Delete, _>(dir_at(item))", PLANNED),
    ("begin_analysis.rs", "authorize::<Read, _>(program)", DEBUGGER),
    ("begin_analysis.rs", "authorize::<Read, _>(core)", DEBUGGER),
    (
        "read_program.rs",
        "authorize::<Execute, _>(question.executed)",
        "the program began by an answer to the same question",
    ),
    ("make_path.rs", "authorize::<Open, _>(DirPath(level.clone()))", WOULD),
    ("delete_path.rs", "authorize::<Open, _>(DirPath(parent))", WOULD),
    (
        "delete_path.rs",
        "authorize::<Open, _>(DirAt::new(held(parent), entry))",
        "the path was asked before it was walked",
    ),
    (
        "move_file.rs",
        "authorize::<Create, _>(place.clone())",
        "Rex asks twice when the file was opened to be made",
    ),
    ("relocation.rs", "authorize::<Delete, _>(named)", PLANNED),
    ("relocation.rs", "authorize::<Open, _>(dir_at(item))", PLANNED),
    ("relocation.rs", "authorize::<Read, _>(dir_at(item))", PLANNED),
    ("relocation.rs", "authorize::<Create, _>(DirAt::new(here, item.entry().clone()))", PLANNED),
    ("relocation.rs", "authorize::<Read, _>(file_at(item))", PLANNED),
    ("relocation.rs", "authorize::<Open, _>(file_at(item))", PLANNED),
    ("relocation.rs", "authorize::<Read, _>(Rc::new(file))", PLANNED),
    ("relocation.rs", "authorize::<Create, _>(to.clone())", PLANNED),
    ("relocation.rs", "authorize::<Open, _>(to.clone())", PLANNED),
    ("relocation.rs", "authorize::<Write, _>(to)", PLANNED),
    ("relocation.rs", "authorize::<Chown, _>(to)", PLANNED),
];

const WAYS: &str = "no policy closes what a run needs itself; operations/ways tries each of these acts";
const PROC: &str = "no policy closes what shows the run itself; operations/proc tries it";
const PLANNED: &str = "asked for the record; the plan has asked the same before the first effect";
const DEBUGGER: &str =
    "a debugger is not everywhere; file_system/begin_analysis has each of its questions denied";
const WOULD: &str = "the line before has asked the same without recording it";
