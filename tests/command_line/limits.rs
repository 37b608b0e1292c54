//! Each limit: what it allows is allowed to the last, and one less ends the run by name, value and line.

use std::path::Path;

use rex_broker::front::cli::MIN_MEMORY_MIB;
use rex_tests::runs::{Ended, Run};
use rex_tests::tree::Tree;

/// The end by a limit, as the caller, the document and the record see it.
fn assert_limited(name: &str, value: u64, line: u64, ended: &Ended) {
    let document = ended.document();
    assert_eq!(ended.code(), Some(75), "{name}: {document}");
    assert_eq!(document["jail"]["end"], "limit", "{name}: {document}");
    assert_eq!(document["error"]["error_type"], "SCRIPT_EXCEPTION");
    let message = ended.message();
    assert!(message.contains(&format!("limit reached: {name} of {value}")), "{message}");
    assert!(message.ends_with(&format!("(line {line})")), "{name}: {message}");
    let records = ended.records();
    let limit = records.iter().find(|record| record["event"] == "limit").expect("it is on record");
    assert_eq!((&limit["limit"], &limit["value"]), (&name.into(), &value.into()), "{limit}");
    assert_eq!(limit["claimed_line"], line, "{limit}");
    assert_eq!(records.last().expect("there are records")["exit"], 75);
}

/// With `enough` the script runs to its end, and with one less it does not.
fn assert_exact(name: &str, line: u64, enough: u64, run: impl Fn() -> Run) {
    let with = |value: u64| run().options([format!("--{name}"), value.to_string()]).finish();

    let within = with(enough);
    let beyond = with(enough - 1);

    assert_eq!(within.code(), Some(0), "{name} of {enough}: {}", within.text());
    assert_limited(name, enough - 1, line, &beyond);
}

/// The same where nobody knows beforehand how much is enough.
fn assert_edge(name: &str, line: u64, (mut too_little, mut enough): (u64, u64), run: impl Fn() -> Run) {
    let with = |value: u64| run().options([format!("--{name}"), value.to_string()]).finish();
    while enough - too_little > 1 {
        let middle = too_little.midpoint(enough);
        match with(middle).code() {
            Some(0) => enough = middle,
            _ => too_little = middle,
        }
    }

    assert_exact(name, line, enough, run);
}

#[test]
fn operations_of_the_interpreter() {
    assert_edge("max-operations", 2, (1, 10_000), || Run::of("let n = 0;\nfor i in 0..100 { n += i; }"));
}

#[test]
fn calls() {
    assert_exact("max-calls", 2, 5, || Run::of("let n = 5;\nfor i in 0..n { info(`${i}`); }"));
}

#[test]
fn calls_per_operation() {
    let script = "info(\"a\");\ninfo(\"b\");\nAlarmBuilder().type(\"A\").publish();";
    let with = |text: &str| Run::of(script).options(["--max-calls-per-operation", text]).finish();

    assert_eq!(with("2").code(), Some(0));
    assert_eq!(with("1,log=2").code(), Some(0));
    assert_limited("max-calls-per-operation", 1, 2, &with("log=1"));
    assert_limited("max-calls-per-operation", 1, 2, &with("1"));
}

/// Reads a file of 1000 bytes in its second line.
fn reading() -> Run {
    let run = Run::of("");
    let file = run.scratch.file("data", "x".repeat(1000));
    run.scratch.file("script.rhai", format!("let n = 1;\ncat(\"{}\").len()", file.display()));
    run
}

#[test]
fn bytes_read() {
    assert_exact("max-read-bytes", 2, 1000, reading);
}

#[test]
fn bytes_per_operation() {
    let with = |text: &str| reading().options(["--max-bytes-per-operation", text]).finish();

    assert_eq!(with("1000").code(), Some(0));
    assert_eq!(with("1,read_chunk=1000").code(), Some(0));
    assert_limited("max-bytes-per-operation", 999, 2, &with("read_chunk=999"));
    assert_limited("max-bytes-per-operation", 999, 2, &with("999"));
}

#[test]
fn open_handles() {
    // A directory, and a file in it.
    assert_exact("max-open-handles", 2, 2, reading);
}

