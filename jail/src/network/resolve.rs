//! The addresses of a name: what this host knows of it, else what name servers say.

use core::net::IpAddr;
use std::collections::BTreeSet;

use rex_dns::{self as dns, Answer};
use rex_ipc::bounded::Text;
use rex_ipc::limits::MAX_DNS_SECONDS;
use rex_ipc::network::{AddressKind, DnsSeconds, HostText, KnownAddresses, NameServer, Protocol, QueryName};
use rex_ipc::sysinfo::Address;
use rhai::{Array, Dynamic, EvalAltResult, INT, ImmutableString, NativeCallContext};

use super::{HOST_NAME, in_words_of_rex};
use crate::error::family::{Kind, OTHER, SystemInfo};
use crate::error::{Fallible, text_error};
use crate::file_system::options::Builder;
use crate::session::{Failed, Session};
use crate::value::{self, setter_number};

/// Which name is resolved, and how; the name must be set.
#[derive(Clone, Debug)]
pub struct ResolveConfig {
    /// The name.
    pub hostname: Option<ImmutableString>,
    /// How name servers are asked.
    pub protocol: Protocol,
    /// The address of the one that is asked; those of this host, if nothing.
    pub resolver: Option<ImmutableString>,
    /// How long an answer is waited for, in seconds.
    pub timeout: u64,
}

impl Default for ResolveConfig {
    fn default() -> Self {
        Self { hostname: None, protocol: Protocol::Either, resolver: None, timeout: USUAL_SECONDS }
    }
}

impl Builder<ResolveConfig> {
    /// Sets how long an answer is waited for.
    ///
    /// # Errors
    /// A text, for a negative number.
    pub fn timeout(&mut self, seconds: INT) -> Fallible<()> {
        self.0.timeout = setter_number("timeout", seconds)?;
        Ok(())
    }

    /// The finished options.
    ///
    /// # Errors
    /// A text, when the name was not set.
    pub fn build(&mut self) -> Fallible<ResolveConfig> {
        match self.0.hostname {
            Some(_) => Ok(self.0.clone()),
            None => Err(text_error("`hostname` must be initialized")),
        }
    }
}

/// The addresses of a name as texts, in the order of the texts.
///
/// # Errors
/// `PermissionDenied`; `AuthorizationError`; `Other` when there are none, or nobody could be asked.
pub fn resolve(context: &NativeCallContext, config: &ResolveConfig) -> Fallible<Array> {
    let session = Session::of(context);
    let given = config.hostname.clone().unwrap_or_default();
    let lookup = Lookup { session: &session, line: value::line(context), given: &given, config };
    let host: HostText = Text::new(given.as_str()).ok_or_else(|| lookup.error("the name is too long"))?;
    let known = session
        .ask(lookup.line, KnownAddresses { host: host.clone() })
        .map_err(|failed| lookup.failed(failed))?;
    let server = match &config.resolver {
        None => None,
        Some(text) => {
            let server: Result<IpAddr, _> = text.parse();
            let why = "failed to parse resolver IP address: invalid IP address syntax";
            Some(on_the_wire(server.map_err(|_| lookup.error(why))?))
        }
    };
    let known_here: Vec<IpAddr> = known.addresses.into_vec().into_iter().map(from_the_wire).collect();
    if !known_here.is_empty() {
        return Ok(as_texts(&known_here));
    }
    let odd = given.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
    if let Some(odd) = odd {
        return Err(lookup.error(&format!("unrecognized char: {odd}")));
    }
    let servers: Vec<NameServer> = match server {
        Some(server) => vec![NameServer::At(server)],
        None => (0..known.name_servers).map(NameServer::Configured).collect(),
    };
    if servers.is_empty() {
        return Err(
            lookup.error("Failed to read system configuration: /etc/resolv.conf names no name server")
        );
    }
    for domain in domains(&given, known.search_domains) {
        let mut found = Vec::new();
        for kind in [AddressKind::V4, AddressKind::V6] {
            match lookup.ask(&host, domain, kind, &servers) {
                Ok(addresses) => found.extend(addresses),
                Err(NotAnswered::Ended(failed)) => return Err(lookup.failed(failed)),
                // Whoever has not answered does not answer what else would be asked.
                Err(NotAnswered::Last(reason)) if found.is_empty() => return Err(lookup.error(&reason)),
                Err(NotAnswered::Last(_)) => {}
            }
        }
        if !found.is_empty() {
            return Ok(as_texts(&found));
        }
    }
    Err(lookup.error(&format!(
        "no records found for Query {{ name: Name(\"{}.\"), query_type: A, query_class: IN }}",
        given.strip_suffix('.').unwrap_or(&given)
    )))
}

