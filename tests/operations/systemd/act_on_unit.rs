//! Starting, stopping and restarting units.

use std::io::{Read, Write};
use std::time::Duration;

use rex_broker::run::session::RunEnd;
use rex_ipc::bounded::Text;
use rex_ipc::failure::ErrorKind;
use rex_ipc::systemd::{ActOnUnit, JobSeconds, UnitVerb};
use rex_tests::session::{ALLOW_ALL, Session};

use super::bus::{Calls, greet, manager, receive, session_of, session_with};

fn act(unit: &str, verb: UnitVerb) -> ActOnUnit {
    ActOnUnit { unit: Text::cut(unit), verb, wait: None }
}

fn only(action: &str, unit: &str) -> String {
    format!(
        "permit(principal, action == systemd::Action::\"{action}\", resource == systemd::Service::\"{unit}\");\n"
    )
}

#[test]
fn permitted() {
    for (verb, action, method) in [
        (UnitVerb::Start, "start", "StartUnit"),
        (UnitVerb::Stop, "stop", "StopUnit"),
        (UnitVerb::Restart, "restart", "RestartUnit"),
        (UnitVerb::TryRestart, "restart", "TryRestartUnit"),
    ] {
        let calls = Calls::default();
        let mut session = session_with(&only(action, "a.service"), manager(calls.clone()));

        let job = session.send(act("a.service", verb)).unwrap();

        assert_eq!(job.result, None);
        assert_eq!(calls.lock().unwrap().last().unwrap(), &format!("{method} a.service replace"));
        assert_eq!(session.questions(), [format!("permit {action} systemd::Service a.service")]);
    }
}

#[test]
fn denied() {
    for (verb, action) in
        [(UnitVerb::Start, "start"), (UnitVerb::Stop, "stop"), (UnitVerb::TryRestart, "restart")]
    {
        let calls = Calls::default();
        let mut session = session_with(&only("status", "a.service"), manager(calls.clone()));

        assert!(session.send(act("a.service", verb)).unwrap_err().is_denial());

        assert_eq!(session.questions(), [format!("deny {action} systemd::Service a.service")]);
        assert!(calls.lock().unwrap().is_empty(), "nobody has asked the bus");
    }
}

// What is acted on is the unit, whatever the script calls it.
#[test]
fn an_alias_is_asked_under_both_names_and_acted_on_under_its_own() {
    let calls = Calls::default();
    let policy = only("restart", "alias.service");
    let mut session = session_with(&policy, manager(calls.clone()));
    assert!(session.send(act("alias.service", UnitVerb::Restart)).unwrap_err().is_denial());
    assert_eq!(
        session.questions(),
        ["permit restart systemd::Service alias.service", "deny restart systemd::Service real.service"]
    );
    assert!(!calls.lock().unwrap().iter().any(|call| call.starts_with("RestartUnit")));

    let both = format!("{policy}{}", only("restart", "real.service"));
    session_with(&both, manager(calls.clone())).send(act("alias.service", UnitVerb::Restart)).unwrap();
    assert_eq!(calls.lock().unwrap().last().unwrap(), "RestartUnit real.service replace");

    // Rex does not ask for the second name; a forbid on it counts all the same.
    let mut of_rex = session_of(Session::with_policy_as_in_rex(&policy), manager(calls.clone()));
    of_rex.send(act("alias.service", UnitVerb::Restart)).unwrap();
    let forbid =
        format!("{policy} forbid(principal, action, resource == systemd::Service::\"real.service\");");
    let mut of_rex = session_of(Session::with_policy_as_in_rex(&forbid), manager(calls));
    assert!(of_rex.send(act("alias.service", UnitVerb::Restart)).unwrap_err().is_denial());
}

#[test]
fn a_job_is_waited_for_and_told_by_the_manager_alone() {
    let wait = JobSeconds::new(60);
    for (unit, result) in [("a.service", "done"), ("failing.service", "failed")] {
        let mut session = session_with(ALLOW_ALL, manager(Calls::default()));

        let job = session.send(ActOnUnit { wait, ..act(unit, UnitVerb::Start) }).unwrap();

        assert_eq!(job.result.unwrap().as_str(), result);
    }
}

#[test]
fn the_manager_can_refuse() {
    let mut session = session_with(ALLOW_ALL, manager(Calls::default()));
    let mut failure = |unit| session.send(act(unit, UnitVerb::Start)).unwrap_err().failure();

    let missing = failure("missing.service");
    assert_eq!((missing.kind, missing.message.as_str()), (ErrorKind::NotFound, "Unit: missing.service"));
    let refused = failure("refused.service");
    assert_eq!(
        (refused.kind, refused.message.as_str()),
        (ErrorKind::Other, "D-Bus operation failed: org.freedesktop.DBus.Error.AccessDenied: not today")
    );
    assert_eq!(failure("invalid name").kind, ErrorKind::NotFound);
}

/// What takes the connections of a bus that is none.
type Serve = fn(std::os::unix::net::UnixStream);

#[test]
fn a_bus_that_is_none_is_an_error_and_holds_nothing_up() {
    let no_bus: [(&str, Serve); 6] = [
        ("goes away at once", drop),
        ("speaks something else", |mut stream| drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"))),
        ("never ends its line", |mut stream| drop(stream.write_all(&[b'x'; 100_000]))),
        ("refuses the user", |mut stream| drop(stream.write_all(b"REJECTED EXTERNAL\r\n"))),
        ("answers nonsense", |mut stream| {
            if let Ok(mut reader) = greet(&mut stream) {
                let _call = receive(&mut reader);
                let _gone = stream.write_all(&[0xff; 4096]);
            }
        }),
        ("answers with a message of four thousand million bytes", |mut stream| {
            if let Ok(mut reader) = greet(&mut stream) {
                let _call = receive(&mut reader);
                let _gone = stream.write_all(b"l\x02\0\x01\xff\xff\xff\xff\x01\0\0\0\0\0\0\0");
                let _rest = reader.read(&mut [0; 16]);
            }
        }),
    ];
    for (what, serve) in no_bus {
        let mut session = session_with(ALLOW_ALL, serve);

        let failure = session.send(act("a.service", UnitVerb::Start)).unwrap_err().failure();

        assert!(
            failure.message.as_str().starts_with("Failed to connect to system bus: "),
            "{what}: {failure:?}"
        );
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    for address in ["unix:path=/nonexistent", "tcp:host=localhost", ""] {
        session.services.host.services.address = Some(address.into());
        let failure = session.send(act("a.service", UnitVerb::Start)).unwrap_err().failure();
        assert!(failure.message.as_str().starts_with("Failed to connect to system bus: "), "{failure:?}");
    }
}

#[test]
fn a_bus_that_never_answers_does_not_outlive_the_run() {
    let mut session = session_with(ALLOW_ALL, |stream| {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(600));
            drop(stream);
        });
    });
    let request = act("a.service", UnitVerb::Start).into();

    let (end, answer) = session.serve_until(Duration::from_millis(300), |peer| peer.call(vec![request]));

    assert!(answer.is_none());
    assert!(matches!(end, RunEnd::Deadline), "{end:?}");
}
