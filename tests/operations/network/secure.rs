//! Requests over TLS, to servers of another implementation.

use std::fs;
use std::time::{Duration, Instant};

use rex_ipc::failure::ErrorKind;
use rex_ipc::network::ReadResponse;
use rex_tests::authority::{Authority, Leaf, TlsServer, believing};
use rex_tests::session::{ALLOW_ALL, Session};

use super::servers::{get, session_with, whole};

fn text(session: &mut Session) -> String {
    String::from_utf8(whole(session).unwrap()).unwrap()
}

fn workers(session: &Session) -> Vec<u32> {
    session.services.host.network.workers().borrow().clone()
}

/// Why a request to this URL is not sent by somebody who believes this authority.
fn refusal(authority: &Authority, url: &str) -> String {
    let mut session = believing(Session::with_policy(ALLOW_ALL), authority);
    let failure = session.send(get(url)).unwrap_err().failure();
    assert_eq!(failure.kind, ErrorKind::IoError);
    let message = failure.message.to_string();
    assert!(session.send(ReadResponse {}).is_err(), "nothing was begun");
    let start = format!("Failed to send a request: reason: error sending request for url ({url}): ");
    message.strip_prefix(&start).unwrap_or_else(|| panic!("{message}")).to_owned()
}

#[test]
fn a_server_is_verified_and_then_asked() {
    let authority = Authority::new();
    let leaf = authority.issue(&Leaf::default());
    for (how, version) in [("answer", "TLSv1.3"), ("tls12-p384", "TLSv1.2"), ("tls13-p256", "TLSv1.3")] {
        let server = TlsServer::serving(how, &leaf);
        let mut session = believing(Session::with_policy(ALLOW_ALL), &authority);

        let begun = session.send(get(&server.url("localhost", "/a?b"))).unwrap();

        assert_eq!(begun.url.as_str(), server.url("localhost", "/a?b"));
        let said = text(&mut session);
        let (head, told) = said.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
        let port = server.port;
        let request = format!(
            "GET /a?b HTTP/1.1\r\nhost: localhost:{port}\r\naccept: */*\r\nconnection: close\r\n\r\n"
        );
        assert_eq!(told, format!("{version} localhost http/1.1\n{request}"), "{how}");
    }
}

#[test]
fn an_address_has_a_certificate_of_its_own() {
    let authority = Authority::new();
    let server =
        TlsServer::serving("answer", &authority.issue(&Leaf { name: "IP:127.0.0.1", ..Leaf::default() }));
    let mut session = believing(Session::with_policy(ALLOW_ALL), &authority);

    session.send(get(&server.url("127.0.0.1", "/"))).unwrap();

    assert!(text(&mut session).contains("TLSv1.3 None http/1.1\n"), "an address is no name of a server");
    assert_eq!(
        refusal(&authority, &server.url("localhost", "/")),
        "the certificate of the server is for another name"
    );
}

#[test]
fn a_body_that_is_longer_than_a_record_and_a_frame_comes_whole() {
    let authority = Authority::new();
    let server = TlsServer::serving("large", &authority.issue(&Leaf::default()));
    let mut session = believing(Session::with_policy(ALLOW_ALL), &authority);
    session.send(get(&server.url("localhost", "/"))).unwrap();

    let bytes = whole(&mut session).unwrap();

    let start = bytes.len() - (1 << 20);
    let expected: Vec<u8> = (0..1_u32 << 20).map(|number| (number * 7 % 251) as u8).collect();
    assert!(bytes[start..] == expected[..], "the body is another");
}

#[test]
fn a_server_that_is_not_the_one_is_not_asked_and_the_reason_is_told() {
    let authority = Authority::new();
    let refused = |leaf: Leaf<'_>| {
        let server = TlsServer::serving("answer", &authority.issue(&leaf));
        refusal(&authority, &server.url("localhost", "/"))
    };

    let other = Leaf { name: "DNS:other.example", ..Leaf::default() };
    assert_eq!(refused(other), "the certificate of the server is for another name");
    let expired = Leaf { valid: ("200101000000Z", "210101000000Z"), ..Leaf::default() };
    assert_eq!(refused(expired), "the certificate of the server, or one above it, has expired");
    let to_come = Leaf { valid: ("480101000000Z", "490101000000Z"), ..Leaf::default() };
    assert_eq!(refused(to_come), "the certificate of the server, or one above it, is not valid yet");
    let of_client = Leaf { extensions: "extendedKeyUsage=clientAuth", ..Leaf::default() };
    assert_eq!(refused(of_client), "the certificate of the server is not one for servers");
    let of_authority = Leaf { extensions: "basicConstraints=critical,CA:true", ..Leaf::default() };
    assert_eq!(refused(of_authority), ITSELF);
}

#[test]
fn who_issued_a_certificate_has_to_be_believed() {
    let (authority, other) = (Authority::new(), Authority::new());
    let unknown = "the certificate of the server was issued by nobody who is believed";
    let server = TlsServer::serving("answer", &authority.issue(&Leaf::default()));

    assert_eq!(refusal(&other, &server.url("localhost", "/")), unknown);
    // What has signed itself is believed by nobody, whether it says that it is an authority or not.
    let of_itself = (other.certificate(), other.certificate().with_file_name("ca.key"));
    let server = TlsServer::serving("answer", &of_itself);
    assert_eq!(refusal(&authority, &server.url("localhost", "/")), ITSELF);
    let server = TlsServer::serving("answer", &other.issue_to_itself("DNS:localhost"));
    assert_eq!(refusal(&authority, &server.url("localhost", "/")), unknown);
}

