//! What the fake broker knows of the network.

use std::collections::{BTreeMap, VecDeque};

use rex_ipc::batch::ReplyWriter;
use rex_ipc::bounded::{Bytes, List, Text};
use rex_ipc::failure::{ErrorKind, Failure, FailureClass};
use rex_ipc::file_system::Chunk;
use rex_ipc::interface::Request;
use rex_ipc::network::{Begun, HostAddresses, NameAnswer, QueryName};
use rex_ipc::sysinfo::Address;

use super::world::{World, invalid, system};

/// The network of the fake host.
#[derive(Default)]
pub(crate) struct Known {
    /// What the server of each URL sends, in the parts in which it comes; behind them the connection ends.
    pub answers: BTreeMap<String, Vec<Vec<u8>>>,
    /// Nothing comes behind the parts, and the connection stays.
    pub stalls: bool,
    open: VecDeque<Vec<u8>>,
    /// The addresses in the file of hosts.
    pub hosts: BTreeMap<String, Vec<Address>>,
    pub name_servers: u8,
    pub search_domains: u8,
    /// What name servers answer.
    pub server: Option<Server>,
}

/// What answers a query for this name; nothing for a server that does not.
pub(crate) type Server = fn(&QueryName, &str) -> Option<Vec<u8>>;

/// The number of every query.
pub(crate) const QUERY: u16 = 0x1234;

impl World {
    pub(super) fn answer_about_network(
        &mut self,
        request: &Request,
        writer: &mut ReplyWriter<'_>,
    ) -> Result<(), Failure> {
        match request {
            Request::BeginGet(get) => {
                let url = get.url.as_str();
                self.check_network("GET", "network::url", url)?;
                let parts = self.network.answers.get(url).cloned();
                self.network.open = parts.ok_or_else(|| unreachable_at(url))?.into();
                writer.push(&Begun { url: Text::new(url).unwrap() }).unwrap();
            }
            Request::ReadResponse(_) => {
                let (bytes, end) = match self.network.open.pop_front() {
                    Some(bytes) => (bytes, false),
                    None if self.network.stalls => {
                        return Err(invalid(ErrorKind::IoError, "the server does not answer in time"));
                    }
                    None => (Vec::new(), true),
                };
                writer.push(&Chunk { bytes: Bytes::new(bytes).unwrap(), end }).unwrap();
            }
            Request::Connect(connect) => {
                self.check_network("connect", "network::url", connect.endpoint.as_str())?;
                if connect.port != 80 {
                    return Err(Failure {
                        kind: ErrorKind::Other,
                        ..system(111, "Connection refused (os error 111)")
                    });
                }
                writer.push(&()).unwrap();
            }
            Request::KnownAddresses(known) => {
                let host = known.host.as_str();
                self.check_network("resolve_hostname", "sysinfo::Hostname", host)?;
                let addresses = self.network.hosts.get(host).cloned().unwrap_or_default();
                let reply = HostAddresses {
                    addresses: List::new(addresses).unwrap(),
                    name_servers: self.network.name_servers,
                    search_domains: self.network.search_domains,
                };
                writer.push(&reply).unwrap();
            }
            Request::QueryName(query) => {
                let domain = query.search_domain.map_or_else(String::new, |number| format!(".d{number}"));
                let name = format!("{}{domain}", query.host.as_str().trim_end_matches('.'));
                let message = self.network.server.and_then(|server| server(query, &name));
                let message = message.ok_or_else(|| invalid(ErrorKind::Other, "request timed out"))?;
                let message = Bytes::new(message).unwrap();
                writer.push(&NameAnswer { name: Text::new(name).unwrap(), id: QUERY, message }).unwrap();
            }
            other => panic!("{other:?}"),
        }
        Ok(())
    }

    fn check_network(&self, action: &'static str, kind: &str, name: &str) -> Result<(), Failure> {
        if self.denied.iter().any(|(verb, place)| *verb == action && place == name) {
            let namespace = kind.split("::").next().unwrap();
            return Err(Failure {
                class: FailureClass::Denied,
                kind: ErrorKind::PermissionDenied,
                message: Text::cut(&format!(
                    "Permission denied: tester unauthorized to perform {namespace}::Action::\"{action}\" for {kind}::{name}"
                )),
            });
        }
        Ok(())
    }
}

fn unreachable_at(url: &str) -> Failure {
    let message = format!("Failed to send a request: reason: error sending request for url ({url})");
    invalid(ErrorKind::IoError, &message)
}
