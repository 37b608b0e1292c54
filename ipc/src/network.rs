//! The requests and replies about HTTP, connections and names of hosts.

use serde::{Deserialize, Serialize};

use crate::bounded::{Bytes, List, Text, number};
use crate::limits::{
    MAX_DNS_ANSWER_BYTES, MAX_DNS_SECONDS, MAX_HOPS, MAX_HOST_ADDRESSES, MAX_HOST_TEXT_BYTES, MAX_URL_BYTES,
};
use crate::sysinfo::Address;

/// A URL, as the script gave it or in its canonical form.
pub type UrlText = Text<MAX_URL_BYTES>;

/// The name or address of a host, as the script gave it.
pub type HostText = Text<MAX_HOST_TEXT_BYTES>;

/// Connects to the server of a URL and sends it a request with the method `GET`. `GET` is asked for the URL as given, for its
/// canonical form where that is another, and for the address where the name leads somewhere special.
///
/// One exchange is open at a time: this ends the one before it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct BeginGet {
    /// The URL.
    pub url: UrlText,
    /// How many redirects have led to it.
    pub hop: Hop,
}

number! {
    /// How many redirects have led to a URL: 0 to [`MAX_HOPS`].
    Hop("u8" u8), 0..MAX_HOPS, get -> u8, "too many redirects"
}

/// What is sent was sent; the answer to [`BeginGet`].
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Begun {
    /// The URL in its canonical form.
    pub url: UrlText,
}

/// Waits for the next bytes that the server sends. What [`BeginGet`] has asked is asked again.
///
/// The answer is bytes as they came, in the order in which they came; of these nobody has read anything.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ReadResponse {}

/// Connects to a port of a host, and closes the connection. `connect` is asked for the text as given, for its canonical form
/// where that is another, and for the address where the name leads somewhere special.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Connect {
    /// The host.
    pub endpoint: HostText,
    /// The port.
    pub port: u16,
    /// How.
    pub protocol: Protocol,
}

/// Which protocol carries something.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// TCP, and UDP where that fails.
    Either,
}

/// Which addresses of a host are known without a query; `resolve_hostname` is asked for the name as given, and for its
/// canonical form where that is another.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct KnownAddresses {
    /// The name.
    pub host: HostText,
}

/// The answer to [`KnownAddresses`].
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct HostAddresses {
    /// What an address, `localhost` and a line of `/etc/hosts` stand for.
    pub addresses: List<Address, MAX_HOST_ADDRESSES>,
    /// How many name servers this host is configured to ask; see resolv.conf(5).
    pub name_servers: u8,
    /// How many domains it looks names up in.
    pub search_domains: u8,
}

/// Asks a name server for the addresses of a name; `resolve_hostname` is asked for the name as given, and for its canonical
/// form where that is another.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct QueryName {
    /// The name.
    pub host: HostText,
    /// In which of the domains that this host looks names up in; in none, if nothing.
    pub search_domain: Option<u8>,
    /// Addresses of which version.
    pub kind: AddressKind,
    /// Whom.
    pub server: NameServer,
    /// Whether the query goes over TCP, and not over UDP.
    pub over_tcp: bool,
    /// How long an answer is waited for.
    pub wait: DnsSeconds,
}

/// The version of an address.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// Of version 4: records of the type A.
    V4,
    /// Of version 6: records of the type AAAA.
    V6,
}

/// A name server.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameServer {
    /// One of those that this host is configured to ask.
    Configured(u8),
    /// The one at this address.
    At(Address),
}

number! {
    /// How long an answer is waited for: 0 to [`MAX_DNS_SECONDS`] seconds.
    DnsSeconds("u32" u32), 0..MAX_DNS_SECONDS, seconds -> u32, "waiting time out of range"
}

/// The answer to [`QueryName`].
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct NameAnswer {
    /// The name that the query had, without a dot behind it.
    pub name: HostText,
    /// The number of the query.
    pub id: u16,
    /// The message as it came, of which nobody has read more than that its first bytes are that number.
    pub message: Bytes<MAX_DNS_ANSWER_BYTES>,
}
