//! How complete content takes a name: at once, with what it replaces unharmed until then.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, ResolveFlag, renameat, renameat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::{fsync, linkat};
use rex_ipc::action::file_system::Write;

use super::moment::{self, Moment};
use super::object::{Directory, File, FileAt, Origin};
use super::openat2;
use super::places::AtPath;
use super::read::size;
use super::staged::{Content, Placed, Staged};
use super::temporaries::TemporaryName;
use super::tools::Tools;
use super::walk::{file_type, inode};
use super::way::Way;
use super::writer::{NewWriter, Replacement};
use crate::gate::error::is;
use crate::gate::{Inode, Permit};
use crate::policy::name::EntryName;

/// Why content could not take its name.
#[derive(Debug)]
pub enum NotPlaced {
    /// What has the name must not be replaced.
    InTheWay {
        /// What it is.
        inode: Inode,
        /// Whether it is a directory.
        is_directory: bool,
    },
    /// The system said no.
    System(io::Error),
}

impl NotPlaced {
    fn in_the_way(stat: &FileStat) -> Self {
        Self::InTheWay { inode: inode(stat), is_directory: file_type(stat) == SFlag::S_IFDIR }
    }
}

impl From<io::Error> for NotPlaced {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<Errno> for NotPlaced {
    fn from(errno: Errno) -> Self {
        Self::System(errno.into())
    }
}

/// Gives staged content the name that it may come to; what has the name is replaced if `may_replace` says so.
///
/// On disk when this returns. Whoever looks sees the old or the new; what was replaced is looked at once more after it
/// has lost its name, so that nothing which came to stand there meanwhile is lost.
///
/// # Errors
/// `InTheWay` for what may not be replaced; `System` with `ENOENT` when the directory of a link's target could not be
/// held, with `EBUSY` when others keep changing what has the name, and with what the file system says.
pub fn put<R: Placed>(
    staged: &Staged<'_, R>,
    tools: &Tools,
    may_replace: &dyn Fn(&FileStat) -> bool,
) -> Result<FileStat, NotPlaced> {
    let FileAt { parent, entry, .. } = staged.target().placed()?;
    take_name(&staged.content().borrow(), (parent, entry), tools, may_replace)
}

/// Gives the content of the permit's writer its name in the last directory of the way there; what has the name is
/// replaced if `may_replace` says so.
///
/// On disk when this returns, as with [`put`].
///
/// # Errors
/// `InTheWay` for what may not be replaced; `System` with `EINVAL` when the way leads elsewhere, with `EBUSY` when
/// others keep changing what has the name, and with what the file system says.
pub fn put_new<'req>(
    write: &Permit<'req, Write, Rc<NewWriter>>,
    way: &Way<'req>,
    tools: &Tools,
    may_replace: &dyn Fn(&FileStat) -> bool,
) -> Result<FileStat, NotPlaced> {
    let (writer, parent) = (write.resource(), way.last());
    let entry = writer.path().file_name().and_then(EntryName::parse);
    // Only a mistake of ours could have gone another way.
    let entry = entry.filter(|_| writer.path().parent() == parent.name).ok_or(Errno::EINVAL)?;
    take_name(&writer.content.borrow(), (parent, &entry), tools, may_replace)
}

/// Gives new content the name of the file that it replaces, if that still leads to it, to what this run has put there in
/// its place, or to nothing.
///
/// # Errors
/// `InTheWay` when something else has the name; `System` with `ENOENT` when the directory of a link's target could not
/// be held, with `EBUSY` when others keep changing what has the name, and with what the file system says.
pub fn succeed(new: &impl Replacement, tools: &Tools) -> Result<FileStat, NotPlaced> {
    let file = new.replaced();
    let FileAt { parent, entry, .. } = file.placed()?;
    // On some layered file systems an inode has another number before it is written for the first time.
    let now = inode(&fstat(&file.fd)?);
    let is_old = |found: &FileStat| inode(found) == file.at_real_name() || inode(found) == now;
    take_name(&new.content().borrow(), (parent, entry), tools, &is_old)
}

