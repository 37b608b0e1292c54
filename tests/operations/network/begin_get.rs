//! Sending a request for a URL.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rex_broker::run::session::RunEnd;
use rex_ipc::failure::{ErrorKind, FailureClass};
use rex_tests::session::{ALLOW_ALL, Session};

use super::servers::{HELLO, Server, get, redirected, session_with, whole};

fn only(url: &str) -> String {
    format!("permit(principal, action == network::Action::\"GET\", resource == network::url::\"{url}\");\n")
}

fn forbidding(url: &str) -> String {
    format!("{ALLOW_ALL} forbid(principal, action, resource == network::url::\"{url}\");")
}

#[test]
fn permitted() {
    let server = Server::answering(HELLO);
    let url = server.url("127.0.0.1", "/a?b");
    let mut session = Session::with_policy(&only(&url));

    let begun = session.send(get(&url)).unwrap();

    assert_eq!(begun.url.as_str(), url);
    assert_eq!(session.questions(), [format!("permit GET network::url {url}")]);
    let sent = format!(
        "GET /a?b HTTP/1.1\r\nhost: 127.0.0.1:{}\r\naccept: */*\r\nconnection: close\r\n\r\n",
        server.port
    );
    assert_eq!(server.requests.recv().unwrap(), sent);
    assert_eq!(whole(&mut session).unwrap(), HELLO.as_bytes());
}

#[test]
fn denied() {
    let server = Server::answering(HELLO);
    let url = server.url("127.0.0.1", "/");
    let mut session = Session::with_policy(&only("http://127.0.0.1/"));

    assert!(session.send(get(&url)).unwrap_err().is_denial());

    assert_eq!(session.questions(), [format!("deny GET network::url {url}")]);
    assert_eq!(server.asked(), 0);
    assert!(whole(&mut session).is_err(), "nothing was begun");
}

#[test]
fn another_spelling_is_asked_as_given_and_as_it_is_meant() {
    let server = Server::answering(HELLO);
    let (given, meant) = (server.url("LOCALHOST", "/public/../secret"), server.url("localhost", "/secret"));

    let mut session = Session::with_policy(&only(&given));
    assert!(session.send(get(&given)).unwrap_err().is_denial());
    assert_eq!(
        session.questions(),
        [format!("permit GET network::url {given}"), format!("deny GET network::url {meant}")]
    );
    assert_eq!(server.asked(), 0);

    let mut session = Session::with_policy(&format!("{}{}", only(&given), only(&meant)));
    let begun = session.send(get(&given)).unwrap();
    assert_eq!(begun.url.as_str(), meant);
    assert!(server.requests.recv().unwrap().starts_with("GET /secret HTTP/1.1\r\nhost: localhost:"));
}

// system.md, "Under --rex-compat".
#[test]
fn for_rex_another_spelling_needs_no_permit_but_where_it_leads_elsewhere() {
    let server = Server::answering(HELLO);
    let (loud, plain) = (server.url("LOCALHOST", "/a"), server.url("localhost", "/a"));

    Session::with_policy_as_in_rex(&only(&loud)).send(get(&loud)).unwrap();
    let forbid = format!("{} forbid(principal, action, resource == network::url::\"{plain}\");", only(&loud));
    assert!(Session::with_policy_as_in_rex(&forbid).send(get(&loud)).unwrap_err().is_denial());
    // Dot segments and redirects are asked in full.
    let dots = server.url("localhost", "/x/../a");
    assert!(Session::with_policy_as_in_rex(&only(&dots)).send(get(&dots)).unwrap_err().is_denial());
    let both = format!("{}{}", only(&dots), only(&plain));
    Session::with_policy_as_in_rex(&both).send(get(&dots)).unwrap();
    assert!(Session::with_policy_as_in_rex(&only(&loud)).send(redirected(&loud, 1)).unwrap_err().is_denial());
    let both = format!("{}{}", only(&loud), only(&plain));
    Session::with_policy_as_in_rex(&both).send(redirected(&loud, 1)).unwrap();
}

// Case network.client.quotes.
#[test]
fn a_quotation_mark_is_not_judged_whatever_the_policy_says() {
    for policy in [ALLOW_ALL, "", "forbid(principal, action, resource);"] {
        for url in ["http://127.0.0.1/\"x", "http://127.0.0.1\\@x/", "\""] {
            let mut session = Session::with_policy(policy);

            let failure = session.send(get(url)).unwrap_err().failure();

            assert_eq!(failure.class, FailureClass::Undecided, "{url}");
            assert_eq!(
                (failure.kind, failure.message.as_str()),
                (ErrorKind::AuthorizationError, "Authorization check failed")
            );
            assert_eq!(session.questions(), [format!("deny GET network::url {url}")]);
        }
    }
    let mut of_rex = Session::with_policy_as_in_rex(ALLOW_ALL);
    assert_eq!(of_rex.send(get("http://h/\"")).unwrap_err().failure().class, FailureClass::Undecided);
}

