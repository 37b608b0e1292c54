//! Makes a directory below an open one, with those that lead to it.

use std::os::fd::AsFd;
use std::rc::Rc;

use nix::errno::Errno;
use rex_ipc::action::file_system::{Chmod, Chown, Create, Open};
use rex_ipc::file_system::{Attributes, Instant, MakeDir};
use rex_ipc::interface::Needs;

use super::set_owner::{self, change_error, group_number, user_number};
use super::support::modes;
use super::{held, object_refusal, spelled};
use crate::gate::error::Error;
use crate::gate::{Act, Permit};
use crate::host::file_system::below::{self, Made};
use crate::host::file_system::make;
use crate::host::file_system::object::{DirPath, Directory};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::policy::name::PathName;

impl Perform for MakeDir {
    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        let top = call.host.handles.dir(self.dir)?;
        let mut path = spelled(&top, self.path.as_str())?;
        // All questions come first: a denied call leaves the tree as it was.
        let mut permits = ask_levels(call, &top, &path)?;
        let is_plain = permits.len() == 1 && self.attributes == Attributes::default();
        let mut links = 0;
        // Where a link leads is asked about like what was named. A single name is not followed: it is the new directory's.
        while !is_plain
            && path.is_within(&top.name)
            && let Some(led) = below::directory_led(&permits, &top)?
        {
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::ELOOP.into());
            }
            permits = ask_levels(call, &top, &led)?;
            path = led;
        }
        let shape = Shape::ask(call, &path, &self.attributes)?;
        if !path.is_within(&top.name) {
            return Err(Errno::EXDEV.into());
        }
        let mut way = Made::none_in(top);
        // A path that spells the open directory itself leaves nothing to be made.
        let missing = if path == way.last()?.name { &[][..] } else { &permits[..] };
        for (position, permit) in missing.iter().enumerate() {
            let is_last = position + 1 == missing.len();
            let among = if is_last { shape.first_mode } else { ANY_MODE };
            make_level(call, permit, &mut way, is_last, among)?;
        }
        if let Some(create) = permits.last() {
            shape.apply(call, create, way.last()?)?;
        }
        way.keep();
        Ok(())
    }
}

/// Asks whether each directory on the way may be made.
fn ask_levels<'req>(
    call: &mut Call<'req, MakeDir>,
    top: &Directory,
    path: &PathName,
) -> Result<Vec<Permit<'req, Create, DirPath>>, Error> {
    levels_below(top, path).into_iter().map(|level| call.authorize::<Create, _>(DirPath(level))).collect()
}

/// path_resolution(7): at most 40 links in one resolution.
pub(super) const MOST_LINKS: usize = 40;

/// The bits of a directory of which nothing was said.
pub(super) const ANY_MODE: u16 = 0o777;

/// The directories from the one below `top` to `path`, which may be `top` itself, or, given as an absolute path, lie
/// elsewhere; then it alone is asked about, to be refused afterwards.
fn levels_below(top: &Directory, path: &PathName) -> Vec<PathName> {
    let mut levels = vec![path.clone()];
    let mut level = path.parent();
    while path.is_within(&top.name) && level != top.name && level.is_within(&top.name) {
        levels.push(level.clone());
        level = level.parent();
    }
    levels.reverse();
    levels
}

/// Makes one level behind the last one, or enters what is there.
pub(super) fn make_level<O: Needs<Open>>(
    call: &mut Call<'_, O>,
    permit: &Permit<'_, Create, DirPath>,
    way: &mut Made,
    is_last: bool,
    among: u16,
) -> Result<(), Error> {
    let (reached, made) = match make::directory(permit, way.last()?, among) {
        Ok(found) => found,
        // What is in the way of a directory below it is no directory; at the end it is what exists.
        Err(error) if error.raw_os_error() == Some(Errno::EEXIST as i32) && !is_last => {
            return Err(Errno::ENOTDIR.into());
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(reason) = object_refusal(call, None, &reached) {
        return Err(call.refuse::<Open, _>(&DirPath(reached.name.clone()), reason));
    }
    way.push(held(reached), made);
    Ok(())
}

/// User and group that a directory is to have.
struct NewOwner<'req> {
    permit: Permit<'req, Chown, DirPath>,
    user: Option<u32>,
    group: Option<u32>,
}

/// What a directory is to be like, with the permits for it.
struct Shape<'req> {
    /// What it has when it is made: at no moment more than it is to have, but for its owner.
    first_mode: u16,
    mode: Option<(Permit<'req, Chmod, DirPath>, u16)>,
    owner: Option<NewOwner<'req>>,
    modified: Option<Instant>,
}

impl<'req> Shape<'req> {
    /// Asks for all that the attributes need; for the names of users only when they may be given the directory.
    fn ask(call: &mut Call<'req, MakeDir>, path: &PathName, attributes: &Attributes) -> Result<Self, Error> {
        if *attributes == Attributes::default() {
            return Ok(Self { first_mode: ANY_MODE, mode: None, owner: None, modified: None });
        }
        call.authorize::<Open, _>(DirPath(path.clone()))?;
        let mode = match attributes.mode {
            Some(mode) => {
                modes::permitted(call, DirPath(path.clone()), path, mode)?.map(|permit| (permit, mode.bits()))
            }
            None => None,
        };
        let first_mode = attributes.mode.map_or(ANY_MODE, |mode| mode.bits() | 0o700);
        let owner = if attributes.user.is_some() || attributes.group.is_some() {
            let given = [&attributes.user, &attributes.group].map(|given| set_owner::spelled(given.as_ref()));
            let act = Act::Owner { user: given[0].as_deref(), group: given[1].as_deref() };
            let permit = call.authorize_act::<Chown, _>(DirPath(path.clone()), act)?;
            let user =
                attributes.user.as_ref().map(|user| set_owner::number_of(user, user_number)).transpose()?;
            let group = attributes
                .group
                .as_ref()
                .map(|group| set_owner::number_of(group, group_number))
                .transpose()?;
            Some(NewOwner { permit, user, group })
        } else {
            None
        };
        Ok(Self { first_mode, mode, owner, modified: attributes.modified })
    }

    /// The owner goes first: a change of owner clears set-user-ID and set-group-ID, and the time last.
    fn apply(
        self,
        call: &Call<'_, MakeDir>,
        create: &Permit<'_, Create, DirPath>,
        directory: &Directory,
    ) -> Result<(), Error> {
        let own_fds = Rc::clone(&call.host.own_fds);
        if let Some(NewOwner { permit, user, group }) = &self.owner {
            make::set_owner(permit, directory, *user, *group).map_err(|error| change_error(&error))?;
        }
        if let Some((permit, bits)) = &self.mode {
            make::set_mode(permit, directory, own_fds.as_fd(), *bits)?;
        }
        if let Some(modified) = self.modified {
            make::set_modified(create, directory, own_fds.as_fd(), modified)?;
        }
        Ok(())
    }
}
