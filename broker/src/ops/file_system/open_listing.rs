//! Opens what `ls` lists: a directory, or a link that stands for itself.
//!
//! Rex looks at the path first and asks afterwards. Here both answers are known before anything is touched: the
//! directory may be listed if `open` on it is permitted, the link may be seen if `open` on its parent and on itself
//! are. Only then is the type looked at, and the questions that belong to it are asked for the record.

use std::os::fd::AsFd;
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use rex_ipc::action::file_system::Open;
use rex_ipc::bounded::Text;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Entry, EntryType, Listing, OpenListing};
use rex_ipc::name;

use super::{ask_through, held, object_refusal, opened, split};
use crate::gate::Permit;
use crate::gate::error::Error;
use crate::host::file_system::object::{DirPath, Directory, FileAt, FilePath};
use crate::host::file_system::walk;
use crate::host::file_system::walk::{Reached, file_type};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::policy::name::{EntryName, PathName};

impl Perform for OpenListing {
    fn perform(self, call: &mut Call<'_, Self>) -> Result<Listing, Error> {
        call.host.handles.spend(self.id.0)?;
        let given = self.path.as_str();
        let path = PathName::parse(given)?;
        let may_list = call.would_permit::<Open, _>(&DirPath(path.clone()));
        let as_link = split(&path).filter(|_| !names_a_directory(given));
        let may_see_link = as_link.as_ref().is_some_and(|(parent, _)| {
            call.would_permit::<Open, _>(&DirPath(parent.clone()))
                && call.would_permit::<Open, _>(&FilePath(path.clone()))
        });
        if may_see_link && let Some((parent, entry)) = as_link {
            match itself(call, &self, parent, entry)? {
                Itself::Link(listing) => return Ok(listing),
                Itself::Directory => {}
                Itself::Other => return Err(not_listable(given)),
            }
        }
        if !may_list && may_see_link {
            // It is no link, so the question for a directory is the one that counts; it is answered with no.
            call.authorize::<Open, _>(DirPath(path))?;
            return Err(Errno::EACCES.into());
        }
        let permit = call.authorize::<Open, _>(DirPath(path))?;
        let reached = match reach(call, &permit) {
            Ok(reached) if file_type(&reached.stat) == SFlag::S_IFDIR => reached,
            Ok(_) => return no_directory(call, &self),
            Err(Error::Failed { errno: Some(errno), .. }) if errno == Errno::ENOTDIR as i32 => {
                return no_directory(call, &self);
            }
            Err(error) => return Err(error),
        };
        refuse_own(call, &reached)?;
        let real = opened(&reached.name, given)?;
        call.host.handles.keep_dir(self.id, reached.into_directory());
        Ok(Listing::Directory(real))
    }
}

/// What is no directory is known by now to whoever may open it as one. As what it is, it has questions of its own.
fn no_directory(call: &mut Call<'_, OpenListing>, request: &OpenListing) -> Result<Listing, Error> {
    let given = request.path.as_str();
    let path = PathName::parse(given)?;
    let Some((parent, entry)) = split(&path) else { return Err(Errno::ENOTDIR.into()) };
    match itself(call, request, parent, entry)? {
        Itself::Link(listing) => Ok(listing),
        Itself::Directory | Itself::Other => Err(not_listable(given)),
    }
}

/// What has the name itself, whatever it leads to.
enum Itself {
    /// A link, which is what is listed.
    Link(Listing),
    Directory,
    Other,
}

/// Looks at what has the name, beneath its directory; a link is kept under the number of the request.
fn itself(
    call: &mut Call<'_, OpenListing>,
    request: &OpenListing,
    parent: PathName,
    entry: EntryName,
) -> Result<Itself, Error> {
    let named = parent.clone();
    let permit = call.authorize::<Open, _>(DirPath(parent))?;
    let parent = reach(call, &permit)?;
    refuse_own(call, &parent)?;
    let parent = held(parent);
    let open = call.authorize::<Open, _>(FileAt::new(Rc::clone(&parent), entry))?;
    let found = walk::entry(&open, |place| (&place.parent, &place.entry, &place.path))?;
    match file_type(&found.stat) {
        SFlag::S_IFLNK => {}
        SFlag::S_IFDIR => return Ok(Itself::Directory),
        _ => return Ok(Itself::Other),
    }
    let entry = Entry {
        name: Text::cut(&name::to_text(open.resource().entry.as_bytes())),
        entry_type: EntryType::Symlink,
        inode: found.stat.st_ino,
    };
    let real = opened(&parent.name, named.as_str())?;
    let parent = Rc::try_unwrap(parent).or_else(|parent| reopened(&parent))?;
    call.host.handles.keep_dir(request.id, parent);
    Ok(Itself::Link(Listing::Link(real, entry)))
}

/// Goes to a directory, through links where there are some.
fn reach<'req>(
    call: &mut Call<'req, OpenListing>,
    permit: &Permit<'req, Open, DirPath>,
) -> Result<Reached, Error> {
    let root = Rc::clone(&call.host.root);
    match walk::directory(permit, |path| &path.0, root.as_fd()) {
        Ok(reached) => Ok(reached),
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            let mut ask = |link: Option<&Reached>, place: PathName| ask_through(call, link, DirPath(place));
            Ok(walk::follow(permit, |path| &path.0, root.as_fd(), None, &mut ask)?.found.object()?)
        }
        Err(error) => Err(Error::system(&error)),
    }
}

/// Refuses a directory for what it is, whatever it is called.
fn refuse_own(call: &mut Call<'_, OpenListing>, reached: &Reached) -> Result<(), Error> {
    match object_refusal(call, None, reached) {
        Some(reason) => Err(call.refuse::<Open, _>(&DirPath(reached.name.clone()), reason)),
        None => Ok(()),
    }
}

/// path_resolution(7): a path that ends like this means the directory that a link leads to, and never the link.
fn names_a_directory(given: &str) -> bool {
    given.ends_with('/') || given.ends_with("/.")
}

/// A second descriptor for a directory that a permit still holds.
fn reopened(parent: &Rc<Directory>) -> Result<Directory, Error> {
    Ok(Directory {
        fd: parent.fd.try_clone()?,
        name: parent.name.clone(),
        inode: parent.inode,
        listing: Default::default(),
    })
}

fn not_listable(given: &str) -> Error {
    let message = format!("Invalid arguments: ls: {given}: Not a directory or symlink");
    Error::invalid(ErrorKind::InvalidArguments, message)
}
