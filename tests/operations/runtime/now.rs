//! The clocks.

use rex_ipc::runtime::Now;
use rex_tests::session::Session;

#[test]
fn permitted() {
    let mut session = Session::with_policy("");

    let first = session.send(Now {}).unwrap();
    let second = session.send(Now {}).unwrap();

    assert!(first.realtime.seconds > 1_700_000_000);
    assert!(second.monotonic_ns > first.monotonic_ns);
}

// Rows without actions ask nothing, so there is nothing to be recorded, whatever the policy says.
#[test]
fn refused() {
    let mut session = Session::with_policy("forbid(principal, action, resource);");

    session.send(Now {}).unwrap();

    assert!(session.questions().is_empty());
    assert!(session.records.done().is_empty());
}
