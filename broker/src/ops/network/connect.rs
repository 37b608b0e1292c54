//! Tries whether a port of a host can be connected to.
//!
//! # Policy
//! `network::connect` on the endpoint as given, which is all that Rex asks; on its canonical form where that is another; and on
//! the address, where a name leads to this host, a link or many hosts. The port is no part of the question.

use rex_ipc::action::network::Connect as ToConnect;
use rex_ipc::failure::ErrorKind;
use rex_ipc::network::Connect;

use super::to_be_asked_for;
use crate::gate::error::Error;
use crate::host::network::object::Endpoint;
use crate::host::network::{connect, lookup};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::policy::url::Host;

impl Perform for Connect {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let given = self.endpoint.as_str();
        let host = Host::bare(given).ok();
        let spelled = |text: String| Endpoint { text, host: host.clone(), port: self.port };
        let mut permit = call.authorize::<ToConnect, _>(spelled(given.to_owned()))?;
        let unknown =
            || Error::invalid(ErrorKind::Other, format!("Invalid address format: {given}:{}", self.port));
        let canonical = host.as_ref().ok_or_else(unknown)?;
        if canonical.to_string() != given {
            permit = call.authorize_beyond_rex::<ToConnect, _>(spelled(canonical.to_string()))?;
        }
        let as_rex = call.is_rex_compat();
        let addresses = lookup::of_endpoint(&permit, &mut call.host.network, &mut || call.pace.go_on());
        let addresses = addresses.map_err(|error| match error {
            Error::Failed { .. } if as_rex => unknown(),
            Error::Failed { message, .. } => Error::invalid(
                ErrorKind::Other,
                format!("Invalid address format: {given}:{}: {message}", self.port),
            ),
            other => other,
        })?;
        if addresses.is_empty() {
            return Err(unknown());
        }
        for address in to_be_asked_for(canonical, &addresses) {
            permit = call.authorize_beyond_rex::<ToConnect, _>(spelled(address.to_string()))?;
        }
        connect::try_out(&permit, &call.host.network, &addresses, self.protocol, &mut || call.pace.go_on())
    }
}
