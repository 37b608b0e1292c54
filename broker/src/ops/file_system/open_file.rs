//! Opens a regular file in an open directory, and makes it when asked to.

use std::os::fd::AsFd;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag};
use rex_ipc::action::file_system::{Create, Open};
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{OpenFile, Opened};
use rex_ipc::interface::Needs;

use super::{
    ask_through, entry_name, held, not_a_file, object_refusal, opened, refused_link, spelled, split,
};
use crate::gate::error::Error;
use crate::gate::{Allows, Inode, Permit};
use crate::host::file_system::object::{Directory, File, FileAt, FilePath, Origin};
use crate::host::file_system::open;
use crate::host::file_system::open::Access;
use crate::host::file_system::walk::{self, Found, Led, Reached, file_type};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::policy::name::{EntryName, PathName};

impl Perform for OpenFile {
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
    let Some(entry) = EntryName::parse(request.name.as_str()) else {
        // Asked about first: what is wrong with the name is said only to who may know of the place.
        call.authorize::<Open, _>(FilePath(spelled.clone()))?;
        if request.create {
            call.authorize::<Create, _>(FilePath(spelled))?;
        }
        return Err(entry_name(request.name.as_str()).err().unwrap_or_else(not_a_file));
    };
    let place = FileAt::new(Rc::clone(&parent), entry);
    let open = call.authorize::<Open, _>(place.clone())?;
    let create = if request.create { Some(call.authorize::<Create, _>(place.clone())?) } else { None };
    ask_more(call, &place)?;
    let file = Opening(request).open(call, &parent, &open, create.as_ref())?;
    let opened = opened(&file.name, open.resource().path.as_str())?;
    call.host.handles.keep_file(request.id, file);
    Ok(opened)
}

/// What was asked for, while it is carried out.
struct Opening<'r>(&'r OpenFile);

