//! The operations of the file system.

mod abandon_write;
mod allocate;
pub(super) mod begin_analysis;
mod begin_file;
pub(super) mod begin_program;
mod begin_write;
mod copy;
mod create_link;
mod delete_dir;
mod delete_file;
mod delete_path;
mod finish_write;
mod list_details;
mod list_entries;
mod make_dir;
mod make_path;
mod move_dir;
mod move_file;
mod open_dir;
mod open_file;
mod open_link;
mod open_listing;
mod open_target;
mod read_chunk;
mod read_end;
mod read_link;
mod read_program;
mod set_mode;
mod set_owner;
mod set_times;
mod set_x_attr;
mod stat;
mod stat_entry;
pub mod support;
mod truncate;
mod write_chunk;

use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, SFlag};
use rex_ipc::action::file_system::Open;
use rex_ipc::bounded::Text;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Identity, Instant, Metadata, NotAName, Opened, PathText};
use rex_ipc::interface::Needs;
use rex_ipc::name;

use crate::gate::error::Error;
use crate::gate::forbidden::OWN_PROC;
use crate::gate::{Allows, Permit};
use crate::host::Host;
use crate::host::file_system::object::{Directory, FilePath};
use crate::host::file_system::unguarded;
use crate::host::file_system::walk::{Reached, file_type};
use crate::ops::call::Call;
use crate::policy::name::{EntryName, PathName};

/// The path that a name in a directory spells, as the policy is asked about it before the name itself is checked.
fn spelled(parent: &Directory, name: &str) -> Result<PathName, Error> {
    Ok(if name.starts_with('/') {
        PathName::parse(name)?
    } else {
        PathName::parse(&format!("{}/{name}", parent.name))?
    })
}

/// What is wrong with a text that is no name; said only to who may know of the place that it spells.
fn no_entry(text: &NotAName) -> Error {
    match text.as_str() {
        "" => Errno::ENOENT.into(),
        "." => not_a_file(),
        text if single_with_slash(text) => Errno::ENOTDIR.into(),
        _ => Error::invalid(ErrorKind::InvalidPath, "Invalid path: file path must contain only a filename"),
    }
}

fn single_with_slash(name: &str) -> bool {
    name.strip_suffix('/').is_some_and(|name| EntryName::parse(name).is_some())
}

fn not_a_file() -> Error {
    Error::invalid(ErrorKind::ValidationError, "Validation error: argument is not a file")
}

fn refused_link(path: &PathName) -> Error {
    let message = format!("File error: file is a symbolic link but follow_symlinks is not enabled: {path}");
    Error::invalid(ErrorKind::FileError, message)
}

fn refused_directory(path: &str) -> Error {
    let message = format!(
        "Directory error: Not a directory, enable follow_symlinks to open the target directory: {path}"
    );
    Error::invalid(ErrorKind::DirectoryOpenError, message)
}

/// Why an object that was reached may not be opened although its name may: what it is, not what it is called.
fn object_refusal<O, A>(call: &Call<'_, O>, reached: &Reached<'_, A>) -> Option<&'static str> {
    if let Some(reason) = call.forbidden().inode_reason(reached.inode()) {
        return Some(reason);
    }
    if call.host.shows_broker(reached) {
        return Some(OWN_PROC);
    }
    foreign_link(call, reached.parent(), reached.stat())
}

/// Asks for the place that a link leads to, unless the link itself is closed to every script.
fn ask_through<'req, O, R>(
    call: &mut Call<'req, O>,
    link: Option<&Reached<'req>>,
    place: R,
) -> Result<Permit<'req, Open, R>, Error>
where
    O: Needs<Open>,
    R: Allows<Open>,
{
    // The links of our own entry of /proc tell about us by where they lead.
    if let Some(link) = link
        && let Some(reason) = object_refusal(call, link)
    {
        return Err(call.refuse::<Open, _>(&FilePath(link.name().clone()), reason));
    }
    call.authorize::<Open, _>(place)
}

/// Why a file is refused that has several names, where somebody else than root and the broker's user could have made this
/// one.
fn foreign_link<O>(call: &Call<'_, O>, parent: Option<&Directory>, stat: &FileStat) -> Option<&'static str> {
    if file_type(stat) != SFlag::S_IFREG || stat.st_nlink <= 1 || call.host.hard_links {
        return None;
    }
    let is_ours = is_trusted(call, stat.st_uid)
        && parent
            .is_some_and(|parent| !is_shared(call, parent) && !call.host.once_shared.contains(&parent.inode));
    (!is_ours).then_some(FOREIGN_LINK)
}

/// Whether somebody else than root and the broker's user may make names in a directory.
fn is_shared<O>(call: &Call<'_, O>, directory: &Directory) -> bool {
    unguarded::status_of(directory)
        .map_or(true, |stat| !is_trusted(call, stat.st_uid) || stat.st_mode & 0o022 != 0)
}

fn is_trusted<O>(call: &Call<'_, O>, uid: u32) -> bool {
    uid == 0 || uid == call.host.euid
}

/// Remembers a directory whose owner or mode is about to change, so that names which others made in it before are not
/// taken for our own afterwards.
fn remember_shared<O>(call: &mut Call<'_, O>, directory: &Directory) {
    if is_shared(call, directory) {
        call.host.once_shared.insert(directory.inode);
    }
}

/// path_resolution(7): a path that ends like this means the directory that a link leads to, and never the link.
fn names_a_directory(given: &str) -> bool {
    given.ends_with('/') || given.ends_with("/.")
}

fn metadata(host: &mut Host, stat: &FileStat) -> Metadata {
    Metadata {
        entry_type: crate::host::file_system::stat::entry_type(stat),
        mode: stat.st_mode,
        size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
        blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
        links: stat.st_nlink,
        device: stat.st_dev,
        inode: stat.st_ino,
        modified: instant(stat.st_mtime, stat.st_mtime_nsec),
        changed: instant(stat.st_ctime, stat.st_ctime_nsec),
        owner: Identity { number: stat.st_uid, name: host.user_name(stat.st_uid) },
        group: Identity { number: stat.st_gid, name: host.group_name(stat.st_gid) },
    }
}

fn instant(seconds: i64, nanoseconds: i64) -> Instant {
    Instant { seconds, nanoseconds: u32::try_from(nanoseconds).unwrap_or(0) }
}

fn path_text(bytes: &[u8]) -> Result<PathText, Error> {
    Text::new(name::to_text(bytes)).ok_or_else(|| Errno::ENAMETOOLONG.into())
}

/// What is said of an object that was opened: its name, unless the jail knows it already.
fn opened(name: &PathName, spelled: &str) -> Result<Opened, Error> {
    let known = name.as_str() == spelled;
    Ok(Opened { real_path: if known { None } else { Some(path_name_text(name)?) } })
}

fn path_name_text(name: &PathName) -> Result<PathText, Error> {
    Text::new(name.as_str()).ok_or_else(|| Errno::ENAMETOOLONG.into())
}

/// The directory part and the last component of a path.
fn split(path: &PathName) -> Option<(PathName, EntryName)> {
    Some((path.parent(), EntryName::parse(path.file_name()?)?))
}

/// A directory that serves as the parent in a question, held only for the request.
fn held<A>(reached: Reached<'_, A>) -> Rc<Directory> {
    Rc::new(reached.into_directory())
}

const FOREIGN_LINK: &str =
    "built-in: a file with several hard links, one of which somebody else could have made";