#[test]
fn output() {
    assert_exact("max-output", 1, 1000, || Run::of("info(\"called\"); let s = \"\"; s.pad(1000, \"x\"); s"));
}

#[test]
fn log_lines() {
    assert_exact("max-log-lines", 2, 5, || Run::of("let n = 5;\nfor i in 0..n { info(`${i}`); }"));
}

/// Three alarms and two metrics.
fn signalling() -> Run {
    Run::of(
        "for i in 0..3 { AlarmBuilder().type(\"A\").details(`${i}`).publish(); }
         for i in 0..2 { MetricBuilder().name(`m${i}`).value(1.0).unit(MetricUnitType::COUNT).publish(); }",
    )
}

#[test]
fn alarms_and_metrics() {
    assert_exact("max-signals", 2, 5, signalling);
}

#[test]
fn bytes_of_alarms_and_metrics() {
    assert_edge("max-signal-bytes", 2, (1, 10_000), signalling);
}

/// Five different denials, none of which the script minds.
fn denied() -> Run {
    Run::of("let n = 5;\nfor i in 0..n { try { cat(`/denied${i}/x`) } catch (e) {} }").policy("")
}

#[test]
fn denials() {
    assert_exact("max-denials", 2, 5, denied);

    let beyond = denied().options(["--max-denials", "3"]).finish();
    let document = beyond.document();
    let told = document["denials"].as_array().expect("they are told");
    assert_eq!(told.len(), 4, "the one too many, too: {document}");
    let denials = beyond.records().iter().filter(|record| record["decision"] == "deny").count();
    assert_eq!(denials, 4);
}

#[test]
fn no_denial_at_all() {
    let ended = denied().options(["--max-denials", "0"]).finish();

    assert_limited("max-denials", 0, 2, &ended);
    assert_eq!(ended.document()["denials"].as_array().map(Vec::len), Some(1));
}

/// Three directories below each other, which are removed with the one that they are in.
fn removing(place: &Path) -> Run {
    let place = place.display();
    Run::of(&format!("mkdir([mkdir::p], \"{place}/a/b/c\");\nrm([rm::recursive], \"{place}\")"))
}

#[test]
fn entries_of_a_tree() {
    let tree = Tree::new();
    let place = tree.path("place");

    assert_exact("max-entries", 2, 3, || removing(&place));

    assert!(place.join("a/b/c").is_dir(), "a limit is reached before anything is removed");
}

#[test]
fn depth_of_a_tree() {
    let tree = Tree::new();
    let place = tree.path("place");

    assert_exact("max-depth", 2, 3, || removing(&place));

    assert!(place.join("a/b/c").is_dir(), "a limit is reached before anything is removed");
}

#[test]
fn records() {
    // The start, and each denial.
    assert_exact("max-audit-records", 2, 6, denied);
}

// How long a decision took is in its record, so no two runs write the same number of bytes.
#[test]
fn bytes_of_records() {
    let enough = denied().options(["--max-audit-bytes", "100000"]).finish();
    let ended = denied().options(["--max-audit-bytes", "1200"]).finish();

    assert_eq!(enough.code(), Some(0), "{}", enough.text());
    assert_limited("max-audit-bytes", 1200, 2, &ended);
}

#[test]
fn one_value() {
    let with = |bytes: u64| {
        Run::of(&format!("let s = \"\";\ninfo(\"called\"); s.pad({bytes}, \"x\"); s.len()"))
            .options(["--memory", "16"])
            .finish()
    };

    assert_eq!(with(4 << 20).code(), Some(0));
    assert_limited_by_value(&with((4 << 20) + 1));
}

fn assert_limited_by_value(ended: &Ended) {
    assert_eq!(ended.code(), Some(75), "{}", ended.text());
    let message = ended.message();
    assert!(
        message.contains("limit reached: value-size of 4194304 bytes, a quarter of --memory (line 2)"),
        "{message}"
    );
    assert_eq!(ended.document()["jail"]["end_claimed_by_jail"], true);
}

