//! Leaves the network namespace that was entered.
//!
//! # Policy
//! Nothing is asked: what comes after is done where everything is that was not entered.

use rex_ipc::failure::ErrorKind;
use rex_ipc::process_system::LeaveNamespaces;

use crate::gate::error::Error;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for LeaveNamespaces {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        if call.host.network.inside.is_none() {
            return Err(Error::invalid(ErrorKind::UnsupportedOperationError, "no namespace was entered"));
        }
        call.host.enter(None);
        Ok(())
    }
}
