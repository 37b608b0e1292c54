//! Sets a kernel parameter.
//!
//! # Policy
//! `file_system::open` on its directory, `file_system::open` and `file_system::write` on its file below `/proc/sys`.

use nix::errno::Errno;
use rex_ipc::action::file_system::{Open, Write};
use rex_ipc::failure::ErrorKind;
use rex_ipc::sysinfo::WriteParameter;

use crate::gate::Act;
use crate::gate::error::Error;
use crate::host::file_system::object::{DirPath, FilePath};
use crate::host::sysinfo::object::Parameter;
use crate::host::sysinfo::parameters;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::explain::names::Place;
use crate::policy::name::PathName;

impl Perform for WriteParameter {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let path = path_of(self).ok()?;
        ahead.ask::<Open>(&Place::dir(path.parent()));
        ahead.ask::<Open>(&Place::file(path.clone()));
        ahead.ask::<Write>(&Place::file(path));
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let path = path_of(&self)?;
        let value = self.value.as_str();
        if value.contains('\0') {
            return Err(Error::invalid(
                ErrorKind::InvalidArguments,
                "the value of a parameter contains a zero byte",
            ));
        }
        call.authorize::<Open, _>(DirPath(path.parent()))?;
        call.authorize::<Open, _>(FilePath(path.clone()))?;
        let permit = call.authorize_act::<Write, _>(Parameter { path }, Act::Parameter(value))?;
        Ok(parameters::set(&permit, value)?)
    }
}

/// The whole path of a parameter.
fn path_of(request: &WriteParameter) -> Result<PathName, Error> {
    let base = PathName::parse(parameters::BASE)?;
    let path = PathName::parse(&format!("{}/{}", parameters::BASE, request.path.as_str()))?;
    // An empty text, or one of slashes and dots, names no parameter.
    if path == base { Err(Errno::ENOENT.into()) } else { Ok(path) }
}
