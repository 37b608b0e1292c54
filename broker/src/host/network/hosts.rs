//! What this host knows of names without asking anybody: literals, its own name for itself, `/etc/hosts`; and whom it would ask.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use rex_ipc::action::sysinfo::ResolveHostname;
use rex_ipc::limits::MAX_HOST_ADDRESSES;

use super::object::{Name, Network};
use crate::gate::Permit;
use crate::policy::url::{Host, reached};

/// Where a permitted name is, as far as that is known.
pub fn of_name(permit: &Permit<'_, ResolveHostname, Name>, network: &Network) -> Vec<IpAddr> {
    let given = &permit.resource().given;
    // An address is the answer to itself, as it stands.
    if let Ok(address) = given.parse() {
        return vec![address];
    }
    Host::bare(given).map_or_else(|_| Vec::new(), |host| addresses(&host, network))
}

/// What resolv.conf(5) says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    /// Name servers.
    pub servers: Vec<IpAddr>,
    /// Domains.
    pub search: Vec<String>,
}

impl Resolver {
    /// Reads the text. What is not understood counts for nothing, as with every reader of this file.
    pub(super) fn parse(text: &str) -> Self {
        let mut resolver = Self::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => {
                    resolver.servers.extend(words.next().and_then(|word| word.parse::<IpAddr>().ok()))
                }
                // The last of both counts.
                Some("domain") => resolver.search = words.take(1).filter_map(domain).collect(),
                Some("search") => resolver.search = words.filter_map(domain).collect(),
                _ => {}
            }
        }
        resolver.servers.truncate(MOST_SERVERS);
        resolver.search.truncate(MOST_DOMAINS);
        resolver
    }
}

fn domain(word: &str) -> Option<String> {
    match Host::bare(word) {
        Ok(Host::Name(name)) => Some(name),
        _ => None,
    }
}

/// Where connections to a host lead.
pub(super) fn reached_by(host: &Host, network: &Network) -> Vec<IpAddr> {
    addresses(host, network).into_iter().map(reached).collect()
}

/// The addresses of a host that are known without a query, those of a file in its order.
fn addresses(host: &Host, network: &Network) -> Vec<IpAddr> {
    match host {
        Host::Address(address) => vec![*address],
        Host::Name(name) if name == LOCALHOST => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Host::Name(name) => in_file(&text_of(&network.hosts), name),
    }
}

/// hosts(5): an address, and its names; what is behind `#` is for people.
fn in_file(text: &str, name: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
        let address = address.to_canonical();
        let is_named = words.any(|word| word.strip_suffix('.').unwrap_or(word).eq_ignore_ascii_case(name));
        if is_named && !found.contains(&address) {
            found.push(address);
        }
    }
    found.truncate(MAX_HOST_ADDRESSES);
    found
}

/// The beginning of a file of root's; nothing where it cannot be read.
pub(super) fn text_of(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_FILE_BYTES).read_to_end(&mut bytes));
    if read.is_err() {
        bytes.clear();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// RFC 6761, 6.3: never looked up.
pub(super) const LOCALHOST: &str = "localhost";
const MOST_FILE_BYTES: u64 = 1024 * 1024;
/// More than any resolver asks.
const MOST_SERVERS: usize = 8;
const MOST_DOMAINS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(found: &[IpAddr]) -> Vec<String> {
        found.iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn names_stand_behind_their_addresses() {
        let text = "# the hosts\n127.0.0.1 localhost\n192.0.2.7\tone.example one # two\n  2001:db8::7 ONE\n192.0.2.7 one\n\
                    ::ffff:192.0.2.9 mapped\nnonsense one\n192.0.2.300 one\n192.0.2.8\n192.0.2.9 dot.\n";

        assert_eq!(texts(&in_file(text, "one")), ["192.0.2.7", "2001:db8::7"]);
        assert_eq!(texts(&in_file(text, "one.example")), ["192.0.2.7"]);
        assert_eq!(texts(&in_file(text, "mapped")), ["192.0.2.9"]);
        assert_eq!(texts(&in_file(text, "dot")), ["192.0.2.9"]);
        for name in ["two", "#", "", "on", "the"] {
            assert_eq!(texts(&in_file(text, name)), [""; 0], "{name}");
        }
    }

    #[test]
    fn a_resolver_has_servers_and_domains() {
        let text = "; local\nnameserver 192.0.2.1\nnameserver nonsense\nnameserver 2001:db8::1 # second\ndomain a.example\n\
                    search B.example c.example. bad,name\noptions ndots:5\n";

        let resolver = Resolver::parse(text);

        assert_eq!(texts(&resolver.servers), ["192.0.2.1", "2001:db8::1"]);
        assert_eq!(resolver.search, ["b.example", "c.example"]);
        assert_eq!(Resolver::parse("search a\ndomain b c\n").search, ["b"]);
        assert_eq!(Resolver::parse(""), Resolver::default());
        assert_eq!(Resolver::parse(&"nameserver 192.0.2.1\n".repeat(99)).servers.len(), MOST_SERVERS);
    }
}
