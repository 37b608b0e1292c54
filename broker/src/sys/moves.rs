//! Names change their place: by rename(2), or, between file systems, by a copy that takes the name when it is complete.
//!
//! A rename is about a name: what has it is looked at before, and what has arrived afterwards. If somebody who may
//! write to the directory has exchanged it at the last moment, it goes back where that is possible.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, ResolveFlag, renameat, renameat2};
use nix::sys::stat::{
    FileStat, Mode, SFlag, UtimensatFlags, fchmod, fstat, futimens, mkdirat, mknodat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, symlinkat, syncfs, unlinkat};
use rex_hardening::sys::statx;
use rex_ipc::action::Action;
use rex_ipc::action::file_system::{Create, Move, Open, Read, Write};

use super::attributes::set_owner_of;
use super::copy::{self, NotCopied};
use super::open::{self, Access};
use super::staged::Staged;
use super::tree::{Step as TreeStep, Tree};
use super::walk::Reached;
use super::write::Step;
use super::{openat2, succession, walk};
use crate::object::{DirAt, Directory, File, FileAt, Inode, Moving, Origin};
use crate::path::{EntryName, PathName};
use crate::policy::{Permit, Resource};
use crate::temporaries::{Temporaries, TemporaryName};

/// Gives a file another name; what has it is replaced.
///
/// # Errors
/// `ENOENT` also when something else has the old name; `EXDEV` between file systems.
pub fn file(
    permit: &Permit<'_, Move, Moving<FileAt>>,
    create: &Permit<'_, Create, FileAt>,
    opened: &File,
) -> io::Result<()> {
    let Moving { what, path, .. } = permit.resource();
    let FileAt { parent, entry, path: created } = create.resource();
    same(path, created)?;
    rename((&what.parent, &what.entry), (parent, entry), opened.at_named(), opened.fd.as_fd())
}

/// Gives a directory another name; an empty directory that has it is replaced.
///
/// # Errors
/// `ENOENT` also when something else has the old name; `EXDEV` between file systems; `ENOTEMPTY` or
/// `EEXIST` when a directory with entries has the new one.
pub fn directory(
    permit: &Permit<'_, Move, Moving<DirAt>>,
    create: &Permit<'_, Create, DirAt>,
    opened: &Directory,
) -> io::Result<()> {
    let Moving { what, path, .. } = permit.resource();
    let DirAt { parent, entry, path: created } = create.resource();
    same(path, created)?;
    rename((&what.parent, &what.entry), (parent, entry), opened.inode, opened.fd.as_fd())
}

/// The same file open once more, as it will be known at the place of the permit.
pub fn reopen(
    permit: &Permit<'_, Open, FileAt>,
    file: &File,
    name: PathName,
    origin: Origin,
    own_fds: BorrowedFd<'_>,
) -> io::Result<File> {
    let stat = fstat(&file.fd)?;
    if walk::file_type(&stat) != SFlag::S_IFREG {
        return Err(Errno::EINVAL.into());
    }
    let reached = Reached { fd: file.fd.try_clone()?, stat, name };
    open::reopen(permit, reached, own_fds, Access { read: file.readable, write: file.writable }, origin)
}

/// A directory as it is known at the place of the permit.
pub fn renamed(permit: &Permit<'_, Open, DirAt>, directory: &Directory) -> io::Result<Directory> {
    let name = permit.resource().path.clone();
    Ok(Directory { fd: directory.fd.try_clone()?, name, inode: directory.inode, listing: Default::default() })
}

