//! Puts new content in its place: a name, the inode that is there, or its end.

use std::os::fd::AsFd;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag};
use rex_ipc::action::file_system::{Chown, Create, Delete, Write};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Attributes, FinishWrite, WriteHow};
use rex_ipc::handle::FileId;

use super::set_owner::{change_error, group_number, number_of, spelled, user_number};
use super::support::modes;
use crate::gate::error::Error;
use crate::gate::{Act, Permit};
use crate::host::Host;
use crate::host::file_system::object::{DirPath, File, FileAt};
use crate::host::file_system::place::NotPlaced;
use crate::host::file_system::staged::Staged;
use crate::host::file_system::succession::{self, NotLike};
use crate::host::file_system::walk::{file_type, inode};
use crate::host::file_system::writer::{NewFile, Target, Writer};
use crate::host::file_system::{below, place, write};
use crate::ops::Perform;
use crate::ops::call::Call;

type WritePermit<'req> = Permit<'req, Write, Rc<Writer>>;

impl Perform for FinishWrite {
    fn perform(self, call: &mut Call<'_, Self>) -> Result<(), Error> {
        if let Some(id) = self.reopen {
            call.host.handles.spend(id.0)?;
        }
        let writer = call.host.handles.take_writer(self.writer)?;
        let finished = finish(&self, call, &writer);
        if finished.is_ok() {
            writer.has_arrived();
        } else {
            writer.was_for_nothing();
        }
        finished
    }
}

fn finish(request: &FinishWrite, call: &mut Call<'_, FinishWrite>, writer: &Rc<Writer>) -> Result<(), Error> {
    let how = match &writer.target {
        Target::New(_) => "new",
        Target::File(_, WriteHow::Replace { .. }) => "replace",
        Target::File(_, WriteHow::InPlace) => "in_place",
        Target::File(_, WriteHow::Append) => "append",
    };
    let act = Act::Write { how, bytes: writer.staged.borrow().length_bytes() };
    let permit = call.authorize_act::<Write, _>(Rc::clone(writer), act)?;
    match &writer.target {
        Target::New(new) if request.reopen.is_none() => new_file(call, &permit, new, &request.attributes),
        Target::File(file, how) if request.attributes == Attributes::default() => match how {
            WriteHow::Replace { keep_owner } => {
                let replaced = replace(call.host, &permit, file, *keep_owner)?;
                if let Some(id) = request.reopen {
                    reopen(call.host, writer, file, &replaced, id)?;
                }
                Ok(())
            }
            WriteHow::InPlace if request.reopen.is_none() => write::in_place(&permit, file),
            WriteHow::Append if request.reopen.is_none() => {
                write::append(&permit, file, &mut |_| call.pace.go_on())
            }
            WriteHow::InPlace | WriteHow::Append => Err(Errno::EINVAL.into()),
        },
        // An honest jail asks for nothing of the kind.
        Target::New(_) | Target::File(..) => Err(Errno::EINVAL.into()),
    }
}

/// Has the new file take the name of the old one, if that still leads to it or to nothing.
fn replace(
    host: &mut Host,
    permit: &WritePermit<'_>,
    file: &Rc<File>,
    keep_owner: bool,
) -> Result<FileStat, Error> {
    let staged = permit.resource().staged.borrow();
    succession::take_over(permit, file, &staged, keep_owner).map_err(not_like)?;
    let at = file.origin.real.as_ref().ok_or(Errno::ENOENT)?;
    take_name(host, permit, file, &staged, at).map_err(|error| match error {
        NotPlaced::InTheWay { .. } => {
            let message =
                format!("File error: the name leads to another file than was opened: {}", file.name);
            Error::invalid(ErrorKind::FileError, message)
        }
        NotPlaced::System(error) => error.into(),
    })
}

