//! Alarms.

use rex_broker::run::session::RunEnd;
use rex_ipc::bounded::Text;
use rex_ipc::failure::ErrorKind;
use rex_ipc::runtime::Alarm;
use rex_tests::session::Session;

fn alarm(alarm_type: &str) -> Alarm {
    Alarm { alarm_type: Text::cut(alarm_type), details: Some(Text::cut("disk full")) }
}

#[test]
fn permitted() {
    let mut session = Session::with_policy("");

    session.send(alarm("storage")).unwrap();

    let document = session.document();
    assert!(document.contains("storage") && document.contains("disk full"), "{document}");
}

// A reserved name would let a script replace what the runner itself says.
#[test]
fn refused() {
    let mut session = Session::with_policy("");

    let failure = session.send(alarm("rex_privilege_escalation")).unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::InvalidArguments);
    assert!(session.records.done().is_empty());
}

#[test]
fn alarms_have_a_limit() {
    let mut session = Session::with_limits("", |limits| limits.max_signals = 1);
    session.send(alarm("one")).unwrap();

    let end = session.send(alarm("two")).unwrap_err().end();

    assert!(matches!(&end, RunEnd::Limit(limit) if limit.name == "max-signals"), "{end:?}");
}