/// What has the name that something is to get. Who may make something there may know.
pub fn occupant<R: Resource>(
    permit: &Permit<'_, Create, R>,
    place: impl Fn(&R) -> (&Rc<Directory>, &EntryName),
) -> io::Result<Option<FileStat>> {
    let (parent, entry) = place(permit.resource());
    match walk::stat_entry(parent.fd.as_fd(), entry) {
        Ok(stat) => Ok(Some(stat)),
        Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether something is mounted on a directory that is to move, so that it cannot.
pub fn is_mounted(permit: &Permit<'_, Move, Moving<DirAt>>, directory: &Directory) -> io::Result<bool> {
    // The permit is the proof that the directory may be looked at.
    let _ = permit;
    let mounted = nix::libc::STATX_ATTR_MOUNT_ROOT as u64;
    Ok(statx(directory.fd.as_fd(), 0)?.stx_attributes & mounted != 0)
}

/// What a file that is to be copied is like.
pub fn describe(permit: &Permit<'_, Read, Rc<File>>) -> io::Result<FileStat> {
    Ok(fstat(&permit.resource().fd)?)
}

/// Whether a file is still as it was when its copy began.
pub fn is_unchanged(permit: &Permit<'_, Read, Rc<File>>, before: &FileStat) -> io::Result<bool> {
    let now = fstat(&permit.resource().fd)?;
    let version = |stat: &FileStat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    Ok(version(&now) == version(before))
}

/// Gives a staged copy the mode of any new file, or mode, owner and attributes of the original, and the times that it
/// had before it was read.
pub fn dress(
    write: &Permit<'_, Write, FileAt>,
    staged: &Staged,
    original: &Rc<File>,
    like: Option<&FileStat>,
) -> Result<(), succession::NotLike> {
    let fd = staged.file()?;
    let Some(like) = like else { return Ok(fchmod(fd, Mode::from_bits_truncate(staged.usual_mode))?) };
    succession::take_over(write, original, staged, true, None)?;
    Ok(futimens(fd, &accessed(like), &modified(like))?)
}

/// A copy that has taken its name, open as the original was.
pub fn arrived(
    write: &Permit<'_, Write, FileAt>,
    original: &File,
    staged: Staged,
    new: &FileStat,
) -> io::Result<File> {
    let place = write.resource();
    let inode = walk::inode(new);
    Ok(File {
        fd: staged.into_file()?,
        name: place.path.clone(),
        inode,
        origin: Origin {
            named: place.clone(),
            named_inode: inode,
            real: Some(place.clone()),
            create: original.origin.create,
            follow: original.origin.follow,
        },
        has_size: new.st_size > 0,
        readable: original.readable,
        writable: original.writable,
        replaced_by: Default::default(),
        fresh: Default::default(),
        redacted: Default::default(),
    })
}

/// A directory that is being filled out of sight, to take the place of the permit when it is complete.
///
/// It is called what it will be called, so that whatever is made in it is judged by its future name.
#[derive(Debug)]
pub struct Hidden {
    /// The directory.
    pub directory: Rc<Directory>,
    name: TemporaryName,
}

impl Hidden {
    /// Begins an empty one beside the place that it will take.
    pub fn begin(permit: &Permit<'_, Create, DirAt>, temporaries: &mut Temporaries) -> io::Result<Self> {
        let DirAt { parent, path, .. } = permit.resource();
        let name = temporaries.name_in(parent)?;
        if let Err(error) = mkdirat(&parent.fd, name.entry().as_c_str(), Mode::S_IRWXU) {
            // What has this name, or nothing, is not ours.
            name.release();
            return Err(error.into());
        }
        match enter(parent, name.entry(), path.clone()) {
            Ok(directory) => Ok(Self { directory: Rc::new(directory), name }),
            Err(error) => {
                let _ = unlinkat(&parent.fd, name.entry().as_c_str(), UnlinkatFlags::RemoveDir);
                name.release();
                Err(error)
            }
        }
    }

    /// A directory in it, made before.
    pub fn enter(&self, parent: &Directory, entry: &EntryName) -> io::Result<Directory> {
        if !parent.name.is_within(&self.directory.name) {
            return Err(Errno::EINVAL.into());
        }
        enter(parent, entry, parent.name.join(entry.as_bytes()))
    }

    /// Puts everything on disk, and then in its place; an empty directory that is there is replaced.
    pub fn appear(&self, permit: &Permit<'_, Create, DirAt>) -> io::Result<()> {
        let DirAt { parent, entry, .. } = permit.resource();
        syncfs(for_use(&self.directory)?)?;
        let hidden = (self.name.parent(), self.name.entry());
        rename(hidden, (parent, entry), self.directory.inode, self.directory.fd.as_fd())?;
        self.name.release();
        // What is removed afterwards must not be on disk before what takes its place.
        Ok(syncfs(for_use(&self.directory)?)?)
    }

    /// Removes it with everything in it.
    pub fn discard(&self, permit: &Permit<'_, Create, DirAt>) -> io::Result<()> {
        let mut tree = Tree::new(permit, &self.directory)?;
        while let Some(step) = tree.advance()? {
            match step {
                TreeStep::Entry(item) if item.kind == SFlag::S_IFDIR => tree.descend_into(&item),
                TreeStep::Entry(item) => {
                    unlinkat(&item.parent.fd, item.entry.as_c_str(), UnlinkatFlags::NoRemoveDir)?;
                }
                TreeStep::Enter(_) => {}
                TreeStep::Leave(item, _) => {
                    unlinkat(&item.parent.fd, item.entry.as_c_str(), UnlinkatFlags::RemoveDir)?;
                }
            }
        }
        unlinkat(&self.name.parent().fd, self.name.entry().as_c_str(), UnlinkatFlags::RemoveDir)?;
        self.name.release();
        Ok(())
    }
}

/// Makes a directory in a hidden one, closed to everybody else until it is complete.
pub fn make_directory(permit: &Permit<'_, Create, DirAt>) -> io::Result<()> {
    let DirAt { parent, entry, .. } = permit.resource();
    Ok(mkdirat(&parent.fd, entry.as_c_str(), Mode::S_IRWXU)?)
}

/// Gives the copy of a directory owner, attributes, mode and times of the original, when everything is in it.
pub fn finish_directory<A: Action, R: Resource>(
    permit: &Permit<'_, A, R>,
    original: &Directory,
    copy: &Directory,
) -> Result<(), succession::NotLike> {
    // The permit is the proof that this directory may move.
    let _ = permit;
    let original = for_use(original)?;
    make_like(original.as_fd(), for_use(copy)?.as_fd(), &fstat(&original)?)
}

/// Copies an open file into a hidden directory, with owner, attributes, mode and times.
pub fn copy_file(
    read: &Permit<'_, Read, Rc<File>>,
    create: &Permit<'_, Create, FileAt>,
    write: &Permit<'_, Write, FileAt>,
    step: Step<'_>,
) -> Result<(), NotCopied> {
    let FileAt { parent, entry, path } = create.resource();
    same(path, &write.resource().path).map_err(NotCopied::Write)?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    let owner_only = Mode::S_IRUSR | Mode::S_IWUSR;
    let to = openat2(&parent.fd, entry.as_c_str(), flags, owner_only, ResolveFlag::RESOLVE_BENEATH)
        .map_err(NotCopied::Write)?;
    let from = read.resource().fd.as_fd();
    // Reading changes the time of the last access.
    let like = fstat(from).map_err(|errno| NotCopied::Read(errno.into()))?;
    copy::content(from, to.as_fd(), step)?;
    make_like(from, to.as_fd(), &like).map_err(|error| match error {
        succession::NotLike::Owner(error)
        | succession::NotLike::Attribute(_, error)
        | succession::NotLike::System(error) => NotCopied::Write(error),
    })
}

/// Makes a link in a hidden directory that points where the original points, with its owner and times.
pub fn copy_link(read: &Permit<'_, Read, FileAt>, create: &Permit<'_, Create, FileAt>) -> io::Result<()> {
    let original = read.resource();
    let FileAt { parent, entry, .. } = create.resource();
    let like = walk::stat_entry(original.parent.fd.as_fd(), &original.entry)?;
    let target = nix::fcntl::readlinkat(&original.parent.fd, original.entry.as_c_str())?;
    let target = CString::new(target.as_bytes()).map_err(|_| Errno::EINVAL)?;
    symlinkat(target.as_c_str(), &parent.fd, entry.as_c_str())?;
    dress_entry(create.resource(), &like)
}

/// Makes a socket in a hidden directory, with mode, owner and times of the original. Nobody listens at it.
pub fn copy_socket(open: &Permit<'_, Open, FileAt>, create: &Permit<'_, Create, FileAt>) -> io::Result<()> {
    let original = open.resource();
    let FileAt { parent, entry, .. } = create.resource();
    let like = walk::stat_entry(original.parent.fd.as_fd(), &original.entry)?;
    if walk::file_type(&like) != SFlag::S_IFSOCK {
        return Err(Errno::ESTALE.into());
    }
    let mode = Mode::from_bits_truncate(like.st_mode & 0o777);
    mknodat(&parent.fd, entry.as_c_str(), SFlag::S_IFSOCK, mode, 0)?;
    dress_entry(create.resource(), &like)
}

fn dress_entry(place: &FileAt, like: &FileStat) -> io::Result<()> {
    let FileAt { parent, entry, .. } = place;
    let made = walk::stat_entry(parent.fd.as_fd(), entry)?;
    if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid) {
        let (user, group) = (Uid::from_raw(like.st_uid), Gid::from_raw(like.st_gid));
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        fchownat(&parent.fd, entry.as_c_str(), Some(user), Some(group), flags)?;
    }
    let flag = UtimensatFlags::NoFollowSymlink;
    Ok(utimensat(&parent.fd, entry.as_c_str(), &accessed(like), &modified(like), flag)?)
}

/// Owner first, because a change of it takes bits of the mode away; times last.
fn make_like(from: BorrowedFd<'_>, to: BorrowedFd<'_>, like: &FileStat) -> Result<(), succession::NotLike> {
    let made = fstat(to)?;
    if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid) {
        set_owner_of(to, Some(like.st_uid), Some(like.st_gid)).map_err(succession::NotLike::Owner)?;
    }
    succession::copy_attributes(from, to)?;
    fchmod(to, Mode::from_bits_truncate(like.st_mode & 0o7777))?;
    Ok(futimens(to, &accessed(like), &modified(like))?)
}

