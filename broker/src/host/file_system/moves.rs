//! Names change their place: by rename(2), or, between file systems, by a copy that takes the name when it is complete.
//!
//! A rename is about a name: what has it is looked at before, and what has arrived afterwards. If somebody who may
//! write to the directory has exchanged it at the last moment, it goes back where that is possible.

use std::ffi::CString;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, ResolveFlag, renameat, renameat2};
use nix::sys::stat::{FileStat, Mode, SFlag, UtimensatFlags, fstat, futimens, mkdirat, mknodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, symlinkat, syncfs, unlinkat};
use rex_ipc::action::file_system::{Create, Move, Open, Read, Write};

use super::copy::{self, NotCopied};
use super::moment::{self, Moment};
use super::object::{DirAt, Directory, File, FileAt, Moving, NamedDir, NamedFile, Origin};
use super::open::{self, Access};
use super::places::Entry;
use super::remove::is_mount;
use super::staged::Staged;
use super::temporaries::TemporaryName;
use super::tools::Tools;
use super::tree::{self, Chain, Item, Left};
use super::walk::Object;
use super::write::Step;
use super::{openat2, read, succession, walk};
use crate::gate::error::is;
use crate::gate::{Bound, Inode, Permit};
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
    moving: &Permit<'_, Move, Moving<NamedFile>>,
    create: &Permit<'_, Create, FileAt>,
    onto: Onto,
) -> io::Result<()> {
    let Moving { what: NamedFile(file), path, .. } = moving.resource();
    let (from, to) = (&file.origin.named, create.resource());
    same(path, &to.path)?;
    rename((&from.parent, &from.entry), (&to.parent, &to.entry), file.at_named(), file.fd.as_fd(), onto)
}

/// Gives a directory another name.
///
/// # Errors
/// `ENOENT` also when something else has the old name; `EXDEV` between file systems; `ENOTEMPTY` or
/// `EEXIST` when a directory with entries, or what was not asked for, has the new one.
pub fn directory(
    moving: &Permit<'_, Move, Moving<NamedDir>>,
    create: &Permit<'_, Create, DirAt>,
    onto: Onto,
) -> io::Result<()> {
    let Moving { what: NamedDir { place: from, directory }, path, .. } = moving.resource();
    let to = create.resource();
    same(path, &to.path)?;
    let held = directory.fd.as_fd();
    rename((&from.parent, &from.entry), (&to.parent, &to.entry), directory.inode, held, onto)
}

/// The file that is to move, open once more, as it will be known at its new place.
///
/// Where a link was followed it is the link that moves, and the file is still the one that was open.
///
/// # Errors
/// Those of open(2).
pub fn reopen(
    open: &Permit<'_, Open, FileAt>,
    moving: &Permit<'_, Move, Moving<NamedFile>>,
    tools: &Tools,
) -> io::Result<File> {
    let (place, NamedFile(file)) = (open.resource(), &moving.resource().what);
    let through_link = file.origin.named_inode != file.inode;
    let origin = Origin {
        named: place.clone(),
        named_inode: file.at_named(),
        real: if through_link { file.origin.real.clone() } else { Some(place.clone()) },
        create: file.origin.create,
        follow: file.origin.follow,
    };
    let name = if through_link { file.name.clone() } else { place.path.clone() };
    let object = Object { fd: file.fd.try_clone()?, stat: fstat(&file.fd)?, name };
    open::reopen(object, tools, Access { read: file.readable, write: file.writable }, origin)
}

/// The directory that has moved, as it is known at its new place.
///
/// # Errors
/// Those of dup(2).
pub fn renamed(
    open: &Permit<'_, Open, DirAt>,
    moving: &Permit<'_, Move, Moving<NamedDir>>,
) -> io::Result<Directory> {
    under(&moving.resource().what.directory, &open.resource().path)
}

/// The directory that is to move, called by the name that moves, whatever name it was opened by.
///
/// # Errors
/// Those of dup(2).
pub fn as_named(moving: &Permit<'_, Move, Moving<NamedDir>>) -> io::Result<NamedDir> {
    let NamedDir { place, directory } = &moving.resource().what;
    Ok(NamedDir { place: place.clone(), directory: Rc::new(under(directory, &place.path)?) })
}

fn under(directory: &Directory, name: &PathName) -> io::Result<Directory> {
    let (fd, name) = (directory.fd.try_clone()?, name.clone());
    Ok(Directory { fd, name, inode: directory.inode, listing: Default::default() })
}

