//! Opens a directory, by path or by its name in an open one, and makes it when asked to.
//!
//! # Policy
//! `file_system::open` on the directory, and on each place that a link leads to; `file_system::create` on it as well
//! when it may be made, and on each missing level above it.

use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use rex_ipc::action::file_system::{Create, Open};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{CreateDir, DirPlace, OpenDir, Opened, Spelled};

use super::make_dir::ANY_MODE;
use super::support::reaching::refuse_own;
use super::{ask_through, no_entry, opened, refused_directory, spelled};
use crate::gate::Permit;
use crate::gate::error::{Error, is};
use crate::host::file_system::object::{DirAt, DirBelow, DirPath, Directory};
use crate::host::file_system::open;
use crate::host::file_system::places::AtPath;
use crate::host::file_system::walk::{self, Reached};
use crate::host::file_system::way::Way;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::{self, Ahead};
use crate::ops::explain::names::Place;
use crate::policy::name::{EntryName, PathName};

impl Perform for OpenDir {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = match &self.at {
            DirPlace::Path(path) => Place::dir(PathName::parse(path.as_str()).ok()?),
            DirPlace::Entry(dir, name) => ahead.dir_at(*dir, name.as_str())?,
            DirPlace::Below(dir, path) => {
                let dir = ahead.dir(*dir)?;
                Place::dir(ahead::spelled(&dir, path.as_str())?).followed(dir.as_spelled)
            }
        };
        ahead.ask::<Open>(&place);
        if self.create != CreateDir::No {
            ahead.ask::<Create>(&place);
        }
        ahead.opens_dir(self.id, place.followed(self.follow));
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<Opened, Error> {
        call.host.handles.spend(self.id.0)?;
        let (directory, spelled) = match &self.at {
            DirPlace::Path(path) => (open_path(call, &self, path.as_str())?, path.as_str().to_owned()),
            DirPlace::Entry(parent, name) => {
                let parent = call.host.handles.dir(*parent)?;
                let spelled = spelled(&parent, name.as_str())?;
                (open_entry(call, &self, parent, name)?, spelled.as_str().to_owned())
            }
            DirPlace::Below(parent, path) => {
                let parent = call.host.handles.dir(*parent)?;
                let spelled = spelled(&parent, path.as_str())?;
                (open_below(call, &self, parent, spelled.clone())?, spelled.as_str().to_owned())
            }
        };
        let opened = opened(&directory.name, &spelled)?;
        call.host.handles.keep_dir(self.id, directory);
        Ok(opened)
    }
}

fn open_path(call: &mut Call<'_, OpenDir>, request: &OpenDir, given: &str) -> Result<Directory, Error> {
    let name = PathName::parse(given)?;
    let open = call.authorize::<Open, _>(DirPath(name.clone()))?;
    match request.create {
        CreateDir::No => {}
        CreateDir::AskOnly => drop(call.authorize::<Create, _>(DirPath(name.clone()))?),
        CreateDir::Leaf => {
            let create = call.authorize::<Create, _>(DirPath(name))?;
            return create_leaf(call, &open, &create);
        }
        CreateDir::All => {
            let create = call.authorize::<Create, _>(DirPath(name))?;
            return create_all(call, &open, create, given);
        }
    }
    let reached = match walk::directory(&open, &call.host.tools) {
        Ok(reached) => reached,
        Err(error) if is(&error, Errno::ELOOP) && request.follow => follow(call, &open)?,
        Err(error) => return Err(open_error(&error, request.follow, given)),
    };
    finish(call, reached)
}

fn open_entry(
    call: &mut Call<'_, OpenDir>,
    request: &OpenDir,
    parent: Rc<Directory>,
    name: &Spelled,
) -> Result<Directory, Error> {
    let spelled = spelled(&parent, name.as_str())?;
    let entry = match name {
        Spelled::Entry(name) => EntryName::of(name),
        Spelled::Refused(text) => {
            call.authorize::<Open, _>(DirPath(spelled))?;
            return Err(no_entry(text));
        }
    };
    let place = DirAt::new(parent, entry);
    let open = call.authorize::<Open, _>(place.clone())?;
    if request.create != CreateDir::No {
        let create = call.authorize::<Create, _>(place)?;
        let made = match request.create {
            CreateDir::No | CreateDir::AskOnly => Err(Errno::EEXIST.into()),
            CreateDir::Leaf | CreateDir::All => open::create_directory(&create),
        };
        match made {
            Err(error) if is(&error, Errno::EEXIST) && request.create != CreateDir::Leaf => {}
            made => return Ok(made?),
        }
    }
    let reached = walk::entry(&open)?;
    let reached = match reached.kind() {
        SFlag::S_IFDIR => reached,
        SFlag::S_IFLNK if request.follow => follow(call, &open)?,
        _ => return Err(refused_directory(spelled.as_str())),
    };
    finish(call, reached)
}

