//! What is tried of the network: nobody is reached, because nobody listens or answers. What `read_response` asks again, its own
//! tests answer with no.

use rex_ipc::bounded::Text;
use rex_ipc::interface::Request;
use rex_ipc::network::{
    AddressKind, BeginGet, Connect, DnsSeconds, Hop, KnownAddresses, NameServer, Protocol, QueryName,
};
use rex_tests::session::Session;

use super::scenarios::{Needs, Scenario};

const fn plain(name: &'static str, act: fn(&mut Session) -> Request) -> Scenario {
    Scenario { name, needs: Needs::Nothing, base: "", act }
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    plain("begin_get", |_| get("http://127.0.0.1:9/")),
    plain("begin_get, in another spelling", |_| get("HTTP://LOCALHOST:9/a/../b")),
    plain("begin_get, where a name leads to this host", |s| {
        hosts(s);
        get("http://Here.example:9/")
    }),
    plain("begin_get, with TLS", |_| get("https://localhost/")),
    plain("connect", |_| connect("127.0.0.1")),
    plain("connect, where a name leads to this host", |s| {
        hosts(s);
        connect("HERE.example")
    }),
    plain("known_addresses", |_| KnownAddresses { host: Text::cut("localhost") }.into()),
    plain("known_addresses, in another spelling", |_| {
        KnownAddresses { host: Text::cut("LOCALHOST.") }.into()
    }),
    plain("query_name", |s| {
        s.services.host.network.name_server_port = 9;
        QueryName {
            host: Text::cut("A.example"),
            search_domain: None,
            kind: AddressKind::V4,
            // Nobody has this name server.
            server: NameServer::Configured(u8::MAX),
            over_tcp: true,
            wait: DnsSeconds::MAX,
        }
        .into()
    }),
];

fn get(url: &str) -> Request {
    BeginGet { url: Text::cut(url), hop: Hop::new(0).unwrap() }.into()
}

fn connect(endpoint: &str) -> Request {
    Connect { endpoint: Text::cut(endpoint), port: 9, protocol: Protocol::Tcp }.into()
}

/// A file of hosts of the test's own.
fn hosts(session: &mut Session) {
    std::fs::write(session.path("hosts"), "127.0.0.1 here.example\n").unwrap();
    session.services.host.network.hosts = session.path("hosts");
}
