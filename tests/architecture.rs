//! Do the rules hold that an auditor relies on: who depends on whom, where `unsafe` is, where system calls are?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rex_tests::docstrings;
use rex_tests::packages::{MAY_DEPEND_ON, MUST_NOT_REACH};
use rex_tests::rooms::{HOUSES, boundary, circles, uses};
use rex_tests::signatures;
use serde_json::Value;

/// The folder of the packages in which `unsafe` is allowed, block by block.
const UNSAFE_LIVES_IN: &str = "hardening/";

const MOST_LINES: usize = 600;

/// Which rooms of the broker use which: from what is below everything to what is above everything.
const BROKER_MAY_USE: &[(&str, &[&str])] = &[
    ("terminal", &[]),
    ("policy", &["terminal"]),
    ("gate", &["policy"]),
    ("watch", &["gate"]),
    ("host", &["gate", "policy"]),
    ("audit", &["gate", "terminal"]),
    ("result", &["gate", "policy", "terminal", "watch"]),
    ("ops", &["gate", "host", "policy", "watch"]),
    ("run", &["audit", "gate", "host", "ops", "policy", "result", "terminal", "watch"]),
    ("front", &["audit", "gate", "host", "policy", "result", "run", "terminal", "watch"]),
];

/// The most code that the boundary may be: what acts, and then with what it rests on. Both only get smaller.
const MOST_BOUNDARY_LINES: (usize, usize) = (1_999, 2_355);

#[test]
fn packages_depend_only_on_what_is_listed() {
    let metadata = metadata();
    for package in packages(&metadata) {
        let name = text(&package["name"]);
        let Some((_, allowed)) = MAY_DEPEND_ON.iter().find(|(listed, _)| *listed == name) else { continue };
        for dependency in package["dependencies"].as_array().expect("a package has dependencies") {
            let depends_on = text(&dependency["name"]);
            let for_tests = dependency["kind"] == "dev";
            assert!(for_tests || allowed.contains(&depends_on), "{name} must not depend on {depends_on}");
        }
    }
}

#[test]
fn programs_do_not_contain_what_they_must_not() {
    let metadata = metadata();
    let names = names(&metadata);
    let graph = graph(&metadata);
    for (package, forbidden) in MUST_NOT_REACH {
        let start =
            names.iter().find(|(_, name)| name == package).expect("the package is in the workspace").0;
        let reached: BTreeSet<&str> = reachable(&graph, start).iter().map(|id| names[id].as_str()).collect();
        for name in *forbidden {
            assert!(!reached.contains(name), "{package} contains {name}");
        }
    }
}

#[test]
fn rooms_go_in_no_circle() {
    for house in HOUSES {
        let uses = uses(&root(), house);

        assert!(!uses.is_empty(), "{house} has no rooms");
        assert_eq!(circles(&uses), Vec::<BTreeSet<String>>::new(), "{house}: see the program `rooms`");
    }
}

#[test]
fn rooms_of_the_broker_use_only_those_below_them() {
    let uses = uses(&root(), "broker/src");

    let listed: BTreeSet<&str> = BROKER_MAY_USE.iter().map(|(room, _)| *room).collect();
    assert_eq!(uses.keys().map(String::as_str).collect::<BTreeSet<_>>(), listed);
    for (room, allowed) in BROKER_MAY_USE {
        let used: BTreeSet<&str> = uses[*room].iter().map(String::as_str).collect();
        assert_eq!(used, allowed.iter().copied().collect(), "what {room} uses");
    }
}

#[test]
fn the_boundary_can_be_read() {
    let lines = boundary(&root());

    assert!(lines.narrow > 1_000, "the boundary was not found: {lines:?}");
    assert!(lines.narrow <= MOST_BOUNDARY_LINES.0, "the boundary has grown: {lines:?}");
    assert!(lines.honest <= MOST_BOUNDARY_LINES.1, "what the boundary rests on has grown: {lines:?}");
}

#[test]
fn unsafe_code_is_in_one_folder() {
    for (path, source) in sources() {
        if path.starts_with(UNSAFE_LIVES_IN) {
            continue;
        }
        for (number, line) in code_lines(&source) {
            let has_unsafe = words(&line).any(|word| word == "unsafe");
            assert!(!has_unsafe, "{path}:{number}: unsafe code belongs into {UNSAFE_LIVES_IN}");
        }
    }
}