fn take_name(
    staged: &Content,
    (parent, entry): (&Rc<Directory>, &EntryName),
    tools: &Tools,
    may_replace: &dyn Fn(&FileStat) -> bool,
) -> Result<FileStat, NotPlaced> {
    let new = fstat(staged.file()?)?;
    fsync(staged.file()?)?;
    let mut made = None;
    for _ in 0..MAX_TRIES {
        let old = match fstatat(&parent.fd, entry.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(old) => Some(old),
            Err(Errno::ENOENT) => None,
            Err(errno) => return Err(errno.into()),
        };
        let Some(old) = old else {
            match take_free_name(staged, made.as_ref(), parent, entry, tools) {
                Err(Errno::EEXIST) => continue,
                result => result?,
            }
            sync_directory(parent)?;
            return Ok(new);
        };
        if !may_replace(&old) {
            return Err(NotPlaced::in_the_way(&old));
        }
        let name = match staged.name() {
            Some(name) => name,
            None => match &mut made {
                Some(name) => &*name,
                none => none.insert(temporary_name(staged, parent, tools)?),
            },
        };
        match exchange(name, parent, entry, inode(&old), may_replace) {
            Err(NotPlaced::System(error)) if is(&error, Errno::ENOENT) => {}
            result => {
                result?;
                sync_directory(parent)?;
                return Ok(new);
            }
        }
    }
    Err(Errno::EBUSY.into())
}

/// The file that has taken the place of the one that was replaced, open as that was.
///
/// # Errors
/// `EINVAL` for content that can take no name.
pub fn successor(new: &impl Replacement, stat: &FileStat) -> io::Result<File> {
    let old = new.replaced();
    let new_inode = inode(stat);
    let through_link = old.origin.named_inode != old.inode;
    let named_inode = if through_link { old.origin.named_inode } else { new_inode };
    Ok(File {
        // Open for both; what the script did not ask for is refused by these two.
        readable: old.readable,
        writable: old.writable,
        fd: new.content().replace(Content::in_memory()).into_file()?,
        name: old.name.clone(),
        inode: new_inode,
        origin: Origin { named_inode, ..old.origin.clone() },
        size_bytes: size(stat),
        replaced_by: Default::default(),
        fresh: Default::default(),
        redacted: Default::default(),
    })
}

/// Takes a name that nothing has.
fn take_free_name(
    staged: &Content,
    made: Option<&TemporaryName>,
    parent: &Directory,
    entry: &EntryName,
    tools: &Tools,
) -> nix::Result<()> {
    let Some(name) = staged.name().or(made) else {
        let number = own_number(staged).map_err(|_| Errno::EINVAL)?;
        let follow = AtFlags::AT_SYMLINK_FOLLOW;
        return linkat(tools.own_fds(), number.as_c_str(), &parent.fd, entry.as_c_str(), follow);
    };
    let (from, temporary) = (&name.parent().fd, name.entry().as_c_str());
    match renameat2(from, temporary, &parent.fd, entry.as_c_str(), RenameFlags::RENAME_NOREPLACE) {
        // What cannot do that can still refuse a second link.
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            linkat(from, temporary, &parent.fd, entry.as_c_str(), AtFlags::empty())
        }
        Ok(()) => {
            name.release();
            Ok(())
        }
        Err(errno) => Err(errno),
    }
}

/// Exchanges the temporary name with the one to be taken, and looks at what was there before it is removed.
fn exchange(
    name: &TemporaryName,
    parent: &Directory,
    entry: &EntryName,
    expected: Inode,
    may_replace: &dyn Fn(&FileStat) -> bool,
) -> Result<(), NotPlaced> {
    let (from, temporary) = (&name.parent().fd, name.entry().as_c_str());
    let swap = || renameat2(from, temporary, &parent.fd, entry.as_c_str(), RenameFlags::RENAME_EXCHANGE);
    moment::pass(Moment::BeforeExchange);
    match swap() {
        Ok(()) => {}
        // Not every file system can exchange. Between the look at the old file and this call somebody could have put
        // another one there, which would be lost; nothing else can be done on such a file system.
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            renameat(from, temporary, &parent.fd, entry.as_c_str())?;
            name.release();
            return Ok(());
        }
        Err(errno) => return Err(errno.into()),
    }
    let got = fstatat(from, temporary, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    if inode(&got) == expected || (may_replace(&got) && file_type(&got) != SFlag::S_IFDIR) {
        name.remove();
        return Ok(());
    }
    // Something else has come to stand there: everything goes back. If not even that can be done, what we took stays
    // under the temporary name; it is not ours to remove.
    if let Err(errno) = swap() {
        tracing::warn!("{}/{} was exchanged while it was written: {errno}", parent.name, entry_text(entry));
        name.release();
    }
    Err(NotPlaced::in_the_way(&got))
}

