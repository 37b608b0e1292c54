//! Opens what `ls` lists: a directory, or a link that stands for itself.
//!
//! Rex looks at the path first and asks afterwards. Here both answers are known before anything is touched: the
//! directory may be listed if `open` on it is permitted, the link may be seen if `open` on its parent and on itself
//! are. Only then is the type looked at, and the questions that belong to it are asked for the record.
//!
//! # Policy
//! `file_system::open` on the path as a directory, and on each place that a link leads to; for a link that is listed
//! itself, `file_system::open` on the directory it is in and on the link.

use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use rex_ipc::action::file_system::Open;
use rex_ipc::bounded::Text;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Entry, EntryType, Listing, OpenListing};
use rex_ipc::name;

use super::support::reaching::{reach, refuse_own};
use super::{held, names_a_directory, opened, split};
use crate::gate::error::Error;
use crate::host::file_system::object::{DirPath, FileAt, FilePath};
use crate::host::file_system::walk;
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::ops::explain::names::Place;
use crate::policy::name::{EntryName, PathName};

impl Perform for OpenListing {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = Place::dir(PathName::parse(self.path.as_str()).ok()?);
        // What is a link may be listed as itself.
        ahead.ask_perhaps::<Open>(&place);
        ahead.opens_dir(self.id, place.followed(true));
        Some(())
    }

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
            Ok(reached) if reached.kind() == SFlag::S_IFDIR => reached,
            Ok(_) => return no_directory(call, &self),
            Err(Error::Failed { errno: Some(errno), .. }) if errno == Errno::ENOTDIR as i32 => {
                return no_directory(call, &self);
            }
            Err(error) => return Err(error),
        };
        refuse_own(call, &reached)?;
        let real = opened(reached.name(), given)?;
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
    let found = walk::entry(&open)?;
    match found.kind() {
        SFlag::S_IFLNK => {}
        SFlag::S_IFDIR => return Ok(Itself::Directory),
        _ => return Ok(Itself::Other),
    }
    let entry = Entry {
        name: Text::cut(&name::to_text(open.resource().entry.as_bytes())),
        entry_type: EntryType::Symlink,
        inode: found.inode().number,
    };
    let real = opened(&parent.name, named.as_str())?;
    call.host.handles.keep_dir(request.id, parent);
    Ok(Itself::Link(Listing::Link(real, entry)))
}

fn not_listable(given: &str) -> Error {
    let message = format!("Invalid arguments: ls: {given}: Not a directory or symlink");
    Error::invalid(ErrorKind::InvalidArguments, message)
}