/// Gives staged content the name of the file it replaces, and has all handles on that file know.
pub(super) fn take_name<R: crate::gate::Resource>(
    host: &mut Host,
    permit: &Permit<'_, Write, R>,
    file: &Rc<File>,
    staged: &Staged,
    at: &FileAt,
) -> Result<FileStat, NotPlaced> {
    // On some layered file systems an inode has another number before it is written for the first time.
    let now = place::present_inode(permit, file)?;
    let is_old = |found: &FileStat| inode(found) == file.at_real_name() || inode(found) == now;
    let own_fds = Rc::clone(&host.own_fds);
    let target = (&at.parent, &at.entry);
    let new = place::put(permit, staged, target, own_fds.as_fd(), &mut host.temporaries, &is_old)?;
    host.handles.note_replaced(at, file.at_real_name(), inode(&new));
    Ok(new)
}

/// Opens the new file with the options of the old one.
fn reopen(host: &mut Host, writer: &Writer, old: &Rc<File>, new: &FileStat, id: FileId) -> Result<(), Error> {
    let staged = writer.staged.replace(Staged::in_memory());
    host.handles.keep_file(id, place::successor(old, staged, new)?);
    Ok(())
}

/// Has a new file take a name below a directory, with the directories that lead to it.
fn new_file(
    call: &mut Call<'_, FinishWrite>,
    permit: &WritePermit<'_>,
    new: &NewFile,
    attributes: &Attributes,
) -> Result<(), Error> {
    let writer = permit.resource();
    let mode = match attributes.mode {
        Some(mode) => modes::permitted(call, Rc::clone(writer), &new.path, mode)?,
        None => None,
    };
    let owned = attributes.user.is_some() || attributes.group.is_some();
    let given = [spelled(attributes.user.as_ref()), spelled(attributes.group.as_ref())];
    let act = Act::Owner { user: given[0].as_deref(), group: given[1].as_deref() };
    let owner = owned.then(|| call.authorize_act::<Chown, _>(Rc::clone(writer), act)).transpose()?;
    // Looked up only now: which users there are is nothing that a script without `chown` is told.
    let user = attributes.user.as_ref().map(|user| number_of(user, user_number)).transpose()?;
    let group = attributes.group.as_ref().map(|group| number_of(group, group_number)).transpose()?;

    let walked = below::walk(permit, |_| new)?;
    let mut missing = Vec::new();
    for level in walked.missing {
        missing.push(call.authorize::<Create, _>(DirPath(level))?);
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
    let staged = writer.staged.borrow();
    let made = below::make(&missing, walked.held)?;
    let entry = new.path.file_name().and_then(crate::policy::name::EntryName::parse).ok_or(Errno::EINVAL)?;
    if let Some(reason) = call.forbidden().bringing_reason(made.last()?.in_place(), &entry) {
        return Err(call.refuse::<Write, _>(writer, reason));
    }
    let mut may_replace = false;
    let failure = loop {
        let (forbidden, host) = call.forbidden_and_host();
        let is_replaceable = |found: &FileStat| {
            may_replace
                && file_type(found) != SFlag::S_IFDIR
                && forbidden.displacing_reason(inode(found)).is_none()
        };
        let own_fds = Rc::clone(&host.own_fds);
        let target = (made.last()?, &entry);
        let temporaries = &mut host.temporaries;
        match place::put(permit, &staged, target, own_fds.as_fd(), temporaries, &is_replaceable) {
            Ok(_) => {
                made.keep();
                return Ok(());
            }
            Err(NotPlaced::InTheWay { is_directory: true, .. }) => break Errno::EISDIR.into(),
            Err(NotPlaced::InTheWay { inode, .. }) => match call.forbidden().displacing_reason(inode) {
                Some(reason) => break call.refuse::<Write, _>(writer, reason),
                None if may_replace => break Errno::EBUSY.into(),
                // Nothing has happened yet, and what is there goes only where it may be deleted.
                None => {
                    let there = FileAt::new(Rc::clone(made.last()?), entry.clone());
                    if let Err(denied) = call.authorize_beyond_rex::<Delete, _>(there) {
                        break denied;
                    }
                    may_replace = true;
                }
            },
            Err(NotPlaced::System(error)) => break error.into(),
        }
    };
    drop(made);
    Err(failure)
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
