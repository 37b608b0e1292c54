//! Names that only name servers know, and name servers that lie.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rex_ipc::bounded::Text;
use rex_ipc::failure::ErrorKind;
use rex_ipc::network::{Connect, Protocol};
use rex_tests::session::{ALLOW_ALL, Session};

use super::servers::{HELLO, Server, get, name_server, redirected, session_with, whole};

type Answers = fn(&[u8], bool) -> Vec<Vec<u8>>;

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
/// A pointer to the name in the question.
const ASKED: &[u8] = b"\xc0\x0c";
const FINE: u16 = 0x8180;
const TRUNCATED: u16 = 0x8380;

/// What kind of address a query is for.
fn kind(query: &[u8]) -> u16 {
    u16::from_be_bytes([query[query.len() - 4], query[query.len() - 3]])
}

fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16).to_be_bytes();
    [owner, &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &length, data].concat()
}

/// The answer to a query, behind its length over TCP.
fn answer(query: &[u8], over_tcp: bool, flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let mut message = query[..2].to_vec();
    for number in [flags, 1, records.len() as u16, 0, 0] {
        message.extend(number.to_be_bytes());
    }
    message.extend(&query[12..]);
    message.extend(records.concat());
    if over_tcp { [&(message.len() as u16).to_be_bytes()[..], &message].concat() } else { message }
}

/// The answer that has these addresses, each where it was asked for.
fn addresses(query: &[u8], over_tcp: bool, v4: &[[u8; 4]], v6: &[[u8; 16]]) -> Vec<Vec<u8>> {
    let records: Vec<Vec<u8>> = match kind(query) {
        A => v4.iter().map(|address| record(ASKED, A, address)).collect(),
        _ => v6.iter().map(|address| record(ASKED, AAAA, address)).collect(),
    };
    vec![answer(query, over_tcp, FINE, &records)]
}

fn here(query: &[u8], over_tcp: bool) -> Vec<Vec<u8>> {
    addresses(query, over_tcp, &[[127, 0, 0, 1]], &[])
}

fn asking(policy: &str, answers: Answers) -> Session {
    let mut session = session_with(Session::with_policy(policy), "", "nameserver 127.0.0.1\n");
    session.services.host.network.name_server_port = name_server(answers);
    session.services.host.network.query_time = Duration::from_millis(400);
    session
}

fn only(url: &str) -> String {
    format!("permit(principal, action == network::Action::\"GET\", resource == network::url::\"{url}\");\n")
}

/// Why a request to a host of this name server is not sent.
fn refusal(answers: Answers) -> String {
    let failure = asking(ALLOW_ALL, answers).send(get("http://name.example/")).unwrap_err().failure();
    assert_eq!(failure.kind, ErrorKind::IoError);
    let message = failure.message.to_string();
    let start = "Failed to send a request: reason: error sending request for url (http://name.example/): ";
    message.strip_prefix(start).unwrap_or_else(|| panic!("{message}")).to_owned()
}

#[test]
fn a_name_is_looked_up_and_its_address_connected_to() {
    let server = Server::answering(HELLO);
    let (named, numbered) = (server.url("name.example", "/"), server.url("127.0.0.1", "/"));
    let mut session = asking(ALLOW_ALL, here);

    session.send(get(&named)).unwrap();

    // That it leads to this host is asked for: whoever has the name says where it leads.
    assert_eq!(
        session.questions(),
        [
            format!("permit GET network::url {named}"),
            format!("permit GET network::url {numbered}"),
            format!("permit GET network::url {named}")
        ]
    );
    assert_eq!(whole(&mut session).unwrap(), HELLO.as_bytes());
    assert!(server.requests.recv().unwrap().contains(&format!("host: name.example:{}\r\n", server.port)));
}

#[test]
fn an_address_that_nobody_but_this_host_or_a_link_has_needs_a_permit_of_its_own() {
    const MAPPED: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];
    const LINK: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    const LOOPBACK: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let cases: [(Answers, &str); 8] = [
        (here, "127.0.0.1"),
        (|query, tcp| addresses(query, tcp, &[[169, 254, 169, 254]], &[]), "169.254.169.254"),
        (|query, tcp| addresses(query, tcp, &[[0, 0, 0, 0]], &[]), "127.0.0.1"),
        (|query, tcp| addresses(query, tcp, &[[224, 0, 0, 1]], &[]), "224.0.0.1"),
        (|query, tcp| addresses(query, tcp, &[], &[LOOPBACK]), "[::1]"),
        (|query, tcp| addresses(query, tcp, &[], &[[0; 16]]), "[::1]"),
        (|query, tcp| addresses(query, tcp, &[], &[MAPPED]), "127.0.0.1"),
        (|query, tcp| addresses(query, tcp, &[], &[LINK]), "[fe80::1]"),
    ];
    for (answers, address) in cases {
        let server = Server::answering(HELLO);
        let url = server.url("name.example", "/");
        let mut session = asking(&only(&url), answers);

        assert!(session.send(get(&url)).unwrap_err().is_denial(), "{address}");

        let asked = server.url(address, "/");
        assert_eq!(
            session.questions(),
            [format!("permit GET network::url {url}"), format!("deny GET network::url {asked}")]
        );
        assert_eq!(server.asked(), 0);
    }
}

