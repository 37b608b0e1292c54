//! What a policy is told of a request and of a connection beside URL and host.

use std::net::TcpListener;

use rex_ipc::bounded::Text;
use rex_ipc::network::{Connect, Protocol};
use rex_tests::session::Session;

use super::servers::{HELLO, Server, get, redirected, session_with};

/// Whether a request for this URL is permitted where this holds.
fn permits(condition: &str, url: &str, hop: u8) -> bool {
    let policy =
        format!("permit(principal, action == network::Action::\"GET\", resource) when {{ {condition} }};");
    let hosts = "127.0.0.1 here.example\n";
    let mut session = session_with(Session::with_policy(&policy), hosts, "");
    let sent = if hop == 0 { session.send(get(url)) } else { session.send(redirected(url, hop)) };
    match sent {
        Ok(_) => true,
        Err(refused) => {
            assert!(refused.is_denial(), "{condition}: {refused:?}");
            false
        }
    }
}

#[test]
fn a_policy_can_go_by_what_a_request_is() {
    let server = Server::answering(HELLO);
    let url = server.url("127.0.0.1", "/");
    let port = server.port;

    for (condition, expected) in [
        ("context.host == \"127.0.0.1\"", true),
        ("context.host == \"localhost\"", false),
        (&format!("context.port == {port}"), true),
        ("context.port == 80", false),
        ("context.scheme == \"http\"", true),
        ("context.scheme == \"https\"", false),
        ("context.hop == 0", true),
        ("context.hop > 0", false),
        ("context has address && context.address.isLoopback()", true),
        ("context has address && context.address == ip(\"127.0.0.1\")", true),
        ("context has address && context.address.isInRange(ip(\"10.0.0.0/8\"))", false),
    ] {
        assert_eq!(permits(condition, &url, 0), expected, "{condition}");
    }
    assert!(permits("context.hop == 3", &url, 3));
    // The host is that of the canonical form, whatever was given; what is known of it at once is told at once.
    assert!(permits("context.host == \"localhost\"", &server.url("LOCALHOST.", "/"), 0));
    let both =
        "context.host == \"here.example\" && context has address && context.address == ip(\"127.0.0.1\")";
    let named = server.url("here.example", "/");
    assert!(permits(both, &named, 0));
}

#[test]
fn a_policy_can_go_by_port_and_protocol() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let permits = |condition: &str, protocol| {
        let policy = format!(
            "permit(principal, action == network::Action::\"connect\", resource) when {{ {condition} }};"
        );
        let connect = Connect { endpoint: Text::new("127.0.0.1").unwrap(), port, protocol };
        Session::with_policy(&policy).send(connect).is_ok()
    };

    assert!(permits(&format!("context.port == {port}"), Protocol::Tcp));
    assert!(!permits("context.port == 1", Protocol::Tcp));
    for (protocol, name) in [(Protocol::Tcp, "tcp"), (Protocol::Udp, "udp"), (Protocol::Either, "auto")] {
        assert!(permits(&format!("context.protocol == \"{name}\""), protocol));
        assert!(!permits(&format!("context.protocol != \"{name}\""), protocol));
    }
    assert!(permits("context has address && context.address.isLoopback()", Protocol::Tcp));
}
