//! Moves a file to a name in an open directory, and opens it there.
//!
//! Everything is asked, and the new handle is opened, before anything moves: a call that fails has moved nothing.
//!
//! # Policy
//! `file_system::move` on the file with its destination as context, `file_system::create` and `file_system::open` on
//! the destination, and `file_system::open` on the file itself when a link to it moves. Between file systems also
//! `file_system::read` and `file_system::delete` on the file, `file_system::write` on the destination, and
//! `file_system::stat` on the file when everything is to be kept. On what has the new name `file_system::write` and
//! `file_system::delete`, of which a script of Rex needs only that nothing forbids them.

use std::io;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag};
use rex_ipc::action::file_system::{Create, Delete, Move, Open, Read, Stat, Write};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{MoveFile, Opened, Spelled};

use super::read_chunk::not_readable;
use super::set_owner::change_error;
use super::support::replacing;
use super::{no_entry, not_a_file, opened, spelled};
use crate::gate::error::{Error, is};
use crate::gate::{Permit, Resource};
use crate::host::file_system::copy::{self, NotCopied};
use crate::host::file_system::moves::{self, Onto};
use crate::host::file_system::object::{Directory, File, FileAt, FilePath, Moving, NamedFile};
use crate::host::file_system::place::{self, NotPlaced};
use crate::host::file_system::succession::NotLike;
use crate::host::file_system::walk::{file_type, inode};
use crate::host::file_system::{remove, staged, unguarded};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::explain::names::OpenedFile;
use crate::policy::name::EntryName;

impl Perform for MoveFile {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let file = ahead.file(self.file)?;
        let place = ahead.file_at(self.to, self.name.as_str())?;
        ahead.ask_to_move(&file.named, &place);
        ahead.ask::<Create>(&place);
        ahead.ask::<Open>(&place);
        ahead.opens_file(self.id, OpenedFile::at(place));
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<Opened, Error> {
        call.host.handles.spend(self.id.0)?;
        let file = call.host.handles.file(self.file)?;
        let to = call.host.handles.dir(self.to)?;
        let given = self.name.as_str();
        let path = spelled(&to, given)?;
        let moving = call.authorize::<Move, _>(Moving {
            what: NamedFile(Rc::clone(&file)),
            path: path.clone(),
            name: given.to_owned(),
            parent: to.name.clone(),
        })?;
        let entry = match &self.name {
            Spelled::Entry(name) => EntryName::of(name),
            Spelled::Refused(text) => {
                call.authorize::<Create, _>(FilePath(path))?;
                return Err(no_entry(text));
            }
        };
        let place = FileAt::new(to, entry);
        let create = call.authorize::<Create, _>(place.clone())?;
        let open = call.authorize::<Open, _>(place.clone())?;
        if file.origin.create {
            call.authorize::<Create, _>(place.clone())?;
        }
        if let Some(reason) = call.forbidden().bringing_reason(place.parent.in_place(), &place.entry) {
            return Err(call.refuse::<Create, _>(&place, reason));
        }
        let failed = |error: &io::Error| not_moved(error, moving.resource());
        let mut onto =
            replacing::file(call, &create, file.at_named()).map_err(|error| told(error, &failed))?;
        let renamed = reopened(call, &open, &moving)?;
        let departure = call.moved().depart(&file.origin.named.path, moving.resource().held())?;
        let mut rounds = 0..MAX_ROUNDS;
        let moved = loop {
            match moves::file(&moving, &create, onto) {
                Ok(()) => break renamed,
                Err(error) if is(&error, Errno::EXDEV) => {
                    break copied(call, &file, place, onto, self.backup)?;
                }
                // Something has come to the free name: it is asked for now.
                Err(error) if is(&error, Errno::EEXIST) && rounds.next().is_some() => {
                    onto = replacing::file(call, &create, file.at_named())
                        .map_err(|error| told(error, &failed))?;
                }
                Err(error) => return Err(failed(&error)),
            }
        };
        let arrived = unguarded::identity_of_moved(&moved)?;
        call.moved().file_arrived(departure, arrived);
        call.host.programs.relocated.note(&file.origin.named.path, &moved.name);
        let opened = opened(&moved.name, path.as_str())?;
        call.host.handles.keep_file(self.id, moved);
        Ok(opened)
    }
}

