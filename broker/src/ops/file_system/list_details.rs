//! Entries of an open directory with what each says of itself, a page at a time.
//!
//! # Policy
//! `file_system::read` on the directory. An entry is described when `file_system::open` and `file_system::stat` on it
//! are permitted, one that cannot be opened when `file_system::stat` is.

use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::FileStat;
use rex_ipc::action::file_system::{Open, Read, Stat};
use rex_ipc::bounded::{List, Text};
use rex_ipc::file_system::{DetailedEntry, Details, DetailsPage, Entry, EntryType, ListDetails, Metadata};
use rex_ipc::limits::MAX_PAGE_ENTRIES;
use rex_ipc::{codec, name};

use super::support::removal::Pace;
use super::{foreign_link, metadata, object_refusal};
use crate::gate::Permit;
use crate::gate::error::Error;
use crate::host::file_system::list::RawEntry;
use crate::host::file_system::object::{Directory, FileAt};
use crate::host::file_system::walk::{self, inode};
use crate::host::file_system::{list, stat};
use crate::ops::Perform;
use crate::ops::call::Call;
use crate::ops::explain::ahead::Ahead;
use crate::policy::name::EntryName;

impl Perform for ListDetails {
    fn foresee(&self, ahead: &mut Ahead<'_, '_, Self>) -> Option<()> {
        let place = ahead.dir(self.dir)?;
        ahead.ask::<Read>(&place);
        Some(())
    }

    fn perform(self, call: &mut Call<'_, Self>) -> Result<DetailsPage, Error> {
        let directory = call.host.handles.dir(self.dir)?;
        let read = call.authorize::<Read, _>(Rc::clone(&directory))?;
        let mut page = Page { entries: Vec::new(), left_bytes: call.room_bytes.saturating_sub(PAGE_BYTES) };
        let mut pace = Pace::default();
        let mut failure = None;
        let end = list::entries(&read, self.restart, |raw| {
            // Whether an entry fits is known before anything is asked: what is put off is asked in the next page.
            if !page.has_room_for(&raw) {
                return false;
            }
            let described = pace.keep(call).and_then(|()| describe(call, &read, &directory, &raw));
            match described {
                Ok(details) => page.push(&raw, details),
                Err(error) => failure = Some(error),
            }
            failure.is_none()
        })?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        call.metered.count_read_bytes(call.room_bytes.saturating_sub(page.left_bytes))?;
        Ok(DetailsPage { entries: List::new(page.entries).unwrap_or_default(), end })
    }
}

/// What is told about an entry: the questions are those of opening it and describing what was opened.
fn describe<'req>(
    call: &mut Call<'req, ListDetails>,
    read: &Permit<'req, Read, Rc<Directory>>,
    directory: &Rc<Directory>,
    raw: &RawEntry<'_>,
) -> Result<Details, Error> {
    let Some(entry) = EntryName::from_bytes(raw.name.to_vec()) else { return Ok(Details::Withheld) };
    let kind = list::kind_of(read, raw);
    let place = FileAt::new(Rc::clone(directory), entry);
    let described = match kind {
        EntryType::Dir => return Ok(Details::Directory),
        EntryType::File | EntryType::Symlink => describe_opened(call, place, kind),
        _ => call.authorize::<Stat, _>(place).and_then(|stat| status(&stat, kind)),
    };
    match described {
        Ok(stat) => Ok(Details::Described(metadata(call.host, &stat))),
        Err(Error::Denied(_)) => Ok(Details::Withheld),
        Err(Error::Failed { errno, .. }) => {
            Ok(errno.and_then(|errno| u16::try_from(errno).ok()).map_or(Details::Withheld, refused))
        }
        Err(error) => Err(error),
    }
}

fn refused(errno: u16) -> Details {
    Details::Refused { errno }
}

fn describe_opened(
    call: &mut Call<'_, ListDetails>,
    place: FileAt,
    kind: EntryType,
) -> Result<FileStat, Error> {
    let open = call.authorize::<Open, _>(place)?;
    let place = open.resource();
    // Where a name can be that of an entry of /proc which shows broker or jail, the object itself is looked at.
    if may_show_a_process(place.entry.as_bytes()) {
        let reached = walk::entry(&open)?;
        if let Some(reason) = object_refusal(call, &reached) {
            return Err(call.refuse::<Open, _>(place, reason));
        }
    }
    let permit = call.authorize::<Stat, _>(place.clone())?;
    if kind == EntryType::Symlink {
        // The target is not part of the description; a script that may not read it is told of the link all the same.
        match call.authorize::<Read, _>(place.clone()) {
            Ok(_) | Err(Error::Denied(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let stat = status(&permit, kind)?;
    let refusal = match call.forbidden().inode_reason(inode(&stat)) {
        Some(reason) => Some(reason),
        None => foreign_link(call, Some(&place.parent), &stat),
    };
    match refusal {
        Some(reason) => Err(call.refuse::<Open, _>(place, reason)),
        None => Ok(stat),
    }
}

/// The attributes, as long as the entry is still of the type that the questions were about.
fn status(permit: &Permit<'_, Stat, FileAt>, kind: EntryType) -> Result<FileStat, Error> {
    let stat = stat::entry(permit)?;
    if stat::entry_type(&stat) == kind { Ok(stat) } else { Err(Errno::ESTALE.into()) }
}

fn may_show_a_process(name: &[u8]) -> bool {
    name == b"self" || name == b"thread-self" || name.iter().all(u8::is_ascii_digit)
}

/// A page that is being filled.
struct Page {
    entries: Vec<DetailedEntry>,
    left_bytes: usize,
}

impl Page {
    fn has_room_for(&self, raw: &RawEntry<'_>) -> bool {
        // A byte of a name takes at most four in its text.
        self.entries.len() < MAX_PAGE_ENTRIES && self.left_bytes >= 4 * raw.name.len() + ENTRY_BYTES
    }

    fn push(&mut self, raw: &RawEntry<'_>, details: Details) {
        let name = Text::cut(&name::to_text(raw.name));
        let entry = Entry { name, entry_type: raw.entry_type, inode: raw.inode };
        let mut entry = DetailedEntry { entry, details };
        let mut space = [0; 4 * 255 + ENTRY_BYTES];
        let mut length = codec::encode(&entry, &mut space);
        if let (Err(_), Details::Described(metadata)) = (&length, &mut entry.details) {
            // Names of users that are longer than any system allows are left out.
            forget_names(metadata);
            length = codec::encode(&entry, &mut space);
        }
        self.left_bytes = self.left_bytes.saturating_sub(length.unwrap_or(space.len()));
        self.entries.push(entry);
    }
}

fn forget_names(metadata: &mut Metadata) {
    metadata.owner.name = None;
    metadata.group.name = None;
}

/// The most that an entry takes beside its name: numbers at most 150 bytes, names of user and group the rest.
const ENTRY_BYTES: usize = 1024;
/// Count of entries (at most 3), end mark (1), and the count and failure mark of the whole reply.
const PAGE_BYTES: usize = 16;
