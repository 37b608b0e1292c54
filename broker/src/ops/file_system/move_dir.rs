//! Moves a directory to a name in an open directory, or into the directory that has this name, and opens it there.
//!
//! # Policy
//! `file_system::move` on the directory with its destination as context, `file_system::create` and `file_system::open`
//! on the destination; on an empty directory that has the name `file_system::delete`, of which a script of Rex needs
//! only that nothing forbids it. Between file systems also `file_system::read` on the directory it goes to and on one
//! that has the name; as each type needs them, `file_system::open`, `file_system::read` and `file_system::delete` on
//! what moves, and on what is made `file_system::create`, `file_system::open`, `file_system::write` and, for a link or
//! a socket, `file_system::chown`.

use std::io;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use rex_ipc::action::file_system::{Create, Move, Open};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{MoveDir, Opened, Spelled};

use super::support::relocation;
use super::support::removal::{is_not_empty, not_empty_text};
use super::support::replacing::{self, Found};
use super::{no_entry, object_refusal, opened, spelled};
use crate::gate::error::{Error, is};
use crate::gate::{Permit, Resource};
use crate::host::file_system::moves;
use crate::host::file_system::object::{DirAt, DirPath, Directory, Moving, NamedDir};
use crate::host::file_system::{unguarded, walk};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::explain::names::Place;
use crate::policy::name::{EntryName, PathName};

impl Perform for MoveDir {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let (from, moving) = (ahead.dir(self.from)?, ahead.dir(self.dir)?);
        let source = from.entry(moving.path.file_name()?)?;
        let place = ahead.dir_at(self.to, self.name.as_str())?;
        let source = Place::dir(source).followed(from.as_spelled || moving.as_spelled);
        ahead.ask_to_move(&source, &place);
        ahead.ask::<Create>(&place);
        ahead.ask::<Open>(&place);
        ahead.opens_dir(self.id, place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<Opened, Error> {
        call.host.handles.spend(self.id.0)?;
        let from = call.host.handles.dir(self.from)?;
        let directory = call.host.handles.dir(self.dir)?;
        let to = call.host.handles.dir(self.to)?;
        let given = self.name.as_str();
        let path = spelled(&to, given)?;
        let base = directory.name.file_name().and_then(EntryName::parse).ok_or(Errno::EBUSY)?;
        let source = Source(NamedDir { place: DirAt::new(from, base), directory });
        // Under whatever name it was opened: what is below it would be under another one.
        if let Some(reason) = call.forbidden().displacing_reason(source.0.directory.inode) {
            return Err(call.refuse::<Move, _>(&source.moving(path, given, &to), reason));
        }
        let entry = match &self.name {
            Spelled::Entry(name) => EntryName::of(name),
            Spelled::Refused(text) => {
                call.authorize::<Move, _>(source.moving(path.clone(), given, &to))?;
                call.authorize::<Create, _>(DirPath(path))?;
                return Err(no_entry(text));
            }
        };
        let moved = source.go(call, DirAt::new(to, entry))?;
        let opened = opened(&moved.name, path.as_str())?;
        call.host.handles.keep_dir(self.id, moved);
        Ok(opened)
    }
}

/// What is to move: a name, and the directory that has to have it.
pub(super) struct Source(pub(super) NamedDir);

/// Where it goes, with every permit that a rename needs.
pub(super) struct Way<'req> {
    pub(super) moving: Permit<'req, Move, Moving<NamedDir>>,
    pub(super) create: Permit<'req, Create, DirAt>,
    pub(super) open: Permit<'req, Open, DirAt>,
}

