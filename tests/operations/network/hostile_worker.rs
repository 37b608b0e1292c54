//! A worker whose program is another: what it says is taken in a few forms, and what it does is death.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rex_broker::host::network::object::Staff;
use rex_broker::run::image::WORKER;
use rex_ipc::network::ReadResponse;
use rex_outside::{Layer, Plan, Requirement};
use rex_tests::authority::{Authority, believing};
use rex_tests::jailed::PROGRAM;
use rex_tests::session::{ALLOW_ALL, Session};

use super::servers::{get, session_with, whole};

const MISUNDERSTOOD: &str = "the worker for the network said what it cannot say";

/// Somebody who takes connections, and says nothing.
fn listening() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A session whose workers are hostile, and do as the first label of the host says.
fn session(authority: &Authority, lie: &str) -> Session {
    let hosts = format!("127.0.0.1 {lie}.example\n");
    let mut session = session_with(believing(Session::with_policy(ALLOW_ALL), authority), &hosts, "");
    session.services.host.network.staff = Some(Staff::new(PROGRAM, &Plan::full(), &Requirement::core()));
    session
}

fn refusal(session: &mut Session, lie: &str, port: u16) -> String {
    let failure = session.send(get(&format!("https://{lie}.example:{port}/"))).unwrap_err().failure();
    failure.message.as_str().split_once("): ").expect("the cause is told").1.to_owned()
}

#[test]
fn what_it_says_in_other_forms_ends_it_and_its_exchange_alone() {
    let authority = Authority::new();
    let (_listener, port) = listening();
    for lie in
        ["junk", "short", "number", "kind", "order", "cause", "step", "flags", "early", "end", "forever"]
    {
        let mut session = session(&authority, lie);

        assert_eq!(refusal(&mut session, lie, port), MISUNDERSTOOD, "{lie}");

        assert!(session.services.host.network.workers().borrow().is_empty(), "{lie}: it is gone");
        assert!(session.send(ReadResponse {}).is_err(), "{lie}: nothing is open");
    }
    let mut gone = session(&authority, "exit");
    let ended = "the worker for the network has ended with exit status 7";
    assert_eq!(refusal(&mut gone, "exit", port), ended);
}

#[test]
fn silence_does_not_outlive_the_time() {
    let authority = Authority::new();
    let (_listener, port) = listening();
    let mut session = session(&authority, "silent");
    session.services.host.network.exchange_time = Duration::from_secs(1);
    let began = Instant::now();

    assert_eq!(refusal(&mut session, "silent", port), "the server does not answer in time");

    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn more_than_can_come_of_what_was_carried_to_it_is_not_passed_on() {
    let authority = Authority::new();
    let (_listener, port) = listening();
    let mut session = session(&authority, "flood");
    session.send(get(&format!("https://flood.example:{port}/"))).unwrap();
    let mut passed_on = 0;

    let failure = loop {
        match session.send(ReadResponse {}) {
            Ok(chunk) => passed_on += chunk.bytes.into_vec().len(),
            Err(refused) => break refused.failure(),
        }
        assert!(passed_on < 1 << 20, "{passed_on}");
    };

    assert!(failure.message.as_str().ends_with(MISUNDERSTOOD), "{failure:?}");
    assert!(passed_on > 0, "the first part is as good as any");
    assert!(session.send(ReadResponse {}).is_err(), "nothing is open");
    assert!(session.services.host.network.workers().borrow().is_empty(), "it is gone");
}

// The threat model says so: it can forge the one response that it is there for.
#[test]
fn the_one_response_it_can_forge() {
    let authority = Authority::new();
    let (_listener, port) = listening();
    let mut session = session(&authority, "forge");

    session.send(get(&format!("https://forge.example:{port}/"))).unwrap();

    assert!(String::from_utf8(whole(&mut session).unwrap()).unwrap().ends_with("forged"));
}

// What each act does where nothing confines it, and what else would stop it, is tried in tests/containment with workers, too.
#[test]
fn every_act_is_its_death() {
    let authority = Authority::new();
    let (listener, port) = listening();
    let mut count = 0;
    for (number, act) in rex_acts::all().enumerate() {
        let lie = format!("act-{number}");

        let ended = refusal(&mut session(&authority, &lie), &lie, port);
        // The queue of the kernel is shorter than the list.
        drop(listener.accept());

        assert!(
            ended.starts_with("the worker for the network has ended by signal "),
            "{}: {ended}",
            act.name
        );
        count += 1;
    }
    assert!(count >= 30, "{count}");
}

#[test]
fn a_worker_that_lacks_what_is_required_is_given_nothing() {
    let authority = Authority::new();
    let (listener, port) = listening();
    for layer in [Layer::Seccomp, Layer::NoNewPrivs, Layer::Landlock] {
        let mut session = session(&authority, "any");
        let plan = Plan::full().without(layer).without(Layer::Seccomp);
        session.services.host.network.staff = Some(Staff::new(WORKER.bytes, &plan, &Requirement::core()));

        let refused = refusal(&mut session, "any", port);

        let start = "the worker for the network could not be confined: missing: ";
        let missing = refused.strip_prefix(start).unwrap_or_else(|| panic!("{refused}"));
        assert!(missing.split(", ").any(|id| id == layer.to_string()), "{layer}: {missing}");
    }
    listener.set_nonblocking(true).unwrap();
    while let Ok((mut taken, _)) = listener.accept() {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut taken, &mut bytes).unwrap();
        assert_eq!(bytes, b"", "nothing was sent");
    }
}