// One address among others is enough to be reached there.
#[test]
fn each_of_several_addresses_is_asked_for() {
    let answers: Answers = |query, tcp| addresses(query, tcp, &[[192, 0, 2, 7], [127, 0, 0, 1]], &[]);
    let server = Server::answering(HELLO);
    let url = server.url("name.example", "/");

    assert!(asking(&only(&url), answers).send(get(&url)).unwrap_err().is_denial());
    assert_eq!(server.asked(), 0);
}

#[test]
fn denied() {
    let nobody: Answers = |_, _| panic!("nobody may ask");
    let mut session = asking(&only("http://other.example/"), nobody);

    assert!(session.send(get("http://name.example/")).unwrap_err().is_denial());
}

#[test]
fn what_did_not_fit_is_asked_for_over_tcp() {
    let answers: Answers = |query, over_tcp| {
        if over_tcp { here(query, true) } else { vec![answer(query, false, TRUNCATED, &[])] }
    };
    let server = Server::answering(HELLO);

    asking(ALLOW_ALL, answers).send(get(&server.url("name.example", "/"))).unwrap();

    // Where that is not enough, there is no part of it that would be.
    let never: Answers = |query, over_tcp| {
        let part = [record(ASKED, A, &[127, 0, 0, 1])];
        vec![answer(query, over_tcp, TRUNCATED, &part)]
    };
    assert_eq!(refusal(never), "the name server answers in part");
}

#[test]
fn an_answer_to_another_number_or_question_is_not_believed() {
    let server = Server::answering(HELLO);
    let forged: Answers = |query, over_tcp| {
        let mut other = answer(query, over_tcp, FINE, &[record(ASKED, A, &[169, 254, 169, 254])]);
        other[0] ^= 1;
        [vec![other], here(query, over_tcp)].concat()
    };
    let mut session = asking(ALLOW_ALL, forged);
    session.send(get(&server.url("name.example", "/"))).unwrap();
    assert!(session.questions().iter().all(|question| !question.contains("169.254")));

    let of_another: Answers = |query, over_tcp| {
        let mut other = query.to_vec();
        other[13] ^= 1;
        vec![answer(&other, over_tcp, FINE, &[record(ASKED, A, &[127, 0, 0, 1])])]
    };
    assert_eq!(refusal(of_another), "the name server does not answer what it was asked");
    // What it says of others, it says of nobody who was asked about.
    let of_others: Answers = |query, over_tcp| {
        let records = [record(b"\x05other\x07example\0", A, &[127, 0, 0, 1])];
        vec![answer(query, over_tcp, FINE, &records)]
    };
    assert_eq!(refusal(of_others), "name servers know no address of this name");
}

#[test]
fn answers_that_lead_nowhere_end() {
    let circle: Answers = |query, tcp| {
        let there = record(ASKED, CNAME, b"\x01b\x07example\0");
        let back = record(b"\x01b\x07example\0", CNAME, ASKED);
        vec![answer(query, tcp, FINE, &[there, back])]
    };
    assert_eq!(refusal(circle), "name servers know no address of this name");
    let to_itself: Answers = |query, tcp| vec![answer(query, tcp, FINE, &[record(ASKED, CNAME, ASKED)])];
    assert_eq!(refusal(to_itself), "name servers know no address of this name");
    let pointing_at_itself: Answers =
        |query, tcp| vec![answer(query, tcp, FINE, &[record(b"\xc0\x1e\xc0\x1e", A, &[127, 0, 0, 1])])];
    assert_eq!(refusal(pointing_at_itself), "the name server does not answer what it was asked");
    let refusing: Answers = |query, tcp| vec![answer(query, tcp, FINE | 5, &[])];
    assert_eq!(refusal(refusing), "the name server refuses to answer");
    let none: Answers = |query, tcp| vec![answer(query, tcp, FINE | 3, &[])];
    assert_eq!(refusal(none), "name servers know no address of this name");
    let long: Answers = |query, tcp| {
        if tcp { vec![vec![0xff; 65_537]] } else { vec![answer(query, false, TRUNCATED, &[])] }
    };
    assert_eq!(refusal(long), "the answer of the name server is too long");
    let many: Answers = |query, tcp| {
        let records: Vec<Vec<u8>> =
            (0..3000_u16).map(|n| record(ASKED, A, &[10, 0, (n >> 8) as u8, n as u8])).collect();
        if tcp {
            vec![answer(query, true, FINE, &records)]
        } else {
            vec![answer(query, false, TRUNCATED, &[])]
        }
    };
    let mut session = asking("forbid(principal, action, resource);", many);
    assert!(session.send(get("http://name.example/")).unwrap_err().is_denial());
}

