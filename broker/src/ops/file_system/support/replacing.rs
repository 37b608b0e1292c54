//! What is asked before something that has a name is replaced by something that moves there.

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use rex_ipc::action::file_system::{Create, Delete, Write};
use rex_ipc::interface::Needs;

use crate::gate::error::Error;
use crate::gate::{Inode, Permit};
use crate::host::file_system::moves::{self, Onto};
use crate::host::file_system::object::{DirAt, FileAt};
use crate::host::file_system::walk::{file_type, inode};
use crate::ops::call::Call;

/// Asks for what has the name that a file is to get: to replace it is to write and to delete it.
///
/// Nothing is asked where nothing would be lost: the name is free, or leads to the file itself.
///
/// # Errors
/// `EISDIR` for a directory, which no file replaces.
pub(in crate::ops::file_system) fn file<O>(
    call: &mut Call<'_, O>,
    create: &Permit<'_, Create, FileAt>,
    moving: Inode,
) -> Result<Onto, Error>
where
    O: Needs<Create> + Needs<Write> + Needs<Delete>,
{
    let place = create.resource();
    let Some(occupant) = moves::occupant(create)? else {
        return Ok(Onto::NothingThere);
    };
    if let Some(reason) = call.forbidden().replacing_reason(&occupant) {
        return Err(call.refuse::<Create, _>(place, reason));
    }
    if file_type(&occupant) == SFlag::S_IFDIR {
        return Err(Errno::EISDIR.into());
    }
    if inode(&occupant) != moving {
        call.authorize_beyond_rex::<Write, _>(place.clone())?;
        call.authorize_beyond_rex::<Delete, _>(place.clone())?;
    }
    Ok(Onto::WhatIsThere)
}

/// What has the name that a directory is to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops::file_system) enum Found {
    /// Nothing.
    Nothing,
    /// The directory itself, or an empty one that may be replaced.
    Replaceable,
    /// A directory with entries, which is not replaced.
    Entries,
    /// What no directory replaces.
    NoDirectory,
}

impl Found {
    /// What a rename may do about it.
    pub(in crate::ops::file_system) fn onto(self) -> Onto {
        if self == Self::Replaceable { Onto::WhatIsThere } else { Onto::NothingThere }
    }
}

/// Asks for the empty directory that has the name which a directory is to get: to replace it is to delete it.
pub(in crate::ops::file_system) fn directory<O>(
    call: &mut Call<'_, O>,
    create: &Permit<'_, Create, DirAt>,
    moving: Inode,
) -> Result<Found, Error>
where
    O: Needs<Create> + Needs<Delete>,
{
    let place = create.resource();
    let Some(occupant) = moves::occupant(create)? else {
        return Ok(Found::Nothing);
    };
    if let Some(reason) = call.forbidden().inode_reason(inode(&occupant)) {
        return Err(call.refuse::<Create, _>(place, reason));
    }
    if file_type(&occupant) != SFlag::S_IFDIR {
        return Ok(Found::NoDirectory);
    }
    if inode(&occupant) != moving {
        if !moves::is_empty(create)? {
            return Ok(Found::Entries);
        }
        call.authorize_beyond_rex::<Delete, _>(place.clone())?;
    }
    Ok(Found::Replaceable)
}