impl Source {
    /// Moves to this place, or into the directory with entries that is there.
    fn go(&self, call: &mut Call<'_, MoveDir>, place: DirAt) -> Result<Directory, Error> {
        let mut way = self.ask(call, place)?;
        let mut into = false;
        // Entries may come and go between two looks; after a few rounds that is somebody's doing.
        for _ in 0..MAX_ROUNDS {
            let found = replacing::directory(call, &way.create, self.0.directory.inode)
                .map_err(|error| self.told(error, way.place()))?;
            let departure = call.moved().depart(&self.0.place.path, self.0.held())?;
            let moved = match moves::directory(&way.moving, &way.create, found.onto()) {
                Ok(()) => moves::renamed(&way.open, &way.moving)?,
                Err(error) if is(&error, Errno::EXDEV) => relocation::relocate(call, self, way, into)?,
                Err(error) if is_not_empty(&error) => {
                    match found {
                        Found::Entries if into => return Err(not_empty(way.place())),
                        Found::Entries => {
                            way = self.ask_inside(call, &way)?;
                            into = true;
                        }
                        Found::NoDirectory => {
                            return Err(self.failed(&Errno::ENOTDIR.into(), way.place()));
                        }
                        // Something has come to the name, or into the empty directory that had it.
                        Found::Nothing | Found::Replaceable => {}
                    }
                    continue;
                }
                Err(error) => return Err(self.failed(&error, way.place())),
            };
            let what = unguarded::identity_of_moved_directory(&moved)?;
            call.moved().directory_arrived(departure, &moved.name, what);
            call.host.programs.relocated.note(&self.0.place.path, &moved.name);
            return Ok(moved);
        }
        Err(not_empty(way.place()))
    }

    /// The system's answer, as that of the move.
    fn told(&self, error: Error, place: &DirAt) -> Error {
        match error {
            Error::Failed { errno: Some(errno), .. } => self.failed(&Errno::from_raw(errno).into(), place),
            error => error,
        }
    }

    /// Asks for all that a rename needs, the opening that follows it included: a call that is denied has moved nothing.
    fn ask<'req>(&self, call: &mut Call<'req, MoveDir>, place: DirAt) -> Result<Way<'req>, Error> {
        let name = rex_ipc::name::to_text(place.entry.as_bytes());
        let moving = call.authorize::<Move, _>(self.moving(place.path.clone(), &name, &place.parent))?;
        let create = call.authorize::<Create, _>(place.clone())?;
        let open = call.authorize::<Open, _>(place)?;
        let place = create.resource();
        let forbidden = &call.forbidden();
        let mut closed = forbidden.bringing_reason(place.parent.in_place(), &place.entry);
        if closed.is_none()
            && let Some(occupant) = moves::occupant(&create)?
        {
            // With entries it is not replaced; an empty one would be, and with it what is to come there.
            closed = forbidden
                .displacing_reason(walk::inode(&occupant))
                .filter(|_| moves::is_empty(&create).unwrap_or(true));
        }
        match closed {
            Some(reason) => Err(call.refuse::<Create, _>(place, reason)),
            None => Ok(Way { moving, create, open }),
        }
    }

    /// Asks for all that a rename into the directory with entries needs that was found at the place, under the name
    /// that the moving one has now.
    pub(super) fn ask_inside<'req>(
        &self,
        call: &mut Call<'req, MoveDir>,
        way: &Way<'req>,
    ) -> Result<Way<'req>, Error> {
        let found = walk::entry(&way.open)?;
        if found.kind() != SFlag::S_IFDIR {
            return Err(self.failed(&Errno::ENOTDIR.into(), way.place()));
        }
        if let Some(reason) = object_refusal(call, &found) {
            return Err(call.refuse::<Open, _>(way.place(), reason));
        }
        self.ask(call, DirAt::new(Rc::new(found.into_directory()), self.0.place.entry.clone()))
    }

    fn moving(&self, path: PathName, name: &str, to: &Directory) -> Moving<NamedDir> {
        Moving { what: self.0.clone(), path, name: name.to_owned(), parent: to.name.clone() }
    }

    pub(super) fn failed(&self, error: &io::Error, place: &DirAt) -> Error {
        let refused = [Errno::EACCES, Errno::EPERM].iter().any(|errno| is(error, *errno));
        let (kind, message) = if refused {
            (ErrorKind::InvalidPath, format!("Invalid path: {error}"))
        } else {
            let what = &self.0.place;
            let name = what.path.file_name().unwrap_or_default();
            let (from, to) = (&what.parent.name, &place.parent.name);
            let text = format!("Error moving dir {name} from '{from}' to '{to}'");
            (ErrorKind::DirectoryError, format!("Directory error: {text}: {}", what.path))
        };
        Error::Failed { kind, message, errno: error.raw_os_error() }
    }
}

impl Way<'_> {
    /// The place.
    pub(super) fn place(&self) -> &DirAt {
        self.create.resource()
    }
}

pub(super) fn not_empty(place: &DirAt) -> Error {
    Error::Failed {
        kind: ErrorKind::DirectoryNotEmpty,
        message: not_empty_text(&place.path),
        errno: Some(Errno::ENOTEMPTY as i32),
    }
}

const MAX_ROUNDS: u32 = 8;
