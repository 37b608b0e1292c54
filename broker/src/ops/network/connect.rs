//! Tries whether a port of a host can be connected to.
//!
//! # Policy
//! `network::connect` on the endpoint as given, which is all that Rex asks; on its canonical form where that is another; and on
//! the address, where a name leads to this host, a link or many hosts. Port, protocol and address are told beside it, and where
//! only name servers know the address, the host is asked about once more with it.

use rex_ipc::action::network::Connect as ToConnect;
use rex_ipc::failure::ErrorKind;
use rex_ipc::network::{Connect, Protocol};

use super::to_be_asked_for;
use crate::gate::error::Error;
use crate::host::network::object::Endpoint;
use crate::host::network::{connect, lookup, unguarded};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::policy::url::Host;

impl Perform for Connect {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let as_rex = call.is_rex_compat();
        let given = self.endpoint.as_str();
        let host = Host::bare(given).ok();
        let known =
            host.as_ref().map_or_else(Vec::new, |host| unguarded::known_addresses(host, &call.host.network));
        let first = known.first().copied();
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Either => "auto",
        };
        // Within a namespace an address is another one; a script of Rex knows it by the name that it has everywhere.
        let prefix = call.host.network.inside.as_ref().filter(|_| !as_rex).map(|inside| inside.name_of(""));
        let spelled = |text: String, address| Endpoint {
            text: prefix.as_ref().map_or_else(|| text.clone(), |prefix| format!("{prefix}{text}")),
            host: host.clone(),
            port: self.port,
            protocol,
            address,
        };
        let mut permit = call.authorize::<ToConnect, _>(spelled(given.to_owned(), first))?;
        let unknown = || format!("Invalid address format: {given}:{}", self.port);
        let no_host = || Error::invalid(ErrorKind::Other, unknown());
        let canonical = host.as_ref().ok_or_else(no_host)?;
        if canonical.to_string() != given {
            permit = call.authorize_beyond_rex::<ToConnect, _>(spelled(canonical.to_string(), first))?;
        }
        let addresses = if known.is_empty() {
            if call.host.network.inside.is_some() {
                let message =
                    "names that only name servers know cannot be looked up within a network namespace";
                return Err(Error::invalid(ErrorKind::UnsupportedOperationError, message));
            }
            let found = lookup::of_endpoint(&permit, &mut call.host.network, &mut || call.pace.go_on());
            found.map_err(|error| match error {
                Error::Failed { .. } if as_rex => no_host(),
                Error::Failed { message, .. } => {
                    Error::invalid(ErrorKind::Other, format!("{}: {message}", unknown()))
                }
                other => other,
            })?
        } else {
            known
        };
        for address in to_be_asked_for(canonical, &addresses) {
            let question = spelled(address.to_string(), Some(address));
            permit = call.authorize_beyond_rex::<ToConnect, _>(question)?;
        }
        let mut reached = Err(no_host());
        for address in addresses {
            if first != Some(address) {
                let question = spelled(canonical.to_string(), Some(address));
                permit = call.authorize_beyond_rex::<ToConnect, _>(question)?;
            }
            let network = &call.host.network;
            reached = connect::try_out(&permit, network, address, self.protocol, &mut || call.pace.go_on());
            if matches!(reached, Ok(()) | Err(Error::Interrupted)) {
                break;
            }
        }
        reached
    }
}
