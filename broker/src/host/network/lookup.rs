//! Where a host is that only name servers know.
//!
//! The messages of name servers are read by a worker of this one lookup; it gives addresses, and nothing else of them. Nothing is
//! kept: each request, and each that one is redirected to, looks the name up once, and connects to what was found then.

use std::net::IpAddr;
use std::time::Instant;

use rex_ipc::action::network::{Connect, Get};
use rex_ipc::failure::ErrorKind;
use rex_ipc::limits::MAX_HOST_ADDRESSES;
use rex_ipc::network::AddressKind;
use rex_outside::errand::{Kind, Question, Resolved};

use super::dns::{self, Query};
use super::object::{Endpoint, GoOn, Network, Spelled};
use super::patience::Failed;
use super::unguarded;
use super::worker::{MISUNDERSTOOD, Worker};
use crate::gate::Permit;
use crate::gate::error::Error;
use crate::policy::url::{Host, reached};

/// Where the host of a permitted URL is, as name servers say it.
///
/// # Errors
/// Why that is not known; `Interrupted` when the run is to end.
pub fn of_url(
    permit: &Permit<'_, Get, Spelled>,
    network: &mut Network,
    deadline: Instant,
    go_on: GoOn<'_>,
) -> Result<Vec<IpAddr>, Error> {
    let host = permit.resource().url.as_ref().map(|url| url.host.clone());
    found(host.as_ref(), network, deadline, go_on)
}

/// Where a permitted endpoint is, as name servers say it.
///
/// # Errors
/// Why that is not known; `Interrupted` when the run is to end.
pub fn of_endpoint(
    permit: &Permit<'_, Connect, Endpoint>,
    network: &mut Network,
    go_on: GoOn<'_>,
) -> Result<Vec<IpAddr>, Error> {
    let deadline = Instant::now() + network.exchange_time;
    found(permit.resource().host.as_ref(), network, deadline, go_on)
}

fn found(
    host: Option<&Host>,
    network: &mut Network,
    deadline: Instant,
    go_on: GoOn<'_>,
) -> Result<Vec<IpAddr>, Error> {
    let Some(Host::Name(name)) = host else { return Ok(Vec::new()) };
    looked_up(name, network, deadline, go_on).map_err(|failure| match failure {
        Failed::Run(error) => error,
        Failed::Refused(why) => Error::invalid(ErrorKind::Other, why),
        Failed::TimedOut => Error::invalid(ErrorKind::Other, "no name server has answered in time"),
        Failed::System(error) => Error::invalid(ErrorKind::Other, error.to_string()),
    })
}

/// The addresses of a name, of version 4 before those of version 6, as getaddrinfo(3) finds them: alone and behind each domain.
fn looked_up(
    name: &str,
    network: &mut Network,
    deadline: Instant,
    go_on: GoOn<'_>,
) -> Result<Vec<IpAddr>, Failed> {
    let resolver = unguarded::resolver(network);
    if resolver.servers.is_empty() {
        return Err(Failed::Refused("/etc/resolv.conf names no name server"));
    }
    let mut lookup = Lookup { network, worker: None, deadline, go_on };
    for name in candidates(name, &resolver.search) {
        let mut found: Vec<IpAddr> = Vec::new();
        for kind in [AddressKind::V4, AddressKind::V6] {
            match lookup.ask(&name, kind, &resolver.servers) {
                Ok(addresses) => found.extend(addresses.into_iter().map(reached)),
                Err(failed @ Failed::Run(_)) => return Err(failed),
                // Whoever has not answered does not answer what else would be asked.
                Err(failed) if found.is_empty() => return Err(failed),
                Err(_) => {}
            }
        }
        if !found.is_empty() {
            let mut distinct: Vec<IpAddr> = Vec::new();
            for address in found {
                if !distinct.contains(&address) {
                    distinct.push(address);
                }
            }
            distinct.truncate(MAX_HOST_ADDRESSES);
            return Ok(distinct);
        }
    }
    Err(Failed::Refused("name servers know no address of this name"))
}

/// What a name may stand for. One with a dot is tried as it stands before it is put before a domain, one without after that.
fn candidates(name: &str, domains: &[String]) -> Vec<String> {
    let searched = domains.iter().map(|domain| format!("{name}.{domain}"));
    let alone = std::iter::once(name.to_owned());
    if name.contains('.') { alone.chain(searched).collect() } else { searched.chain(alone).collect() }
}

struct Lookup<'a> {
    network: &'a mut Network,
    worker: Option<Worker>,
    deadline: Instant,
    go_on: GoOn<'a>,
}

impl Lookup<'_> {
    /// What the first server says that says anything. Each is asked twice.
    fn ask(&mut self, name: &str, kind: AddressKind, servers: &[IpAddr]) -> Result<Vec<IpAddr>, Failed> {
        let mut last = Failed::TimedOut;
        for server in servers.iter().cycle().take(servers.len().saturating_mul(ATTEMPTS)) {
            let mut said = self.ask_once(name, kind, *server, false);
            if matches!(said, Ok(Resolved::Truncated)) {
                said = self.ask_once(name, kind, *server, true);
            }
            last = match said {
                Ok(Resolved::Addresses(addresses)) => return Ok(addresses),
                Ok(Resolved::Refusal) => Failed::Refused("the name server refuses to answer"),
                Ok(Resolved::Truncated) => Failed::Refused("the name server answers in part"),
                Ok(Resolved::NoAnswer) => {
                    Failed::Refused("the name server does not answer what it was asked")
                }
                Err(failed @ (Failed::Run(_) | Failed::Refused(_))) => return Err(failed),
                Err(failed) => failed,
            };
            if self.deadline <= Instant::now() {
                return Err(Failed::TimedOut);
            }
        }
        Err(last)
    }

    fn ask_once(
        &mut self,
        name: &str,
        kind: AddressKind,
        server: IpAddr,
        over_tcp: bool,
    ) -> Result<Resolved, Failed> {
        let wait = self.network.query_time;
        let query = Query { domain: None, kind, server, over_tcp, wait };
        let answer = dns::ask(self.network, name, query, self.deadline, self.go_on)?;
        let is_v6 = kind == AddressKind::V6;
        let question = Question { id: answer.id, is_v6, name: answer.name };
        let worker = match &mut self.worker {
            Some(worker) => worker,
            none => none.insert(Worker::start(self.network, self.deadline, self.go_on)?),
        };
        worker.tell(Kind::Question, &question.to_bytes(), self.deadline, self.go_on)?;
        match worker.order(Kind::Message, &answer.message, self.deadline, self.go_on)? {
            (Kind::Addresses, body) => {
                Resolved::from_bytes(body, is_v6).ok_or(Failed::Refused(MISUNDERSTOOD))
            }
            _ => Err(Failed::Refused(MISUNDERSTOOD)),
        }
    }
}

const ATTEMPTS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_tried_alone_and_behind_each_domain() {
        let domains = ["x.example".to_owned(), "y.example".to_owned()];

        assert_eq!(candidates("a", &domains), ["a.x.example", "a.y.example", "a"]);
        assert_eq!(candidates("a.b", &domains), ["a.b", "a.b.x.example", "a.b.y.example"]);
        assert_eq!(candidates("a", &[]), ["a"]);
    }
}
