//! How often a script goes to the broker for what it is told of a host, counted in the record and not in time.

use std::collections::{BTreeMap, BTreeSet};

use rex_tests::runs::Run;
use serde_json::Value;

/// The decisions of a run of this script.
fn decisions(script: &str) -> Vec<Value> {
    let ended = Run::of(script).finish();
    assert_eq!(ended.code(), Some(0), "{script}: {} {}", ended.message(), ended.stderr);
    ended.records().into_iter().filter(|record| record["event"] == "decision").collect()
}

/// In how many frames they were asked for.
fn frames(decisions: &[Value]) -> usize {
    decisions
        .iter()
        .map(|decision| decision["frame"].as_u64().expect("it has a frame"))
        .collect::<BTreeSet<_>>()
        .len()
}

#[test]
fn what_is_told_at_once_is_asked_for_at_once() {
    assert_eq!(frames(&decisions("hostname()")), 1);
    assert_eq!(frames(&decisions("free()")), 1);
    // The table of mounts, the names of devices, and each file system: which there are is known after the first.
    let df = decisions("df()");
    let stats = df.iter().filter(|decision| {
        decision["operation"] == "stat_file_system" && decision["resource_type"] == "file_system::Dir"
    });
    assert_eq!(frames(&df), 2 + stats.count());
}

// Issue: one question for each process, not one for the walk.
#[test]
fn each_process_is_one_question_and_a_page_of_them_one_round_trip() {
    let decisions = decisions("ps()");

    let mut asked: BTreeMap<&str, usize> = BTreeMap::new();
    for decision in &decisions {
        assert_eq!(decision["operation"], "list_processes");
        assert!(decision["action"].as_str().is_some_and(|action| action.contains("\"list\"")), "{decision}");
        *asked.entry(decision["resource"].as_str().expect("it has a number")).or_default() += 1;
    }
    assert!(asked.contains_key("1"), "{asked:?}");
    assert!(asked.values().all(|times| *times == 1), "{asked:?}");
    assert!(
        frames(&decisions) <= 1 + asked.len() / 50,
        "{} frames for {} processes",
        frames(&decisions),
        asked.len()
    );
}
