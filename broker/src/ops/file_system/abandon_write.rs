//! Drops new content that is not to be put in its place.
//!
//! # Policy
//! None: it takes back what was asked for before.

use rex_ipc::file_system::AbandonWrite;

use crate::gate::error::Error;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for AbandonWrite {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        call.host.handles.take_writer(self.writer)?.was_for_nothing();
        Ok(())
    }
}