#[test]
fn the_boundary_and_the_broker_forbid_unsafe_code() {
    for path in [
        "ipc/src/lib.rs",
        "broker/src/lib.rs",
        "broker/delegation/src/lib.rs",
        "broker/evidence/src/lib.rs",
        "broker/mcp/src/main.rs",
    ] {
        assert!(read(path).contains("#![forbid(unsafe_code)]"), "{path}");
    }
    for (path, manifest) in files("toml").into_iter().filter(|(path, _)| path.ends_with("Cargo.toml")) {
        let inherits = manifest.contains("[lints]\nworkspace = true");
        let has_none = manifest.contains("[workspace]") || path.starts_with(UNSAFE_LIVES_IN);
        assert!(inherits || has_none, "{path} does not inherit the workspace's lints");
    }
}

#[test]
fn nothing_is_allowed_that_a_lint_forbids() {
    for (path, source) in sources() {
        for (number, line) in code_lines(&source) {
            let line = line.trim_start();
            let allows = line.starts_with("#[allow(") || line.starts_with("#![allow(");
            assert!(
                !allows,
                "{path}:{number}: #[expect(lint, reason = \"...\")] tells why, and when it is over"
            );
        }
    }
}

#[test]
fn the_encoding_is_known_to_one_module() {
    for (path, source) in sources() {
        let names_it = code_lines(&source).any(|(_, line)| words(&line).any(|word| word == "bincode"));
        assert!(!names_it || path == "ipc/src/codec.rs", "{path} names bincode");
    }
}

#[test]
fn permits_are_made_at_one_place() {
    let mut places = Vec::new();
    for (path, source) in sources().into_iter().filter(|(path, _)| path.starts_with("broker/src/")) {
        let is_a_place = |line: &str| line.contains("Permit::granted(") || line.contains("fn granted(");
        places.extend(code_lines(&source).filter(|(_, line)| is_a_place(line)).map(|_| path.clone()));
    }

    assert_eq!(places, ["broker/src/gate/ask.rs", "broker/src/gate/permit.rs"]);
}

// A permit is worth as much as the gate that has given it.
#[test]
fn gates_and_resources_are_made_where_they_belong() {
    let places = |pattern: &str| -> BTreeSet<String> {
        let broker = sources().into_iter().filter(|(path, _)| path.starts_with("broker/src/"));
        broker
            .filter(|(_, source)| code_lines(source).any(|(_, line)| line.contains(pattern)))
            .map(|(path, _)| path)
            .collect()
    };

    assert_eq!(places("Gate::new(").into_iter().collect::<Vec<_>>(), ["broker/src/ops/call.rs"]);
    assert_eq!(places("Call::new(").into_iter().collect::<Vec<_>>(), ["broker/src/ops/mod.rs"]);
    for path in places("Deciding::new(") {
        assert!(["broker/src/run/", "broker/src/front/"].iter().any(|room| path.starts_with(room)), "{path}");
    }
    for path in places("Sealed for") {
        assert!(path.starts_with("broker/src/host/") && path.ends_with("/resources.rs"), "{path}");
    }
}

#[test]
fn functions_of_the_host_layer_act_on_what_was_judged() {
    let acts = signatures::of_acts(&root());
    assert!(acts.len() > 80, "only {} functions were found", acts.len());

    for act in &acts {
        assert_eq!(act.fault(), None, "{}: {}", act.place, act.name);
    }
    assert_eq!(signatures::discarded(&root()), [""; 0]);
}

// What an operation does to the host, it does through `sys`, whose functions take the permit.
#[test]
fn operations_and_policy_make_no_system_calls() {
    const TYPES_ONLY: &[&str] = &["nix::errno::Errno", "nix::sys::stat::"];
    let acting = ["std::fs", "std::net", "std::process"];

    for (path, source) in sources() {
        let decides = path.starts_with("broker/src/ops/") || path.starts_with("broker/src/policy/");
        if !decides || path.contains("/tests/") {
            continue;
        }
        for (number, line) in code_lines(&source).take_while(|(_, line)| !line.contains("#[cfg(test)]")) {
            let imports_types = TYPES_ONLY.iter().any(|path| line.starts_with(&format!("use {path}")))
                && !line.chars().any(|c| c == '*')
                && imported(&line).all(|name| name.starts_with(char::is_uppercase));
            let calls = words(&line).any(|word| word == "nix" || word == "libc");
            let acts = calls || acting.iter().any(|path| line.contains(path));
            assert!(
                !acts || imports_types,
                "{path}:{number}: system calls belong into broker/src/host/file_system"
            );
        }
    }
}

#[test]
fn the_jail_asks_the_host_for_nothing() {
    let acting = ["std::fs", "std::net", "std::process", "std::time", "std::os"];

    for (path, source) in sources().into_iter().filter(|(path, _)| path.starts_with("jail/src/")) {
        for (number, line) in code_lines(&source).take_while(|(_, line)| !line.contains("#[cfg(test)]")) {
            // A span of time is a number; clocks are what the host has.
            let acts = acting.iter().any(|path| line.contains(path)) && line != "use std::time::Duration;";
            assert!(!acts, "{path}:{number}: the jail has no system calls for this");
        }
    }
}

