//! Does every example do what the reference says, under a policy that permits what the reference says?

use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rex_broker::front::reference::entry::{Reference, Section};
use rex_broker::front::reference::reference;
use rex_tests::runs::{Ended, Run};
use serde_json::Value;

use crate::actions::{self, Asked};
use crate::calls::{called, uses};
use crate::tree;

#[test]
fn every_example_uses_what_it_is_for() {
    for (section, entry) in reference().entries() {
        assert!(uses(&section.example, entry), "{}:\n{}", entry.call(), section.example);
    }
}

// The policy permits what the columns of the functions in the example name, below the example's own directory. What the
// column of the section's own function names in any case must be in the record.
#[test]
fn every_example_gives_its_output_with_the_permissions_that_are_named() {
    let reference = reference();
    let sections: Vec<&Section> = reference.sections().map(|(_, section)| section).collect();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());

    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(section) = sections.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(reason) = check(&reference, section) {
                        wrong.lock().expect("no worker panics with it").push(reason);
                    }
                }
            });
        }
    });

    let wrong = wrong.into_inner().expect("no worker panics with it");
    assert!(wrong.is_empty(), "{} of {} examples:\n\n{}", wrong.len(), sections.len(), wrong.join("\n\n"));
}

#[test]
fn the_policy_of_the_preface_is_enough_for_its_script() {
    let preface = reference().preface;
    let between = |begin: &str, end: &str| -> String {
        let rest = preface.split(begin).nth(1).unwrap_or_else(|| panic!("the preface has {begin}"));
        rest.split(end).next().unwrap_or_default().to_owned()
    };
    let run = Run::of("");
    let place = run.scratch.path().join("example");
    fs::create_dir(&place).expect("a directory can be made");
    tree::make(&preface, &place);
    let place = place.to_str().expect("it is text").to_owned();
    run.scratch.file("script.rhai", between("A script such as `", "`").replace(tree::PLACE, &place));

    let ended = run.policy(&between("```cedar\n", "```").replace(tree::PLACE, &place)).finish();

    assert_eq!(ended.document()["output"], "alpha\nbeta\ngamma\ndelta\n", "{}", ended.stderr);
}

/// What an ordinary user cannot have.
const AS_ROOT: [&str; 3] = [
    "ExecuteOptionsBuilder.user(String)",
    "ExecuteOptionsBuilder.group(String)",
    "ExecuteOptionsBuilder.capabilities(Array)",
];

fn check(reference: &Reference, section: &Section) -> Result<(), String> {
    let about = section.entries.first().map(|entry| entry.call()).unwrap_or_default();
    let called = called(reference, &section.entries, &section.example);
    if called.iter().any(|entry| entry.actions.contains(DEBUGGER)) && !std::path::Path::new(DEBUGGER).exists()
    {
        rex_tests::skip::skipped(format!("{about}: {DEBUGGER} is needed: package gdb"));
        return Ok(());
    }
    let possible: BTreeSet<Asked> =
        called.iter().flat_map(|entry| actions::possible(reference, entry)).collect();
    let of_host: Vec<_> = called.iter().map(|entry| actions::of_host(entry)).collect();
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root && AS_ROOT.contains(&about.as_str()) {
        rex_tests::skip::skipped(format!(
            "{about}: only root starts programs for others, or with capabilities"
        ));
        return Ok(());
    }
    let mut run = Run::of("").variable("LOG_LEVEL", "TRACE");
    if !is_root {
        // A root of its own for a program needs root.
        run = run.options(["--children", "approximate"]);
    }
    let place = run.scratch.path().join("example");
    fs::create_dir(&place).expect("a directory can be made");
    tree::make(&reference.preface, &place);
    let place = place.to_str().expect("it is text").to_owned();
    run.scratch.file("script.rhai", section.example.replace(tree::PLACE, &place));
    let mut policy = actions::policy(&possible, &place);
    if of_host.iter().any(|(_, is_of_host)| *is_of_host) {
        let actions = of_host.into_iter().flat_map(|(actions, _)| actions).collect();
        policy.push_str(&actions::policy_of_host(&actions, &possible));
    }

    let ended = run.policy(&policy).finish();

    let shown = shown(&ended).replace(&place, tree::PLACE);
    if shown != section.output {
        return Err(format!(
            "{about} gives\n{shown}\ninstead of\n{}\n{}\nunder\n{policy}",
            section.output, ended.stderr
        ));
    }
    let asked = asked(&ended);
    let denials = &ended.document()["denials"];
    // A process that may not be told is left out: those of the run in any case, and others where Rex does not ask.
    let is_left_out = |denial: &Value| {
        let is_closed =
            denial["policies"][0].as_str().is_some_and(|policy| policy.starts_with("built-in: broker"));
        // Nothing of this host is set: the policy has what Rex asks for that, and Rex does not ask for the program.
        is_closed
            || denial["resource"] == "file_system::File::\"/usr/sbin/sysctl\""
            || denial["resource"]
                .as_str()
                .is_some_and(|resource| resource.starts_with("process_system::Process"))
    };
    if denials.as_array().is_some_and(|denials| denials.iter().any(|denial| !is_left_out(denial))) {
        return Err(format!("{about} was denied: {denials}"));
    }
    for entry in &section.entries {
        // What the system does not let an ordinary user open is not read, and so nobody is asked about that.
        if !nix::unistd::geteuid().is_root() && entry.actions.contains(ROOT_ONLY) {
            continue;
        }
        let cases = actions::certain(entry);
        let is_met = |case: &Vec<BTreeSet<Asked>>| case.iter().all(|item| !item.is_disjoint(&asked));
        if !cases.iter().any(is_met) {
            return Err(format!("{about} does not ask for what `{}` says, but for {asked:?}", entry.actions));
        }
    }
    Ok(())
}