#[test]
fn what_cannot_be_fetched_is_told_in_the_words_of_rex() {
    let not_sent =
        |url: &str| format!("Failed to send a request: reason: error sending request for url ({url})");
    for (url, kind, message) in [
        ("", ErrorKind::Other, "failed to clone request".to_owned()),
        ("x", ErrorKind::Other, "failed to clone request".to_owned()),
        ("file:///etc/passwd", ErrorKind::Other, "failed to clone request".to_owned()),
        (
            "ftp://u:p@x/",
            ErrorKind::IoError,
            "Failed to send a request: reason: builder error for url (ftp://x/)".to_owned(),
        ),
        ("https://localhost:1/", ErrorKind::IoError, not_sent("https://localhost:1/")),
        ("http://no-such-name.example", ErrorKind::IoError, not_sent("http://no-such-name.example/")),
        ("http://user:word@localhost/", ErrorKind::IoError, not_sent("http://localhost/")),
        ("http://127.1/", ErrorKind::IoError, not_sent("http://127.1/")),
    ] {
        let of_rex = Session::with_policy_as_in_rex(ALLOW_ALL).send(get(url)).unwrap_err().failure();
        assert_eq!((of_rex.kind, of_rex.message.as_str()), (kind, message.as_str()), "{url}");
        let failure = Session::with_policy(ALLOW_ALL).send(get(url)).unwrap_err().failure();
        assert!(failure.message.as_str().starts_with(&message), "{url}: {failure:?}");
        // "The check comes first in every case."
        assert!(Session::with_policy("").send(get(url)).unwrap_err().is_denial(), "{url}");
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    let failure = session.send(get("http://no-such-name.example/")).unwrap_err().failure();
    assert!(failure.message.as_str().ends_with("/etc/resolv.conf names no name server"), "{failure:?}");
}

// Nothing is sent whose answer could not be given.
#[test]
fn a_url_whose_canonical_form_is_too_long_is_not_fetched() {
    let server = Server::answering(HELLO);
    let url = server.url("localhost", &format!("/{}", "|".repeat(4000)));

    let failure = Session::with_policy(ALLOW_ALL).send(get(&url)).unwrap_err().failure();

    assert!(failure.message.as_str().ends_with(": the URL is too long"), "{failure:?}");
    assert_eq!(server.asked(), 0);
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut session = Session::with_policy(ALLOW_ALL);

    let failure = session.send(get(&format!("http://localhost:{port}/"))).unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::IoError);
    assert!(failure.message.as_str().ends_with(": Connection refused (os error 111)"), "{failure:?}");
}

#[test]
fn a_name_that_leads_to_this_host_is_asked_for_with_the_address() {
    let server = Server::answering(HELLO);
    let hosts = "127.0.0.1 here.example\n192.0.2.7 there.example\n::ffff:127.0.0.1 mapped.example\n";
    for name in ["here.example", "mapped.example"] {
        let (named, numbered) = (server.url(name, "/"), server.url("127.0.0.1", "/"));

        let mut session = session_with(Session::with_policy(&only(&named)), hosts, "");
        assert!(session.send(get(&named)).unwrap_err().is_denial());
        assert_eq!(
            session.questions(),
            [format!("permit GET network::url {named}"), format!("deny GET network::url {numbered}")]
        );
        let both = format!("{}{}", only(&named), only(&numbered));
        session_with(Session::with_policy(&both), hosts, "").send(get(&named)).unwrap();
        // Rex does not ask; a forbid counts.
        session_with(Session::with_policy_as_in_rex(&only(&named)), hosts, "").send(get(&named)).unwrap();
        let mut of_rex = session_with(Session::with_policy_as_in_rex(&forbidding(&numbered)), hosts, "");
        assert!(of_rex.send(get(&named)).unwrap_err().is_denial());
    }
    for address in ["169.254.169.254", "224.0.0.1", "0.0.0.0", "fe80::1", "255.255.255.255"] {
        let hosts = format!("{address} name.example\n");
        let mut session = session_with(Session::with_policy(&only("http://name.example/")), &hosts, "");
        assert!(session.send(get("http://name.example/")).unwrap_err().is_denial(), "{address}");
    }
}

#[test]
fn a_server_that_takes_no_connection_does_not_outlive_its_time_or_the_run() {
    // A queue that is full: the kernel answers nobody else.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let silent = Server::with(|_| {
        std::thread::sleep(Duration::from_secs(600));
        Ok(())
    });
    drop(listener);
    let mut session = Session::with_policy(ALLOW_ALL);
    session.services.host.network.exchange_time = Duration::from_millis(300);
    assert!(session.send(get(&format!("http://{address}/"))).is_err());

    session.send(get(&silent.url("localhost", "/"))).unwrap();
    let began = Instant::now();
    let failure = whole(&mut session).unwrap_err().failure();
    assert_eq!(failure.message.as_str(), "the server does not answer in time");
    assert!(began.elapsed() < Duration::from_secs(5));

    session.services.host.network.exchange_time = Duration::from_secs(600);
    let (begin, read) = (get(&silent.url("localhost", "/")), rex_ipc::network::ReadResponse {});
    let (end, answer) =
        session.serve_until(Duration::from_millis(300), |peer| peer.call(vec![begin.into(), read.into()]));
    assert!(answer.is_none());
    assert!(matches!(end, RunEnd::Deadline), "{end:?}");
}
