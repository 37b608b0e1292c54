//! Sets the times of an open file.
//!
//! # Policy
//! `file_system::write` on the file.

use rex_ipc::action::file_system::Write;
use rex_ipc::file_system::SetTimes;

use crate::gate::Act;
use crate::gate::error::Error;
use crate::host::file_system::attributes;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for SetTimes {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.file(self.file)?.real;
        ahead.ask::<Write>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let file = call.host.handles.file(self.file)?;
        let write = call.authorize_act::<Write, _>(
            file,
            Act::Times { accessed: self.accessed, modified: self.modified },
        )?;
        Ok(attributes::set_times(&write, &call.host.tools, self.accessed, self.modified)?)
    }
}
