//! Files and directories are opened for use, or made, only after their type is known and their name permitted.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, ResolveFlag};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use rex_ipc::action::file_system::{Create, Open};

use super::openat2;
use super::walk::{self, Reached};
use crate::gate::{Inode, Permit, Resource};
use crate::host::file_system::fresh::Fresh;
use crate::host::file_system::object::{DirPath, Directory, File, FileAt, Origin};
use crate::policy::name::{EntryName, PathName};

/// How a file is opened.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
}

/// Opens, for use, the very object that was reached.
///
/// The descriptor behind `/proc/self/fd` leads to the object and not to its name, so a name that was exchanged in
/// between changes nothing. The caller has looked at the type: nothing here blocks or triggers.
pub fn reopen<R: Resource>(
    permit: &Permit<'_, Open, R>,
    reached: Reached,
    own_fds: BorrowedFd<'_>,
    access: Access,
    origin: Origin,
) -> io::Result<File> {
    // The permit is the proof that this object, under the name it was reached by, may be opened.
    let _ = permit;
    debug_assert_eq!(walk::file_type(&reached.stat), SFlag::S_IFREG);
    let mut number = [0_u8; 12];
    let number = decimal(reached.fd.as_raw_fd(), &mut number)?;
    let flags = match (access.read, access.write) {
        (true, true) => OFlag::O_RDWR,
        (false, true) => OFlag::O_WRONLY,
        _ => OFlag::O_RDONLY,
    };
    let flags = flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let fd = nix::fcntl::openat(own_fds, number, flags, Mode::empty())?;
    Ok(file(fd, reached.name, &reached.stat, access, origin))
}

/// Keeps a link open as itself; it can be described and given an owner, and nothing else.
pub fn keep_link(permit: &Permit<'_, Open, FileAt>, reached: Reached) -> File {
    let origin = Origin {
        named: permit.resource().clone(),
        named_inode: walk::inode(&reached.stat),
        real: None,
        create: false,
        follow: false,
    };
    file(reached.fd, reached.name, &reached.stat, Access { read: false, write: false }, origin)
}

/// Makes a file that does not exist, beneath a held directory.
pub fn create_file<R: Resource>(
    permit: &Permit<'_, Create, R>,
    place: impl Fn(&R) -> (&Rc<Directory>, &EntryName, &PathName),
    access: Access,
    mode: Mode,
    origin: impl FnOnce(Inode) -> Origin,
) -> io::Result<File> {
    let (parent, entry, path) = place(permit.resource());
    let flags = match (access.read, access.write) {
        (true, true) => OFlag::O_RDWR,
        (false, true) => OFlag::O_WRONLY,
        _ => return Err(Errno::EINVAL.into()),
    };
    let flags =
        flags | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    let fd = openat2(parent.fd.as_fd(), entry.as_c_str(), flags, mode, ResolveFlag::RESOLVE_BENEATH)?;
    let stat = fstat(&fd)?;
    let inode = walk::inode(&stat);
    let made = file(fd, path.clone(), &stat, access, origin(inode));
    let place = FileAt { parent: Rc::clone(parent), entry: entry.clone(), path: path.clone() };
    made.fresh.replace(Some(Fresh::new(place, inode)));
    Ok(made)
}

/// Makes a directory that does not exist, beneath a held directory, and opens it.
pub fn create_directory<R: Resource>(
    permit: &Permit<'_, Create, R>,
    place: impl Fn(&R) -> (&Rc<Directory>, &EntryName, &PathName),
) -> io::Result<Directory> {
    let (parent, entry, path) = place(permit.resource());
    make_directory(parent.fd.as_fd(), entry, path)
}

/// Makes the directory of the permit, which does not exist, beneath the held directory that it is to be in.
pub fn create_directory_in(
    permit: &Permit<'_, Create, DirPath>,
    parent: &Directory,
) -> io::Result<Directory> {
    let path = &permit.resource().0;
    let entry = path.file_name().and_then(EntryName::parse);
    match entry.filter(|_| path.parent() == parent.name) {
        Some(entry) => make_directory(parent.fd.as_fd(), &entry, path),
        // Only a mistake of ours could ask for a directory beneath another one than its own parent.
        None => Err(Errno::EINVAL.into()),
    }
}

fn make_directory(parent: BorrowedFd<'_>, entry: &EntryName, path: &PathName) -> io::Result<Directory> {
    nix::sys::stat::mkdirat(parent, entry.as_c_str(), Mode::from_bits_truncate(0o777))?;
    let made = walk::hold_entry(parent, entry, path)?;
    if walk::file_type(&made.stat) != SFlag::S_IFDIR {
        // Somebody exchanged it between the two calls; what is there now was never permitted.
        return Err(Errno::ENOTDIR.into());
    }
    Ok(made.into_directory())
}

fn file(fd: OwnedFd, name: PathName, stat: &FileStat, access: Access, origin: Origin) -> File {
    File {
        fd,
        name,
        inode: walk::inode(stat),
        origin,
        has_size: stat.st_size > 0,
        readable: access.read,
        writable: access.write,
        replaced_by: Default::default(),
        fresh: Default::default(),
        redacted: Default::default(),
    }
}

/// The number in decimal with a closing zero, without an allocation.
fn decimal(number: i32, space: &mut [u8; 12]) -> io::Result<&std::ffi::CStr> {
    use std::io::Write;
    let mut rest = &mut space[..];
    write!(rest, "{number}\0")?;
    std::ffi::CStr::from_bytes_until_nul(&space[..]).map_err(|_| Errno::EINVAL.into())
}
