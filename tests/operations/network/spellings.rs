//! Whatever the spelling: what a forbid on the canonical form closes is not reached.

use rex_tests::session::{ALLOW_ALL, Session};

use super::servers::{HELLO, Server, get, redirected, session_with};

/// Spellings of `http://127.0.0.1:PORT/secret`, and what somebody may hope is one.
const OF_ADDRESS: &[&str] = &[
    "http://127.0.0.1:PORT/secret",
    "HTTP://127.0.0.1:PORT/secret",
    "hTtP://127.0.0.1:PORT/secret",
    "http://127.0.0.1.:PORT/secret",
    "http://127.0.0.1:0PORT/secret",
    "http://127.0.0.1:PORT/secret#part",
    "http://127.0.0.1:PORT/./secret",
    "http://127.0.0.1:PORT/x/../secret",
    "http://127.0.0.1:PORT/x/%2e%2e/secret",
    "http://127.0.0.1:PORT/x/.%2E/secret",
    "http://127.0.0.1:PORT/../secret",
    "http://127.0.0.1:PORT/%73ecret",
    "http://127.0.0.1:PORT/secre%74",
    "http://127.0.0.1:PORT/%73%65%63%72%65%74",
    "http://0.0.0.0:PORT/secret",
    "http://0:PORT/secret",
    "http://127.1:PORT/secret",
    "http://127.0.1:PORT/secret",
    "HTTP://127.1:PORT/secret",
    "http://2130706433:PORT/secret",
    "http://017700000001:PORT/secret",
    "http://0x7f000001:PORT/secret",
    "http://0x7f.0.0.1:PORT/secret",
    "http://0x7F.1:PORT/secret",
    "http://0177.0.0.1:PORT/secret",
    "http://127.0.0.01:PORT/secret",
    "http://127.0.0.0x1:PORT/secret",
    "http://127.000.000.001:PORT/secret",
    "http://[::ffff:127.0.0.1]:PORT/secret",
    "http://[::FFFF:7f00:1]:PORT/secret",
    "http://[0:0:0:0:0:ffff:7f00:0001]:PORT/secret",
    "http://[::ffff:0.0.0.0]:PORT/secret",
    "http://[::ffff:0:0]:PORT/secret",
    "http://[::127.0.0.1]:PORT/secret",
    "http://１２７.0.0.1:PORT/secret",
    "http://127。0。0。1:PORT/secret",
    "http://127%2e0.0.1:PORT/secret",
    "http://user@127.0.0.1:PORT/secret",
    "http://user:word@127.0.0.1:PORT/secret",
    "http://@127.0.0.1:PORT/secret",
    "http:\\\\127.0.0.1:PORT/secret",
    "http://127.0.0.1:PORT\\secret",
    "http:/127.0.0.1:PORT/secret",
    "http:127.0.0.1:PORT/secret",
    "http:///127.0.0.1:PORT/secret",
    " http://127.0.0.1:PORT/secret",
    "http://127.0.0.1:PORT/secret ",
    "http://127.0.0.1:PORT/sec\tret",
    "http://127.0.0.1:PORT/sec\nret",
    "ht\ntp://127.0.0.1:PORT/secret",
    "http://127.0.\t0.1:PORT/secret",
    "\u{feff}http://127.0.0.1:PORT/secret",
    "http://127.0.0.1\u{200b}:PORT/secret",
    "http://x.example:PORT/secret",
    "http://X.example.:PORT/secret",
    "http://mapped.example:PORT/secret",
    "http://zero.example:PORT/secret",
];

/// Spellings of `http://localhost:PORT/secret`.
const OF_NAME: &[&str] = &[
    "http://localhost:PORT/secret",
    "http://LOCALHOST:PORT/secret",
    "HTTP://LocalHost:PORT/secret",
    "http://localhost.:PORT/secret",
    "http://LOCALHOST.:PORT/%73ecret",
    "http://localhost:00PORT/secret",
    "http://localhost:PORT/x/..//../secret",
    "http://local%68ost:PORT/secret",
    "http://ⓛocalhost:PORT/secret",
    "http://localhost:PORT/secret#",
    "http://localhost:PORT/a/b/../../secret",
    "http://localhost:PORT/%2e/secret",
];

const HOSTS: &str = "127.0.0.1 x.example\n::ffff:127.0.0.1 mapped.example\n0.0.0.0 zero.example\n";

#[test]
fn no_spelling_reaches_what_its_canonical_form_is_forbidden() {
    assert!(OF_ADDRESS.len() + OF_NAME.len() > 60);
    let server = Server::answering(HELLO);
    for (host, spellings) in [("127.0.0.1", OF_ADDRESS), ("localhost", OF_NAME)] {
        let forbidden = server.url(host, "/secret");
        let policy =
            format!("{ALLOW_ALL} forbid(principal, action, resource == network::url::\"{forbidden}\");");
        for spelling in spellings {
            let url = spelling.replace("PORT", &server.port.to_string());
            for session in [Session::with_policy(&policy), Session::with_policy_as_in_rex(&policy)] {
                let mut session = session_with(session, HOSTS, "");
                for request in [get(&url), redirected(&url, 3)] {
                    assert!(session.send(request).is_err(), "{url}");
                }
            }
        }
        // The server is there, and the policy closes no more than it says.
        let mut session = Session::with_policy(&policy);
        session.send(get(&server.url(host, "/public"))).unwrap();
        server.requests.recv().unwrap();
    }
    assert_eq!(server.asked(), 0);
}
