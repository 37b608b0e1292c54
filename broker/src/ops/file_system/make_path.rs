//! Makes a directory at a path, with every directory that is missing on the way.
//!
//! Rex looks for what exists before it asks. Here a level of the path is looked at only when `open` on it is permitted;
//! what the levels below it are is found out after `create` was permitted for each of them. For a script that may open
//! no level of the path the answer is the same whatever exists.

use std::os::fd::AsFd;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use rex_ipc::action::file_system::{Create, Open};
use rex_ipc::file_system::MakePath;

use super::make_dir::{ANY_MODE, make_level};
use super::{ask_through, held, object_refusal};
use crate::gate::Permit;
use crate::gate::error::Error;
use crate::host::file_system::below::Made;
use crate::host::file_system::object::{DirPath, Directory};
use crate::host::file_system::walk::{Found, Reached, file_type};
use crate::host::file_system::{make, walk};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::policy::name::{EntryName, PathName};

impl Perform for MakePath {
    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let path = PathName::parse(self.path.as_str())?;
        let (mut here, names) = deepest(call, &path)?;
        let mut permits = Vec::with_capacity(names.len());
        let mut level = here.name.clone();
        for name in &names {
            level = level.join(name.as_bytes());
            permits.push(call.authorize::<Create, _>(DirPath(level.clone()))?);
        }
        let mut missing = permits.as_slice();
        // What exists below was not looked at because it may not be opened, or has just been made by somebody else.
        while let Some((permit, rest)) = missing.split_first()
            && let Some(reached) = make::present(permit, &here)?
        {
            if file_type(&reached.stat) != SFlag::S_IFDIR {
                return Err(in_the_way(rest.is_empty()));
            }
            call.authorize::<Open, _>(DirPath(reached.name.clone()))?;
            here = enter(call, reached)?;
            missing = rest;
        }
        let mut way = Made::none_in(here);
        while let Some((permit, rest)) = missing.split_first() {
            make_level(call, permit, &mut way, rest.is_empty(), ANY_MODE)?;
            missing = rest;
        }
        way.keep();
        Ok(())
    }
}

/// The deepest directory on the way that exists and may be seen, and the names that follow it.
fn deepest(call: &mut Call<'_, MakePath>, path: &PathName) -> Result<(Rc<Directory>, Vec<EntryName>), Error> {
    let mut level = path.clone();
    let mut names = Vec::new();
    // The answer when nothing may be seen: always about the same level, for it is decided by the policy alone.
    let mut closed = None;
    loop {
        if call.would_permit::<Open, _>(&DirPath(level.clone())) {
            let open = call.authorize::<Open, _>(DirPath(level.clone()))?;
            match reach(call, &open)? {
                Some(reached) if file_type(&reached.stat) == SFlag::S_IFDIR => {
                    names.reverse();
                    return Ok((enter(call, reached)?, names));
                }
                Some(_) => return Err(in_the_way(names.is_empty())),
                None => {}
            }
        } else if closed.is_none() {
            closed = Some(level.clone());
        }
        let Some(name) = level.file_name().and_then(EntryName::parse) else { break };
        names.push(name);
        level = level.parent();
    }
    if let Some(closed) = closed {
        call.authorize::<Open, _>(DirPath(closed))?;
    }
    // The root directory exists, so a level that may not be seen was met.
    Err(Errno::ENOENT.into())
}

/// What stands at the place of the permit, through links where there are some; nothing when it is missing.
fn reach<'req>(
    call: &mut Call<'req, MakePath>,
    permit: &Permit<'req, Open, DirPath>,
) -> Result<Option<Reached>, Error> {
    let root = Rc::clone(&call.host.root);
    match walk::directory(permit, |path| &path.0, root.as_fd()) {
        Ok(reached) => return Ok(Some(reached)),
        Err(error) if is(&error, Errno::ENOENT) => return Ok(None),
        // There is a link on the way, or something that is no directory: at the end, or before it.
        Err(error) if is(&error, Errno::ELOOP) || is(&error, Errno::ENOTDIR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut ask = |link: Option<&Reached>, place: PathName| ask_through(call, link, DirPath(place));
    match walk::follow(permit, |path| &path.0, root.as_fd(), None, &mut ask) {
        Ok(led) => match led.found {
            Found::Object(reached) => Ok(Some(reached)),
            Found::Missing { .. } => Ok(None),
        },
        // A level above is missing, or is no directory; it is met again when it is looked at itself.
        Err(Error::Failed { errno: Some(errno), .. })
            if errno == Errno::ENOENT as i32 || errno == Errno::ENOTDIR as i32 =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Holds a directory, unless what it is is closed to every script.
fn enter(call: &mut Call<'_, MakePath>, reached: Reached) -> Result<Rc<Directory>, Error> {
    match object_refusal(call, None, &reached) {
        Some(reason) => Err(call.refuse::<Open, _>(&DirPath(reached.name.clone()), reason)),
        None => Ok(held(reached)),
    }
}

fn in_the_way(is_last: bool) -> Error {
    if is_last { Errno::EEXIST.into() } else { Errno::ENOTDIR.into() }
}

fn is(error: &std::io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}
