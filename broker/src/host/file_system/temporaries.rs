//! Which temporary names this run has made, so that a later run can remove what a kill has left of them.
//!
//! New content has no name until it is complete, and takes the place of the old within one request. Between the two
//! steps it has a name nobody can guess, beside the file; the directory is noted before the first name is made there.
//! One journal per run, locked as long as the run lives and removed at its end; the journal of a dead run tells the
//! next one where to look.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag};
use nix::libc;
use nix::sys::stat::{FileStat, SFlag, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};
use serde_json::{Value, json};

use crate::gate::Inode;
use crate::host::file_system::object::Directory;
use crate::policy::name::{EntryName, PathName};

/// The temporary names of one run.
#[derive(Debug)]
pub struct Temporaries {
    /// Where the journals of all runs are; nothing when there is no such place.
    place: Option<PathBuf>,
    /// In each name of this run; empty until the first is made.
    token: String,
    journal: Journal,
    /// The directories that stand in the journal.
    noted: HashSet<Inode>,
    names: Rc<Names>,
}

/// What became of the names.
#[derive(Debug, Default)]
struct Names {
    /// How many may be there now.
    alive: Cell<usize>,
    /// Whether one could not be removed.
    left: Cell<bool>,
}

#[derive(Debug)]
enum Journal {
    NotYet,
    Open {
        file: File,
        path: PathBuf,
    },
    /// It was said that there is none; the run goes on without.
    Unusable,
}

/// A name that nobody can guess, in a held directory. What stands there is removed when this is dropped.
#[derive(Debug)]
pub struct TemporaryName {
    parent: Rc<Directory>,
    entry: EntryName,
    names: Rc<Names>,
    keep: Cell<bool>,
}

impl TemporaryName {
    /// The directory.
    pub fn parent(&self) -> &Rc<Directory> {
        &self.parent
    }

    /// The name in it.
    pub fn entry(&self) -> &EntryName {
        &self.entry
    }

    /// Leaves alone what stands there: it got another name, or it is not ours.
    pub fn release(&self) {
        self.keep.set(true);
    }

    /// Removes what stands there.
    pub fn remove(&self) {
        if self.keep.replace(true) {
            return;
        }
        match unlinkat(&self.parent.fd, self.entry.as_c_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => {
                tracing::warn!("cannot remove a temporary file in {}: {errno}", self.parent.name);
                self.names.left.set(true);
            }
        }
    }
}

impl Drop for TemporaryName {
    fn drop(&mut self) {
        self.remove();
        self.names.alive.set(self.names.alive.get().saturating_sub(1));
    }
}

impl Temporaries {
    /// With the journal in the usual place: root's is in `/var/lib`, everybody else's in their state directory.
    pub fn usual() -> Self {
        Self::noted_in(Self::usual_place())
    }

    /// Where that is, if there is such a place.
    pub fn usual_place() -> Option<PathBuf> {
        usual_place(geteuid().is_root(), |name| std::env::var_os(name).map(PathBuf::from))
    }

    /// As [`Self::usual_place`], made where it is missing; nothing when it cannot be, or is somebody else's.
    pub fn prepared_place() -> Option<PathBuf> {
        let place = Self::usual_place()?;
        let made =
            DirBuilder::new().recursive(true).mode(0o700).create(&place).and_then(|()| check_place(&place));
        made.ok().map(|()| place)
    }

    /// With the journal in this directory, or with none.
    pub fn noted_in(place: Option<PathBuf>) -> Self {
        Self {
            place,
            token: String::new(),
            journal: Journal::NotYet,
            noted: HashSet::new(),
            names: Rc::default(),
        }
    }

    /// A new name in a directory, which has been noted before this returns.
    ///
    /// # Errors
    /// When there are no random numbers. Where nothing can be noted, the run goes on with a warning.
    pub fn name_in(&mut self, parent: &Rc<Directory>) -> io::Result<TemporaryName> {
        if self.token.is_empty() {
            self.token = random_hex::<TOKEN_BYTES>()?;
        }
        if let Err(error) = self.note(parent) {
            tracing::warn!("cannot note where temporary files are, a kill could leave one: {error}");
            self.journal = Journal::Unusable;
        }
        let name = format!("{PREFIX}{}.{}", self.token, random_hex::<NAME_BYTES>()?);
        let entry = EntryName::from_bytes(name.into_bytes()).ok_or(Errno::EINVAL)?;
        self.names.alive.set(self.names.alive.get() + 1);
        let (parent, names) = (Rc::clone(parent), Rc::clone(&self.names));
        Ok(TemporaryName { parent, entry, names, keep: Cell::new(false) })
    }