/// The file that moves, open once more, as it will be known at its new place.
fn reopened(
    call: &mut Call<'_, MoveFile>,
    open: &Permit<'_, Open, FileAt>,
    moving: &Permit<'_, Move, Moving<NamedFile>>,
) -> Result<File, Error> {
    let NamedFile(file) = &moving.resource().what;
    // A link that was opened as itself has nothing that could be read or written.
    if !file.readable && !file.writable {
        return Err(not_a_file());
    }
    // Where a link was followed it is the link that moves, and the file is still the one that was open.
    if file.origin.named_inode != file.inode {
        call.authorize::<Open, _>(FilePath(file.name.clone()))?;
    }
    Ok(moves::reopen(open, moving, &call.host.tools)?)
}

/// Copies to another file system, out of sight, and removes the source when the copy has its name.
fn copied(
    call: &mut Call<'_, MoveFile>,
    file: &Rc<File>,
    place: FileAt,
    onto: Onto,
    strictly: bool,
) -> Result<File, Error> {
    let read = call.authorize::<Read, _>(Rc::clone(file))?;
    if !file.readable {
        return Err(not_readable(file));
    }
    if strictly {
        call.authorize::<Stat, _>(Rc::clone(file))?;
    }
    let write = call.authorize::<Write, _>(place.clone())?;
    let source = file.origin.named.clone();
    let delete = call.authorize::<Delete, _>(source.clone())?;
    let failed = |error: io::Error| failed(&error, &source, &place.parent);

    let before = moves::describe(&read)?;
    let tools = Rc::clone(&call.host.tools);
    let staged = staged::beside(&write, &tools).map_err(failed)?;
    copy::into_staged(&read, &staged, &mut |bytes| {
        call.metered.count_written_bytes(bytes)?;
        call.pace.go_on()
    })
    .map_err(not_copied)?;
    // What somebody has added meanwhile would be lost with the source.
    if !moves::is_unchanged(&read, &before)? {
        return Err(failed(Errno::ESTALE.into()));
    }
    moves::dress(&read, &staged, &before, strictly).map_err(|error| match error {
        NotLike::Owner(error) => change_error(&error),
        NotLike::Attribute(_, error) | NotLike::System(error) => failed(error),
    })?;
    let may_replace = |found: &FileStat| {
        onto == Onto::WhatIsThere
            && file_type(found) != SFlag::S_IFDIR
            && call.forbidden().displacing_reason(inode(found)).is_none()
    };
    let new = place::put(&staged, &tools, &may_replace).map_err(|error| match error {
        NotPlaced::InTheWay { is_directory: true, .. } => failed(Errno::EISDIR.into()),
        NotPlaced::InTheWay { .. } => failed(Errno::EEXIST.into()),
        NotPlaced::System(error) => failed(error),
    })?;
    match remove::file(&delete, file.at_named()) {
        Err(error) if !is(&error, Errno::ENOENT) => Err(failed(error)),
        _ => Ok(moves::arrived(&read, staged, &new)?),
    }
}

/// The system's answer, as that of the move.
fn told(error: Error, failed: &dyn Fn(&io::Error) -> Error) -> Error {
    match error {
        Error::Failed { errno: Some(errno), .. } => failed(&Errno::from_raw(errno).into()),
        error => error,
    }
}

/// A name may be taken and given free again between two looks; after a few rounds that is somebody's doing.
const MAX_ROUNDS: u32 = 8;

fn not_copied(error: NotCopied) -> Error {
    match error {
        NotCopied::Read(error) => Error::system_as(ErrorKind::FileReadError, &error),
        NotCopied::Write(error) => Error::system_as(ErrorKind::FileCopyError, &error),
        NotCopied::Stopped(error) => error,
    }
}

fn not_moved(error: &io::Error, moving: &Moving<NamedFile>) -> Error {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EACCES | Errno::EPERM) => Error::Failed {
            kind: ErrorKind::InvalidPath,
            message: format!("Invalid path: {error}"),
            errno: error.raw_os_error(),
        },
        _ => Error::Failed {
            kind: ErrorKind::FileError,
            message: moving_text(&moving.what.0.origin.named, moving.parent.as_str()),
            errno: error.raw_os_error(),
        },
    }
}

fn failed(error: &io::Error, source: &FileAt, to: &Directory) -> Error {
    let message = format!("{}: {error}", moving_text(source, to.name.as_str()));
    Error::Failed { kind: ErrorKind::FileError, message, errno: error.raw_os_error() }
}

fn moving_text(source: &FileAt, to: &str) -> String {
    let name = source.path.file_name().unwrap_or_default();
    let from = &source.parent.name;
    format!("File error: Error moving file {name} from '{from}' to '{to}': {}", source.path)
}
