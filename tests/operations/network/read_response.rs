//! What a server answers, part by part.

use std::io::Write;
use std::time::{Duration, Instant};

use rex_ipc::failure::ErrorKind;
use rex_ipc::network::ReadResponse;
use rex_tests::session::{ALLOW_ALL, Session};

use super::servers::{HELLO, Server, get, redirected, session_with, whole};

#[test]
fn permitted() {
    let server = Server::answering(HELLO);
    let url = server.url("127.0.0.1", "/");
    let mut session = Session::with_policy(ALLOW_ALL);
    session.send(get(&url)).unwrap();
    session.questions();

    assert_eq!(whole(&mut session).unwrap(), HELLO.as_bytes());

    let questions = session.questions();
    assert!(!questions.is_empty());
    assert!(questions.iter().all(|question| *question == format!("permit GET network::url {url}")));
    // An exchange that has ended is none.
    assert!(session.send(ReadResponse {}).is_err());
}

#[test]
fn denied() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let failure = session.send(ReadResponse {}).unwrap_err().failure();
    assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::IoError, "no exchange is open"));
    assert_eq!(session.questions(), [""; 0]);
    // Of an exchange that was not permitted nothing is told.
    let server = Server::answering(HELLO);
    let (open, closed) = (server.url("localhost", "/open"), server.url("localhost", "/closed"));
    let policy = format!("{ALLOW_ALL} forbid(principal, action, resource == network::url::\"{closed}\");");
    let mut session = Session::with_policy(&policy);
    session.send(get(&open)).unwrap();
    assert!(session.send(get(&closed)).unwrap_err().is_denial());
    assert_eq!(whole(&mut session).unwrap(), HELLO.as_bytes(), "what was permitted goes on");
}

// Each part is asked for under every name that the exchange was permitted under.
#[test]
fn every_question_is_asked_again_for_every_part() {
    let server = Server::answering(HELLO);
    let (given, canonical, address) =
        (server.url("HERE.example", "/"), server.url("here.example", "/"), server.url("127.0.0.1", "/"));
    let mut session = session_with(Session::with_policy(ALLOW_ALL), "127.0.0.1 here.example\n", "");
    session.send(get(&given)).unwrap();
    let asked: Vec<String> =
        [given, canonical, address].map(|url| format!("permit GET network::url {url}")).into();
    assert_eq!(session.questions(), asked);

    session.send(ReadResponse {}).unwrap();

    assert_eq!(session.questions(), asked);
}

// What a policy says meanwhile counts.
#[test]
fn each_of_these_questions_can_be_answered_with_no() {
    let server = Server::answering(HELLO);
    let (given, canonical, address) =
        (server.url("HERE.example", "/"), server.url("here.example", "/"), server.url("127.0.0.1", "/"));
    for url in [&given, &canonical, &address] {
        let forbid = format!("{ALLOW_ALL} forbid(principal, action, resource == network::url::\"{url}\");");
        let mut session = session_with(Session::with_policy(ALLOW_ALL), "127.0.0.1 here.example\n", "");
        session.send(get(&given)).unwrap();
        session.services.deciding.engine = Session::with_policy(&forbid).services.deciding.engine;

        assert!(session.send(ReadResponse {}).unwrap_err().is_denial(), "{url}");
    }
}

#[test]
fn a_server_that_sends_a_byte_now_and_then_has_as_much_time_as_any() {
    let server = Server::with(|stream| {
        for byte in b"HTTP/1.1 200 OK\r\n".iter().cycle() {
            stream.write_all(&[*byte])?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    });
    let mut session = Session::with_policy(ALLOW_ALL);
    session.services.host.network.exchange_time = Duration::from_secs(1);
    session.send(get(&server.url("localhost", "/"))).unwrap();
    let began = Instant::now();

    let failure = whole(&mut session).unwrap_err().failure();

    assert_eq!(failure.message.as_str(), "the server does not answer in time");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_server_that_never_stops_has_as_much_time_as_any() {
    let server = Server::with(|stream| {
        loop {
            stream.write_all(&[b'x'; 10_000])?;
        }
    });
    let mut session = Session::with_policy(ALLOW_ALL);
    session.services.host.network.exchange_time = Duration::from_millis(500);
    session.send(get(&server.url("localhost", "/"))).unwrap();

    let failure = whole(&mut session).unwrap_err().failure();

    assert_eq!(failure.message.as_str(), "the server does not answer in time");
}

// The time is one of the whole exchange: redirects do not give another.
#[test]
fn what_is_redirected_to_has_the_time_that_is_left() {
    let server = Server::answering(HELLO);
    let url = server.url("localhost", "/");
    let mut session = Session::with_policy(ALLOW_ALL);
    session.services.host.network.exchange_time = Duration::from_millis(300);
    session.send(get(&url)).unwrap();
    std::thread::sleep(Duration::from_millis(400));

    assert!(session.send(redirected(&url, 1)).is_err());

    session.send(get(&url)).unwrap();
    assert_eq!(whole(&mut session).unwrap(), HELLO.as_bytes());
}

#[test]
fn what_is_read_counts() {
    let body = vec![b'x'; 200_000];
    let server = Server::answering([b"HTTP/1.1 200 OK\r\n\r\n", &body[..]].concat());
    let mut session = Session::with_limits(ALLOW_ALL, |limits| limits.max_read_bytes = 100_000);
    session.send(get(&server.url("localhost", "/"))).unwrap();

    let ended = whole(&mut session).unwrap_err().end();

    assert!(format!("{ended:?}").contains("max-read-bytes"), "{ended:?}");
}

#[test]
fn a_connection_that_breaks_is_an_error() {
    let server = Server::with(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        // What was sent and nobody read makes the kernel reset the connection.
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        nix::sys::socket::setsockopt(&*stream, nix::sys::socket::sockopt::Linger, &linger)?;
        std::thread::sleep(Duration::from_millis(200));
        Ok(())
    });
    let mut session = Session::with_policy(ALLOW_ALL);
    session.send(get(&server.url("127.0.0.1", "/"))).unwrap();

    let failure = whole(&mut session).unwrap_err();

    assert_eq!(failure.errno(), Some(nix::libc::ECONNRESET as u16), "{failure:?}");
}
