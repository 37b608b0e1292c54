//! What a register says, and what the kernel says to that.

use std::fs::{File, read_to_string};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::dir::Dir;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use super::place::{Place, bytes_of, entire};
use super::{About, BELOW_SESSION, SESSIONS, UNFINISHED, own_place};
use crate::watch::halted::GOES_ON;

/// A run that goes on.
#[derive(Debug)]
pub struct Listed {
    /// What its entry says.
    pub about: About,
    /// Whether it was told to stop, and has not ended yet.
    pub is_stopped: bool,
    pub(super) file: File,
    /// Nothing where the process has no number here, or another one holds the lock than the entry says.
    pub(super) process: Option<OwnedFd>,
}

/// The runs of this user; for root, those of all users. Entries of runs that are gone are removed.
///
/// # Errors
/// When this user's own register cannot be read, or is not to be believed.
pub fn list() -> io::Result<Vec<Listed>> {
    let mut found = Vec::new();
    if let Some(path) = own_place() {
        match Place::of(&path, geteuid().as_raw()) {
            Ok(place) => read(&place, &mut found)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        }
    }
    if geteuid().is_root() {
        for (path, owner) in of_sessions() {
            // What a user has made of the own register is no reason to tell nothing of those of others.
            let place = Place::of(&path, owner);
            if let Err(error) = place.and_then(|place| read(&place, &mut found))
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!("{}: {error}", path.display());
            }
        }
    }
    found.sort_by(|one, other| {
        (one.about.since_seconds, &one.about.run).cmp(&(other.about.since_seconds, &other.about.run))
    });
    Ok(found)
}

/// The registers of users who are logged in.
fn of_sessions() -> Vec<(PathBuf, u32)> {
    let Ok(sessions) = std::fs::read_dir(SESSIONS) else { return Vec::new() };
    let names = sessions.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    names
        .filter(|uid: &u32| *uid != 0)
        .map(|uid| (Path::new(SESSIONS).join(uid.to_string()).join(BELOW_SESSION), uid))
        .collect()
}

fn read(place: &Place, found: &mut Vec<Listed>) -> io::Result<()> {
    let mut directory = Dir::openat(
        &place.directory,
        ".",
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    for entry in directory.iter().take(MAX_ENTRIES) {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        let (run, is_whole) = match name.strip_suffix(UNFINISHED) {
            Some(run) => (run, false),
            None => (name, true),
        };
        if !is_run(run) {
            continue;
        }
        match place.open(name, OFlag::O_RDWR) {
            Ok(file) => found.extend(listed(place, name, is_whole, file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!("the entry {name} is left out: {error}"),
        }
    }
    Ok(())
}

/// A run that its process is still there for.
fn listed(place: &Place, name: &str, is_whole: bool, file: File) -> Option<Listed> {
    let Holder { is_locked, process, ticks, uid, pid } = Holder::of(&file);
    if !is_locked {
        // It has its name only as long as it is locked; before that, for the time that it takes to write it.
        let age = file.metadata().and_then(|metadata| metadata.modified());
        let age = age.ok().and_then(|made| SystemTime::now().duration_since(made).ok()).unwrap_or_default();
        if is_whole || age > LONG_AGO {
            let _ = unlinkat(&place.directory, name, UnlinkatFlags::NoRemoveDir);
        }
        return None;
    }
    if !is_whole {
        return None;
    }
    let bytes = bytes_of(&file).ok()?;
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let is_stopped = lines.next() != Some([GOES_ON].as_slice());
    let mut about: About = match lines.next().map(serde_json::from_slice) {
        Some(Ok(about)) => about,
        _ => {
            tracing::warn!("the entry {name} is left out: it is damaged");
            return None;
        }
    };
    let is_its_own = about.run == name
        && (about.pid, Some(about.start_ticks)) == (pid, ticks)
        && uid.is_some_and(|uid| uid == place.owner || place.owner == 0);
    // Whose it is, the directory says.
    about.uid = place.owner;
    Some(Listed { about, is_stopped, file, process: process.filter(|_| is_its_own) })
}

/// Who holds the lock on an entry.
#[derive(Default)]
struct Holder {
    is_locked: bool,
    process: Option<OwnedFd>,
    pid: i32,
    ticks: Option<u64>,
    uid: Option<u32>,
}

impl Holder {
    fn of(file: &File) -> Self {
        let Some(pid) = holder(file) else { return Self::default() };
        let elsewhere = Self { is_locked: true, ..Self::default() };
        if pid <= 0 {
            return elsewhere;
        }
        let Ok(process) = rex_outside::kernel::pidfd_open(pid) else { return elsewhere };
        let (ticks, uid) = (start_ticks(pid), real_user(pid));
        // It held the lock before and holds it now, so it is the one that was opened between.
        if holder(file) != Some(pid) {
            return elsewhere;
        }
        Self { is_locked: true, process: Some(process), pid, ticks, uid }
    }
}

/// The process that holds the lock, as the kernel says; not positive where it has no number here.
fn holder(file: &File) -> Option<i32> {
    let mut lock = entire(nix::libc::F_WRLCK);
    match fcntl(file.as_fd(), FcntlArg::F_GETLK(&mut lock)) {
        Ok(_) if i32::from(lock.l_type) == nix::libc::F_UNLCK => None,
        Ok(_) => Some(lock.l_pid),
        // What cannot be asked is not removed.
        Err(_) => Some(0),
    }
}

/// When a process was started, in ticks since the host was.
pub(super) fn start_ticks(pid: i32) -> Option<u64> {
    let stat = read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program stands in brackets, and may have any character.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Whether a process has been stopped by a signal or a debugger, and so cannot end by itself.
pub(super) fn is_held_up(pid: i32) -> bool {
    let stat = read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().next());
    matches!(state, Some("T" | "t"))
}

fn real_user(pid: i32) -> Option<u32> {
    let status = read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Whether it is the name of a run: hexadecimal digits, and nothing that leads anywhere.
fn is_run(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// More runs of one user are not listed.
const MAX_ENTRIES: usize = 10_000;
/// When an entry was begun that is not going to be finished.
const LONG_AGO: Duration = Duration::from_secs(60);