    fn note(&mut self, directory: &Directory) -> io::Result<()> {
        if self.noted.contains(&directory.inode) || matches!(self.journal, Journal::Unusable) {
            return Ok(());
        }
        if matches!(self.journal, Journal::NotYet) {
            let Some(place) = &self.place else {
                return Err(io::Error::other("neither XDG_STATE_HOME nor HOME names a directory"));
            };
            let path = place.join(&self.token);
            self.journal = Journal::Open { file: new_journal(place, &path)?, path };
        }
        let Journal::Open { file, .. } = &mut self.journal else { return Ok(()) };
        if self.noted.len() >= MAX_NOTED && self.names.alive.get() == 0 && !self.names.left.get() {
            // Nothing is there any more of what was noted.
            file.set_len(0)?;
            self.noted.clear();
        }
        let Inode { device, number } = directory.inode;
        let line = json!({ "directory": directory.name.as_str(), "device": device, "inode": number });
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_data()?;
        self.noted.insert(directory.inode);
        Ok(())
    }

    /// Removes what dead runs have left. What cannot be removed now is left to the next run; what is not where it was
    /// noted is forgotten, with a warning.
    pub fn clean_up(&self) {
        let Some(place) = &self.place else { return };
        match clean_up(place, Instant::now() + CLEANING_TIME) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!("cannot look for what dead runs left, in {}: {error}", place.display());
            }
        }
    }
}

impl Drop for Temporaries {
    fn drop(&mut self) {
        if let Journal::Open { path, .. } = &self.journal
            && !self.names.left.get()
        {
            // What is left of it says nothing; the next run removes it.
            drop(fs::remove_file(path));
        }
    }
}

/// Root's place does not depend on the environment, which may be somebody else's.
fn usual_place(is_root: bool, lookup: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if is_root {
        return Some(PathBuf::from("/var/lib/rex-broker/temporaries"));
    }
    // XDG Base Directory Specification: a relative path is invalid and to be ignored.
    let absolute = |name| lookup(name).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("rex-broker/temporaries"))
}

/// Makes the journal of this run and locks it, in a directory that only we can write to.
fn new_journal(place: &Path, path: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(place)?;
    check_place(place)?;
    // Another run may look at the new journal before it is locked, and take it for a dead one's.
    for _ in 0..MAX_TRIES {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(path)?;
        file.lock()?;
        if file.metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
    Err(io::Error::other("the journal is taken away"))
}

fn check_place(place: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(place)?;
    let refused = if !found.is_dir() {
        "it is not a directory"
    } else if found.uid() != geteuid().as_raw() {
        "it belongs to another user"
    } else if found.mode() & 0o022 != 0 {
        "others may write to it"
    } else {
        return Ok(());
    };
    Err(io::Error::other(format!("{}: {refused}", place.display())))
}

fn clean_up(place: &Path, until: Instant) -> io::Result<()> {
    // Usually there is no journal, or not even a place for one.
    let journals = fs::read_dir(place)?;
    check_place(place)?;
    for journal in journals {
        let journal = journal?;
        let name = journal.file_name();
        let Some(token) = name.to_str().filter(|name| is_token(name)) else { continue };
        if let Err(error) = clean_up_after(&journal.path(), token, until) {
            tracing::warn!("cannot remove what a dead run left ({}): {error}", journal.path().display());
        }
    }
    Ok(())
}

/// Works off one journal, unless its run is alive; removes it when nothing is left to do.
fn clean_up_after(path: &Path, token: &str, until: Instant) -> io::Result<()> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let file = match OpenOptions::new().read(true).write(true).custom_flags(flags).open(path) {
        // Another run was faster, or the run that it was of has ended.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let found = file.metadata()?;
    let ours = found.is_file() && found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0;
    if !ours {
        return Err(io::Error::other("it is not a file that only we can write to"));
    }
    // Whoever holds the lock works it off; whoever has removed it has done so.
    if file.try_lock().is_err() || !fs::symlink_metadata(path).is_ok_and(|now| now.ino() == found.ino()) {
        return Ok(());
    }
    for line in BufReader::new(&file).lines() {
        let line = line?;
        // A kill may have cut the last line short; then no name was made there.
        let Some((directory, inode)) = parse(&line) else { continue };
        remove_names(&directory, inode, token, until)?;
    }
    fs::remove_file(path)
}

fn parse(line: &str) -> Option<(PathName, Inode)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let directory = PathName::parse(line.get("directory")?.as_str()?).ok()?;
    let inode = Inode { device: line.get("device")?.as_u64()?, number: line.get("inode")?.as_u64()? };
    Some((directory, inode))
}

