//! Puts new content in its place: a name, the inode that is there, or its end.
//!
//! # Policy
//! `file_system::write` on the file. For a new one also `file_system::create` on each directory that is missing on its
//! way, `file_system::chown` for an owner, `file_system::chmod` for a mode, which is left out where that is denied, and
//! `file_system::delete` on what has its name; for the last, a script of Rex needs only that nothing forbids it.

use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag};
use rex_ipc::action::file_system::{Chown, Create, Delete, Write};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Attributes, FinishWrite, WriteHow};

use super::set_owner::{change_error, group_number, number_of, spelled, user_number};
use super::support::modes;
use crate::gate::error::Error;
use crate::gate::{Act, Permit};
use crate::host::Host;
use crate::host::file_system::object::{DirPath, FileAt};
use crate::host::file_system::place::{self, NotPlaced};
use crate::host::file_system::succession::{self, NotLike};
use crate::host::file_system::walk::{file_type, inode};
use crate::host::file_system::way::Way;
use crate::host::file_system::writer::{FileWriter, NewWriter, Replacement, Writer};
use crate::host::file_system::{below, write};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::explain::names::OpenedFile;
use crate::policy::name::EntryName;

impl Perform for FinishWrite {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.writer(self.writer)?;
        ahead.ask::<Write>(&place);
        ahead.ask_attributes(&self.attributes, &place);
        if let Some(id) = self.reopen {
            ahead.opens_file(id, OpenedFile::at(place));
        }
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        if let Some(id) = self.reopen {
            call.host.handles.spend(id.0)?;
        }
        let writer = call.host.handles.take_writer(self.writer)?;
        let finished = match &writer {
            Writer::File(writer) => into_file(&self, call, writer),
            Writer::New(writer) => into_new(&self, call, writer),
        };
        if finished.is_ok() {
            writer.has_arrived();
        } else {
            writer.was_for_nothing();
        }
        finished
    }
}

fn into_file(
    request: &FinishWrite,
    call: &mut Call<'_, FinishWrite>,
    writer: &Rc<FileWriter>,
) -> Result<(), Error> {
    let how = match writer.how() {
        WriteHow::Replace { .. } => "replace",
        WriteHow::InPlace => "in_place",
        WriteHow::Append => "append",
    };
    let act = Act::Write { how, bytes: writer.length_bytes() };
    let permit = call.authorize_act::<Write, _>(Rc::clone(writer), act)?;
    match (writer.how(), request.reopen) {
        // An honest jail asks for nothing of the kind.
        _ if request.attributes != Attributes::default() => Err(Errno::EINVAL.into()),
        (WriteHow::InPlace | WriteHow::Append, Some(_)) => Err(Errno::EINVAL.into()),
        (WriteHow::InPlace, None) => write::overwrite(&permit),
        (WriteHow::Append, None) => write::append(&permit, &mut |_| call.pace.go_on()),
        (WriteHow::Replace { keep_owner }, reopen) => {
            let new = replace(call.host, &permit, keep_owner)?;
            if let Some(id) = reopen {
                // With the options of the old one.
                call.host.handles.keep_file(id, place::successor(&permit, &new)?);
            }
            Ok(())
        }
    }
}

/// Has the new file take the name of the old one, if that still leads to it or to nothing.
fn replace(
    host: &mut Host,
    permit: &Permit<'_, Write, Rc<FileWriter>>,
    keep_owner: bool,
) -> Result<FileStat, Error> {
    succession::take_over(permit, keep_owner).map_err(not_like)?;
    succeed(host, permit).map_err(|error| match error {
        NotPlaced::InTheWay { .. } => {
            let name = &permit.resource().file().name;
            let message = format!("File error: the name leads to another file than was opened: {name}");
            Error::invalid(ErrorKind::FileError, message)
        }
        NotPlaced::System(error) => error.into(),
    })
}

/// Gives new content the name of the file it replaces, and has all handles on that file know.
pub(super) fn succeed(host: &mut Host, new: &impl Replacement) -> Result<FileStat, NotPlaced> {
    let stat = place::succeed(new, &host.tools)?;
    let file = new.replaced();
    if let Some(place) = &file.origin.real {
        host.handles.note_replaced(place, file.at_real_name(), inode(&stat));
    }
    Ok(stat)
}

