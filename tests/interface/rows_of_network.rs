//! Samples of the rows about the network.

use rex_ipc::file_system::Chunk;
use rex_ipc::network::*;
use rex_ipc::sysinfo::Address;

use crate::rows::{Sampled, bytes, list, text};

impl Sampled for BeginGet {
    fn requests() -> Vec<Self> {
        let hop = |hop| Hop::new(hop).expect("a number of redirects within bounds");
        vec![
            BeginGet { url: text("http://localhost/"), hop: hop(0) },
            BeginGet { url: text("http://192.0.2.7:8080/a?b"), hop: Hop::MAX },
        ]
    }

    fn replies() -> Vec<Begun> {
        vec![Begun { url: text("http://localhost/") }]
    }
}

impl Sampled for ReadResponse {
    fn requests() -> Vec<Self> {
        vec![ReadResponse {}]
    }

    fn replies() -> Vec<Chunk> {
        vec![
            Chunk { bytes: bytes(b"HTTP/1.1 204 No Content\r\n\r\n"), end: false },
            Chunk { bytes: bytes(b""), end: true },
        ]
    }
}

impl Sampled for Connect {
    fn requests() -> Vec<Self> {
        [Protocol::Tcp, Protocol::Udp, Protocol::Either]
            .map(|protocol| Connect { endpoint: text("localhost"), port: 8080, protocol })
            .into()
    }

    fn replies() -> Vec<()> {
        vec![()]
    }
}

impl Sampled for KnownAddresses {
    fn requests() -> Vec<Self> {
        vec![KnownAddresses { host: text("host.example") }]
    }

    fn replies() -> Vec<HostAddresses> {
        vec![
            HostAddresses {
                addresses: list(vec![Address::V4([192, 0, 2, 7]), Address::V6([1; 16])]),
                name_servers: 2,
                search_domains: 1,
            },
            HostAddresses { addresses: list(vec![]), name_servers: 0, search_domains: 0 },
        ]
    }
}

impl Sampled for QueryName {
    fn requests() -> Vec<Self> {
        let wait = DnsSeconds::new(5).expect("a time within bounds");
        let query = |search_domain, kind, server, over_tcp| QueryName {
            host: text("host.example"),
            search_domain,
            kind,
            server,
            over_tcp,
            wait,
        };
        vec![
            query(None, AddressKind::V4, NameServer::Configured(1), false),
            query(Some(3), AddressKind::V6, NameServer::At(Address::V4([192, 0, 2, 53])), true),
        ]
    }

    fn replies() -> Vec<NameAnswer> {
        vec![NameAnswer { name: text("host.example"), id: 700, message: bytes(&[2, 188, 129, 128]) }]
    }
}
