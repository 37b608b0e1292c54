//! What has to be known of processes before the policy can be asked about them. Nothing of it is released without a permit.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlink, readlinkat};
use nix::sys::stat::Mode;
use nix::sys::sysinfo::sysinfo;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};
use rex_ipc::limits::MAX_COMMAND_BYTES;
use rex_ipc::name;

use super::object::{About, Process};
use super::text::{Stat, Status, command};
use crate::host::Host;
use crate::policy::name::PathName;

/// Holds a process, or a task of one, and reads what the policy is asked with.
///
/// # Errors
/// `ESRCH` or `ENOENT` when there is none of that number, or when it goes meanwhile; `EINVAL` for what the kernel says in an
/// unknown form.
pub fn hold(host: &mut Host, pid: u32, task: Option<u32>) -> io::Result<Process> {
    let path = match task {
        Some(task) => format!("{pid}/task/{task}"),
        None => pid.to_string(),
    };
    let directory = open(host.proc_root(), &path, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
    describe(host, directory, None, pid, task)
}

/// Holds a process by what signals are sent by, too: both are the same process.
///
/// # Errors
/// `ESRCH` when there is none of that number, or when it goes meanwhile; `EOPNOTSUPP` where `/proc` has other numbers
/// than signals.
pub fn hold_for_signal(host: &mut Host, pid: u32) -> io::Result<Process> {
    let number = i32::try_from(pid).ok().filter(|number| *number > 0).ok_or(Errno::ESRCH)?;
    // For the number of a task, the kernel says `ENOENT`.
    let pidfd = rex_outside::kernel::pidfd_open(number).map_err(missing_is_gone)?;
    let directory = open(host.proc_root(), &pid.to_string(), OFlag::O_PATH | OFlag::O_DIRECTORY)
        .map_err(missing_is_gone)?;
    let process = describe(host, directory, Some(pidfd), pid, None)?;
    is_same(host, &process)?;
    Ok(process)
}

/// For who asks for a process by its number: that there is no directory of it is that there is no such process.
pub fn missing_is_gone(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(Errno::ENOENT as i32) { Errno::ESRCH.into() } else { error }
}

/// Why something of a process was kept from the broker, if that is what this error says, and not that the process has gone.
pub fn keeps_back(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw).filter(|reason| is_kept_back(*reason))
}

/// proc(5): what ptrace(2) would be refused for is EACCES or EPERM, and so is what belongs to others with `hidepid`.
pub(super) fn is_kept_back(reason: Errno) -> bool {
    matches!(reason, Errno::EACCES | Errno::EPERM)
}

/// The path that a path with links stands for, as far as the links can be read: what is not there, or cannot be looked at,
/// is spelled as it stands. Nothing says whether anything is there; the policy is asked about this path before.
pub fn leads_to(path: &PathName) -> PathName {
    let mut done: Vec<Vec<u8>> = Vec::new();
    let mut rest: VecDeque<Vec<u8>> = path.components().collect();
    let mut links = 0;
    while let Some(component) = rest.pop_front() {
        match component.as_slice() {
            b"" | b"." => {}
            b".." => drop(done.pop()),
            _ => {
                done.push(component);
                let Ok(target) = readlink(&joined(&done)) else { continue };
                links += 1;
                if links > MOST_LINKS {
                    continue;
                }
                done.pop();
                let target = target.into_vec();
                if target.first() == Some(&b'/') {
                    done.clear();
                }
                target.split(|byte| *byte == b'/').rev().for_each(|part| rest.push_front(part.to_vec()));
            }
        }
    }
    done.iter().fold(PathName::root(), |above, component| above.join(component))
}

fn joined(components: &[Vec<u8>]) -> PathBuf {
    let mut path = OsString::from("/");
    for (at, component) in components.iter().enumerate() {
        if at > 0 {
            path.push("/");
        }
        path.push(OsStr::from_bytes(component));
    }
    path.into()
}

/// As many links as the kernel follows for one path: path_resolution(7).
const MOST_LINKS: usize = 40;

/// Whether the process that signals would reach is there and has the number in `/proc` by which its directory was opened.
///
/// The number cannot have been given to another in between: it belongs to the former as long as that is there.
fn is_same(host: &Host, process: &Process) -> io::Result<()> {
    let Some(pidfd) = &process.pidfd else { return Err(Errno::ESRCH.into()) };
    let text = read(host.proc_root(), &format!("self/fdinfo/{}", pidfd.as_raw_fd()), STATUS_BYTES)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let number = text.lines().find_map(|line| line.strip_prefix("Pid:")).map(str::trim);
    match number.and_then(|number| number.parse::<i64>().ok()) {
        Some(number) if number == i64::from(process.pid) => Ok(()),
        Some(-1) => Err(Errno::ESRCH.into()),
        // pidfd_open(2) and this `/proc` mean different processes by a number.
        _ => Err(Errno::EOPNOTSUPP.into()),
    }
}

