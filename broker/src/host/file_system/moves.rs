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
use nix::sys::stat::{FileStat, Mode, SFlag, UtimensatFlags, fstat, futimens, mkdirat, mknodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, symlinkat, syncfs, unlinkat};
use rex_ipc::action::Action;
use rex_ipc::action::file_system::{Create, Move, Open, Read, Write};
use rex_outside::kernel::statx;

use super::copy::{self, NotCopied};
use super::moment::{self, Moment};
use super::open::{self, Access};
use super::staged::Staged;
use super::tree::{Step as TreeStep, Tree};
use super::walk::Reached;
use super::write::Step;
use super::{openat2, succession, walk};
use crate::gate::moved::{identity, identity_at};
use crate::gate::{Identity, Inode, Permit, Resource};
use crate::host::file_system::object::{DirAt, Directory, File, FileAt, Moving, Origin};
use crate::host::file_system::temporaries::{Temporaries, TemporaryName};
use crate::policy::name::{EntryName, PathName};

/// Whether what has the new name may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onto {
    /// Nothing had the name, so nothing was asked for: what has come to it since stays.
    NothingThere,
    /// What has the name was asked for.
    WhatIsThere,
}

/// Gives a file another name.
///
/// # Errors
/// `ENOENT` also when something else has the old name; `EXDEV` between file systems; `EEXIST` when something has the
/// new name that was not asked for.
pub fn file(
    permit: &Permit<'_, Move, Moving<FileAt>>,
    create: &Permit<'_, Create, FileAt>,
    opened: &File,
    onto: Onto,
) -> io::Result<()> {
    let Moving { what, path, .. } = permit.resource();
    let FileAt { parent, entry, path: created } = create.resource();
    same(path, created)?;
    rename((&what.parent, &what.entry), (parent, entry), opened.at_named(), opened.fd.as_fd(), onto)
}

