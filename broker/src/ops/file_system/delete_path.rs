//! Removes what stands at a path: a directory, or what is neither directory nor link.
//!
//! Rex looks at the path first and asks afterwards. Here both answers are known before anything is touched: what is no
//! directory may be met if `open` on its parent and on itself is permitted, a directory if `open` on it is. Only then
//! is the type looked at. A link is never removed and never led the removal to a directory somewhere else, unless a
//! slash at the end says that the directory is meant.
//!
//! # Policy
//! `file_system::open` on the directory that the path is in and on the path as a file, or on the path as a directory,
//! and on each place that a link on the way leads to; `file_system::delete` on what is there, and on everything in it
//! when that is to be removed.

use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use rex_ipc::action::file_system::{Delete, Open};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::DeletePath;

use super::support::reaching::{enter, reach};
use super::support::removal;
use super::{ask_through, held, names_a_directory, object_refusal, refused_link, split};
use crate::gate::error::{Error, is};
use crate::host::file_system::object::{DirAt, DirPath, FileAt, FilePath};
use crate::host::file_system::remove::{self, Standing};
use crate::host::file_system::walk::{self, Reached};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::policy::name::{EntryName, PathName};

impl Perform for DeletePath {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        // What it asks depends on what is there.
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let given = self.path.as_str();
        let path = PathName::parse(given)?;
        let as_entry = split(&path).filter(|_| !names_a_directory(given)).filter(|(parent, _)| {
            call.would_permit::<Open, _>(&DirPath(parent.clone()))
                && call.would_permit::<Open, _>(&FilePath(path.clone()))
        });
        if let Some((parent, entry)) = as_entry
            && remove_entry(call, parent, entry)?
        {
            return Ok(());
        }
        remove_directory(call, &self, path)
    }
}

/// Removes the directory that the path leads to, as an open one is removed.
fn remove_directory(
    call: &mut Call<'_, DeletePath>,
    request: &DeletePath,
    path: PathName,
) -> Result<(), Error> {
    let reached = match split(&path).filter(|_| !names_a_directory(request.path.as_str())) {
        Some((_, entry)) => reach_itself(call, path, entry)?,
        None => {
            let open = call.authorize::<Open, _>(DirPath(path))?;
            reach(call, &open)?
        }
    };
    let directory = match reached.kind() {
        SFlag::S_IFDIR => enter(call, reached)?,
        SFlag::S_IFLNK => return Err(refused_link(reached.name())),
        _ => {
            // Known by now to whoever may open it as a directory; what is missing is the permission for what it is.
            call.authorize::<Open, _>(DirPath(reached.name().parent()))?;
            call.authorize::<Open, _>(FilePath(reached.name().clone()))?;
            return Err(Errno::ENOTDIR.into());
        }
    };
    let delete = call.authorize::<Delete, _>(Rc::clone(&directory))?;
    let failed = |error: std::io::Error| removal::refused(&error, &directory.name);
    let standing = Standing::find(&delete, &call.host.tools).map_err(failed)?;
    if request.recursive {
        removal::empty(call, &delete)?;
    }
    standing.remove().map_err(failed)?;
    call.moved().directory_is_gone(&directory.name);
    Ok(())
}

/// Removes what has the name, unless that is a directory; says whether it was not.
fn remove_entry(call: &mut Call<'_, DeletePath>, parent: PathName, entry: EntryName) -> Result<bool, Error> {
    let open = call.authorize::<Open, _>(DirPath(parent))?;
    let parent = reach(call, &open)?;
    let parent = enter(call, parent)?;
    let place = FileAt::new(Rc::clone(&parent), entry);
    let open = call.authorize::<Open, _>(place.clone())?;
    let found = walk::entry(&open)?;
    match found.kind() {
        SFlag::S_IFDIR => return Ok(false),
        SFlag::S_IFLNK => return Err(refused_link(found.name())),
        _ => {}
    }
    if let Some(reason) = object_refusal(call, &found) {
        return Err(call.refuse::<Open, _>(&place, reason));
    }
    let delete = call.authorize::<Delete, _>(place)?;
    match remove::file(&delete, found.inode()) {
        Ok(()) => Ok(true),
        Err(error) if is(&error, Errno::ENOENT) => Err(removal::not_found(&parent.name)),
        Err(error) => Err(Error::Failed {
            kind: ErrorKind::FileError,
            message: format!("File error: Error removing file: {}", parent.name),
            errno: error.raw_os_error(),
        }),
    }
}

/// Goes to what has the name, through links on the way to it, but not through itself.
fn reach_itself<'req>(
    call: &mut Call<'req, DeletePath>,
    path: PathName,
    entry: EntryName,
) -> Result<Reached<'req>, Error> {
    let open = call.authorize::<Open, _>(DirPath(path))?;
    let tools = Rc::clone(&call.host.tools);
    // The question at each link is about the whole path, as if the directory at its end were gone to.
    let mut ask = |link: Option<&Reached<'req>>, place: PathName| {
        ask_through(call, link, DirPath(place.join(entry.as_bytes())))
    };
    let parent = walk::follow_to_parent(&open, &tools, &mut ask)?.found.object()?;
    if parent.kind() != SFlag::S_IFDIR {
        return Err(Errno::ENOTDIR.into());
    }
    let open = call.authorize::<Open, _>(DirAt::new(held(parent), entry))?;
    Ok(walk::entry(&open)?)
}