#[test]
fn what_is_no_tls_or_too_old_is_told_as_that() {
    let authority = Authority::new();
    let leaf = authority.issue(&Leaf::default());
    for (how, reason) in [
        ("plain", "the server does not keep to TLS"),
        ("gone", "the server has closed the connection without saying that this is its end"),
        ("tls10", "the server has refused to go on with TLS"),
    ] {
        let server = TlsServer::serving(how, &leaf);
        assert_eq!(refusal(&authority, &server.url("localhost", "/")), reason, "{how}");
    }
}

#[test]
fn an_end_that_was_not_said_is_none() {
    let authority = Authority::new();
    let leaf = authority.issue(&Leaf::default());
    let server = TlsServer::serving("cut", &leaf);
    let mut session = believing(Session::with_policy(ALLOW_ALL), &authority);
    session.send(get(&server.url("localhost", "/"))).unwrap();

    let failure = whole(&mut session).unwrap_err().failure();

    assert_eq!(
        failure.message.as_str(),
        "the server has closed the connection without saying that this is its end"
    );
    // One that was said is one, also in the middle of a body: that is for whoever reads the body to tell.
    let server = TlsServer::serving("middle", &leaf);
    session.send(get(&server.url("localhost", "/"))).unwrap();
    assert!(text(&mut session).ends_with("half of i"));
}

#[test]
fn a_server_that_is_slow_or_silent_does_not_outlive_the_time() {
    let authority = Authority::new();
    let leaf = authority.issue(&Leaf::default());
    let mut session = believing(Session::with_policy(ALLOW_ALL), &authority);
    session.services.host.network.exchange_time = Duration::from_secs(2);

    for how in ["silent", "drip", "headers", "flood"] {
        let server = TlsServer::serving(how, &leaf);
        let began = Instant::now();
        let begun = session.send(get(&server.url("localhost", "/")));
        let failed = match begun {
            Err(refused) => refused,
            Ok(_) => loop {
                // Nobody takes what comes without an end; neither does the broker keep it.
                if let Err(refused) = session.send(ReadResponse {}) {
                    break refused;
                }
            },
        };
        let message = failed.failure().message;
        assert!(message.as_str().ends_with("the server does not answer in time"), "{how}: {message}");
        assert!(began.elapsed() < Duration::from_secs(6), "{how}");
        assert!(session.services.host.network.workers().borrow().is_empty(), "{how}: the worker is gone");
    }
}

#[test]
fn a_worker_lives_as_long_as_its_exchange_and_no_proc_shows_it() {
    let authority = Authority::new();
    let server = TlsServer::serving("answer", &authority.issue(&Leaf::default()));
    let mut session = believing(Session::with_policy(ALLOW_ALL), &authority);
    assert_eq!(workers(&session), [0; 0]);

    session.send(get(&server.url("localhost", "/"))).unwrap();

    let pid = workers(&session)[0];
    let there = format!("/proc/{pid}");
    assert!(fs::exists(&there).unwrap());
    let denied = session.open_dir(&there).unwrap_err();
    assert!(denied.is_denial(), "{denied:?}");
    whole(&mut session).unwrap();
    assert_eq!(workers(&session), [0; 0]);
    assert!(!fs::exists(&there).unwrap());
    // Without TLS there is none.
    let plain = super::servers::Server::answering(super::servers::HELLO);
    session.send(get(&plain.url("localhost", "/"))).unwrap();
    assert_eq!(workers(&session), [0; 0]);
}

#[test]
fn a_store_that_others_could_have_written_or_that_has_nothing_in_it_is_not_believed() {
    use std::os::unix::fs::PermissionsExt;

    let authority = Authority::new();
    let server = TlsServer::serving("answer", &authority.issue(&Leaf::default()));
    let url = server.url("localhost", "/");
    let refused = |store: &std::path::Path| {
        let mut session = Session::with_policy(ALLOW_ALL);
        session.services.host.network.ca_file = Some(store.to_owned());
        session.send(get(&url)).unwrap_err().failure().message.to_string()
    };

    let store = authority.certificate();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(refused(&store).contains("others may write to it"), "{}", refused(&store));
    fs::set_permissions(&store, fs::Permissions::from_mode(0o644)).unwrap();
    let missing = store.with_file_name("missing");
    assert!(refused(&missing).contains("No such file or directory"), "{}", refused(&missing));
    assert!(refused(store.parent().unwrap()).contains("it is no regular file"));
    let none = "there is no authority whose certificates would be believed";
    for text in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        fs::write(&missing, text).unwrap();
        assert!(refused(&missing).ends_with(none), "{text}: {}", refused(&missing));
    }
    fs::write(&missing, vec![b'\n'; (4 << 20) + 1]).unwrap();
    assert!(refused(&missing).contains("more than 4194304 bytes"));
    // What lies between certificates, and what is none, does not keep the others from counting.
    let mixed = format!(
        "# ours\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{}",
        fs::read_to_string(&store).unwrap()
    );
    fs::write(&missing, mixed).unwrap();
    let mut session = Session::with_policy(ALLOW_ALL);
    session.services.host.network.ca_file = Some(missing);
    session.send(get(&url)).unwrap();
}

// Before it was verified who answers, nothing of the request is sent; nor is a name looked up that the policy does not permit.
#[test]
fn denied() {
    let authority = Authority::new();
    let server = TlsServer::serving("answer", &authority.issue(&Leaf::default()));
    let mut session = session_with(believing(Session::with_policy(""), &authority), "", "");

    assert!(session.send(get(&server.url("localhost", "/"))).unwrap_err().is_denial());

    assert_eq!(session.questions(), [format!("deny GET network::url {}", server.url("localhost", "/"))]);
    assert_eq!(workers(&session), [0; 0]);
}

const ITSELF: &str = "the certificate of the server is one of an authority, or has signed itself";