impl Opening<'_> {
    fn open<'req, O>(
        &self,
        call: &mut Call<'req, O>,
        parent: &Rc<Directory>,
        open: &Permit<'req, Open, FileAt>,
        create: Option<&Permit<'req, Create, FileAt>>,
    ) -> Result<File, Error>
    where
        O: Needs<Open> + Needs<Create>,
    {
        if self.0.create && !self.0.write {
            return Err(Errno::EINVAL.into());
        }
        // A file may appear or vanish between two looks; after a few rounds that is somebody's doing.
        for _ in 0..8 {
            match walk::entry(open, |place| (&place.parent, &place.entry, &place.path)) {
                Ok(reached) if file_type(&reached.stat) == SFlag::S_IFLNK => {
                    return self.open_through_link(call, parent, open, reached);
                }
                Ok(reached) => {
                    let origin = self.origin(open.resource(), None, walk::inode(&reached.stat));
                    return self.open_object(call, Some(parent), open, reached, origin);
                }
                Err(error) if is(&error, Errno::ENOENT) && create.is_some() => {}
                Err(error) => return Err(self.system(&error)),
            }
            let Some(create) = create else { break };
            let made = open::create_file(
                create,
                |place| (&place.parent, &place.entry, &place.path),
                self.access(),
                self.mode(),
                |inode| self.origin(open.resource(), None, inode),
            );
            match made {
                Err(error) if is(&error, Errno::EEXIST) => {}
                result => return result.map_err(|error| self.system(&error)),
            }
        }
        Err(Errno::EBUSY.into())
    }

    /// Opens the object that was reached, if it is what a file handle can hold.
    fn open_object<'req, O: Needs<Open>, R: Allows<Open>>(
        &self,
        call: &mut Call<'req, O>,
        parent: Option<&Directory>,
        open: &Permit<'req, Open, R>,
        reached: Reached,
        origin: Origin,
    ) -> Result<File, Error> {
        match file_type(&reached.stat) {
            SFlag::S_IFREG => {}
            SFlag::S_IFDIR if self.0.write => return Err(self.system(&Errno::EISDIR.into())),
            SFlag::S_IFLNK => return Err(refused_link(&reached.name)),
            _ => return Err(not_a_file()),
        }
        if let Some(reason) = object_refusal(call, parent, &reached) {
            return Err(call.refuse::<Open, _>(&FilePath(reached.name.clone()), reason));
        }
        let own_fds = Rc::clone(&call.host.own_fds);
        open::reopen(open, reached, own_fds.as_fd(), self.access(), origin)
            .map_err(|error| self.system(&error))
    }

    /// Follows the link that stands at the name, asking for each place that is led to.
    fn open_through_link<'req, O>(
        &self,
        call: &mut Call<'req, O>,
        parent: &Rc<Directory>,
        open: &Permit<'req, Open, FileAt>,
        link: Reached,
    ) -> Result<File, Error>
    where
        O: Needs<Open> + Needs<Create>,
    {
        if !self.0.follow {
            return Err(refused_link(&link.name));
        }
        let link_inode = walk::inode(&link.stat);
        let root = Rc::clone(&call.host.root);
        let mut ask = |link: Option<&Reached>, place: PathName| ask_through(call, link, FilePath(place));
        let led = walk::follow(open, |place| &place.path, root.as_fd(), Some(parent), &mut ask);
        let Led { found, permit } = led.map_err(|error| self.renamed(error))?;
        match (found, permit) {
            (Found::Object(reached), Some(target)) => {
                let target_parent = walk::parent_directory(&target, |path| &path.0, root.as_fd());
                let target_parent = target_parent.ok().map(held);
                let real = target_parent.clone().zip(split(&reached.name));
                let real = real.map(|(parent, (_, entry))| FileAt::new(parent, entry));
                let origin = Origin { real, ..self.origin(open.resource(), None, link_inode) };
                self.open_object(call, target_parent.as_deref(), &target, reached, origin)
            }
            // Somebody has replaced the link by what it led to.
            (Found::Object(reached), None) => {
                let origin = self.origin(open.resource(), None, walk::inode(&reached.stat));
                self.open_object(call, Some(parent), open, reached, origin)
            }
            (Found::Missing { parent, entry, .. }, Some(_)) if self.0.create => {
                self.create_target(call, FileAt::new(held(parent), entry), open.resource(), link_inode)
            }
            (Found::Missing { .. }, _) => Err(self.system(&Errno::ENOENT.into())),
        }
    }

    /// Makes the missing target of a link: `create` is asked for the place where it will be.
    fn create_target<O: Needs<Create>>(
        &self,
        call: &mut Call<'_, O>,
        target: FileAt,
        named: &FileAt,
        link: Inode,
    ) -> Result<File, Error> {
        let create = call.authorize::<Create, _>(target)?;
        open::create_file(
            &create,
            |place| (&place.parent, &place.entry, &place.path),
            self.access(),
            self.mode(),
            |_| self.origin(named, Some(create.resource().clone()), link),
        )
        .map_err(|error| self.system(&error))
    }

    /// Where the file stands: under the name that was asked for, or through a link at that name somewhere else.
    fn origin(&self, named: &FileAt, real: Option<FileAt>, named_inode: Inode) -> Origin {
        Origin {
            named: named.clone(),
            named_inode,
            real: Some(real.unwrap_or_else(|| named.clone())),
            create: self.0.create,
            follow: self.0.follow,
        }
    }

    fn access(&self) -> Access {
        Access { read: self.0.read, write: self.0.write }
    }

    fn mode(&self) -> Mode {
        let default = if self.0.follow { 0o644 } else { 0o666 };
        Mode::from_bits_truncate(self.0.permissions.map_or(default, |bits| bits.bits().into()))
    }

    /// The same for a failure on the way.
    fn renamed(&self, error: Error) -> Error {
        match error {
            Error::Failed { errno: Some(errno), .. } => self.system(&Errno::from_raw(errno).into()),
            error => error,
        }
    }

    /// Rex names failures of the system after another library when links are followed; scripts may compare it.
    fn system(&self, error: &std::io::Error) -> Error {
        Error::system_as(if self.0.follow { ErrorKind::RustixError } else { ErrorKind::IoError }, error)
    }
}

fn is(error: &std::io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}
