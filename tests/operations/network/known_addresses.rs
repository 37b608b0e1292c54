//! What this host knows of names.

use rex_ipc::bounded::Text;
use rex_ipc::network::{HostAddresses, KnownAddresses};
use rex_ipc::sysinfo::Address;
use rex_tests::session::{ALLOW_ALL, Session};

use super::servers::session_with;

fn known(host: &str) -> KnownAddresses {
    KnownAddresses { host: Text::new(host).unwrap() }
}

fn only(host: &str) -> String {
    format!(
        "permit(principal, action == sysinfo::Action::\"resolve_hostname\", resource == sysinfo::Hostname::\"{host}\");\n"
    )
}

const HOSTS: &str = "192.0.2.7 a.example a # one\n2001:db8::7 a.example\n192.0.2.8 b.example\n";
const RESOLVER: &str = "search x.example y.example\nnameserver 192.0.2.53\nnameserver 192.0.2.54\n";

fn told(session: Session, host: &str) -> HostAddresses {
    session_with(session, HOSTS, RESOLVER).send(known(host)).unwrap()
}

#[test]
fn permitted() {
    let mut v6 = [0; 16];
    v6[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
    v6[15] = 7;
    let (a, b) = (Address::V4([192, 0, 2, 7]), Address::V6(v6));
    let mut loopback = [0; 16];
    loopback[15] = 1;
    for (host, expected) in [
        ("a.example", vec![a, b]),
        ("a", vec![a]),
        ("c.example", vec![]),
        ("localhost", vec![Address::V4([127, 0, 0, 1]), Address::V6(loopback)]),
        ("192.0.2.9", vec![Address::V4([192, 0, 2, 9])]),
        ("0.0.0.0", vec![Address::V4([0; 4])]),
        ("::", vec![Address::V6([0; 16])]),
        ("a b", vec![]),
        ("", vec![]),
    ] {
        let reply = told(Session::with_policy(&only(host)), host);

        assert_eq!(reply.addresses.as_slice(), expected, "{host}");
        assert_eq!((reply.name_servers, reply.search_domains), (2, 2));
    }
}

#[test]
fn denied() {
    let mut session = session_with(Session::with_policy(&only("A.example")), HOSTS, RESOLVER);

    assert!(session.send(known("a.example")).unwrap_err().is_denial());
    assert_eq!(session.questions(), ["deny resolve_hostname sysinfo::Hostname a.example"]);
    // A name means what it is in lower case.
    assert!(session.send(known("A.example")).unwrap_err().is_denial());
    assert_eq!(
        session.questions(),
        [
            "permit resolve_hostname sysinfo::Hostname A.example",
            "deny resolve_hostname sysinfo::Hostname a.example"
        ]
    );
    assert_eq!(
        told(Session::with_policy_as_in_rex(&only("A.EXAMPLE.")), "A.EXAMPLE.").addresses.as_slice().len(),
        2
    );
    let forbid =
        format!("{ALLOW_ALL} forbid(principal, action, resource == sysinfo::Hostname::\"a.example\");");
    for session in [Session::with_policy(&forbid), Session::with_policy_as_in_rex(&forbid)] {
        let mut session = session_with(session, HOSTS, RESOLVER);
        for host in ["A.example", "a.example.", "a.EXAMPLE."] {
            assert!(session.send(known(host)).unwrap_err().is_denial(), "{host}");
        }
    }
}

#[test]
fn where_nothing_is_configured_nothing_is_known() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.services.host.network.hosts = session.path("missing");
    session.services.host.network.resolver = session.path("missing");

    let reply = session.send(known("a.example")).unwrap();

    assert_eq!((reply.addresses.as_slice().len(), reply.name_servers, reply.search_domains), (0, 0, 0));
    assert_eq!(session.send(known("localhost")).unwrap().addresses.as_slice().len(), 2);
}

#[test]
fn a_quotation_mark_is_not_judged() {
    let failure = Session::with_policy(ALLOW_ALL).send(known("a\"b")).unwrap_err().failure();

    assert_eq!(failure.class, rex_ipc::failure::FailureClass::Undecided);
}
