//! Sets the times of an open file.

use std::os::fd::AsFd;
use std::rc::Rc;

use rex_ipc::action::file_system::Write;
use rex_ipc::file_system::SetTimes;

use crate::gate::Act;
use crate::gate::error::Error;
use crate::host::file_system::attributes;
use crate::ops::Perform;
use crate::ops::call::Call;

impl Perform for SetTimes {
    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let file = call.host.handles.file(self.file)?;
        let write = call.authorize_act::<Write, _>(
            file,
            Act::Times { accessed: self.accessed, modified: self.modified },
        )?;
        let own_fds = Rc::clone(&call.host.own_fds);
        Ok(attributes::set_times(&write, own_fds.as_fd(), self.accessed, self.modified)?)
    }
}