fn into_new(
    request: &FinishWrite,
    call: &mut Call<'_, FinishWrite>,
    writer: &Rc<NewWriter>,
) -> Result<(), Error> {
    let act = Act::Write { how: "new", bytes: writer.length_bytes() };
    let permit = call.authorize_act::<Write, _>(Rc::clone(writer), act)?;
    match request.reopen {
        None => new_file(call, &permit, &request.attributes),
        // An honest jail asks for nothing of the kind.
        Some(_) => Err(Errno::EINVAL.into()),
    }
}

/// Has a new file take a name below a directory, with the directories that lead to it.
fn new_file<'req>(
    call: &mut Call<'req, FinishWrite>,
    permit: &Permit<'req, Write, Rc<NewWriter>>,
    attributes: &Attributes,
) -> Result<(), Error> {
    let writer = permit.resource();
    let mode = match attributes.mode {
        Some(mode) => modes::permitted(call, Rc::clone(writer), writer.path(), mode)?,
        None => None,
    };
    let owned = attributes.user.is_some() || attributes.group.is_some();
    let given = [spelled(attributes.user.as_ref()), spelled(attributes.group.as_ref())];
    let act = Act::Owner { user: given[0].as_deref(), group: given[1].as_deref() };
    let owner = owned.then(|| call.authorize_act::<Chown, _>(Rc::clone(writer), act)).transpose()?;
    // Looked up only now: which users there are is nothing that a script without `chown` is told.
    let user = attributes.user.as_ref().map(|user| number_of(user, user_number)).transpose()?;
    let group = attributes.group.as_ref().map(|group| number_of(group, group_number)).transpose()?;

    let walked = below::walk(permit)?;
    let mut missing = Vec::new();
    for level in walked.missing() {
        missing.push(call.authorize::<Create, _>(DirPath(level.clone()))?);
    }
    if let Some(chown) = &owner {
        below::set_owner(chown, user, group).map_err(|error| change_error(&error))?;
    }
    // After the owner, because a change of that takes bits of the mode away.
    match (&mode, attributes.mode) {
        (Some(chmod), Some(mode)) => below::set_mode(chmod, mode.bits())?,
        // Whoever may not change modes does not make a file that is open to more people than was said.
        _ => below::set_usual_mode(permit, attributes.mode.map_or(0o7777, |mode| mode.bits()))?,
    }
    if let Some(modified) = attributes.modified {
        below::set_modified(permit, modified)?;
    }
    let way = Way::through(walked, &missing)?;
    let entry = writer.path().file_name().and_then(EntryName::parse).ok_or(Errno::EINVAL)?;
    if let Some(reason) = call.forbidden().bringing_reason(way.last().in_place(), &entry) {
        return Err(call.refuse::<Write, _>(writer, reason));
    }
    let mut may_replace = false;
    loop {
        let is_replaceable = |found: &FileStat| {
            may_replace
                && file_type(found) != SFlag::S_IFDIR
                && call.forbidden().displacing_reason(inode(found)).is_none()
        };
        match place::put_new(permit, &way, &call.host.tools, &is_replaceable) {
            Ok(_) => {
                way.keep();
                return Ok(());
            }
            Err(NotPlaced::InTheWay { is_directory: true, .. }) => return Err(Errno::EISDIR.into()),
            Err(NotPlaced::InTheWay { inode, .. }) => match call.forbidden().displacing_reason(inode) {
                Some(reason) => return Err(call.refuse::<Write, _>(writer, reason)),
                None if may_replace => return Err(Errno::EBUSY.into()),
                // Nothing has happened yet, and what is there goes only where it may be deleted.
                None => {
                    let there = FileAt::new(Rc::clone(way.last()), entry.clone());
                    call.authorize_beyond_rex::<Delete, _>(there)?;
                    may_replace = true;
                }
            },
            Err(NotPlaced::System(error)) => return Err(error.into()),
        }
    }
}

fn not_like(error: NotLike) -> Error {
    match error {
        NotLike::Owner(error) => change_error(&error),
        NotLike::Attribute(name, error) => Error::Failed {
            kind: ErrorKind::IoError,
            message: format!("cannot keep the attribute {}: {error}", name.to_string_lossy()),
            errno: error.raw_os_error(),
        },
        NotLike::System(error) => error.into(),
    }
}