#[test]
fn a_program_is_started_at_one_place() {
    let mut places = BTreeSet::new();
    for (path, source) in sources() {
        // Acts are what a hostile jail tries, and the image is built by cargo.
        let is_product =
            path.contains("/src/") && !path.starts_with("hardening/acts/") && !path.starts_with("tests/");
        if !is_product || path.starts_with("image/") {
            continue;
        }
        let starts = ["SYS_execve", "execve(", "fexecve(", "posix_spawn", "Command::new("];
        if code_lines(&source).any(|(_, line)| starts.iter().any(|word| line.contains(word))) {
            places.insert(path);
        }
    }

    // A broker for whoever speaks with models; the jail; what starts programs; and a program that the policy has permitted.
    assert_eq!(
        places.into_iter().collect::<Vec<_>>(),
        [
            "broker/mcp/src/child.rs",
            // It names the calls that the broker itself is refused.
            "hardening/outside/src/ceiling.rs",
            "hardening/outside/src/spawn/calls.rs",
            "hardening/outside/src/spawner.rs",
            "hardening/spawner/src/calls.rs",
            // Its tests name the call as one that programs may make.
            "hardening/spawner/src/filter.rs"
        ]
    );
}

#[test]
fn every_file_opens_with_one_sentence() {
    for (path, source) in sources() {
        // A target of the fuzzer has the attribute that makes it one before everything else.
        let first = source.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
        assert!(first.starts_with("//! "), "{path} does not say what question it answers");
    }
}

// Comments such as `spec, 8` or `spec, 7, rm` name a section of what we have written down about Rex.
#[test]
fn what_tests_cite_of_rex_is_written_down() {
    let document = read("docs/rex/file-system.md");
    let headings: BTreeSet<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("## ").or(line.strip_prefix("### ")))
        .map(|heading| heading.split(['.', ' ']).next().unwrap_or_default())
        .chain(document.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()))
        .chain(document.lines().filter_map(|line| {
            let heading = line.strip_prefix("### ")?.split(' ').next()?;
            heading.starts_with(|c: char| c.is_ascii_digit()).then_some(heading)
        }))
        .collect();
    let mut cited = 0;
    for (path, source) in sources().into_iter().filter(|(path, _)| path.starts_with("tests/")) {
        for citation in source.lines().filter_map(|line| line.trim_start().strip_prefix("// spec, ")) {
            for section in citation.split(':').next().unwrap_or_default().split(", ") {
                assert!(
                    headings.contains(section.trim()),
                    "{path} cites {section:?}, which is not written down"
                );
            }
            cited += 1;
        }
    }
    assert!(cited > 50, "only {cited} citations were found");
}

#[test]
fn no_file_is_longer_than_six_hundred_lines() {
    for (path, source) in sources() {
        let lines = source.lines().count();
        assert!(lines <= MOST_LINES, "{path} has {lines} lines");
    }
}

// What stands above the item is all that a reader of the documentation sees of it.
#[test]
fn public_functions_say_how_they_fail_and_no_comment_leans_on_another() {
    const HELD: [&str; 8] = [
        "broker/src/",
        "broker/delegation/src/",
        "broker/evidence/src/",
        "broker/mcp/src/",
        "ipc/src/",
        "hardening/",
        "jail/src/",
        "image/src/",
    ];
    let mut fallible = 0;

    for (path, source) in sources() {
        if !HELD.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let (found, faults) = docstrings::look(&source);
        fallible += found;
        let faults: Vec<String> =
            faults.iter().map(|fault| format!("{path}:{}: {}", fault.line, fault.what)).collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    assert!(fallible > 150, "only {fallible} functions that can fail were found");
}

#[test]
fn modules_are_listed_in_alphabetical_order() {
    for (path, source) in sources() {
        let mut previous: Option<(&str, &str)> = None;
        for line in source.lines() {
            let Some(module) = module_of(line) else {
                // Attributes and comments belong to the line that follows; anything else ends a list.
                previous = previous.filter(|_| line.starts_with("#[") || line.starts_with("//"));
                continue;
            };
            if let Some((visibility, before)) = previous
                && visibility == module.0
            {
                assert!(before < module.1, "{path}: mod {} stands after mod {before}", module.1);
            }
            previous = Some(module);
        }
    }
}

#[test]
fn nothing_is_left_to_do_without_an_issue() {
    let macros = [concat!("to", "do!("), concat!("unimplemen", "ted!("), concat!("db", "g!(")];
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];

    for (path, source) in sources() {
        for (number, line) in source.lines().enumerate().map(|(number, line)| (number + 1, line)) {
            assert!(!macros.iter().any(|word| line.contains(word)), "{path}:{number}");
            let marked = marks.iter().any(|mark| line.contains(mark));
            let has_issue = line.contains(concat!("TO", "DO(#"));
            assert!(!marked || has_issue, "{path}:{number}: an open end names its issue");
        }
    }
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let manifest = read("Cargo.toml");
    let table = manifest.split("[workspace.dependencies]").nth(1).expect("the workspace has dependencies");
    let mut previous = "";
    for line in table.lines().take_while(|line| !line.starts_with('[')) {
        let is_ours = line.contains("path = ");
        if line.contains(" = ") && !line.starts_with('#') && !is_ours {
            let name = line.split(" = ").next().unwrap_or_default();
            // What belongs to the crate of the line above shares its comment.
            let belongs = previous.split_once(" = ").is_some_and(|(above, _)| name.starts_with(above));
            assert!(previous.starts_with("# ") || belongs, "{name} does not say what it is for");
            assert!(line.contains("default-features = false"), "{name} takes features that nobody named");
        }
        previous = line;
    }
}