/// Removes the files and links with names of this token from the very directory that was noted.
///
/// This is done under the broker's own authority: it is what the dead run would have done at its end. A journal that
/// somebody else has written could do no more than remove files whose names only a broker makes.
fn remove_names(directory: &PathName, inode: Inode, token: &str, until: Instant) -> io::Result<()> {
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let root = crate::host::file_system::unguarded::root()?;
    let opened = nix::fcntl::openat2(&root, directory.below_root().as_c_str(), how);
    let fd = match opened {
        Ok(fd) if inode_of(&fstat(&fd)?) == inode => fd,
        Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => {
            tracing::warn!("{directory} is not where it was; a file {PREFIX}{token}.* may be left in it");
            return Ok(());
        }
        Err(errno) => return Err(errno.into()),
    };
    let wanted = format!("{PREFIX}{token}.");
    let mut listing = Dir::from_fd(fd.try_clone()?)?;
    for entry in listing.iter() {
        let entry = entry?;
        if Instant::now() > until {
            return Err(Errno::ETIMEDOUT.into());
        }
        if !entry.file_name().to_bytes().starts_with(wanted.as_bytes()) {
            continue;
        }
        let stat = match fstatat(fd.as_fd(), entry.file_name(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => continue,
            stat => stat?,
        };
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        if kind == SFlag::S_IFREG || kind == SFlag::S_IFLNK {
            match unlinkat(&fd, entry.file_name(), UnlinkatFlags::NoRemoveDir) {
                Err(Errno::ENOENT) => continue,
                removed => removed?,
            }
            tracing::info!("removed a temporary file that a dead run left in {directory}");
        } else if kind == SFlag::S_IFDIR
            && let Some(name) = EntryName::from_bytes(entry.file_name().to_bytes().to_vec())
        {
            // A directory that was on its way to another file system.
            let go_on = || if Instant::now() > until { Err(Errno::ETIMEDOUT.into()) } else { Ok(()) };
            crate::host::file_system::unguarded::remove_left_behind(&fd, &name, &go_on)?;
            tracing::info!("removed an incomplete copy of a directory that a dead run left in {directory}");
        }
    }
    Ok(())
}

fn inode_of(stat: &FileStat) -> Inode {
    crate::host::file_system::walk::inode(stat)
}

fn is_token(name: &str) -> bool {
    name.len() == 2 * TOKEN_BYTES && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Bytes as lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn random_hex<const BYTES: usize>() -> io::Result<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(hex(&bytes))
}

const PREFIX: &str = ".rex-broker.";
const TOKEN_BYTES: usize = 16;
const NAME_BYTES: usize = 8;
/// How many directories stand in a journal before it begins anew.
const MAX_NOTED: usize = 1024;
const MAX_TRIES: usize = 16;
/// A start is not held up for longer by what others have left.
const CLEANING_TIME: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    // Runs that start together find the same journals of dead runs, and each is worked off by one of them.
    #[test]
    fn a_journal_that_another_run_was_faster_with_is_no_error() {
        let place = std::env::temp_dir().join(format!("rex-journals-{}", std::process::id()));
        DirBuilder::new().recursive(true).mode(0o700).create(&place).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let journals: Vec<(PathBuf, String)> = (0..200)
            .map(|number| {
                let token = format!("{number:032x}");
                let path = place.join(&token);
                let mut file = new_journal(&place, &path).unwrap();
                let directory = fs::metadata(&place).unwrap();
                let noted = json!({"directory": place, "device": directory.dev(), "inode": directory.ino()});
                writeln!(file, "{noted}").unwrap();
                fs::write(place.join(format!("{PREFIX}{token}.0011223344556677")), "left").unwrap();
                (path, token)
            })
            .collect();

        let failed: Vec<io::Error> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let all = journals.iter().map(|(path, token)| clean_up_after(path, token, until));
                        all.filter_map(Result::err).collect::<Vec<_>>()
                    })
                })
                .collect();
            runs.into_iter().flat_map(|run| run.join().unwrap()).collect()
        });

        assert!(failed.is_empty(), "{failed:?}");
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "everything was worked off");
        fs::remove_dir(&place).unwrap();
    }
}