fn rename(
    (parent, entry): (&Rc<Directory>, &EntryName),
    (to, name): (&Rc<Directory>, &EntryName),
    expected: Inode,
    held: BorrowedFd<'_>,
) -> io::Result<()> {
    if walk::inode(&walk::stat_entry(parent.fd.as_fd(), entry)?) != expected {
        return Err(Errno::ENOENT.into());
    }
    renameat(&parent.fd, entry.as_c_str(), &to.fd, name.as_c_str())?;
    // Renaming again, or removing, by somebody else is no mistake of ours.
    let Ok(got) = walk::stat_entry(to.fd.as_fd(), name) else { return Ok(()) };
    // On some layered file systems an inode gets another number when it is renamed for the first time.
    let is_ours = |inode: Inode| inode == expected || fstat(held).is_ok_and(|now| walk::inode(&now) == inode);
    if is_ours(walk::inode(&got)) {
        return Ok(());
    }
    let back = RenameFlags::RENAME_NOREPLACE;
    renameat2(&to.fd, name.as_c_str(), &parent.fd, entry.as_c_str(), back)?;
    Err(Errno::ENOENT.into())
}

fn enter(parent: &Directory, entry: &EntryName, name: PathName) -> io::Result<Directory> {
    let reached = walk::hold_entry(parent.fd.as_fd(), entry, &name)?;
    if walk::file_type(&reached.stat) == SFlag::S_IFDIR {
        Ok(reached.into_directory())
    } else {
        Err(Errno::ENOTDIR.into())
    }
}

/// A directory that is held, open for use.
fn for_use(directory: &Directory) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NONBLOCK;
    openat2(&directory.fd, c".", flags, Mode::empty(), ResolveFlag::RESOLVE_BENEATH)
}

fn accessed(like: &FileStat) -> TimeSpec {
    TimeSpec::new(like.st_atime, like.st_atime_nsec)
}

fn modified(like: &FileStat) -> TimeSpec {
    TimeSpec::new(like.st_mtime, like.st_mtime_nsec)
}

fn same(one: &PathName, other: &PathName) -> io::Result<()> {
    // Only a mistake of ours could bring two permits for different places.
    if one == other { Ok(()) } else { Err(Errno::EINVAL.into()) }
}