#[test]
fn the_workspace_and_the_fuzz_programs_are_of_one_edition_and_version() {
    let fuzz = read("fuzz/Cargo.toml");
    let ours = read("Cargo.toml");

    for key in ["edition = ", "version = "] {
        let value = |manifest: &str| manifest.lines().find(|line| line.starts_with(key)).map(str::to_owned);
        assert_eq!(value(&fuzz), value(&ours), "{key}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the checkout").into()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
}

/// Every Rust file of the checkout, by its path from the root, in order.
fn sources() -> Vec<(String, String)> {
    let sources = files("rs");
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    sources
}

fn files(extension: &str) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the checkout can be read") {
            let path = entry.expect("an entry of the checkout can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && !name.starts_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let from_root = path.strip_prefix(&root).expect("it is beneath the root").to_string_lossy();
                found.push((from_root.into_owned(), fs::read_to_string(&path).expect("sources are UTF-8")));
            }
        }
    }
    found.sort();
    found
}

/// The lines of a file with their numbers, without comments and without what stands in quotes.
fn code_lines(source: &str) -> impl Iterator<Item = (usize, String)> {
    let is_code = |(_, line): &(usize, &str)| !line.trim_start().starts_with("//");
    source.lines().enumerate().map(|(number, line)| (number + 1, line)).filter(is_code).map(
        |(number, line)| {
            let code = line.split(" // ").next().unwrap_or_default();
            (number, code.split('"').step_by(2).collect::<Vec<_>>().join("\"\""))
        },
    )
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// The last names in a `use` line: `use a::b::{C, D};` gives C and D.
fn imported(line: &str) -> impl Iterator<Item = &str> {
    let list = line.rsplit("::").next().unwrap_or_default();
    list.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|name| !name.is_empty())
}

/// Visibility and name of a `mod name;` line at the left margin.
fn module_of(line: &str) -> Option<(&str, &str)> {
    let (visibility, rest) = line.split_once("mod ")?;
    let name = rest.strip_suffix(';')?;
    matches!(visibility.trim_end(), "" | "pub" | "pub(crate)" | "pub(super)").then_some((visibility, name))
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--offline",
            "--filter-platform=x86_64-unknown-linux-gnu",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs this test, so it is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("cargo names what it lists")
}

/// The packages of this workspace.
fn packages(metadata: &Value) -> Vec<&Value> {
    let all = metadata["packages"].as_array().expect("there are packages");
    all.iter().filter(|package| package["source"].is_null()).collect()
}

fn names(metadata: &Value) -> BTreeMap<String, String> {
    let all = metadata["packages"].as_array().expect("there are packages");
    all.iter().map(|package| (text(&package["id"]).into(), text(&package["name"]).into())).collect()
}

/// Which package uses which at run time.
fn graph(metadata: &Value) -> BTreeMap<String, Vec<String>> {
    let nodes = metadata["resolve"]["nodes"].as_array().expect("there is a graph");
    let uses_at_run_time = |dependency: &&Value| {
        let kinds = dependency["dep_kinds"].as_array().expect("a dependency has kinds");
        kinds.iter().any(|kind| kind["kind"].is_null())
    };
    nodes
        .iter()
        .map(|node| {
            let uses = node["deps"].as_array().expect("a node has dependencies");
            let uses =
                uses.iter().filter(uses_at_run_time).map(|used| text(&used["pkg"]).to_owned()).collect();
            (text(&node["id"]).to_owned(), uses)
        })
        .collect()
}

fn reachable(graph: &BTreeMap<String, Vec<String>>, start: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![start.to_owned()];
    while let Some(id) = waiting.pop() {
        if reached.insert(id.clone()) {
            waiting.extend(graph.get(&id).into_iter().flatten().cloned());
        }
    }
    reached
}
