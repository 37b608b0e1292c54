//! Removes what stands at a path: a directory, or what is neither directory nor link.
//!
//! Rex looks at the path first and asks afterwards. Here both answers are known before anything is touched: what is no
//! directory may be met if `open` on its parent and on itself is permitted, a directory if `open` on it is. Only then
//! is the type looked at. A link is never removed and never led the removal to a directory somewhere else, unless a
//! slash at the end says that the directory is meant.

use std::os::fd::AsFd;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use rex_ipc::action::file_system::{Delete, Open};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::DeletePath;

use super::support::removal;
use super::{ask_through, held, object_refusal, refused_link, split};
use crate::gate::error::Error;
use crate::gate::{Allows, Permit, Resource};
use crate::host::file_system::object::{DirAt, DirPath, Directory, FileAt, FilePath};
use crate::host::file_system::remove;
use crate::host::file_system::walk::{self, Reached, file_type};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::policy::ResourceRef;
use crate::policy::name::{EntryName, PathName};

impl Perform for DeletePath {
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
        Some((parent, entry)) => reach_itself(call, NamedDir { path, parent }, entry)?,
        None => {
            let open = call.authorize::<Open, _>(DirPath(path))?;
            reach(call, &open)?
        }
    };
    let directory = match file_type(&reached.stat) {
        SFlag::S_IFDIR => enter(call, reached)?,
        SFlag::S_IFLNK => return Err(refused_link(&reached.name)),
        _ => {
            // Known by now to whoever may open it as a directory; what is missing is the permission for what it is.
            call.authorize::<Open, _>(DirPath(reached.name.parent()))?;
            call.authorize::<Open, _>(FilePath(reached.name))?;
            return Err(Errno::ENOTDIR.into());
        }
    };
    let delete = call.authorize::<Delete, _>(Rc::clone(&directory))?;
    let root = Rc::clone(&call.host.root);
    let failed = |error: std::io::Error| removal::refused(&error, &directory.name);
    let (parent, entry) = remove::place_of(&delete, root.as_fd()).map_err(failed)?;
    if request.recursive {
        removal::empty(call, &delete, &directory)?;
    }
    remove::open_directory(&delete, (&parent, &entry)).map_err(failed)?;
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
    let found = walk::entry(&open, |place| (&place.parent, &place.entry, &place.path))?;
    match file_type(&found.stat) {
        SFlag::S_IFDIR => return Ok(false),
        SFlag::S_IFLNK => return Err(refused_link(&found.name)),
        _ => {}
    }
    if let Some(reason) = object_refusal(call, Some(&parent), &found) {
        return Err(call.refuse::<Open, _>(&place, reason));
    }
    let delete = call.authorize::<Delete, _>(place)?;
    match remove::file(&delete, walk::inode(&found.stat)) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => {
            Err(removal::not_found(&parent.name))
        }
        Err(error) => Err(Error::Failed {
            kind: ErrorKind::FileError,
            message: format!("File error: Error removing file: {}", parent.name),
            errno: error.raw_os_error(),
        }),
    }
}

/// A directory by its path, of which the last component must not be a link.
struct NamedDir {
    path: PathName,
    /// What stands before the last component, where links may be.
    parent: PathName,
}

impl Resource for NamedDir {
    fn as_question(&self) -> ResourceRef<'_> {
        ResourceRef::Dir(self.path.as_str())
    }
}

impl Allows<Open> for NamedDir {}

/// Goes to what has the name, through links on the way to it, but not through itself.
fn reach_itself(
    call: &mut Call<'_, DeletePath>,
    named: NamedDir,
    entry: EntryName,
) -> Result<Reached, Error> {
    let open = call.authorize::<Open, _>(named)?;
    let root = Rc::clone(&call.host.root);
    // The question at each link is about the whole path, as if the directory at its end were gone to.
    let mut ask = |link: Option<&Reached>, place: PathName| {
        ask_through(call, link, DirPath(place.join(entry.as_bytes())))
    };
    let parent = walk::follow(&open, |named| &named.parent, root.as_fd(), None, &mut ask)?.found.object()?;
    if file_type(&parent.stat) != SFlag::S_IFDIR {
        return Err(Errno::ENOTDIR.into());
    }
    let open = call.authorize::<Open, _>(DirAt::new(held(parent), entry))?;
    Ok(walk::entry(&open, |place| (&place.parent, &place.entry, &place.path))?)
}

/// Goes to a place, through links where there are some.
fn reach<'req>(
    call: &mut Call<'req, DeletePath>,
    permit: &Permit<'req, Open, DirPath>,
) -> Result<Reached, Error> {
    let root = Rc::clone(&call.host.root);
    match walk::directory(permit, |path| &path.0, root.as_fd()) {
        Ok(reached) => Ok(reached),
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            let mut ask = |link: Option<&Reached>, place: PathName| ask_through(call, link, DirPath(place));
            Ok(walk::follow(permit, |path| &path.0, root.as_fd(), None, &mut ask)?.found.object()?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Holds a directory, unless what it is is closed to every script.
fn enter(call: &mut Call<'_, DeletePath>, reached: Reached) -> Result<Rc<Directory>, Error> {
    match object_refusal(call, None, &reached) {
        Some(reason) => Err(call.refuse::<Open, _>(&DirPath(reached.name.clone()), reason)),
        None => Ok(held(reached)),
    }
}

/// path_resolution(7): a path that ends like this means the directory that a link leads to, and never the link.
fn names_a_directory(given: &str) -> bool {
    given.ends_with('/') || given.ends_with("/.")
}
