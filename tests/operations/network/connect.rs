//! Connections that are only tried.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rex_ipc::bounded::Text;
use rex_ipc::failure::ErrorKind;
use rex_ipc::network::{Connect, Protocol};
use rex_tests::session::{ALLOW_ALL, Session};

use super::servers::session_with;

fn connect(endpoint: &str, port: u16, protocol: Protocol) -> Connect {
    Connect { endpoint: Text::new(endpoint).unwrap(), port, protocol }
}

fn only(endpoint: &str) -> String {
    format!(
        "permit(principal, action == network::Action::\"connect\", resource == network::url::\"{endpoint}\");\n"
    )
}

fn listening() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn permitted() {
    for endpoint in ["127.0.0.1", "localhost"] {
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Either] {
            let (listener, port) = listening();
            let mut session = Session::with_policy(&only(endpoint));

            session.send(connect(endpoint, port, protocol)).unwrap();

            assert_eq!(session.questions(), [format!("permit connect network::url {endpoint}")]);
            listener.set_nonblocking(true).unwrap();
            assert_eq!(listener.accept().is_ok(), protocol != Protocol::Udp, "{protocol:?}");
        }
    }
}

#[test]
fn denied() {
    let (listener, port) = listening();
    let mut session = Session::with_policy(&only("localhost"));

    assert!(session.send(connect("127.0.0.1", port, Protocol::Tcp)).unwrap_err().is_denial());

    assert_eq!(session.questions(), ["deny connect network::url 127.0.0.1"]);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err());
}

#[test]
fn nobody_listens() {
    let (listener, port) = listening();
    drop(listener);
    let mut session = Session::with_policy(ALLOW_ALL);

    let failure = session.send(connect("127.0.0.1", port, Protocol::Tcp)).unwrap_err().failure();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (ErrorKind::Other, "Connection refused (os error 111)")
    );
    // One of UDP is made without anybody on the other side.
    session.send(connect("127.0.0.1", port, Protocol::Udp)).unwrap();
    session.send(connect("127.0.0.1", port, Protocol::Either)).unwrap();
    // spec, 2: "IPv6 targets fail".
    let failure = session.send(connect("::1", port, Protocol::Udp)).unwrap_err().failure();
    assert_eq!(failure.message.as_str(), "Address family not supported by protocol (os error 97)");
}

#[test]
fn what_is_no_host_is_said() {
    for endpoint in ["", "127.1", "[::1]", "a b", "http://localhost", "0x7f.1", "localhost:80"] {
        let failure =
            Session::with_policy(ALLOW_ALL).send(connect(endpoint, 80, Protocol::Tcp)).unwrap_err().failure();

        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (ErrorKind::Other, format!("Invalid address format: {endpoint}:80").as_str())
        );
        assert!(Session::with_policy("").send(connect(endpoint, 80, Protocol::Tcp)).unwrap_err().is_denial());
    }
    let nowhere = connect("no-such-name.example", 80, Protocol::Tcp);
    let failure = Session::with_policy(ALLOW_ALL).send(nowhere).unwrap_err().failure();
    let message = "Invalid address format: no-such-name.example:80: /etc/resolv.conf names no name server";
    assert_eq!(failure.message.as_str(), message);
}

#[test]
fn no_spelling_reaches_what_its_canonical_form_is_forbidden() {
    let (listener, port) = listening();
    listener.set_nonblocking(true).unwrap();
    let hosts = "127.0.0.1 x.example\n::ffff:127.0.0.1 mapped.example\n0.0.0.0 zero.example\n";
    let policy = format!(
        "{ALLOW_ALL} forbid(principal, action, resource == network::url::\"127.0.0.1\");
         forbid(principal, action, resource == network::url::\"localhost\");"
    );
    for endpoint in [
        "127.0.0.1",
        "127.0.0.1.",
        "0.0.0.0",
        "::ffff:127.0.0.1",
        "::FFFF:7f00:1",
        "::ffff:0.0.0.0",
        "LOCALHOST",
        "localhost.",
        "LocalHost.",
        "x.example",
        "X.EXAMPLE",
        "mapped.example",
        "zero.example",
        "127.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f000001",
        "::127.0.0.1",
    ] {
        for session in [Session::with_policy(&policy), Session::with_policy_as_in_rex(&policy)] {
            let mut session = session_with(session, hosts, "");
            assert!(session.send(connect(endpoint, port, Protocol::Tcp)).is_err(), "{endpoint}");
        }
    }
    assert!(listener.accept().is_err());
}

#[test]
fn a_host_that_does_not_answer_has_its_time() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.services.host.network.connect_time = Duration::from_millis(200);
    let began = Instant::now();

    // RFC 5737: nobody has this address. Where there is no way to it, the kernel says so at once.
    let failure = session.send(connect("192.0.2.1", 9, Protocol::Tcp)).unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::Other);
    assert!(began.elapsed() < Duration::from_secs(5));
}
