//! Requests through the operator's proxy, and names with passwords in URLs.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;

use rex_broker::host::network::object::UserInformation;
use rex_broker::policy::url::Url;
use rex_tests::authority::{Authority, Leaf, TlsServer, believing};
use rex_tests::session::{ALLOW_ALL, Session};

use super::servers::{HELLO, Server, get, redirected, session_with, whole};

fn through(mut session: Session, port: u16) -> Session {
    let proxy = Url::parse_proxy(&format!("http://127.0.0.1:{port}")).unwrap();
    session.services.host.network.proxy = Some(proxy);
    session
}

fn with_users(mut session: Session) -> Session {
    session.services.host.network.user_information = UserInformation::Allow;
    session
}

fn cause(session: &mut Session, url: &str) -> String {
    session.send(get(url)).unwrap_err().failure().message.to_string()
}

/// A proxy that leads through to this port of this host, whatever it is asked for.
fn tunnel(port: u16) -> Server {
    Server::with(move |stream| {
        let mut there = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(b"HTTP/1.1 200 Connection established\r\nx: y\r\n\r\n")?;
        let (mut from, mut to) = (stream.try_clone()?, there.try_clone()?);
        let back = thread::spawn(move || {
            let _ended = std::io::copy(&mut from, &mut to);
            let _closed = to.shutdown(Shutdown::Write);
        });
        let _ended = std::io::copy(&mut there, stream);
        let _closed = stream.shutdown(Shutdown::Write);
        let _joined = back.join();
        Ok(())
    })
}

// RFC 9112, 3.2.2: "a client MUST send the target URI in "absolute-form" as the request target."
#[test]
fn a_proxy_is_told_the_whole_url_and_no_name_is_looked_up() {
    let proxy = Server::answering(HELLO);
    let mut session = through(session_with(Session::with_policy(ALLOW_ALL), "", ""), proxy.port);
    let url = "http://nobody.example:8080/a?b";

    session.send(get(url)).unwrap();

    let sent = proxy.requests.recv().unwrap();
    assert!(
        sent.starts_with("GET http://nobody.example:8080/a?b HTTP/1.1\r\nhost: nobody.example:8080\r\n"),
        "{sent}"
    );
    assert_eq!(session.questions(), [format!("permit GET network::url {url}")]);
    assert_eq!(whole(&mut session).unwrap(), HELLO.as_bytes());
}

#[test]
fn what_is_denied_does_not_reach_the_proxy() {
    let proxy = Server::answering(HELLO);
    let mut session = through(Session::with_policy(""), proxy.port);

    assert!(session.send(get("http://nobody.example/")).unwrap_err().is_denial());
    // Of what is known of a name here, nothing is left out.
    let policy =
        format!("{ALLOW_ALL} forbid(principal, action, resource == network::url::\"http://127.0.0.2/\");");
    let mut session =
        through(session_with(Session::with_policy(&policy), "127.0.0.2 inner.example\n", ""), proxy.port);
    assert!(session.send(get("http://inner.example/")).unwrap_err().is_denial());

    assert_eq!(proxy.asked(), 0);
}

// RFC 9110, 9.3.6.
#[test]
fn tls_is_led_through_and_the_proxy_hears_host_and_port_alone() {
    let authority = Authority::new();
    let server = TlsServer::serving("answer", &authority.issue(&Leaf::default()));
    let proxy = tunnel(server.port);
    let mut session = through(believing(Session::with_policy(ALLOW_ALL), &authority), proxy.port);
    let url = server.url("localhost", "/secret?a");

    session.send(get(&url)).unwrap();

    let server = format!("localhost:{}", server.port);
    assert_eq!(
        proxy.requests.recv().unwrap(),
        format!("CONNECT {server} HTTP/1.1\r\nhost: {server}\r\n\r\n")
    );
    let said = String::from_utf8(whole(&mut session).unwrap()).unwrap();
    assert!(said.contains("GET /secret?a HTTP/1.1\r\n"), "{said}");
}

#[test]
fn a_proxy_that_is_none_is_told_as_what_it_does() {
    let authority = Authority::new();
    let server = TlsServer::serving("answer", &authority.issue(&Leaf::default()));
    let url = server.url("localhost", "/");
    let said = |proxy: Server| {
        let mut session = through(believing(Session::with_policy(ALLOW_ALL), &authority), proxy.port);
        cause(&mut session, &url)
    };

    for answer in
        ["HTTP/1.1 403 Forbidden\r\n\r\n", "HTTP/1.1 407 x\r\n\r\n", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 \r\n\r\n"]
    {
        let message = said(Server::answering(answer));
        assert!(message.ends_with("the proxy does not lead through to the server"), "{answer}: {message}");
    }
    for answer in ["", "HTTP/1.1 200 OK\r\n", &"x".repeat(10_000)] {
        let message = said(Server::answering(answer));
        assert!(message.ends_with("the proxy has not answered as one"), "{message}");
    }
    let mut session = session_with(Session::with_policy(ALLOW_ALL), "", "");
    session.services.host.network.proxy = Some(Url::parse_proxy("http://proxy.example:1").unwrap());
    let message = cause(&mut session, "http://h.example/");
    assert!(message.contains("the proxy has no address that this host knows"), "{message}");
}

// RFC 7617, 2.
#[test]
fn user_information_is_sent_to_its_server_alone_and_is_in_no_question() {
    let server = Server::answering(HELLO);
    let (given, plain) = (server.url("user:pass%20word@127.0.0.1", "/a"), server.url("127.0.0.1", "/a"));
    let mut session = with_users(Session::with_policy(ALLOW_ALL));

    let begun = session.send(get(&given)).unwrap();

    assert_eq!(begun.url.as_str(), plain);
    let sent = server.requests.recv().unwrap();
    assert!(sent.contains("\r\nauthorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n"), "{sent}");
    assert_eq!(session.questions(), [format!("permit GET network::url {plain}")]);
    // To where a server redirects no name goes along.
    let mut session = with_users(Session::with_policy(ALLOW_ALL));
    let failure = session.send(redirected(&given, 1)).unwrap_err().failure();
    assert!(failure.message.as_str().ends_with("user information is not sent"), "{failure:?}");
    assert!(!failure.message.as_str().contains("pass"), "{failure:?}");
    let mut session = Session::with_policy(ALLOW_ALL);
    let message = cause(&mut session, &given);
    assert!(message.ends_with("user information is not sent") && !message.contains("pass"), "{message}");
    assert_eq!(server.asked(), 0);
}

// A URL without a name is asked for as ever, and one with another spelling under both.
#[test]
fn a_forbid_on_the_canonical_form_holds_for_every_user() {
    let server = Server::answering(HELLO);
    let plain = server.url("127.0.0.1", "/secret");
    let policy = format!("{ALLOW_ALL} forbid(principal, action, resource == network::url::\"{plain}\");");

    for session in [Session::with_policy(&policy), Session::with_policy_as_in_rex(&policy)] {
        let mut session = with_users(session);
        let denied = session.send(get(&server.url("a:b@127.0.0.1", "/x/../secret"))).unwrap_err();
        assert!(denied.is_denial());
    }
    assert_eq!(server.asked(), 0);
}
