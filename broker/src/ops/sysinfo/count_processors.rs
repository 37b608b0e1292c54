//! How many processors are online.
//!
//! # Policy
//! `sysinfo::list` on the host.

use rex_ipc::action::sysinfo::List;
use rex_ipc::sysinfo::{CountProcessors, ProcessorCount};

use crate::gate::error::Error;
use crate::host::sysinfo::names;
use crate::host::sysinfo::object::ThisHost;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for CountProcessors {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<ProcessorCount, Error> {
        let permit = call.authorize::<List, _>(ThisHost)?;
        Ok(ProcessorCount { count: names::processors(&permit)? })
    }
}
