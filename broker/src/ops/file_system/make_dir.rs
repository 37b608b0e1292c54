//! Makes a directory below an open one, with those that lead to it.
//!
//! # Policy
//! `file_system::create` on the new directory and on each level between it and the open one, whether or not it is
//! there. With attributes also `file_system::open` on it, `file_system::chown` for an owner, and `file_system::chmod`
//! for a mode, which is left out where that is denied. The levels are asked about again where a link on the way leads.

use std::rc::Rc;

use nix::errno::Errno;
use rex_ipc::action::file_system::{Chmod, Chown, Create, Open};
use rex_ipc::file_system::{Attributes, Instant, MakeDir};
use rex_ipc::interface::Needs;

use super::set_owner::{self, change_error, group_number, user_number};
use super::spelled;
use super::support::modes;
use super::support::reaching::refuse_own;
use crate::gate::error::{Error, is};
use crate::gate::{Act, Permit};
use crate::host::file_system::below;
use crate::host::file_system::object::{DirBelow, Directory};
use crate::host::file_system::places::AtPath;
use crate::host::file_system::way::Way;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::{self, Ahead};
use crate::ops::explain::names::Place;
use crate::policy::name::PathName;

impl Perform for MakeDir {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let top = ahead.dir(self.dir)?;
        let path = ahead::spelled(&top, self.path.as_str())?;
        for level in path.levels_below(&top.path) {
            ahead.ask::<Create>(&Place::dir(level).followed(top.as_spelled));
        }
        if self.attributes != Attributes::default() {
            let place = Place::dir(path).followed(top.as_spelled);
            ahead.ask::<Open>(&place);
            ahead.ask_attributes(&self.attributes, &place);
        }
        Some(())
    }

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
            && let Some(last) = permits.last()
            && let Some(led) = below::directory_led(last)?
        {
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::ELOOP.into());
            }
            call.announced.are_led_elsewhere();
            permits = ask_levels(call, &top, &led)?;
            path = led;
        }
        let shape = Shape::ask(call, &top, &path, &self.attributes)?;
        if !path.is_within(&top.name) {
            return Err(Errno::EXDEV.into());
        }
        let Some(last) = permits.last() else { return Ok(()) };
        let mut way = Way::below(last);
        // A path that spells the open directory itself leaves nothing to be made.
        let missing = if path == way.last().name { &[][..] } else { &permits[..] };
        for (position, permit) in missing.iter().enumerate() {
            let is_last = position + 1 == missing.len();
            let among = if is_last { shape.first_mode } else { ANY_MODE };
            make_level(call, permit, &mut way, is_last, among)?;
        }
        shape.apply(call, last, &way)?;
        way.keep();
        Ok(())
    }
}

/// Asks whether each directory on the way may be made.
fn ask_levels<'req>(
    call: &mut Call<'req, MakeDir>,
    top: &Rc<Directory>,
    path: &PathName,
) -> Result<Vec<Permit<'req, Create, DirBelow>>, Error> {
    let mut levels = path.levels_below(&top.name);
    // The open directory itself, or one that an absolute path spells elsewhere, to be refused afterwards.
    if levels.is_empty() {
        levels.push(path.clone());
    }
    levels
        .into_iter()
        .map(|path| call.authorize::<Create, _>(DirBelow { top: Rc::clone(top), path }))
        .collect()
}

/// path_resolution(7): at most 40 links in one resolution.
pub(super) const MOST_LINKS: usize = 40;

/// The bits of a directory of which nothing was said.
pub(super) const ANY_MODE: u16 = 0o777;

/// Makes one level behind the last one, or enters what is there.
pub(super) fn make_level<'req, O: Needs<Open>, R: AtPath>(
    call: &mut Call<'req, O>,
    permit: &Permit<'req, Create, R>,
    way: &mut Way<'req>,
    is_last: bool,
    among: u16,
) -> Result<(), Error> {
    let (reached, made) = match way.make(permit, among) {
        Ok(found) => found,
        // What is in the way of a directory below it is no directory; at the end it is what exists.
        Err(error) if is(&error, Errno::EEXIST) && !is_last => {
            return Err(Errno::ENOTDIR.into());
        }
        Err(error) => return Err(error.into()),
    };
    refuse_own(call, &reached)?;
    way.go(reached, made);
    Ok(())
}

/// User and group that a directory is to have.
struct NewOwner<'req> {
    permit: Permit<'req, Chown, DirBelow>,
    user: Option<u32>,
    group: Option<u32>,
}

/// What a directory is to be like, with the permits for it.
struct Shape<'req> {
    /// What it has when it is made: at no moment more than it is to have, but for its owner.
    first_mode: u16,
    mode: Option<(Permit<'req, Chmod, DirBelow>, u16)>,
    owner: Option<NewOwner<'req>>,
    modified: Option<Instant>,
}

impl<'req> Shape<'req> {
    /// Asks for all that the attributes need; for the names of users only when they may be given the directory.
    fn ask(
        call: &mut Call<'req, MakeDir>,
        top: &Rc<Directory>,
        path: &PathName,
        attributes: &Attributes,
    ) -> Result<Self, Error> {
        if *attributes == Attributes::default() {
            return Ok(Self { first_mode: ANY_MODE, mode: None, owner: None, modified: None });
        }
        let directory = || DirBelow { top: Rc::clone(top), path: path.clone() };
        call.authorize::<Open, _>(directory())?;
        let mode = match attributes.mode {
            Some(mode) => {
                modes::permitted(call, directory(), path, mode)?.map(|permit| (permit, mode.bits()))
            }
            None => None,
        };
        let first_mode = attributes.mode.map_or(ANY_MODE, |mode| mode.bits() | 0o700);
        let owner = if attributes.user.is_some() || attributes.group.is_some() {
            let given = [&attributes.user, &attributes.group].map(|given| set_owner::spelled(given.as_ref()));
            let act = Act::Owner { user: given[0].as_deref(), group: given[1].as_deref() };
            let permit = call.authorize_act::<Chown, _>(directory(), act)?;
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
        create: &Permit<'req, Create, DirBelow>,
        way: &Way<'req>,
    ) -> Result<(), Error> {
        if let Some(NewOwner { permit, user, group }) = &self.owner {
            way.set_owner(permit, *user, *group).map_err(|error| change_error(&error))?;
        }
        if let Some((permit, bits)) = &self.mode {
            way.set_mode(permit, &call.host.tools, *bits)?;
        }
        if let Some(modified) = self.modified {
            way.set_modified(create, &call.host.tools, modified)?;
        }
        Ok(())
    }
}