/// What has the name that something is to get. Who may make something there may know.
///
/// # Errors
/// Those of fstatat(2).
pub fn occupant<R: Entry>(create: &Permit<'_, Create, R>) -> io::Result<Option<FileStat>> {
    let place = create.resource();
    match walk::stat_entry(place.parent().fd.as_fd(), place.entry()) {
        Ok(stat) => Ok(Some(stat)),
        Err(error) if is(&error, Errno::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the directory that has the name is empty, so that a rename would replace it.
///
/// # Errors
/// Those of open(2); `ENOTDIR` when it is no directory.
pub fn is_empty(create: &Permit<'_, Create, DirAt>) -> io::Result<bool> {
    let DirAt { parent, entry, path } = create.resource();
    tree::is_empty(&Rc::new(enter(parent, entry, path.clone())?))
}

/// Whether something is mounted on a directory that is to move, so that it cannot.
///
/// # Errors
/// Those of statx(2).
pub fn is_mounted(moving: &Permit<'_, Move, Moving<NamedDir>>) -> io::Result<bool> {
    is_mount(&moving.resource().what.directory)
}

/// What a file that is to be copied is like.
///
/// # Errors
/// Those of fstat(2).
pub fn describe(permit: &Permit<'_, Read, Rc<File>>) -> io::Result<FileStat> {
    Ok(fstat(&permit.resource().fd)?)
}

/// Whether a file is still as it was when its copy began.
///
/// # Errors
/// Those of fstat(2).
pub fn is_unchanged(permit: &Permit<'_, Read, Rc<File>>, before: &FileStat) -> io::Result<bool> {
    let now = fstat(&permit.resource().fd)?;
    let version = |stat: &FileStat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    Ok(version(&now) == version(before))
}

/// Gives a staged copy owner, attributes and mode of the original, and the times that it had before it was read.
///
/// `strictly` has it fail where something of that cannot be kept; else it is left out, as mv(1) does, and nothing is
/// opened by that to anybody.
///
/// # Errors
/// What cannot be kept.
pub fn dress(
    read: &Permit<'_, Read, Rc<File>>,
    staged: &Staged<'_, FileAt>,
    like: &FileStat,
    strictly: bool,
) -> Result<(), succession::NotLike> {
    let content = staged.content().borrow();
    let copy = content.file()?;
    succession::move_along(read.resource().fd.as_fd(), copy, like, strictly)?;
    Ok(futimens(copy, &accessed(like), &modified(like))?)
}

/// A copy that has taken its name, open as the original was.
///
/// # Errors
/// `EINVAL` for content that can take no name.
pub fn arrived(
    read: &Permit<'_, Read, Rc<File>>,
    staged: Staged<'_, FileAt>,
    new: &FileStat,
) -> io::Result<File> {
    let (original, place) = (read.resource(), staged.target().clone());
    let inode = walk::inode(new);
    Ok(File {
        fd: staged.into_content().into_file()?,
        name: place.path.clone(),
        inode,
        origin: Origin {
            named: place.clone(),
            named_inode: inode,
            real: Some(place),
            create: original.origin.create,
            follow: original.origin.follow,
        },
        size_bytes: read::size(new),
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
pub struct Hidden<'req> {
    place: DirAt,
    directory: Rc<Directory>,
    /// Where it is being filled.
    here: Chain,
    name: TemporaryName,
    bound: Bound<'req, Create>,
}

impl<'req> Hidden<'req> {
    /// Begins an empty one beside the place that it will take.
    ///
    /// # Errors
    /// Those of mkdirat(2).
    pub fn begin(create: &Permit<'req, Create, DirAt>, tools: &Tools) -> io::Result<Self> {
        let place = create.resource().clone();
        let (parent, name) = (&place.parent, tools.name_in(&place.parent)?);
        if let Err(error) = mkdirat(&parent.fd, name.entry().as_c_str(), Mode::S_IRWXU) {
            // What has this name, or nothing, is not ours.
            name.release();
            return Err(error.into());
        }
        match enter(parent, name.entry(), place.path.clone()) {
            Ok(directory) => {
                let directory = Rc::new(directory);
                let mut here = Chain::default();
                here.push(Rc::clone(&directory));
                Ok(Self { place, directory, here, name, bound: PhantomData })
            }
            Err(error) => {
                unlinkat(&parent.fd, name.entry().as_c_str(), UnlinkatFlags::RemoveDir).ok();
                name.release();
                Err(error)
            }
        }
    }

    /// The directory in it that is being filled.
    ///
    /// # Errors
    /// `ENOENT` when it was finished.
    pub fn here(&self) -> io::Result<Rc<Directory>> {
        self.here.last().ok_or_else(|| Errno::ENOENT.into())
    }

    /// Goes on to fill the directory of this name, made before in the one that is being filled.
    ///
    /// # Errors
    /// Those of openat2(2).
    pub fn enter(&mut self, original: &Item) -> io::Result<()> {
        let parent = self.here()?;
        let name = parent.name.join(original.entry.as_bytes());
        self.here.push(Rc::new(enter(&parent, &original.entry, name)?));
        Ok(())
    }

    /// Gives the directory that was being filled owner, attributes, mode and times of the original, when everything is in
    /// it, and goes back to the one it is in.
    ///
    /// # Errors
    /// What cannot be kept.
    pub fn leave(&mut self, original: &Left<'req, Read>) -> Result<(), succession::NotLike> {
        make_directory_like(&original.directory, &*self.here()?)?;
        Ok(self.here.pop()?)
    }

    /// Gives the whole, when everything is in it, owner, attributes, mode and times of the directory of the permit,
    /// which is its original.
    ///
    /// # Errors
    /// What cannot be kept.
    pub fn finish(&self, read: &Permit<'req, Read, Rc<Directory>>) -> Result<(), succession::NotLike> {
        make_directory_like(read.resource(), &self.directory)
    }

    /// Puts everything on disk, and then in its place.
    ///
    /// # Errors
    /// Those of syncfs(2) and rename(2), among them `ENOTEMPTY` or `EEXIST` when a directory with entries, or what was
    /// not asked for, has the place; `ENOENT` also when something else has the name where it was filled.
    pub fn appear(&self, onto: Onto) -> io::Result<()> {
        let DirAt { parent, entry, .. } = &self.place;
        syncfs(for_use(&self.directory)?)?;
        let hidden = (self.name.parent(), self.name.entry());
        rename(hidden, (parent, entry), self.directory.inode, self.directory.fd.as_fd(), onto)?;
        self.name.release();
        // What is removed afterwards must not be on disk before what takes its place.
        Ok(syncfs(for_use(&self.directory)?)?)
    }

    /// The directory that has appeared, as it is known at its place.
    ///
    /// # Errors
    /// Those of dup(2).
    pub fn opened(&self, open: &Permit<'req, Open, DirAt>) -> io::Result<Directory> {
        under(&self.directory, &open.resource().path)
    }

    /// Removes it with everything in it.
    ///
    /// # Errors
    /// Those of unlinkat(2).
    pub fn discard(&self) -> io::Result<()> {
        tree::clear(&self.directory, &|| Ok(()))?;
        unlinkat(&self.name.parent().fd, self.name.entry().as_c_str(), UnlinkatFlags::RemoveDir)?;
        self.name.release();
        Ok(())
    }
}

/// Makes a directory in a hidden one, closed to everybody else until it is complete.
///
/// # Errors
/// Those of mkdir(2), among them `EEXIST` when the name is taken.
pub fn make_directory(permit: &Permit<'_, Create, DirAt>) -> io::Result<()> {
    let DirAt { parent, entry, .. } = permit.resource();
    Ok(mkdirat(&parent.fd, entry.as_c_str(), Mode::S_IRWXU)?)
}

/// Copies an open file into a hidden directory, with owner, attributes, mode and times.
///
/// # Errors
/// `Read` when the original cannot be read; `Write` when the copy cannot be made, or cannot have all that the original
/// has; `Stopped` when `step` says so.
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
///
/// # Errors
/// Those of fstatat(2), readlink(2) and symlink(2); and, when the link is made already, those of chown(2) and
/// utimensat(2).
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
///
/// # Errors
/// `ESTALE` when the original is no socket; those of fstatat(2) and mknod(2); and, when the socket is made already,
/// those of chown(2) and utimensat(2).
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

fn make_directory_like(original: &Directory, copy: &Directory) -> Result<(), succession::NotLike> {
    let original = for_use(original)?;
    make_like(original.as_fd(), for_use(copy)?.as_fd(), &fstat(&original)?)
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
                        .is_err_and(|error| is(&error, Errno::ENOENT)) =>
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