/// Behind which domains the name is asked for, in their order. A name with a dot is tried as it stands before that, one without
/// after it, and one that ends in a dot only so.
fn domains(given: &str, search_domains: u8) -> Vec<Option<u8>> {
    let searched = (0..search_domains).map(Some);
    match (given.ends_with('.'), given.contains('.')) {
        (true, _) => vec![None],
        (false, true) => std::iter::once(None).chain(searched).collect(),
        (false, false) => searched.chain([None]).collect(),
    }
}

/// Why there is no answer.
enum NotAnswered {
    /// The last of the attempts failed, and so.
    Last(String),
    /// There is no use in another attempt.
    Ended(Failed),
}

struct Lookup<'s> {
    session: &'s Session,
    line: u32,
    given: &'s str,
    config: &'s ResolveConfig,
}

impl Lookup<'_> {
    /// What name servers say, each of which is asked up to three times.
    fn ask(
        &self,
        host: &HostText,
        domain: Option<u8>,
        kind: AddressKind,
        servers: &[NameServer],
    ) -> Result<Vec<IpAddr>, NotAnswered> {
        let mut last = String::new();
        for server in servers.iter().cycle().take(servers.len().saturating_mul(ATTEMPTS)) {
            let over_tcp = self.config.protocol == Protocol::Tcp;
            let mut answer = self.ask_once(host, domain, kind, *server, over_tcp)?;
            if matches!(answer, Ok(Answer::Addresses(_, true))) && self.config.protocol == Protocol::Either {
                answer = self.ask_once(host, domain, kind, *server, true)?;
            }
            match answer {
                Ok(Answer::Addresses(addresses, _)) => return Ok(addresses),
                // As if it knew nothing: other servers may, and if none does, there are no records.
                Ok(Answer::Refusal) => last.clear(),
                Err(reason) => last = reason,
            }
        }
        if last.is_empty() { Ok(Vec::new()) } else { Err(NotAnswered::Last(last)) }
    }

    fn ask_once(
        &self,
        host: &HostText,
        search_domain: Option<u8>,
        kind: AddressKind,
        server: NameServer,
        over_tcp: bool,
    ) -> Result<Result<Answer, String>, NotAnswered> {
        let seconds = u32::try_from(self.config.timeout).unwrap_or(u32::MAX).min(MAX_DNS_SECONDS);
        let wait = DnsSeconds::new(seconds).unwrap_or(DnsSeconds::MAX);
        let query = QueryName { host: host.clone(), search_domain, kind, server, over_tcp, wait };
        match self.session.ask(self.line, query) {
            Ok(answer) => Ok(dns::read(answer.message.as_slice(), answer.id, answer.name.as_str(), kind)
                .map_err(str::to_owned)),
            Err(failed) if failed.is_denial() || failed.is_final() => Err(NotAnswered::Ended(failed)),
            Err(failed) => Ok(Err(failed.failure.message.into_string())),
        }
    }

    fn error(&self, reason: &str) -> Box<EvalAltResult> {
        Kind::<SystemInfo>::error(OTHER, self.told(reason))
    }

    fn failed(&self, failed: Failed) -> Box<EvalAltResult> {
        if failed.is_denial() || failed.is_final() {
            let there = format!("{HOST_NAME}::{HOST_NAME}");
            return Kind::<SystemInfo>::of(in_words_of_rex(self.session, failed, HOST_NAME, &there), OTHER);
        }
        let message = self.told(failed.failure.message.as_str());
        Kind::<SystemInfo>::error_from(OTHER, message, failed.number)
    }

    fn told(&self, reason: &str) -> String {
        format!("DNS resolution failed for hostname: {}, reason: {reason}", self.given)
    }
}

fn as_texts(addresses: &[IpAddr]) -> Array {
    let texts: BTreeSet<String> = addresses.iter().map(IpAddr::to_string).collect();
    texts.into_iter().map(Dynamic::from).collect()
}

fn on_the_wire(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => Address::V4(address.octets()),
        IpAddr::V6(address) => Address::V6(address.octets()),
    }
}

fn from_the_wire(address: Address) -> IpAddr {
    match address {
        Address::V4(bytes) => bytes.into(),
        Address::V6(bytes) => bytes.into(),
    }
}

const USUAL_SECONDS: u64 = 5;
const ATTEMPTS: usize = 3;

#[cfg(test)]
mod tests {
    use rex_ipc::network::{AddressKind, NameServer, QueryName};
    use rex_ipc::sysinfo::Address;

    use crate::testing::Bench;
    use crate::testing::network::{QUERY, Server};
    use rex_dns::messages::{FINE, QUESTION, labels, message, record};

    const WHY: &str =
        "fn why(e) { if type_of(e) == \"string\" { return e } `${e.source} ${e.kind}: ${e.message}` }";

    fn told(bench: &Bench, call: &str) -> String {
        bench.output(&format!("{WHY} let r = (); try {{ r = {call} }} catch (e) {{ r = why(e) }} r"))
    }

