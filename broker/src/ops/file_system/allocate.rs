//! Takes space for an open file from its start.
//!
//! # Policy
//! `file_system::write` on the file.

use std::rc::Rc;

use rex_ipc::action::file_system::Write;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::Allocate;

use super::begin_write::not_writable;
use crate::gate::Act;
use crate::gate::error::Error;
use crate::host::file_system::write::{self, AllocateError};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for Allocate {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.file(self.file)?.real;
        ahead.ask::<Write>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let file = call.host.handles.file(self.file)?;
        let act = Act::Allocate { size_bytes: self.length_bytes };
        let permit = call.authorize_act::<Write, _>(Rc::clone(&file), act)?;
        if !file.writable {
            return Err(not_writable(&file));
        }
        let missing = write::missing(&permit, self.length_bytes);
        let missing = missing.map_err(|error| Error::system_as(ErrorKind::RustixError, &error))?;
        call.metered.count_written_bytes(missing)?;
        write::allocate(&permit, self.length_bytes, &mut |_| call.pace.go_on()).map_err(|error| match error {
            AllocateError::System(error) => Error::system_as(ErrorKind::RustixError, &error),
            AllocateError::Stopped(error) => error,
        })
    }
}
