//! Asks a name server for the addresses of a name.
//!
//! # Policy
//! `sysinfo::resolve_hostname` on the name as given; where its canonical form is another, on that as well, which Rex does not ask.
//! The name that goes out is that, perhaps with one of the domains behind it that this host looks names up in.

use std::time::Duration;

use rex_ipc::bounded::{Bytes, Text};
use rex_ipc::failure::ErrorKind;
use rex_ipc::network::{NameAnswer, NameServer, QueryName};

use super::{ask_to_resolve, from_the_wire};
use crate::gate::error::Error;
use crate::host::network::{dns, unguarded};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for QueryName {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<NameAnswer, Error> {
        let permit = ask_to_resolve(call, &self.host)?;
        let resolver = unguarded::resolver(&call.host.network);
        let none = |what: &str| Error::invalid(ErrorKind::Other, format!("this host has no such {what}"));
        let server = match self.server {
            NameServer::At(address) => from_the_wire(address),
            NameServer::Configured(number) => {
                *resolver.servers.get(usize::from(number)).ok_or_else(|| none("name server"))?
            }
        };
        let domain = match self.search_domain {
            None => None,
            Some(number) => {
                Some(resolver.search.get(usize::from(number)).ok_or_else(|| none("domain"))?.as_str())
            }
        };
        let query = dns::Query {
            domain,
            kind: self.kind,
            server,
            over_tcp: self.over_tcp,
            wait: Duration::from_secs(self.wait.seconds().into()),
        };
        let answer = dns::query(&permit, &call.host.network, query, &mut || call.pace.go_on())?;
        call.metered.count_read_bytes(answer.message.len())?;
        Ok(NameAnswer {
            name: Text::cut(&answer.name),
            id: answer.id,
            message: Bytes::new(answer.message).unwrap_or_default(),
        })
    }
}