/// What the script gave and sent: its output or error, then a line for each log line, alarm and metric.
fn shown(ended: &Ended) -> String {
    let document = ended.document();
    let mut lines = Vec::new();
    let output = document["output"].as_str().unwrap_or_default();
    if !output.is_empty() {
        lines.push(output.to_owned());
    }
    if document["error"].is_object() {
        lines.push(format!("error: {}", ended.message()));
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for log in document["logs"].as_array().into_iter().flatten() {
        let log = &log["attributes"];
        let message = text(&log["message"]);
        // Which processes may not be looked into depends on the host, and on who runs this.
        if !(message.contains("passed over") && message.contains(": /proc/")) {
            lines.push(format!("[{}] {message}", text(&log["level"])));
        }
    }
    let is_own = |name: &Value| !text(name).starts_with("Rex");
    for alarm in
        document["alarms"].as_array().into_iter().flatten().filter(|alarm| is_own(&alarm["alarm_type"]))
    {
        lines.push(format!("[alarm] {}: {}", text(&alarm["alarm_type"]), text(&alarm["alarm_details"])));
    }
    for metric in document["metrics"].as_array().into_iter().flatten().filter(|m| is_own(&m["metric_name"])) {
        let (name, value, unit) =
            (text(&metric["metric_name"]), &metric["metric_value"], text(&metric["metric_unit"]));
        lines.push(format!("[metric] {name} {value} {unit} {}", metric["metric_dimension"]));
    }
    lines.join("\n")
}

/// Every action and resource type in the record.
fn asked(ended: &Ended) -> BTreeSet<Asked> {
    let mut decisions = Vec::new();
    for record in ended.records() {
        match record["event"].as_str() {
            Some("decision") => decisions.push(record),
            Some("decisions") => decisions.extend(record["asked"].as_array().into_iter().flatten().cloned()),
            _ => {}
        }
    }
    decisions
        .into_iter()
        .filter_map(|record| {
            let action =
                record["action"].as_str()?.strip_prefix("file_system::Action::\"")?.trim_end_matches('"');
            let is_file = record["resource_type"] == "file_system::File";
            Some((action.to_owned(), if is_file { "File" } else { "Dir" }))
        })
        .collect()
}

/// proc_slabinfo(5): only root may read it.
const ROOT_ONLY: &str = "/proc/slabinfo";

/// Looks into core dumps.
const DEBUGGER: &str = "/usr/bin/gdb";

const WORKERS: usize = 4;
