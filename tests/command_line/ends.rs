//! Six ways to end, told apart, and none takes with it what the script left behind.
//!
//! For `violation` see `users.rs`: it takes a jail that a signal can reach. `panic` has no script that leads to it;
//! tests/containment has a jail that says it.

use nix::sys::signal::{Signal, kill};
use rex_tests::runs::{Ended, Run, eventually, is_running};

use crate::{ALL_BUT_DENIED, TRACES};

fn with_traces(rest: &str) -> Run {
    Run::of(&format!("{TRACES}\n{rest}")).policy(ALL_BUT_DENIED)
}

/// Asserts how the run ended, and that everything up to the end is told.
pub(crate) fn assert_end(ended: &Ended, end: &str, code: i32) {
    let document = ended.document();
    assert_eq!(document["jail"]["end"], end, "{document}");
    assert_eq!(document["status"], "ERROR");
    assert_eq!(ended.code(), Some(code), "{document}");
    assert_eq!(document["logs"][0]["attributes"]["message"], "seen");
    assert_eq!(document["alarms"][0]["alarm_type"], "Seen");
    assert_eq!(document["denials"][0]["resource"], "file_system::File::\"/denied\"");
    let records = ended.records();
    let last = records.last().expect("there are records");
    assert_eq!((&last["event"], &last["end"]), (&"end".into(), &end.into()), "{last}");
}

#[test]
fn a_script_that_uses_up_its_memory_ends_by_the_arena() {
    let ended = with_traces("let a = []; loop { a.push(\"x\"); }").options(["--memory", "16"]).finish();

    assert_end(&ended, "arena", 75);
    assert_eq!(ended.document()["jail"]["end_claimed_by_jail"], true);
}

// W11: 1,000,000 chained closures, then drop.
#[test]
fn a_stack_that_is_used_up_is_a_memory_fault() {
    let ended = with_traces("let f = || 0; for i in 0..1000000 { let g = f; f = || g.call(); }").finish();

    assert_end(&ended, "memory_fault", 70);
    assert_eq!(ended.document()["jail"]["end_claimed_by_jail"], false);
}

#[test]
fn a_loop_ends_by_the_limit_on_operations() {
    let ended = with_traces("loop {}").options(["--max-operations", "1000000"]).finish();

    assert_end(&ended, "limit", 75);
}

#[test]
fn a_loop_ends_by_the_deadline() {
    let ended = with_traces("loop {}").options(["--timeout", "1"]).finish();

    assert_end(&ended, "limit", 124);
}

#[test]
fn a_jail_that_somebody_kills_was_killed() {
    let started = with_traces("sleep(1000);").start();
    started.wait_for_record("/denied");

    kill(started.jail(), Signal::SIGKILL).expect("the jail runs");
    let ended = started.wait();

    assert_end(&ended, "killed", 70);
}

#[test]
fn a_run_that_a_signal_ends_was_killed() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
        let started = with_traces("sleep(1000);").start();
        started.wait_for_record("/denied");

        started.signal(signal);
        let ended = started.wait();

        assert_end(&ended, "killed", code);
    }
}

#[test]
fn nothing_of_the_jail_outlives_a_broker_that_is_killed() {
    let started = with_traces("sleep(1000);").start();
    started.wait_for_record("/denied");
    let jail = started.jail();

    started.signal(Signal::SIGKILL);
    let ended = started.wait();

    assert_eq!(ended.signal(), Some(9));
    eventually("the jail is gone", || (!is_running(jail)).then_some(()));
}
