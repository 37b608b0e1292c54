//! Files and directories are opened for use, or made, only after their type is known and their name permitted.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, ResolveFlag};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use rex_ipc::action::file_system::Create;

use super::fresh::Fresh;
use super::object::{DirAt, Directory, File, FileAt, Origin};
use super::tools::Tools;
use super::walk::{self, Missing, Object, Reached};
use super::way::make_directory;
use super::{openat2, read};
use crate::gate::{Inode, Permit};
use crate::policy::name::{EntryName, PathName};

/// How a file is opened.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
}

/// What else was asked for, which is asked for again wherever the file is opened again.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// That it be made when it is missing.
    pub create: bool,
    /// That links be followed.
    pub follow: bool,
}

/// Opens, for use, the very object that was reached by the name of a file.
///
/// The descriptor behind `/proc/self/fd` leads to the object and not to its name, so a name that was exchanged in
/// between changes nothing. The caller has looked at the type: nothing here blocks or triggers.
///
/// # Errors
/// Those of open(2); `EINVAL` for what was not reached by the name of a file.
pub fn for_use(reached: Reached<'_>, tools: &Tools, access: Access, asked: Asked) -> io::Result<File> {
    let Reached { object, parent, named: Some(named), link, .. } = reached else {
        return Err(Errno::EINVAL.into());
    };
    let entry = object.name.file_name().and_then(EntryName::parse);
    let real = match link {
        None => Some(named.clone()),
        Some(_) => parent.zip(entry).map(|(parent, entry)| FileAt::new(parent, entry)),
    };
    let named_inode = link.unwrap_or(walk::inode(&object.stat));
    reopen(object, tools, access, origin(named, named_inode, real, asked))
}

/// Opens a regular file that is held, once more and with the rights of `access`; `EINVAL` for anything else.
pub(super) fn reopen(object: Object, tools: &Tools, access: Access, origin: Origin) -> io::Result<File> {
    if walk::file_type(&object.stat) != SFlag::S_IFREG {
        return Err(Errno::EINVAL.into());
    }
    let mut number = [0_u8; 12];
    let number = decimal(object.fd.as_raw_fd(), &mut number)?;
    let flags = match (access.read, access.write) {
        (true, true) => OFlag::O_RDWR,
        (false, true) => OFlag::O_WRONLY,
        _ => OFlag::O_RDONLY,
    };
    let flags = flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let fd = nix::fcntl::openat(tools.own_fds(), number, flags, Mode::empty())?;
    Ok(file(fd, object.name, &object.stat, access, origin))
}

/// Keeps a link open as itself; it can be described and given an owner, and nothing else.
///
/// # Errors
/// `EINVAL` for what was not reached by the name of a file.
pub fn keep_link(reached: Reached<'_>) -> io::Result<File> {
    let Reached { object, named: Some(named), .. } = reached else { return Err(Errno::EINVAL.into()) };
    let origin = origin(named, walk::inode(&object.stat), None, Asked { create: false, follow: false });
    let access = Access { read: false, write: false };
    Ok(file(object.fd, object.name, &object.stat, access, origin))
}

/// Makes the file of the permit, which does not exist, beneath its held directory.
///
/// # Errors
/// Those of openat2(2).
pub fn create_file(
    create: &Permit<'_, Create, FileAt>,
    access: Access,
    mode: Mode,
    asked: Asked,
) -> io::Result<File> {
    let place = create.resource();
    let made = make_file(place, access, mode)?;
    let named_inode = walk::inode(&made.1);
    Ok(fresh(place, made, access, origin(place.clone(), named_inode, Some(place.clone()), asked)))
}

/// Makes the file of the permit, which is what a link led to and does not exist.
///
/// # Errors
/// Those of openat2(2); `EINVAL` for a permit for another place.
pub fn create_target(
    create: &Permit<'_, Create, FileAt>,
    missing: &Missing<'_>,
    access: Access,
    mode: Mode,
    asked: Asked,
) -> io::Result<File> {
    let place = create.resource();
    // Only a mistake of ours could bring a permit for another place.
    let (Some(named), Some(link)) =
        (&missing.named, missing.link.filter(|_| missing.place().path == place.path))
    else {
        return Err(Errno::EINVAL.into());
    };
    let made = make_file(place, access, mode)?;
    Ok(fresh(place, made, access, origin(named.clone(), link, Some(place.clone()), asked)))
}

fn make_file(place: &FileAt, access: Access, mode: Mode) -> io::Result<(OwnedFd, FileStat)> {
    let flags = match (access.read, access.write) {
        (true, true) => OFlag::O_RDWR,
        (false, true) => OFlag::O_WRONLY,
        _ => return Err(Errno::EINVAL.into()),
    };
    let flags =
        flags | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    let (parent, entry) = (&place.parent.fd, place.entry.as_c_str());
    let fd = openat2(parent, entry, flags, mode, ResolveFlag::RESOLVE_BENEATH)?;
    let stat = fstat(&fd)?;
    Ok((fd, stat))
}

fn fresh(place: &FileAt, (fd, stat): (OwnedFd, FileStat), access: Access, origin: Origin) -> File {
    let made = file(fd, place.path.clone(), &stat, access, origin);
    made.fresh.replace(Some(Fresh::new(place.clone(), walk::inode(&stat))));
    made
}

/// Makes the directory of the permit, which does not exist, beneath its held directory, and opens it.
///
/// # Errors
/// Those of mkdirat(2); `ENOTDIR` when it was exchanged for something else since.
pub fn create_directory(create: &Permit<'_, Create, DirAt>) -> io::Result<Directory> {
    let DirAt { parent, entry, path } = create.resource();
    let (made, is_new) = make_directory(parent, entry, path, 0o777)?;
    if !is_new {
        return Err(Errno::EEXIST.into());
    }
    if walk::file_type(&made.stat) != SFlag::S_IFDIR {
        // Somebody exchanged it between the two calls; what is there now was never permitted.
        return Err(Errno::ENOTDIR.into());
    }
    Ok(made.into_directory())
}

fn origin(named: FileAt, named_inode: Inode, real: Option<FileAt>, asked: Asked) -> Origin {
    Origin { named, named_inode, real, create: asked.create, follow: asked.follow }
}

fn file(fd: OwnedFd, name: PathName, stat: &FileStat, access: Access, origin: Origin) -> File {
    File {
        fd,
        name,
        inode: walk::inode(stat),
        origin,
        size_bytes: read::size(stat),
        readable: access.read,
        writable: access.write,
        replaced_by: Default::default(),
        fresh: Default::default(),
        redacted: Default::default(),
    }
}

/// The number in decimal with a closing zero, without an allocation.
fn decimal(number: i32, space: &mut [u8; 12]) -> io::Result<&CStr> {
    use std::io::Write;
    let mut rest = &mut space[..];
    write!(rest, "{number}\0")?;
    CStr::from_bytes_until_nul(&space[..]).map_err(|_| Errno::EINVAL.into())
}
