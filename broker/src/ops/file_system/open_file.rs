//! Opens a regular file in an open directory, and makes it when asked to.
//!
//! # Policy
//! `file_system::open` on the file, and on each place that a link leads to; `file_system::create` as well when it may
//! be made.

use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag};
use rex_ipc::action::file_system::{Create, Open};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{IfMissing, OpenFile, OpenMode, Opened, Permissions, Spelled};
use rex_ipc::interface::Needs;

use super::{ask_through, no_entry, not_a_file, object_refusal, opened, refused_link, spelled};
use crate::gate::Permit;
use crate::gate::error::{Error, is};
use crate::host::file_system::object::{File, FileAt, FilePath};
use crate::host::file_system::open::{self, Access, Asked};
use crate::host::file_system::walk::{self, Found, Reached};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::explain::names::OpenedFile;
use crate::policy::name::{EntryName, PathName};

impl Perform for OpenFile {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let named = ahead.file_at(self.dir, self.name.as_str())?;
        ahead.ask::<Open>(&named);
        if self.mode.asks_create() {
            ahead.ask::<Create>(&named);
        }
        let real = named.clone().followed(self.follow);
        ahead.opens_file(self.id, OpenedFile { real, named });
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<Opened, Error> {
        open(call, &self, |_, _| Ok(()))
    }
}

/// Opens the file; `ask_more` asks what else is to be asked about its place before it is made.
pub(super) fn open<O>(
    call: &mut Call<'_, O>,
    request: &OpenFile,
    ask_more: impl FnOnce(&mut Call<'_, O>, &FileAt) -> Result<(), Error>,
) -> Result<Opened, Error>
where
    O: Needs<Open> + Needs<Create>,
{
    call.host.handles.spend(request.id.0)?;
    let parent = call.host.handles.dir(request.dir)?;
    let spelled = spelled(&parent, request.name.as_str())?;
    let entry = match &request.name {
        Spelled::Entry(name) => EntryName::of(name),
        Spelled::Refused(text) => {
            call.authorize::<Open, _>(FilePath(spelled.clone()))?;
            if request.mode.asks_create() {
                call.authorize::<Create, _>(FilePath(spelled))?;
            }
            return Err(no_entry(text));
        }
    };
    let place = FileAt::new(parent, entry);
    let open = call.authorize::<Open, _>(place.clone())?;
    let create =
        if request.mode.asks_create() { Some(call.authorize::<Create, _>(place.clone())?) } else { None };
    ask_more(call, &place)?;
    let file = Opening::of(request)?.open(call, &open, create.as_ref())?;
    let opened = opened(&file.name, open.resource().path.as_str())?;
    call.host.handles.keep_file(request.id, file);
    Ok(opened)
}

/// What was asked for, while it is carried out.
struct Opening {
    access: Access,
    /// The permissions of a new file, where one may be made.
    make: Option<Option<Permissions>>,
    follow: bool,
}

impl Opening {
    fn of(request: &OpenFile) -> Result<Self, Error> {
        let (read, write, if_missing) = match request.mode {
            OpenMode::Read => (true, false, IfMissing::Fail),
            OpenMode::Write(if_missing) => (false, true, if_missing),
            OpenMode::ReadWrite(if_missing) => (true, true, if_missing),
            OpenMode::AskOnly => return Err(Errno::EINVAL.into()),
        };
        let make = match if_missing {
            IfMissing::Fail => None,
            IfMissing::Make(permissions) => Some(permissions),
        };
        Ok(Self { access: Access { read, write }, make, follow: request.follow })
    }

    fn open<'req, O>(
        &self,
        call: &mut Call<'req, O>,
        open: &Permit<'req, Open, FileAt>,
        create: Option<&Permit<'req, Create, FileAt>>,
    ) -> Result<File, Error>
    where
        O: Needs<Open> + Needs<Create>,
    {
        // A file may appear or vanish between two looks; after a few rounds that is somebody's doing.
        for _ in 0..8 {
            match walk::entry(open) {
                Ok(link) if link.kind() == SFlag::S_IFLNK => {
                    return self.open_through_link(call, open, &link);
                }
                Ok(reached) => return self.open_object(call, reached),
                Err(error) if is(&error, Errno::ENOENT) && create.is_some() => {}
                Err(error) => return Err(self.system(&error)),
            }
            let Some(create) = create else { break };
            match open::create_file(create, self.access, self.mode(), self.asked()) {
                Err(error) if is(&error, Errno::EEXIST) => {}
                result => return result.map_err(|error| self.system(&error)),
            }
        }
        Err(Errno::EBUSY.into())
    }

    /// Opens the object that was reached, if it is what a file handle can hold.
    fn open_object<O: Needs<Open>>(
        &self,
        call: &mut Call<'_, O>,
        reached: Reached<'_>,
    ) -> Result<File, Error> {
        match reached.kind() {
            SFlag::S_IFREG => {}
            SFlag::S_IFDIR if self.access.write => return Err(self.system(&Errno::EISDIR.into())),
            SFlag::S_IFLNK => return Err(refused_link(reached.name())),
            _ => return Err(not_a_file()),
        }
        if let Some(reason) = object_refusal(call, &reached) {
            return Err(call.refuse::<Open, _>(&FilePath(reached.name().clone()), reason));
        }
        open::for_use(reached, &call.host.tools, self.access, self.asked())
            .map_err(|error| self.system(&error))
    }

    /// Follows the link that stands at the name, asking for each place that is led to.
    fn open_through_link<'req, O>(
        &self,
        call: &mut Call<'req, O>,
        open: &Permit<'req, Open, FileAt>,
        link: &Reached<'req>,
    ) -> Result<File, Error>
    where
        O: Needs<Open> + Needs<Create>,
    {
        if !self.follow {
            return Err(refused_link(link.name()));
        }
        let tools = Rc::clone(&call.host.tools);
        let mut ask =
            |link: Option<&Reached<'req>>, place: PathName| ask_through(call, link, FilePath(place));
        let led = walk::follow(open, &tools, &mut ask).map_err(|error| self.renamed(error))?;
        match led.found {
            // Without a permit somebody has replaced the link by what it led to, and the first one counts.
            Found::Object(reached) => self.open_object(call, reached),
            // `create` is asked for the place where it will be.
            Found::Missing(missing) if led.permit.is_some() && self.make.is_some() => {
                let create = call.authorize::<Create, _>(missing.place().clone())?;
                open::create_target(&create, &missing, self.access, self.mode(), self.asked())
                    .map_err(|error| self.system(&error))
            }
            Found::Missing(_) => Err(self.system(&Errno::ENOENT.into())),
        }
    }

    fn asked(&self) -> Asked {
        Asked { create: self.make.is_some(), follow: self.follow }
    }

    fn mode(&self) -> Mode {
        let default = if self.follow { 0o644 } else { 0o666 };
        Mode::from_bits_truncate(self.make.flatten().map_or(default, |bits| bits.bits().into()))
    }

    /// A failure on the way under the name that Rex has for it; a denial stays what it is.
    fn renamed(&self, error: Error) -> Error {
        match error {
            Error::Failed { errno: Some(errno), .. } => self.system(&Errno::from_raw(errno).into()),
            error => error,
        }
    }

    /// Rex names failures of the system after another library when links are followed; scripts may compare it.
    fn system(&self, error: &std::io::Error) -> Error {
        Error::system_as(if self.follow { ErrorKind::RustixError } else { ErrorKind::IoError }, error)
    }
}