    fn served_by(server: Server) -> Bench {
        let bench = Bench::new();
        bench.world.borrow_mut().network.name_servers = 1;
        bench.world.borrow_mut().network.server = Some(server);
        bench
    }

    fn queries(bench: &Bench) -> usize {
        bench.asked().concat().iter().filter(|name| **name == "query_name").count()
    }

    fn of_type(kind: AddressKind) -> (u16, Vec<u8>) {
        match kind {
            AddressKind::V4 => (1, vec![192, 0, 2, 7]),
            AddressKind::V6 => (28, [&[0x20, 1, 0xd, 0xb8][..], &[0; 12]].concat()),
        }
    }

    fn both(query: &QueryName, name: &str) -> Option<Vec<u8>> {
        let (kind, data) = of_type(query.kind);
        let twice = [record(QUESTION, kind, &data), record(QUESTION, kind, &data)];
        Some(message(QUERY, FINE, name, query.kind, &twice))
    }

    #[test]
    fn addresses_of_both_versions_are_sorted_as_texts_and_told_once() {
        let bench = served_by(both);

        for call in [
            "resolve(\"a.example\")",
            "SystemInfo().resolve_hostname(ResolveOptions().hostname(\"a.example\").build())",
        ] {
            assert_eq!(told(&bench, call), r#"["192.0.2.7", "2001:db8::"]"#);
        }
        assert_eq!(bench.asked()[..3].concat(), ["known_addresses", "query_name", "query_name"]);
    }

    #[test]
    fn what_the_host_knows_is_not_asked_for() {
        let bench = served_by(both);
        let known = vec![Address::V6([0; 16]), Address::V4([192, 0, 2, 9])];
        bench.world.borrow_mut().network.hosts.insert("known".into(), known);

        assert_eq!(told(&bench, "resolve(\"known\")"), r#"["192.0.2.9", "::"]"#);
        let own_server = "SystemInfo().resolve_hostname(ResolveOptions().hostname(\"known\").resolver(\"192.0.2.1\").build())";
        assert_eq!(told(&bench, own_server), r#"["192.0.2.9", "::"]"#);
        assert_eq!(queries(&bench), 0);
    }

    // Case system.resolve.denied.
    #[test]
    fn a_denial_is_told_as_rex_tells_it() {
        let denial = "Permission denied: tester unauthorized to perform sysinfo::Action::\"resolve_hostname\" for sysinfo::Hostname::";
        let method = "SystemInfo().resolve_hostname(ResolveOptions().hostname(\"h\").build())";
        let bench = served_by(both).denying("resolve_hostname", "h");

        assert_eq!(told(&bench, "resolve(\"h\")"), format!("{denial}h"));
        assert_eq!(told(&bench, method), format!("SysteminfoErrorKind PermissionDenied: {denial}h"));
        let bench = bench.like_rex();
        assert_eq!(told(&bench, "resolve(\"h\")"), format!("{denial}sysinfo::Hostname::\"h\""));
        assert_eq!(queries(&bench), 0);
    }

    fn failure(bench: &Bench, name: &str, more: &str) -> String {
        let call =
            format!("SystemInfo().resolve_hostname(ResolveOptions().hostname(\"{name}\"){more}.build())");
        let told = told(bench, &call);
        let expected =
            format!("SysteminfoErrorKind Other: DNS resolution failed for hostname: {name}, reason: ");
        told.strip_prefix(&expected).unwrap_or_else(|| panic!("{told}")).to_owned()
    }

    #[test]
    fn a_name_without_addresses_and_servers_that_refuse_look_alike() {
        fn nothing(query: &QueryName, name: &str) -> Option<Vec<u8>> {
            Some(message(QUERY, FINE, name, query.kind, &[]))
        }
        fn missing(query: &QueryName, name: &str) -> Option<Vec<u8>> {
            Some(message(QUERY, FINE | 3, name, query.kind, &[]))
        }
        fn refused(query: &QueryName, name: &str) -> Option<Vec<u8>> {
            Some(message(QUERY, FINE | 2, name, query.kind, &[]))
        }
        for server in [nothing, missing, refused] as [Server; 3] {
            assert_eq!(
                failure(&served_by(server), "a.example.", ""),
                "no records found for Query { name: Name(\"a.example.\"), query_type: A, query_class: IN }"
            );
        }
    }

    #[test]
    fn a_server_that_does_not_answer_is_asked_three_times() {
        let bench = served_by(|_, _| None);

        assert_eq!(failure(&bench, "a.example", ".timeout(0)"), "request timed out");
        assert_eq!(queries(&bench), 3);
        let both = served_by(|_, _| None);
        both.world.borrow_mut().network.name_servers = 2;
        assert_eq!(failure(&both, "a.example", ""), "request timed out");
        assert_eq!(queries(&both), 6);
    }

    #[test]
    fn another_server_is_asked_where_the_first_does_not_know() {
        fn second(query: &QueryName, name: &str) -> Option<Vec<u8>> {
            match query.server {
                NameServer::Configured(1) => both(query, name),
                _ => Some(message(QUERY, FINE | 5, name, query.kind, &[])),
            }
        }
        let bench = served_by(second);
        bench.world.borrow_mut().network.name_servers = 2;

        assert_eq!(told(&bench, "resolve(\"a.example\")"), r#"["192.0.2.7", "2001:db8::"]"#);
    }

    #[test]
    fn what_does_not_fit_is_asked_for_over_tcp_where_that_may_be() {
        fn cut(query: &QueryName, name: &str) -> Option<Vec<u8>> {
            match (query.over_tcp, query.kind) {
                (true, AddressKind::V4) => both(query, name),
                (false, AddressKind::V4) => Some(message(QUERY, FINE | 0x200, name, query.kind, &[])),
                _ => Some(message(QUERY, FINE, name, query.kind, &[])),
            }
        }
        let call = |protocol: &str| {
            format!(
                "SystemInfo().resolve_hostname(ResolveOptions().hostname(\"a.example\").protocol(TransportProtocol::{protocol}).build())"
            )
        };

        let bench = served_by(cut);
        assert_eq!(told(&bench, &call("AUTO")), r#"["192.0.2.7"]"#);
        assert_eq!(queries(&bench), 3);
        let bench = served_by(cut);
        assert_eq!(told(&bench, &call("TCP")), r#"["192.0.2.7"]"#);
        assert_eq!(queries(&bench), 2);
        assert!(told(&served_by(cut), &call("UDP")).contains("no records found"));
    }

    #[test]
    fn domains_are_tried_as_a_resolver_does() {
        fn in_second(query: &QueryName, name: &str) -> Option<Vec<u8>> {
            if name == "short.d1" || name == "a.b.d1" {
                both(query, name)
            } else {
                Some(message(QUERY, FINE | 3, name, query.kind, &[]))
            }
        }
        let order = |name: &str| {
            let bench = served_by(in_second);
            bench.world.borrow_mut().network.search_domains = 2;
            bench.output(&format!("try {{ resolve(\"{name}\") }} catch {{ }} 0"));
            let world = bench.world.borrow();
            let asked =
                world.calls.iter().flat_map(|call| &call.requests).filter_map(|request| match request {
                    rex_ipc::interface::Request::QueryName(query) if query.kind == AddressKind::V4 => {
                        Some(query.search_domain)
                    }
                    _ => None,
                });
            asked.collect::<Vec<_>>()
        };

        assert_eq!(order("short"), [Some(0), Some(1)]);
        assert_eq!(order("other"), [Some(0), Some(1), None]);
        assert_eq!(order("a.b"), [None, Some(0), Some(1)]);
        assert_eq!(order("short."), [None]);
    }

    #[test]
    fn what_is_no_name_or_server_is_said() {
        let bench = served_by(both);

        assert_eq!(failure(&bench, "a b", ""), "unrecognized char:  ");
        assert_eq!(
            failure(&bench, "a.example", ".resolver(\"x\")"),
            "failed to parse resolver IP address: invalid IP address syntax"
        );
        let alone = Bench::new();
        assert!(failure(&alone, "a.example", "").starts_with("Failed to read system configuration: "));
        assert!(alone.failure("ResolveOptions().build()").contains("`hostname` must be initialized"));
        assert!(
            alone.failure("ResolveOptions().timeout(-1)").contains("Parameter conversion failed for timeout")
        );
        let long = "x".repeat(2000);
        assert_eq!(failure(&bench, &long, ""), "the name is too long");
    }

    // A server that lies about what it was asked, or says nonsense, is as good as one that does not answer.
    #[test]
    fn lies_are_not_believed() {
        fn other_number(query: &QueryName, name: &str) -> Option<Vec<u8>> {
            let (kind, data) = of_type(query.kind);
            Some(message(QUERY + 1, FINE, name, query.kind, &[record(QUESTION, kind, &data)]))
        }
        fn other_name(query: &QueryName, name: &str) -> Option<Vec<u8>> {
            let (kind, data) = of_type(query.kind);
            Some(message(QUERY, FINE, name, query.kind, &[record(&labels("other"), kind, &data)]))
        }
        fn nonsense(_: &QueryName, _: &str) -> Option<Vec<u8>> {
            Some(vec![0xff; 600])
        }
        assert_eq!(failure(&served_by(other_number), "a.example", ""), "the answer is one to another query");
        assert!(failure(&served_by(other_name), "a.example", "").starts_with("no records found"));
        assert_eq!(failure(&served_by(nonsense), "a.example", ""), "the answer is one to another query");
    }
}