fn describe(
    host: &mut Host,
    directory: OwnedFd,
    pidfd: Option<OwnedFd>,
    pid: u32,
    task: Option<u32>,
) -> io::Result<Process> {
    let stat = Stat::parse(&read(directory.as_fd(), "stat", STAT_BYTES)?).ok_or(Errno::EINVAL)?;
    let status = read(directory.as_fd(), "status", STATUS_BYTES)?;
    let status = String::from_utf8_lossy(&status);
    let users = Status::parse(&status).ok_or(Errno::EINVAL)?;
    // A task has an entry of its own number beside those of processes, where nobody lists it.
    if users.group != pid {
        return Err(Errno::ESRCH.into());
    }
    let line = read(directory.as_fd(), "cmdline", COMMAND_BYTES)?;
    let exe = readlinkat(&directory, "exe").ok().map(|path| name::to_text(path.as_encoded_bytes()));
    let is_of_run = host.is_of_run(&status);
    let about = About {
        name: stat.name,
        command: command(&line),
        exe,
        uid: users.uid,
        username: host.user_name(users.uid).unwrap_or_default(),
        parent: if task.is_some() { pid } else { stat.parent },
        state: stat.state,
        cpu_ticks: stat.cpu_ticks,
        started_ticks: stat.started_ticks,
        resident_pages: stat.resident_pages,
        innermost: users.innermost,
    };
    Ok(Process { directory, pidfd, pid: task.unwrap_or(pid), group: pid, is_of_run, about })
}

/// The numbers of the processes that this `/proc` shows, from this one on, in order.
///
/// From 0 on they are listed anew. Whoever goes on goes through what was listed then, so that a walk of many pages lists them
/// once: who came since is not told, and who has gone is found gone.
///
/// # Errors
/// Those of open(2) and getdents64(2).
pub fn numbers(host: &mut Host, first: u32) -> io::Result<Vec<u32>> {
    if first == 0 || host.listed_processes.is_empty() {
        host.listed_processes = numbers_in(host.proc_root(), ".")?;
    }
    let listed = &host.listed_processes;
    let begin = listed.partition_point(|pid| *pid < first);
    Ok(listed.get(begin..).unwrap_or_default().to_vec())
}

/// The numbers of the tasks of a process but its first, in order; none when it is gone.
pub fn tasks(host: &Host, pid: u32) -> Vec<u32> {
    let mut tasks = numbers_in(host.proc_root(), &format!("{pid}/task")).unwrap_or_default();
    tasks.retain(|task| *task != pid);
    tasks
}

pub(super) fn numbers_in(base: BorrowedFd<'_>, path: &str) -> io::Result<Vec<u32>> {
    let directory = open(base, path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
    let mut listing = nix::dir::Dir::from_fd(directory)?;
    let mut numbers = Vec::new();
    for entry in listing.iter() {
        let entry = entry?;
        numbers.extend(entry.file_name().to_str().ok().and_then(|name| name.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

pub(super) fn open(base: BorrowedFd<'_>, path: &str, flags: OFlag) -> io::Result<OwnedFd> {
    Ok(openat(base, path, flags | OFlag::O_CLOEXEC, Mode::empty())?)
}

/// Reads a file of the kernel, whose text is made for the call, up to a bound.
pub(super) fn read(base: BorrowedFd<'_>, path: &str, most_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::from(open(base, path, OFlag::O_RDONLY)?).take(most_bytes).read_to_end(&mut bytes)?;
    Ok(bytes)
}

const STAT_BYTES: u64 = 4096;
const STATUS_BYTES: u64 = 64 * 1024;
/// One byte of a word can become three of a text; what is beyond them is cut anyway.
const COMMAND_BYTES: u64 = MAX_COMMAND_BYTES as u64 + 4096;

/// What times and sizes of processes are counted in. Nothing of it is about a process.
#[derive(Clone, Copy, Debug)]
pub struct Measures {
    /// Nanoseconds since the host was started.
    pub uptime_ns: u64,
    /// Clock ticks in a second.
    pub ticks_per_second: u64,
    /// Bytes of a page.
    pub page_bytes: u64,
    /// Memory of the host in bytes.
    pub memory_bytes: u64,
}

/// What times and sizes of processes are counted in, now.
///
/// # Errors
/// Those of clock_gettime(2), sysconf(3) and sysinfo(2).
pub fn measures() -> io::Result<Measures> {
    let since_start = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
    let seconds = u64::try_from(since_start.tv_sec()).unwrap_or(0);
    Ok(Measures {
        uptime_ns: seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(u64::try_from(since_start.tv_nsec()).unwrap_or(0)),
        ticks_per_second: number(SysconfVar::CLK_TCK)?,
        page_bytes: number(SysconfVar::PAGE_SIZE)?,
        memory_bytes: sysinfo()?.ram_total(),
    })
}

fn number(name: SysconfVar) -> io::Result<u64> {
    let number = sysconf(name)?.and_then(|number| u64::try_from(number).ok());
    number.filter(|number| *number > 0).ok_or_else(|| Errno::EINVAL.into())
}
