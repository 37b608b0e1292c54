//! The directory of a sealed log: files in it are read as somebody else's, and written so that a crash leaves them whole.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, geteuid, syncfs, unlinkat};

use crate::error::Error;

/// A directory that is held open, so that nobody can put another one in its place meanwhile.
pub struct Directory {
    held: OwnedFd,
    path: PathBuf,
    unsynced: RefCell<BTreeSet<String>>,
    #[cfg(test)]
    steps_left: std::cell::Cell<Option<u32>>,
}

/// So many files are brought to the disk one by one; with more the whole file system is.
const MOST_SINGLE_SYNCS: usize = 64;

impl Directory {
    /// Holds a directory, to read it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Directory, Error> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let held = open(path, flags, Mode::empty());
        let held = held.map_err(|errno| Error::system(format!("open {}", path.display()), errno))?;
        Ok(Directory {
            held,
            path: path.to_owned(),
            unsynced: RefCell::default(),
            #[cfg(test)]
            steps_left: std::cell::Cell::new(None),
        })
    }

    /// Holds a directory, to write to it: it has to be the caller's own, and nobody else may be writing to it.
    ///
    /// # Errors
    /// When it cannot be opened, is another user's, others may write to it, or another program seals it at this moment.
    pub fn open_to_write(path: &Path) -> Result<Directory, Error> {
        let directory = Directory::open(path)?;
        let shown = path.display();
        let file = directory.held.try_clone().map(File::from);
        let file = file.map_err(|error| Error::system(format!("hold {shown}"), error))?;
        let metadata = file.metadata().map_err(|error| Error::system(format!("stat {shown}"), error))?;
        let (owner, caller) = (metadata.uid(), geteuid().as_raw());
        if owner != caller {
            let why =
                format!("{shown} belongs to user {owner}, and this is user {caller}: seal as its owner");
            return Err(Error::refused(why));
        }
        if metadata.mode() & 0o022 != 0 {
            let mode = metadata.mode() & 0o7777;
            return Err(Error::refused(format!(
                "others may write to {shown} (mode {mode:04o}): chmod go-w {shown}"
            )));
        }
        match file.try_lock() {
            Ok(()) => Ok(directory),
            Err(TryLockError::WouldBlock) => {
                Err(Error::refused(format!("another program writes to {shown} at this moment")))
            }
            Err(TryLockError::Error(error)) => Err(Error::system(format!("lock {shown}"), error)),
        }
    }

    /// The path by which it was opened, and `name` in it, for messages.
    pub fn shown(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    /// The content of a file; `None` when there is none. Links are not followed.
    ///
    /// # Errors
    /// When it cannot be read, is no regular file, or is longer than `most` bytes.
    pub fn read(&self, name: &str, most: usize) -> Result<Option<Vec<u8>>, Error> {
        let what = || format!("read {}", self.shown(name));
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = match self.open_below(name, flags) {
            Ok(file) => file,
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::ELOOP | Errno::ENXIO | Errno::ENOTDIR | Errno::EXDEV) => {
                return Err(Error::contradiction(format!("{} is no regular file", self.shown(name))));
            }
            Err(errno) => return Err(Error::system(what(), errno)),
        };
        let metadata = file.metadata().map_err(|error| Error::system(what(), error))?;
        if !metadata.is_file() {
            return Err(Error::contradiction(format!("{} is no regular file", self.shown(name))));
        }
        let mut content = Vec::with_capacity(most.min(metadata.len().try_into().unwrap_or(most)) + 1);
        let read = file.take(most as u64 + 1).read_to_end(&mut content);
        read.map_err(|error| Error::system(what(), error))?;
        if content.len() > most {
            return Err(Error::contradiction(format!("{} is longer than {most} bytes", self.shown(name))));
        }
        Ok(Some(content))
    }

    /// Puts a file in its place at once, with the directories on its way. [`Directory::sync`] brings it to the disk.
    ///
    /// # Errors
    /// When it cannot be written; what had the name before is then as it was.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let what = || format!("write {}", self.shown(name));
        self.step()?;
        let (folder, file_name) = name.rsplit_once('/').unwrap_or(("", name));
        let temporary = format!("{folder}{}.{file_name}.new", if folder.is_empty() { "" } else { "/" });
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        let mut file = match self.open_below(&temporary, flags) {
            Err(Errno::ENOENT) => self.make_folders(folder).and_then(|()| self.open_below(&temporary, flags)),
            Err(Errno::EEXIST) => self.unlink(&temporary).and_then(|()| self.open_below(&temporary, flags)),
            opened => opened,
        }
        .map_err(|errno| Error::system(what(), errno))?;
        self.step()?;
        let written = file.write_all(content);
        let renamed = written.and_then(|()| {
            renameat(&self.held, temporary.as_str(), &self.held, name).map_err(io::Error::from)
        });
        if let Err(error) = renamed {
            // It is the error that counts; the next attempt removes the file as well.
            let _ = self.unlink(&temporary);
            return Err(Error::system(what(), error));
        }
        self.unsynced.borrow_mut().insert(name.to_owned());
        self.step()
    }

    /// Brings everything that was written to the disk, with the names.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn sync(&self) -> Result<(), Error> {
        self.step()?;
        let what = || format!("sync {}", self.path.display());
        let files = self.unsynced.take();
        if files.len() > MOST_SINGLE_SYNCS {
            return syncfs(&self.held).map_err(|errno| Error::system(what(), errno));
        }
        let mut folders = BTreeSet::new();
        for file in &files {
            let mut folder = file.as_str();
            while let Some((above, _)) = folder.rsplit_once('/') {
                folders.insert(above);
                folder = above;
            }
            self.sync_one(file, OFlag::O_RDONLY)?;
        }
        for folder in folders.iter().rev() {
            self.sync_one(folder, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        }
        nix::unistd::fsync(&self.held).map_err(|errno| Error::system(what(), errno))
    }

    /// Removes a file; that there is none is no error.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        self.step()?;
        match self.unlink(name) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(Error::system(format!("remove {}", self.shown(name)), errno)),
        }
    }

    /// Removes a directory of the log with the files in it; that there is none is no error.
    ///
    /// # Errors
    /// When it cannot be read or removed.
    pub fn remove_folder(&self, name: &str) -> Result<(), Error> {
        let what = || format!("remove {}", self.shown(name));
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let folder = match self.open_below(name, flags) {
            Ok(folder) => folder,
            Err(Errno::ENOENT) => return Ok(()),
            Err(errno) => return Err(Error::system(what(), errno)),
        };
        let entries = nix::dir::Dir::from_fd(folder.into()).map_err(|errno| Error::system(what(), errno))?;
        for entry in entries {
            let entry = entry.map_err(|errno| Error::system(what(), errno))?;
            let file = entry.file_name().to_string_lossy();
            if file != "." && file != ".." {
                self.remove(&format!("{name}/{file}"))?;
            }
        }
        match unlinkat(&self.held, name, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(Error::system(what(), errno)),
        }
    }

    fn sync_one(&self, name: &str, flags: OFlag) -> Result<(), Error> {
        let synced = self.open_below(name, flags).map_err(io::Error::from).and_then(|file| file.sync_all());
        synced.map_err(|error| Error::system(format!("sync {}", self.shown(name)), error))
    }

    fn open_below(&self, name: &str, flags: OFlag) -> Result<File, Errno> {
        let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
        // openat2(2) refuses a mode where nothing is made.
        let makes = flags.contains(OFlag::O_CREAT);
        let how = if makes { how.mode(Mode::from_bits_truncate(0o640)) } else { how };
        openat2(&self.held, name, how).map(File::from)
    }

    fn make_folders(&self, folder: &str) -> Result<(), Errno> {
        let ends = folder.match_indices('/').map(|(at, _)| at).chain([folder.len()]);
        for end in ends {
            match mkdirat(&self.held, &folder[..end], Mode::from_bits_truncate(0o750)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn unlink(&self, name: &str) -> Result<(), Errno> {
        unlinkat(&self.held, name, UnlinkatFlags::NoRemoveDir)
    }

    /// Stands before and behind each change, so that tests can end a program between any two.
    #[cfg(not(test))]
    #[expect(clippy::unnecessary_wraps, reason = "in tests it can fail")]
    fn step(&self) -> Result<(), Error> {
        Ok(())
    }

    #[cfg(test)]
    fn step(&self) -> Result<(), Error> {
        match self.steps_left.get() {
            Some(0) => Err(Error::refused("the program ends here")),
            left => {
                self.steps_left.set(left.map(|left| left - 1));
                Ok(())
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn end_after(&self, steps: u32) {
        self.steps_left.set(Some(steps));
    }
}