/// Gives a directory another name.
///
/// # Errors
/// `ENOENT` also when something else has the old name; `EXDEV` between file systems; `ENOTEMPTY` or
/// `EEXIST` when a directory with entries, or what was not asked for, has the new one.
pub fn directory(
    permit: &Permit<'_, Move, Moving<DirAt>>,
    create: &Permit<'_, Create, DirAt>,
    opened: &Directory,
    onto: Onto,
) -> io::Result<()> {
    let Moving { what, path, .. } = permit.resource();
    let DirAt { parent, entry, path: created } = create.resource();
    same(path, created)?;
    rename((&what.parent, &what.entry), (parent, entry), opened.inode, opened.fd.as_fd(), onto)
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

/// What a file is that has arrived at the place of the permit; where a link was followed, the link.
pub fn arrived_file(
    permit: &Permit<'_, Move, Moving<FileAt>>,
    create: &Permit<'_, Create, FileAt>,
    moved: &File,
) -> io::Result<Identity> {
    // The permits are the proof that it may be known there.
    let FileAt { parent, entry, path } = create.resource();
    same(&permit.resource().path, path)?;
    if moved.at_named() == moved.inode {
        identity(moved.fd.as_fd())
    } else {
        identity_at(parent.in_place(), entry)
    }
}

/// The same for a directory, which was opened at its place.
pub fn arrived_directory(moved: &Directory) -> io::Result<Identity> {
    identity(moved.fd.as_fd())
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

/// Whether the directory that has the name is empty, so that a rename would replace it.
pub fn is_empty(permit: &Permit<'_, Create, DirAt>) -> io::Result<bool> {
    let DirAt { parent, entry, path } = permit.resource();
    let directory = Rc::new(enter(parent, entry, path.clone())?);
    Ok(Tree::new(permit, &directory)?.advance()?.is_none())
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

/// Gives a staged copy owner, attributes and mode of the original, and the times that it had before it was read.
///
/// `strictly` has it fail where something of that cannot be kept; else it is left out, as mv(1) does, and nothing is
/// opened by that to anybody.
pub fn dress(
    write: &Permit<'_, Write, FileAt>,
    staged: &Staged,
    original: &Rc<File>,
    like: &FileStat,
    strictly: bool,
) -> Result<(), succession::NotLike> {
    // The permit is the proof that the copy may come to stand there.
    let _ = write;
    let copy = staged.file()?;
    succession::move_along(original.fd.as_fd(), copy, like, strictly)?;
    Ok(futimens(copy, &accessed(like), &modified(like))?)
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

    /// Puts everything on disk, and then in its place.
    pub fn appear(&self, permit: &Permit<'_, Create, DirAt>, onto: Onto) -> io::Result<()> {
        let DirAt { parent, entry, .. } = permit.resource();
        syncfs(for_use(&self.directory)?)?;
        let hidden = (self.name.parent(), self.name.entry());
        rename(hidden, (parent, entry), self.directory.inode, self.directory.fd.as_fd(), onto)?;
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
    succession::move_along(from, to, like, true)?;
    Ok(futimens(to, &accessed(like), &modified(like))?)
}

fn rename(
    (parent, entry): (&Rc<Directory>, &EntryName),
    (to, name): (&Rc<Directory>, &EntryName),
    expected: Inode,
    held: BorrowedFd<'_>,
    onto: Onto,
) -> io::Result<()> {
    if walk::inode(&walk::stat_entry(parent.fd.as_fd(), entry)?) != expected {
        return Err(Errno::ENOENT.into());
    }
    moment::pass(Moment::BeforeRename);
    let by_name = || renameat(&parent.fd, entry.as_c_str(), &to.fd, name.as_c_str());
    match onto {
        Onto::WhatIsThere => by_name()?,
        Onto::NothingThere => {
            let free = RenameFlags::RENAME_NOREPLACE;
            match renameat2(&parent.fd, entry.as_c_str(), &to.fd, name.as_c_str(), free) {
                // Not every file system can refuse a name that is taken. There, what comes to it at the last moment is
                // replaced unasked.
                Err(Errno::EINVAL | Errno::ENOSYS)
                    if walk::stat_entry(to.fd.as_fd(), name)
                        .is_err_and(|error| error.raw_os_error() == Some(Errno::ENOENT as i32)) =>
                {
                    by_name()?;
                }
                result => result?,
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::DirBuilderExt;

    use super::*;

    fn directory(name: &str) -> Rc<Directory> {
        let path = std::env::temp_dir().join(format!("rex-moves-{}-{name}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        let fd = nix::fcntl::open(&path, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        let inode = walk::inode(&fstat(&fd).unwrap());
        Rc::new(Directory { fd, name: PathName::from_os(&path), inode, listing: Default::default() })
    }

    fn entry(name: &str) -> EntryName {
        EntryName::parse(name).unwrap()
    }

    #[test]
    fn what_was_exchanged_between_the_look_and_the_rename_goes_back() {
        for onto in [Onto::NothingThere, Onto::WhatIsThere] {
            let parent = directory(&format!("rename-{onto:?}"));
            let path = parent.name.to_os();
            std::fs::write(path.join("a"), "judged").unwrap();
            std::fs::write(path.join("other"), "other").unwrap();
            let held = std::fs::File::open(path.join("a")).unwrap();
            let expected = walk::inode(&fstat(&held).unwrap());
            let (from, to) = (path.join("other"), path.join("a"));
            moment::at(Moment::BeforeRename, move || std::fs::rename(from, to).unwrap());

            let moved = rename((&parent, &entry("a")), (&parent, &entry("b")), expected, held.as_fd(), onto);

            assert_eq!(moved.unwrap_err().raw_os_error(), Some(Errno::ENOENT as i32));
            assert_eq!(std::fs::read(path.join("a")).unwrap(), b"other");
            assert!(!path.join("b").exists());
            std::fs::remove_dir_all(path).unwrap();
        }
    }

    #[test]
    fn what_came_to_a_free_name_after_the_look_stays() {
        let parent = directory("free");
        let path = parent.name.to_os();
        std::fs::write(path.join("a"), "judged").unwrap();
        let held = std::fs::File::open(path.join("a")).unwrap();
        let expected = walk::inode(&fstat(&held).unwrap());
        let taken = path.join("b");
        moment::at(Moment::BeforeRename, move || std::fs::write(taken, "mine").unwrap());

        let onto = Onto::NothingThere;
        let moved = rename((&parent, &entry("a")), (&parent, &entry("b")), expected, held.as_fd(), onto);

        assert_eq!(moved.unwrap_err().raw_os_error(), Some(Errno::EEXIST as i32));
        assert_eq!(std::fs::read(path.join("a")).unwrap(), b"judged");
        assert_eq!(std::fs::read(path.join("b")).unwrap(), b"mine");
        std::fs::remove_dir_all(path).unwrap();
    }
}
