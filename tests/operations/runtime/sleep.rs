//! Waiting.

use std::time::{Duration, Instant};

use rex_broker::run::session::RunEnd;
use rex_ipc::limits::MAX_SLEEP_MS;
use rex_ipc::runtime::{Sleep, SleepMs};
use rex_tests::session::Session;

fn sleep(milliseconds: u32) -> Sleep {
    Sleep { duration: SleepMs::new(milliseconds).unwrap() }
}

#[test]
fn permitted() {
    let mut session = Session::with_policy("");
    let begun = Instant::now();

    session.send(sleep(20)).unwrap();

    assert!(begun.elapsed() >= Duration::from_millis(20));
    assert!(session.questions().is_empty());
}

#[test]
fn refused() {
    assert!(SleepMs::new(MAX_SLEEP_MS + 1).is_none());
}

#[test]
fn a_sleep_ends_with_the_time_of_the_run() {
    let mut session = Session::with_policy("");
    let begun = Instant::now();

    let (end, answer) = {
        let request = sleep(MAX_SLEEP_MS).into();
        session.serve_until(Duration::from_millis(50), |peer| peer.call(vec![request]))
    };

    assert!(answer.is_none());
    assert!(matches!(end, RunEnd::Deadline), "{end:?}");
    assert!(begun.elapsed() < Duration::from_secs(30));
}
