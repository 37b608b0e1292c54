//! Opens a directory, by path or by its name in an open one, and makes it when asked to.

use std::os::fd::AsFd;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use rex_ipc::action::file_system::{Create, Open};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{CreateDir, DirPlace, OpenDir};

use super::{entry_name, object_refusal, refused_directory, spelled};
use crate::error::Error;
use crate::object::{DirAt, DirPath, Directory};
use crate::ops::Perform;
use crate::path::{EntryName, PathName};
use crate::policy::{Gate, Permit};
use crate::sys;
use crate::sys::walk::{Reached, file_type};

impl Perform for OpenDir {
    fn perform(self, gate: &mut Gate<'_, Self>) -> Result<(), Error> {
        gate.services.handles.spend(self.id.0)?;
        let directory = match &self.at {
            DirPlace::Path(path) => open_path(gate, &self, path.as_str())?,
            DirPlace::Entry(parent, name) => {
                let parent = gate.services.handles.dir(*parent)?;
                open_entry(gate, &self, parent, name.as_str())?
            }
        };
        gate.services.handles.keep_dir(self.id, directory);
        Ok(())
    }
}

fn open_path(gate: &mut Gate<'_, OpenDir>, request: &OpenDir, given: &str) -> Result<Directory, Error> {
    let name = PathName::parse(given)?;
    let open = gate.authorize::<Open, _>(DirPath(name.clone()))?;
    match request.create {
        CreateDir::No => {}
        CreateDir::AskOnly => drop(gate.authorize::<Create, _>(DirPath(name.clone()))?),
        CreateDir::Leaf => {
            gate.authorize::<Create, _>(DirPath(name.clone()))?;
            return create_leaf(gate, &name);
        }
        CreateDir::All => {
            gate.authorize::<Create, _>(DirPath(name.clone()))?;
            return create_all(gate, &name);
        }
    }
    let root = Rc::clone(&gate.services.root);
    let reached = match sys::walk::directory(&open, |path| &path.0, root.as_fd()) {
        Ok(reached) => reached,
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) && request.follow => {
            follow(gate, &open, |path| &path.0, None)?
        }
        Err(error) => return Err(open_error(&error, request.follow, given)),
    };
    finish(gate, reached)
}

fn open_entry(
    gate: &mut Gate<'_, OpenDir>,
    request: &OpenDir,
    parent: Rc<Directory>,
    name: &str,
) -> Result<Directory, Error> {
    let spelled = spelled(&parent, name)?;
    let Some(entry) = EntryName::parse(name) else {
        gate.authorize::<Open, _>(DirPath(spelled))?;
        return Err(entry_name(name).err().unwrap_or_else(|| Errno::EINVAL.into()));
    };
    let place = DirAt::new(Rc::clone(&parent), entry);
    let open = gate.authorize::<Open, _>(place.clone())?;
    if matches!(request.create, CreateDir::Leaf | CreateDir::All) {
        let create = gate.authorize::<Create, _>(place)?;
        return Ok(sys::open::create_directory(&create, |place| (&place.parent, &place.entry, &place.path))?);
    }
    let reached = sys::walk::entry(&open, |place| (&place.parent, &place.entry, &place.path))?;
    let reached = match file_type(&reached.stat) {
        SFlag::S_IFDIR => reached,
        SFlag::S_IFLNK if request.follow => follow(gate, &open, |place| &place.path, Some(&parent))?,
        SFlag::S_IFLNK => return Err(refused_directory(spelled.as_str())),
        _ => return Err(refused_directory(spelled.as_str())),
    };
    finish(gate, reached)
}

/// Walks on through links, asking for each place they lead to.
fn follow<'req, P: crate::policy::Resource>(
    gate: &mut Gate<'req, OpenDir>,
    open: &Permit<'req, Open, P>,
    path: impl Fn(&P) -> &PathName,
    from: Option<&Directory>,
) -> Result<Reached, Error> {
    let root = Rc::clone(&gate.services.root);
    let mut ask = |place: PathName| gate.authorize::<Open, _>(DirPath(place));
    sys::walk::follow(open, path, root.as_fd(), from, &mut ask)
}

fn finish(gate: &mut Gate<'_, OpenDir>, reached: Reached) -> Result<Directory, Error> {
    if file_type(&reached.stat) != SFlag::S_IFDIR {
        return Err(Errno::ENOTDIR.into());
    }
    if let Some(reason) = object_refusal(gate.services, None, &reached) {
        return Err(gate.refuse::<Open, _>(&DirPath(reached.name.clone()), reason));
    }
    Ok(reached.into_directory())
}

fn open_error(error: &std::io::Error, follow: bool, given: &str) -> Error {
    match error.raw_os_error() {
        Some(errno) if !follow && (errno == Errno::ELOOP as i32 || errno == Errno::ENOTDIR as i32) => {
            refused_directory(given)
        }
        _ => Error::system(error),
    }
}

/// Makes the last component beneath its parent, in which no link is followed.
fn create_leaf(gate: &mut Gate<'_, OpenDir>, name: &PathName) -> Result<Directory, Error> {
    let Some((parent, entry)) = super::split(name) else { return Err(Errno::EEXIST.into()) };
    let relative = name.as_str().trim_start_matches('/');
    let create_error = |reason: &str| {
        Error::invalid(ErrorKind::DirectoryOpenError, format!("Directory error: {reason}: {relative}"))
    };
    // The question about the leaf was answered; this permit is for passing through its parent.
    let root = Rc::clone(&gate.services.root);
    let permit = gate.authorize::<Open, _>(DirPath(parent))?;
    let parent = sys::walk::directory(&permit, |path| &path.0, root.as_fd())
        .map_err(|_| create_error("failed to open parent"))?;
    let place = DirAt::new(super::held(parent), entry);
    let create = gate.authorize::<Create, _>(place)?;
    sys::open::create_directory(&create, |place| (&place.parent, &place.entry, &place.path))
        .map_err(|_| create_error("failed to create directory"))
}

/// Makes each component that is missing, asking for each one.
fn create_all(gate: &mut Gate<'_, OpenDir>, name: &PathName) -> Result<Directory, Error> {
    let root = Rc::clone(&gate.services.root);
    let mut missing = Vec::new();
    let mut existing = name.clone();
    let mut here = loop {
        // Passing through what exists needs `open`, as reaching it by its own path would.
        let permit = gate.authorize::<Open, _>(DirPath(existing.clone()))?;
        match sys::walk::directory(&permit, |path| &path.0, root.as_fd()) {
            Ok(reached) => break super::held(reached),
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => {
                let Some((parent, entry)) = super::split(&existing) else {
                    return Err(Error::system(&error));
                };
                missing.push(entry);
                existing = parent;
            }
            Err(error) => return Err(open_error(&error, false, name.as_str())),
        }
    };
    // Every level is asked for before the first is made.
    let mut path = existing;
    for entry in missing.iter().rev() {
        path = path.join(entry.as_bytes());
        gate.authorize::<Create, _>(DirPath(path.clone()))?;
    }
    while let Some(entry) = missing.pop() {
        let create = gate.authorize::<Create, _>(DirAt::new(here, entry))?;
        here = Rc::new(sys::open::create_directory(&create, |place| {
            (&place.parent, &place.entry, &place.path)
        })?);
    }
    let directory = Rc::try_unwrap(here).map_err(|_| Errno::EBUSY)?;
    Ok(directory)
}
