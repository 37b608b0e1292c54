//! How a directory is reached by its path, and refused for what it is.

use std::rc::Rc;

use nix::errno::Errno;
use rex_ipc::action::file_system::Open;
use rex_ipc::interface::Needs;

use crate::gate::Permit;
use crate::gate::error::{Error, is};
use crate::host::file_system::object::{DirPath, Directory};
use crate::host::file_system::walk::{self, Reached};
use crate::ops::call::Call;
use crate::ops::file_system::{ask_through, held, object_refusal};
use crate::policy::name::PathName;

/// Goes to what stands at the place of the permit, through links where there are some.
pub(in crate::ops::file_system) fn reach<'req, O: Needs<Open>>(
    call: &mut Call<'req, O>,
    permit: &Permit<'req, Open, DirPath>,
) -> Result<Reached<'req>, Error> {
    let tools = Rc::clone(&call.host.tools);
    match walk::directory(permit, &tools) {
        Err(error) if is(&error, Errno::ELOOP) => {
            let mut ask =
                |link: Option<&Reached<'req>>, place: PathName| ask_through(call, link, DirPath(place));
            Ok(walk::follow(permit, &tools, &mut ask)?.found.object()?)
        }
        reached => Ok(reached?),
    }
}

/// Refuses a directory for what it is, whatever it is called.
pub(in crate::ops::file_system) fn refuse_own<O: Needs<Open>, A>(
    call: &mut Call<'_, O>,
    reached: &Reached<'_, A>,
) -> Result<(), Error> {
    match object_refusal(call, reached) {
        Some(reason) => Err(call.refuse::<Open, _>(&DirPath(reached.name().clone()), reason)),
        None => Ok(()),
    }
}

/// Holds a directory, unless what it is is closed to every script.
pub(in crate::ops::file_system) fn enter<O: Needs<Open>, A>(
    call: &mut Call<'_, O>,
    reached: Reached<'_, A>,
) -> Result<Rc<Directory>, Error> {
    refuse_own(call, &reached)?;
    Ok(held(reached))
}
