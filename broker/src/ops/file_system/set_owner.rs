//! Sets user and group of an open object, given by their names.
//!
//! # Policy
//! `file_system::chown` on the object.

use nix::errno::Errno;
use rex_ipc::action::file_system::Chown;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{IdentityText, NameOrNumber, SetOwner};
use rex_ipc::handle::AnyId;

use crate::gate::error::Error;
use crate::gate::{Act, Permit};
use crate::host::file_system::attributes::{self, Held};
use crate::host::file_system::unguarded;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::file_system::remember_shared;

impl Perform for SetOwner {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.any(self.handle)?;
        ahead.ask::<Chown>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let user = self.user.as_ref().map(|user| user.as_str());
        let act = Act::Owner { user, group: self.group.as_ref().map(|group| group.as_str()) };
        match self.handle {
            AnyId::Dir(id) => {
                let directory = call.host.handles.dir(id)?;
                let chown = call.authorize_act::<Chown, _>(directory, act)?;
                remember_shared(call, chown.resource());
                change(call, &chown, &self)
            }
            AnyId::File(id) => {
                let file = call.host.handles.file(id)?;
                let chown = call.authorize_act::<Chown, _>(file, act)?;
                change(call, &chown, &self)
            }
        }
    }
}

fn change<R: Held>(
    call: &Call<'_, SetOwner>,
    chown: &Permit<'_, Chown, R>,
    request: &SetOwner,
) -> Result<(), Error> {
    // Looked up only now: which users there are is nothing that a script without `chown` is told.
    let user = request.user.as_ref().map(user_number).transpose()?;
    let group = request.group.as_ref().map(group_number).transpose()?;
    if user.is_none() && group.is_none() {
        return Ok(());
    }
    attributes::set_owner(chown, &call.host.tools, user, group).map_err(|error| change_error(&error))
}

/// A user or group as the record names it.
pub(super) fn spelled(given: Option<&NameOrNumber>) -> Option<String> {
    given.map(|given| match given {
        NameOrNumber::Name(name) => name.as_str().to_owned(),
        NameOrNumber::Number(number) => number.to_string(),
    })
}

/// The number of a user or group that may be given by its name.
///
/// # Errors
/// `EINVAL` for the number that would mean no change: chown(2), -1.
pub(super) fn number_of(
    given: &NameOrNumber,
    look_up: impl Fn(&IdentityText) -> Result<u32, Error>,
) -> Result<u32, Error> {
    match given {
        NameOrNumber::Name(name) => look_up(name),
        NameOrNumber::Number(u32::MAX) => Err(Errno::EINVAL.into()),
        NameOrNumber::Number(number) => Ok(*number),
    }
}

/// The number of a user of this name.
pub(super) fn user_number(name: &IdentityText) -> Result<u32, Error> {
    unguarded::user_number(name.as_str()).ok_or_else(|| {
        Error::invalid(
            ErrorKind::IdentityResolutionError,
            format!("Identity resolution error: No user mapping found for uid: {name}"),
        )
    })
}

/// The number of a group of this name.
pub(super) fn group_number(name: &IdentityText) -> Result<u32, Error> {
    unguarded::group_number(name.as_str()).ok_or_else(|| {
        Error::invalid(
            ErrorKind::IdentityResolutionError,
            format!("Identity resolution error: No group mapping found for gid: {name}"),
        )
    })
}

/// What a script is told about an owner that could not be changed.
pub(super) fn change_error(error: &std::io::Error) -> Error {
    if error.raw_os_error() == Some(Errno::EPERM as i32) {
        return Error::Failed {
            kind: ErrorKind::IoError,
            message: "Failed to change ownership. CAP_CHOWN capability is required when changing ownership \
                      to a different user."
                .to_owned(),
            errno: error.raw_os_error(),
        };
    }
    Error::system_as(ErrorKind::RustixError, error)
}
