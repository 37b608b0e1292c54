//! Makes a directory at a path, with every directory that is missing on the way.
//!
//! Rex looks for what exists before it asks. Here a level of the path is looked at only when `open` on it is permitted;
//! what the levels below it are is found out after `create` was permitted for each of them. For a script that may open
//! no level of the path the answer is the same whatever exists.
//!
//! # Policy
//! `file_system::open` on the deepest directory on the way that exists and may be opened, and `file_system::create` on
//! each level behind it; `file_system::open` again wherever a link leads, and on a level that turns out to exist.

use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use rex_ipc::action::file_system::{Create, Open};
use rex_ipc::file_system::MakePath;

use super::ask_through;
use super::make_dir::{ANY_MODE, make_level};
use super::support::reaching::refuse_own;
use crate::gate::Permit;
use crate::gate::error::{Error, is};
use crate::host::file_system::object::DirPath;
use crate::host::file_system::walk::{self, Found, Reached};
use crate::host::file_system::way::Way;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::policy::name::{EntryName, PathName};

impl Perform for MakePath {
    fn foresee(&self, _ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        // What it asks depends on what is there.
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let path = PathName::parse(self.path.as_str())?;
        let (mut way, names) = deepest(call, &path)?;
        let mut permits = Vec::with_capacity(names.len());
        let mut level = way.last().name.clone();
        for name in &names {
            level = level.join(name.as_bytes());
            permits.push(call.authorize::<Create, _>(DirPath(level.clone()))?);
        }
        let mut missing = permits.as_slice();
        // What exists below was not looked at because it may not be opened, or has just been made by somebody else.
        while let Some((permit, rest)) = missing.split_first()
            && let Some(reached) = way.present(permit)?
        {
            if reached.kind() != SFlag::S_IFDIR {
                return Err(in_the_way(rest.is_empty()));
            }
            call.authorize::<Open, _>(DirPath(reached.name().clone()))?;
            refuse_own(call, &reached)?;
            way.go(reached, false);
            missing = rest;
        }
        while let Some((permit, rest)) = missing.split_first() {
            make_level(call, permit, &mut way, rest.is_empty(), ANY_MODE)?;
            missing = rest;
        }
        way.keep();
        Ok(())
    }
}

/// The deepest directory on the way that exists and may be seen, and the names that follow it.
fn deepest<'req>(
    call: &mut Call<'req, MakePath>,
    path: &PathName,
) -> Result<(Way<'req>, Vec<EntryName>), Error> {
    let mut level = path.clone();
    let mut names = Vec::new();
    // The answer when nothing may be seen: always about the same level, for it is decided by the policy alone.
    let mut closed = None;
    loop {
        if call.would_permit::<Open, _>(&DirPath(level.clone())) {
            let open = call.authorize::<Open, _>(DirPath(level.clone()))?;
            match reach(call, &open)? {
                Some(reached) if reached.kind() == SFlag::S_IFDIR => {
                    names.reverse();
                    refuse_own(call, &reached)?;
                    return Ok((Way::from(reached), names));
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
) -> Result<Option<Reached<'req>>, Error> {
    let tools = Rc::clone(&call.host.tools);
    match walk::directory(permit, &tools) {
        Ok(reached) => return Ok(Some(reached)),
        Err(error) if is(&error, Errno::ENOENT) => return Ok(None),
        // There is a link on the way, or something that is no directory: at the end, or before it.
        Err(error) if is(&error, Errno::ELOOP) || is(&error, Errno::ENOTDIR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut ask = |link: Option<&Reached<'req>>, place: PathName| ask_through(call, link, DirPath(place));
    match walk::follow(permit, &tools, &mut ask) {
        Ok(led) => match led.found {
            Found::Object(reached) => Ok(Some(reached)),
            Found::Missing(_) => Ok(None),
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

fn in_the_way(is_last: bool) -> Error {
    if is_last { Errno::EEXIST.into() } else { Errno::ENOTDIR.into() }
}