#[test]
fn a_name_server_that_never_answers_has_its_time() {
    let silent: Answers = |_, _| Vec::new();
    let began = Instant::now();

    assert_eq!(refusal(silent), "no name server has answered in time");

    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // Of two servers, the one that answers is enough.
    let mut session = asking(ALLOW_ALL, here);
    std::fs::write(session.path("resolv.conf"), "nameserver 127.0.0.9\nnameserver 127.0.0.1\n").unwrap();
    let server = Server::answering(HELLO);
    session.send(get(&server.url("name.example", "/"))).unwrap();
    // The whole has a time, too, however many servers there are.
    let mut session = asking(ALLOW_ALL, silent);
    session.services.host.network.exchange_time = Duration::from_millis(300);
    session.services.host.network.query_time = Duration::from_secs(60);
    let began = Instant::now();
    assert!(session.send(get("http://name.example/")).is_err());
    assert!(began.elapsed() < Duration::from_secs(5));
}

// A name that leads elsewhere the second time it is looked up is looked up once.
#[test]
fn what_was_judged_is_what_is_connected_to() {
    static ASKED_FOR: AtomicUsize = AtomicUsize::new(0);
    let changing: Answers = |query, tcp| {
        if kind(query) != A {
            return addresses(query, tcp, &[], &[]);
        }
        let last = 1 + ASKED_FOR.fetch_add(1, Ordering::SeqCst) as u8;
        addresses(query, tcp, &[[127, 0, 0, last]], &[])
    };
    let server = Server::answering(HELLO);
    let url = server.url("name.example", "/");
    let policy = format!("{}{}", only(&url), only(&server.url("127.0.0.1", "/")));
    let mut session = asking(&policy, changing);

    session.send(get(&url)).unwrap();
    whole(&mut session).unwrap();
    assert_eq!(ASKED_FOR.load(Ordering::SeqCst), 1);
    // Each redirect is looked up and judged again.
    assert!(session.send(redirected(&url, 1)).unwrap_err().is_denial());
    assert_eq!(ASKED_FOR.load(Ordering::SeqCst), 2);
    assert_eq!(server.asked(), 1);
}

#[test]
fn a_name_without_a_dot_is_looked_for_in_the_domains_of_this_host() {
    let in_domain: Answers = |query, tcp| {
        let is_there = query[12..].starts_with(b"\x05short\x01x\x07example\0");
        if is_there { here(query, tcp) } else { vec![answer(query, tcp, FINE | 3, &[])] }
    };
    let server = Server::answering(HELLO);
    let mut session = asking(ALLOW_ALL, in_domain);
    let text = "search w.example x.example\nnameserver 127.0.0.1\n";
    std::fs::write(session.path("resolv.conf"), text).unwrap();

    session.send(get(&server.url("short", "/"))).unwrap();

    assert!(session.questions()[0].ends_with(&server.url("short", "/")), "as it was given");
}

#[test]
fn connections_that_are_tried_lead_where_name_servers_say_and_are_judged_there() {
    let connect =
        |port| Connect { endpoint: Text::new("name.example").unwrap(), port, protocol: Protocol::Tcp };
    let permit = |endpoint: &str| {
        format!(
            "permit(principal, action == network::Action::\"connect\", resource == network::url::\"{endpoint}\");\n"
        )
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();

    let mut session = asking(&permit("name.example"), here);
    assert!(session.send(connect(port)).unwrap_err().is_denial());
    let questions = ["permit connect network::url name.example", "deny connect network::url 127.0.0.1"];
    assert_eq!(session.questions(), questions);
    let both = permit("name.example") + &permit("127.0.0.1");
    asking(&both, here).send(connect(port)).unwrap();
    listener.accept().unwrap();

    let silent: Answers = |_, _| Vec::new();
    let failure = asking(&both, silent).send(connect(port)).unwrap_err().failure();
    let start = format!("Invalid address format: name.example:{port}");
    assert_eq!(failure.kind, ErrorKind::Other);
    assert_eq!(failure.message.as_str(), format!("{start}: no name server has answered in time"));
    let mut of_rex = asking(&both, silent);
    of_rex.services.deciding.rex_compat = true;
    assert_eq!(of_rex.send(connect(port)).unwrap_err().failure().message.as_str(), start);
}