fn temporary_name(staged: &Content, parent: &Rc<Directory>, tools: &Tools) -> io::Result<TemporaryName> {
    let number = own_number(staged)?;
    for _ in 0..MAX_TRIES {
        let name = tools.name_in(parent)?;
        let entry = name.entry().as_c_str();
        match linkat(tools.own_fds(), number.as_c_str(), &parent.fd, entry, AtFlags::AT_SYMLINK_FOLLOW) {
            Ok(()) => return Ok(name),
            Err(errno) => {
                name.release();
                if errno != Errno::EEXIST {
                    return Err(errno.into());
                }
            }
        }
    }
    Err(Errno::EEXIST.into())
}

/// The staged file in the directory of the broker's own descriptors, through which it gets its first name.
fn own_number(staged: &Content) -> io::Result<CString> {
    CString::new(staged.file()?.as_raw_fd().to_string()).map_err(|_| Errno::EINVAL.into())
}

/// Puts on disk which names a directory has.
fn sync_directory(directory: &Directory) -> io::Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NONBLOCK;
    let opened = openat2(directory.fd.as_fd(), c".", flags, Mode::empty(), ResolveFlag::RESOLVE_BENEATH);
    match opened {
        // A directory can be open to writers and closed to readers; its names are on disk when the system likes.
        Err(error) if is(&error, Errno::EACCES) => Ok(()),
        opened => match fsync(opened?) {
            // fsync(2): "EROFS, EINVAL fd is bound to a special file […] which does not support synchronization."
            Err(Errno::EINVAL | Errno::EROFS | Errno::EOPNOTSUPP) => Ok(()),
            result => Ok(result?),
        },
    }
}

fn entry_text(entry: &EntryName) -> String {
    rex_ipc::name::to_text(entry.as_bytes())
}

const MAX_TRIES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::file_system::temporaries::Temporaries;
    use crate::policy::name::PathName;

    #[test]
    fn what_was_exchanged_between_the_look_and_the_exchange_goes_back() {
        let path = std::env::temp_dir().join(format!("rex-place-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(path.join("journal")).unwrap();
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        let fd = nix::fcntl::open(&path, flags, Mode::empty()).unwrap();
        let number = inode(&fstat(&fd).unwrap());
        let name = PathName::from_os(&path);
        let parent = Rc::new(Directory { fd, name, inode: number, listing: Default::default() });
        let mut temporaries = Temporaries::noted_in(Some(path.join("journal")));
        let temporary = temporaries.name_in(&parent).unwrap();
        std::fs::write(path.join(entry_text(temporary.entry())), "new").unwrap();
        std::fs::write(path.join("a"), "judged").unwrap();
        std::fs::write(path.join("other"), "other").unwrap();
        let expected = inode(&nix::sys::stat::stat(&path.join("a")).unwrap());
        let (from, to) = (path.join("other"), path.join("a"));
        moment::at(Moment::BeforeExchange, move || std::fs::rename(from, to).unwrap());

        let entry = EntryName::parse("a").unwrap();
        let exchanged = exchange(&temporary, &parent, &entry, expected, &|_| false);

        assert!(matches!(exchanged, Err(NotPlaced::InTheWay { is_directory: false, .. })));
        assert_eq!(std::fs::read(path.join("a")).unwrap(), b"other");
        drop(temporary);
        std::fs::remove_dir_all(path).unwrap();
    }
}
