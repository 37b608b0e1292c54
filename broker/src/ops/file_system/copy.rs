//! Gives one open file the content of another; it does not pass through the jail.
//!
//! # Policy
//! `file_system::read` on the source and `file_system::write` on the destination.

use std::io;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::FileStat;
use rex_ipc::action::file_system::{Read, Write};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Copied, Copy};
use rex_ipc::handle::FileId;

use super::begin_write::not_writable;
use super::finish_write::succeed;
use super::read_chunk::not_readable;
use crate::gate::error::{Error, is};
use crate::gate::{Act, Permit};
use crate::host::file_system::copy::{self, NotCopied};
use crate::host::file_system::object::File;
use crate::host::file_system::place::{self, NotPlaced};
use crate::host::file_system::staged::{self, Staged};
use crate::host::file_system::succession::{self, Source};
use crate::host::file_system::walk::inode;
use crate::host::file_system::write;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;

impl Perform for Copy {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.file(self.from)?.real;
        ahead.ask::<Read>(&place);
        let place = ahead.file(self.to)?.real;
        ahead.ask::<Write>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<Copied, Error> {
        let from = call.host.handles.file(self.from)?;
        let to = call.host.handles.file(self.to)?;
        let read = call.authorize::<Read, _>(Rc::clone(&from))?;
        if !from.readable {
            return Err(not_readable(&from));
        }
        let act = Act::Copy { from: from.name.as_str(), to: to.name.as_str() };
        let write = call.authorize_act::<Write, _>(Rc::clone(&to), act)?;
        if !to.writable {
            return Err(not_writable(&to));
        }
        let (source, target) = (succession::source_of(&read)?, copy::describe(&write)?);
        if !self.force && target.st_size > 0 {
            return Err(not_empty(&to, target.st_size));
        }
        if inode(&source.stat) == inode(&target) {
            let message = format!("Invalid arguments: source and destination are the same file: {}", to.name);
            return Err(Error::invalid(ErrorKind::InvalidArguments, message));
        }
        let is_new = to.fresh.borrow().is_some();
        let mode = match (self.preserve, is_new) {
            (true, _) => NewMode::OfSource,
            (false, true) => NewMode::OfSourceWithout(call.host.umask),
            (false, false) => NewMode::AsItWas,
        };
        let copying = Copying { read, write, source, mode };
        let bytes = copying.run(call, &target, self.to).inspect_err(|_| to.was_for_nothing())?;
        to.stays();
        Ok(Copied { bytes })
    }
}

/// A copy that is permitted.
struct Copying<'req> {
    read: Permit<'req, Read, Rc<File>>,
    write: Permit<'req, Write, Rc<File>>,
    source: Source,
    mode: NewMode,
}

/// What mode the destination gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NewMode {
    /// cp(1): "the existing file's mode" stays; whoever could read what was there is known to the script.
    AsItWas,
    /// `preserve`.
    OfSource,
    /// A file that was made for the copy is no more readable than the source; nothing but the umask.
    OfSourceWithout(u32),
}

impl Copying<'_> {
    /// Copies out of sight, and puts the result in the place of the destination: under its name, or, where that would
    /// change more than the content, into it.
    fn run(&self, call: &mut Call<'_, Copy>, target: &FileStat, id: FileId) -> Result<u64, Error> {
        // Where nothing new can be made, what is there can perhaps be written.
        let beside = copy::is_replaceable(&self.write, target)
            .then(|| staged::beside(&self.write, &call.host.tools).ok())
            .flatten();
        let staged = match beside {
            Some(staged) => staged,
            None => staged::apart(&self.write).map_err(|error| failed(&error))?,
        };
        let bytes = copy::into_staged(&self.read, &staged, &mut |bytes| {
            call.metered.count_written_bytes(bytes)?;
            call.pace.go_on()
        })
        .map_err(not_copied)?;
        if staged.can_take_name() && self.dress(&staged).is_ok() {
            match succeed(call.host, &staged) {
                Ok(new) => {
                    call.host.handles.exchange_file(id, place::successor(&staged, &new)?);
                    return Ok(bytes);
                }
                // A file that somebody has exchanged is still open, and so can be written.
                Err(NotPlaced::InTheWay { .. }) => {}
                Err(NotPlaced::System(error)) if is_about_the_name(&error) => {}
                Err(NotPlaced::System(error)) => return Err(failed(&error)),
            }
        }
        self.write_into(&staged)?;
        Ok(bytes)
    }

    /// Makes the new file like the destination, and like the source in what is to be preserved.
    fn dress(&self, staged: &Staged<'_, Rc<File>>) -> Result<(), succession::NotLike> {
        succession::take_over(staged, true)?;
        match self.mode {
            NewMode::AsItWas => {}
            NewMode::OfSource => {
                succession::close_like_source(staged, &self.source, 0)?;
                copy::keep_times(&self.write, Some(staged), &self.source.stat)?;
            }
            NewMode::OfSourceWithout(umask) => {
                succession::close_like_source(staged, &self.source, umask)?;
            }
        }
        Ok(())
    }

    fn write_into(&self, staged: &Staged<'_, Rc<File>>) -> Result<(), Error> {
        // Before the content comes, so that nobody can open it meanwhile who may not read it afterwards.
        match self.mode {
            NewMode::AsItWas => {}
            NewMode::OfSource => {
                succession::set_mode(&self.write, &self.source, 0).map_err(|error| failed(&error))?;
            }
            NewMode::OfSourceWithout(umask) => {
                succession::set_mode(&self.write, &self.source, umask).map_err(|error| failed(&error))?;
            }
        }
        write::overwrite(staged).map_err(as_copy)?;
        if self.mode == NewMode::OfSource {
            copy::keep_times(&self.write, None, &self.source.stat).map_err(|error| failed(&error))?;
        }
        Ok(())
    }
}

/// Whether it was the name that could not be taken, as that of a file which is a mount point, and not the disk.
fn is_about_the_name(error: &io::Error) -> bool {
    let errnos = [Errno::EACCES, Errno::EPERM, Errno::EBUSY, Errno::EXDEV, Errno::EROFS, Errno::EINVAL];
    errnos.into_iter().any(|errno| is(error, errno))
}

fn not_empty(file: &File, size: i64) -> Error {
    let message = format!("Destination file not empty: File: {}, Size: {size} bytes", file.name);
    Error::invalid(ErrorKind::DestinationFileNotEmptyError, message)
}

fn not_copied(error: NotCopied) -> Error {
    match error {
        NotCopied::Read(error) => Error::Failed {
            kind: ErrorKind::FileReadError,
            message: format!("File read failed: {error}"),
            errno: error.raw_os_error(),
        },
        NotCopied::Write(error) => failed(&error),
        NotCopied::Stopped(error) => error,
    }
}

fn failed(error: &io::Error) -> Error {
    as_copy(Error::system(error))
}

fn as_copy(error: Error) -> Error {
    match error {
        Error::Failed { message, errno, .. } => Error::Failed {
            kind: ErrorKind::FileCopyError,
            message: format!("File copy failed: {message}"),
            errno,
        },
        error => error,
    }
}
