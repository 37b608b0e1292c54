//! Names as a name server of another implementation has them: dnsmasq, on 127.0.0.1.

use std::time::Duration;

use rex_tests::name_server::NameServer;
use rex_tests::session::{ALLOW_ALL, Session};

use super::servers::{HELLO, Server, get, session_with, whole};

/// What the name server knows: addresses of both versions, another name of one host, more than fits a datagram, and names that
/// lead where only this host and its link are.
fn zone() -> String {
    let many: String = (1..=60).map(|last| format!("host-record=many.test,127.0.1.{last}\n")).collect();
    format!(
        "local=/test/\n\
         host-record=four.test,127.0.0.7\n\
         host-record=six.test,::1\n\
         host-record=both.test,127.0.0.8,::1\n\
         cname=alias.test,both.test\n\
         cname=alias-of-alias.test,alias.test\n\
         host-record=world.test,192.0.2.7\n\
         host-record=here.test,127.0.0.1\n\
         cname=also-here.test,here.test\n\
         host-record=metadata.test,169.254.169.254\n{many}"
    )
}

fn session(server: &NameServer, policy: &str) -> Session {
    let mut session = session_with(Session::with_policy(policy), "", "nameserver 127.0.0.1\n");
    session.services.host.network.name_server_port = server.port;
    session
}

/// The addresses that are asked about for a host, because nobody but this host and its link has them.
fn leads_to(server: &NameServer, host: &str) -> Vec<String> {
    let mut session = session(server, ALLOW_ALL);
    // Nobody listens there, and that is of no interest.
    let _refused = session.send(get(&format!("http://{host}:9/")));
    let asked: Vec<String> = session.questions();
    let addresses = asked.iter().filter_map(|question| {
        let address = question.strip_prefix("permit GET network::url http://")?.strip_suffix(":9/")?;
        (!address.eq_ignore_ascii_case(host)).then(|| address.to_owned())
    });
    let mut addresses: Vec<String> = addresses.collect();
    addresses.sort();
    addresses
}

#[test]
fn addresses_of_both_versions_and_those_of_another_name_are_found() {
    let server = NameServer::with(&zone());

    assert_eq!(leads_to(&server, "four.test"), ["127.0.0.7"]);
    assert_eq!(leads_to(&server, "FOUR.Test"), ["127.0.0.7"]);
    assert_eq!(leads_to(&server, "six.test"), ["[::1]"]);
    for host in ["both.test", "alias.test", "alias-of-alias.test"] {
        assert_eq!(leads_to(&server, host), ["127.0.0.8", "[::1]"], "{host}");
    }
}

#[test]
fn an_address_of_the_world_is_what_the_policy_is_told() {
    let server = NameServer::with(&zone());
    let denied = |address: &str| {
        let policy = format!(
            "permit(principal, action == network::Action::\"GET\", resource);\n\
             forbid(principal, action == network::Action::\"GET\", resource)\n\
             when {{ context has address && context.address == ip(\"{address}\") }};"
        );
        let mut session = session(&server, &policy);
        session.services.host.network.exchange_time = Duration::from_secs(2);
        session.send(get("http://world.test:9/")).unwrap_err().is_denial()
    };

    assert!(denied("192.0.2.7"));
    assert!(!denied("192.0.2.8"), "it is another");
}

#[test]
fn a_name_that_nobody_has_is_told_as_that() {
    let server = NameServer::with(&zone());
    for (host, cause) in [
        ("nobody.test", "name servers know no address of this name"),
        ("elsewhere.example", "the name server refuses to answer"),
    ] {
        let refused = session(&server, ALLOW_ALL).send(get(&format!("http://{host}:9/"))).unwrap_err();

        let message = refused.failure().message.to_string();
        assert!(message.ends_with(cause), "{message}");
    }
}

// RFC 1035, 4.2.1: "Messages carried by UDP are restricted to 512 bytes"; 60 addresses take 960.
#[test]
fn what_does_not_fit_a_datagram_is_asked_for_over_tcp() {
    let server = NameServer::with(&zone());

    let mut expected: Vec<String> = (1..=60).map(|last| format!("127.0.1.{last}")).collect();
    expected.sort();
    assert_eq!(leads_to(&server, "many.test"), expected);

    let queries = server.log().lines().filter(|line| line.contains("query[A] many.test")).count();
    assert_eq!(queries, 2, "once over UDP, and then over TCP: {}", server.log());
}

#[test]
fn a_name_that_leads_to_this_host_or_its_link_is_asked_for_with_the_address() {
    let server = NameServer::with(&zone());
    for (host, address) in
        [("here.test", "127.0.0.1"), ("also-here.test", "127.0.0.1"), ("metadata.test", "169.254.169.254")]
    {
        let url = format!("http://{host}:9/");
        let only = format!(
            "permit(principal, action == network::Action::\"GET\", resource == network::url::\"{url}\");"
        );
        let mut session = session(&server, &only);

        assert!(session.send(get(&url)).unwrap_err().is_denial(), "{host}");

        let last = session.questions().pop().unwrap();
        assert_eq!(last, format!("deny GET network::url http://{address}:9/"));
    }
    // The control: with a permit for both it is reached.
    let reached = Server::answering(HELLO);
    let mut permitted = session(&server, ALLOW_ALL);
    permitted.send(get(&reached.url("also-here.test", "/"))).unwrap();
    assert_eq!(whole(&mut permitted).unwrap(), HELLO.as_bytes());
}