#[test]
fn variables() {
    assert_exact("max-variables", 2, 5, || {
        Run::of("info(\"called\");\nlet a=1; let b=1; let c=1; let d=1; let e=1;")
    });
}

#[test]
fn memory() {
    let with = |mib: &str| {
        let script =
            "info(\"called\");\ninfo(\"again\"); let a = []; for i in 0..100000 { a.push(i); } a.len()";
        Run::of(script).options(["--memory", mib]).finish()
    };

    let beyond = with("2");
    let ended = Run::of("info(\"called\");\ninfo(\"again\"); let a = []; loop { a.push(\"x\"); }")
        .options(["--memory", "16"])
        .finish();

    assert_eq!(with("64").code(), Some(0));
    assert_ne!(beyond.code(), Some(0), "{}", beyond.text());
    assert_eq!(ended.code(), Some(75), "{}", ended.text());
    assert_eq!(ended.jail_end(), "arena");
    assert!(ended.message().ends_with("limit reached: memory of 16 MiB (line 2)"), "{}", ended.message());
    assert!(ended.records().iter().any(|record| record["limit"] == "memory" && record["value"] == 16));
}

// The smallest that the command line takes is enough for a jail and a short script.
#[test]
fn the_least_memory_is_enough_to_begin_with() {
    let with = |mib: u64| {
        let mib = mib.to_string();
        Run::of("info(`${6 * 7}`); [1, 2].map(|x| x * 2)").options(["--memory", mib.as_str()]).finish()
    };

    assert_eq!(with(MIN_MEMORY_MIB).code(), Some(0), "{}", with(MIN_MEMORY_MIB).text());
    let less = with(MIN_MEMORY_MIB - 1);
    assert_eq!(less.code(), Some(64), "{}", less.text());
}

#[test]
fn time() {
    let with = |script: &str| Run::of(script).options(["--timeout", "1"]).finish();

    let within = with("sleep(1)");
    let ended = with("let n = 1;\nsleep(10);");

    assert!([Some(0), Some(124)].contains(&within.code()), "{}", within.text());
    assert_eq!(with("1").code(), Some(0));
    assert_eq!(ended.code(), Some(124), "{}", ended.text());
    assert!(ended.message().ends_with("limit reached: timeout of 1 s (line 2)"), "{}", ended.message());
    let records = ended.records();
    let limit = records.iter().find(|record| record["event"] == "limit").expect("it is on record");
    assert_eq!((&limit["limit"], &limit["claimed_line"]), (&"timeout".into(), &2.into()));
}

#[test]
fn processor_time() {
    for name in ["max-jail-cpu", "max-cpu"] {
        let with = |script: &str| {
            let rest = ["--max-operations", "1000000000000", "--timeout", "60"];
            Run::of(script).options([&format!("--{name}"), "1"]).options(rest).finish()
        };

        // Time in which nothing is computed does not count.
        let asleep = with("sleep(1); sleep(1); 1");
        let ended = with("info(\"called\");\ninfo(\"again\"); loop {}");

        assert_eq!(asleep.code(), Some(0), "{name}: {}", asleep.text());
        assert_eq!(ended.code(), Some(75), "{}", ended.text());
        let expected = format!("limit reached: {name} of 1 s (line 2)");
        assert!(ended.message().ends_with(&expected), "{}", ended.message());
        assert!(ended.records().iter().any(|record| record["limit"] == *name));
        let percent_of_run = ended.document();
        assert_eq!(percent_of_run["jail"]["end_claimed_by_jail"], false);
    }
}

// What the broker does for a script counts as its time.
#[test]
fn processor_time_of_the_broker() {
    let script = "for i in 0..100000000 { try { cat(`/denied${i % 7}/x`) } catch (e) {} }";

    let run = Run::of(script).policy("").options(["--max-cpu", "1", "--max-denials", "1000000000"]);
    let ended = run.options(["--max-jail-cpu", "1000", "--max-audit-bytes", "10000000000"]).finish();

    assert_eq!(ended.code(), Some(75), "{}", ended.text());
    assert!(ended.message().ends_with("limit reached: max-cpu of 1 s (line 1)"), "{}", ended.message());
}
