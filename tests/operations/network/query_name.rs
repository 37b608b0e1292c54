//! Queries to name servers.

use std::time::{Duration, Instant};

use rex_broker::run::session::RunEnd;
use rex_ipc::bounded::Text;
use rex_ipc::network::{AddressKind, DnsSeconds, NameServer, QueryName};
use rex_ipc::sysinfo::Address;
use rex_tests::session::{ALLOW_ALL, Session};

use super::servers::{name_server, session_with};

fn query(host: &str, over_tcp: bool) -> QueryName {
    QueryName {
        host: Text::new(host).unwrap(),
        search_domain: None,
        kind: AddressKind::V4,
        server: NameServer::At(Address::V4([127, 0, 0, 1])),
        over_tcp,
        wait: DnsSeconds::new(5).unwrap(),
    }
}

/// The query itself, as an answer would begin.
fn echo(query: &[u8], over_tcp: bool) -> Vec<Vec<u8>> {
    if over_tcp {
        vec![[&(query.len() as u16).to_be_bytes()[..], query].concat()]
    } else {
        vec![query.to_vec()]
    }
}

fn session(policy: &str, answer: fn(&[u8], bool) -> Vec<Vec<u8>>) -> Session {
    let resolver = "search x.example y.example\nnameserver 127.0.0.1\n";
    let mut session = session_with(Session::with_policy(policy), "", resolver);
    session.services.host.network.name_server_port = name_server(answer);
    session
}

fn only(host: &str) -> String {
    format!(
        "permit(principal, action == sysinfo::Action::\"resolve_hostname\", resource == sysinfo::Hostname::\"{host}\");\n"
    )
}

#[test]
fn permitted() {
    for over_tcp in [false, true] {
        let mut session = session(&only("a.example"), echo);

        let answer = session.send(query("a.example", over_tcp)).unwrap();

        assert_eq!(session.questions(), ["permit resolve_hostname sysinfo::Hostname a.example"]);
        assert_eq!(answer.name.as_str(), "a.example");
        let expected = b"\x01\0\0\x01\0\0\0\0\0\0\x01a\x07example\0\0\x01\0\x01";
        assert_eq!(answer.message.as_slice(), [&answer.id.to_be_bytes()[..], expected].concat());
        let again = session.send(query("a.example", over_tcp)).unwrap();
        let third = session.send(query("a.example", over_tcp)).unwrap();
        assert!(answer.id != again.id || again.id != third.id, "numbers of queries cannot be guessed");
    }
}

#[test]
fn denied() {
    fn nobody(_: &[u8], _: bool) -> Vec<Vec<u8>> {
        panic!("nobody may ask")
    }
    let mut session = session(&only("b.example"), nobody);

    assert!(session.send(query("a.example", false)).unwrap_err().is_denial());

    assert_eq!(session.questions(), ["deny resolve_hostname sysinfo::Hostname a.example"]);
}

// A jail cannot have a name asked for that the script has not named.
#[test]
fn the_name_is_the_one_that_was_asked_about_with_a_domain_of_this_host() {
    let mut session = session(ALLOW_ALL, echo);
    let mut name = |host, search_domain| {
        let query = QueryName { search_domain, server: NameServer::Configured(0), ..query(host, false) };
        session.send(query).map(|answer| answer.name.to_string())
    };

    assert_eq!(name("a", None).unwrap(), "a");
    assert_eq!(name("a.", None).unwrap(), "a");
    assert_eq!(name("a", Some(0)).unwrap(), "a.x.example");
    assert_eq!(name("a", Some(1)).unwrap(), "a.y.example");
    for (host, domain) in [
        ("a", Some(2)),
        ("a", Some(255)),
        ("a..b", None),
        ("", None),
        ("", Some(0)),
        ("a b", None),
        ("ä", None),
    ] {
        assert!(name(host, domain).is_err(), "{host} {domain:?}");
    }
    let none = QueryName { server: NameServer::Configured(1), ..query("a", false) };
    assert!(session.send(none).is_err());
}

#[test]
fn an_answer_to_another_number_is_not_heard() {
    fn both(query: &[u8], over_tcp: bool) -> Vec<Vec<u8>> {
        let mut forged = query.to_vec();
        forged[0] ^= 1;
        [vec![forged, vec![], vec![query[0]]], echo(query, over_tcp)].concat()
    }
    let mut session = session(ALLOW_ALL, both);

    let answer = session.send(query("a.example", false)).unwrap();

    assert!(answer.message.as_slice().starts_with(&answer.id.to_be_bytes()));
}

#[test]
fn a_server_that_does_not_answer_or_not_to_the_end_has_its_time() {
    fn silent(_: &[u8], _: bool) -> Vec<Vec<u8>> {
        Vec::new()
    }
    fn forged(_: &[u8], _: bool) -> Vec<Vec<u8>> {
        vec![vec![0; 12]; 3]
    }
    fn cut(_: &[u8], over_tcp: bool) -> Vec<Vec<u8>> {
        if over_tcp { vec![vec![0, 100, 1, 2, 3]] } else { Vec::new() }
    }
    fn long(_: &[u8], over_tcp: bool) -> Vec<Vec<u8>> {
        if over_tcp { vec![vec![0xff; 70_000]] } else { Vec::new() }
    }
    let began = Instant::now();
    for answer in [silent, forged] as [fn(&[u8], bool) -> Vec<Vec<u8>>; 2] {
        let mut session = session(ALLOW_ALL, answer);
        let no_time = QueryName { wait: DnsSeconds::new(0).unwrap(), ..query("a.example", false) };
        let failure = session.send(no_time).unwrap_err().failure();
        // Whoever guesses the number of the query has answered it.
        assert_eq!(failure.message.as_str(), "request timed out");
    }
    for answer in [silent, cut, long] as [fn(&[u8], bool) -> Vec<Vec<u8>>; 3] {
        let mut session = session(ALLOW_ALL, answer);
        assert!(session.send(query("a.example", true)).is_err());
    }
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_server_that_never_answers_does_not_outlive_the_run() {
    let mut session = session(ALLOW_ALL, |_, _| Vec::new());
    let request = QueryName { wait: DnsSeconds::MAX, ..query("a.example", false) };

    let (end, answer) =
        session.serve_until(Duration::from_millis(300), |peer| peer.call(vec![request.into()]));

    assert!(answer.is_none());
    assert!(matches!(end, RunEnd::Deadline), "{end:?}");
}