/// Opens what stands at a path below an open directory; a link on the way is refused.
fn open_below(
    call: &mut Call<'_, OpenDir>,
    request: &OpenDir,
    top: Rc<Directory>,
    path: PathName,
) -> Result<Directory, Error> {
    let open = call.authorize::<Open, _>(DirBelow { top, path: path.clone() })?;
    if !path.is_within(&open.resource().top.name) || request.follow || request.create != CreateDir::No {
        return Err(Errno::EINVAL.into());
    }
    let reached = walk::directory_below(&open).map_err(|error| open_error(&error, false, path.as_str()))?;
    finish(call, reached)
}

/// Walks on through links, asking for each place they lead to.
fn follow<'req, P: AtPath>(
    call: &mut Call<'req, OpenDir>,
    open: &Permit<'req, Open, P>,
) -> Result<Reached<'req>, Error> {
    let tools = Rc::clone(&call.host.tools);
    let mut ask = |link: Option<&Reached<'req>>, place: PathName| ask_through(call, link, DirPath(place));
    Ok(walk::follow(open, &tools, &mut ask)?.found.object()?)
}

fn finish(call: &mut Call<'_, OpenDir>, reached: Reached<'_>) -> Result<Directory, Error> {
    if reached.kind() != SFlag::S_IFDIR {
        return Err(Errno::ENOTDIR.into());
    }
    refuse_own(call, &reached)?;
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
fn create_leaf<'req>(
    call: &mut Call<'req, OpenDir>,
    open: &Permit<'req, Open, DirPath>,
    create: &Permit<'req, Create, DirPath>,
) -> Result<Directory, Error> {
    let name = &create.resource().0;
    if *name == PathName::root() {
        return Err(Errno::EEXIST.into());
    }
    let as_rex = call.is_rex_compat();
    let create_error = |what: &str, why: &std::io::Error| {
        let message = if as_rex {
            format!("Directory error: {what}: {}", name.as_str().trim_start_matches('/'))
        } else {
            format!("Directory error: {what}: {why}: {}", name.as_str())
        };
        Error::invalid(ErrorKind::DirectoryOpenError, message)
    };
    let parent = walk::parent_directory(open, &call.host.tools)
        .map_err(|error| create_error("failed to open parent", &error))?;
    let way = Way::from(parent);
    way.keep();
    match way.make(create, ANY_MODE) {
        Ok((made, true)) => Ok(made.into_directory()),
        Ok((_, false)) => Err(create_error("failed to create directory", &Errno::EEXIST.into())),
        Err(error) => Err(create_error("failed to create directory", &error)),
    }
}

/// Makes each component that is missing, asking for each one before the first is made.
fn create_all<'req>(
    call: &mut Call<'req, OpenDir>,
    open: &Permit<'req, Open, DirPath>,
    create: Permit<'req, Create, DirPath>,
    given: &str,
) -> Result<Directory, Error> {
    let (existing, missing) =
        walk::last_existing(open, &call.host.tools).map_err(|error| open_error(&error, false, given))?;
    // The last one is the permit's own, which was asked for first.
    let Some((_, between)) = missing.split_last() else { return finish(call, existing) };
    let mut permits = Vec::with_capacity(missing.len());
    for path in between {
        permits.push(call.authorize::<Create, _>(DirPath(path.clone()))?);
    }
    permits.push(create);
    let mut way = Way::from(existing);
    way.keep();
    let (last, above) = permits.split_last().ok_or(Errno::EINVAL)?;
    for permit in above {
        way.go(make_new(&way, permit)?, true);
    }
    Ok(make_new(&way, last)?.into_directory())
}

/// Makes a directory that was missing.
fn make_new<'req>(
    way: &Way<'req>,
    create: &Permit<'req, Create, DirPath>,
) -> Result<Reached<'req, Create>, Error> {
    match way.make(create, ANY_MODE)? {
        (made, true) => Ok(made),
        (_, false) => Err(Errno::EEXIST.into()),
    }
}
