//! The addresses of a host that are known without a query.
//!
//! # Policy
//! `sysinfo::resolve_hostname` on the name as given; where its canonical form is another, on that as well, which Rex does not ask.

use rex_ipc::bounded::List;
use rex_ipc::network::{HostAddresses, KnownAddresses};

use super::{ask_to_resolve, on_the_wire};
use crate::gate::error::Error;
use crate::host::network::{hosts, unguarded};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for KnownAddresses {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<HostAddresses, Error> {
        let permit = ask_to_resolve(call, &self.host)?;
        let addresses = hosts::of_name(&permit, &call.host.network);
        let resolver = unguarded::resolver(&call.host.network);
        let count = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
        Ok(HostAddresses {
            addresses: List::new(addresses.into_iter().map(on_the_wire).collect()).unwrap_or_default(),
            name_servers: count(resolver.servers.len()),
            search_domains: count(resolver.search.len()),
        })
    }
}
