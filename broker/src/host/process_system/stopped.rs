//! A process as it is at one moment: its threads are stopped, what a debugger needs to know of them is copied, and they go on.
//!
//! No debugger is attached to a process. Whoever is can change it, and is driven by it; a copy is neither. What is copied is the
//! registers of each thread, its stack as far as it is used, and what tells which libraries there are.

mod core_file;
mod memory;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, readlink, readlinkat};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::ptrace::{self, Options};
use nix::sys::stat::{major, minor, stat};
use nix::sys::uio::pread;
use nix::unistd::Pid;
use rex_ipc::action::process_system::Trace;
use rex_ipc::limits::MAX_TRACED_THREADS;

use super::object::Process;
use super::text::Stat;
use super::unguarded::{numbers_in, open, read};
use crate::gate::Permit;
use core_file::{MACHINE, Registers};

/// What was copied of a process.
#[derive(Debug)]
pub struct Taken {
    /// The program that it runs, open for reading.
    pub(in crate::host) program: OwnedFd,
    /// Its threads, in the form of a core dump.
    pub(in crate::host) core: fs::File,
}

/// Stops the process of the permit for as long as it takes to copy what tells where its threads are.
///
/// # Errors
/// `ESRCH` when it is gone, `EPERM` when the broker may not stop it or somebody else traces it, `ETIMEDOUT` when a thread does
/// not stop within two seconds, `E2BIG` for more than [`MAX_TRACED_THREADS`], `ENOEXEC` for a program of another machine,
/// `ENOENT` for a thread of the kernel.
///
/// # Source
/// ptrace(2), "PTRACE_SEIZE": it does not stop the process, nor send it a signal. What is attached ends with the thread that
/// has done it, and signals that were about to be delivered then are.
pub fn take(permit: &Permit<'_, Trace, Rc<Process>>) -> io::Result<Taken> {
    let process: &Process = permit.resource();
    let (directory, pid) = (&process.directory, process.pid);
    thread::scope(|scope| {
        let copying = || copy(std::os::fd::AsFd::as_fd(directory), pid);
        let copied = thread::Builder::new().name("trace".to_owned()).spawn_scoped(scope, copying)?.join();
        copied.unwrap_or_else(|_| Err(io::Error::other("what was to copy the process has failed")))
    })
}

/// Whether the libraries of the process of the permit are here what they are to it: both are in one mount namespace, or what it
/// has mapped as code are the very files that have these paths here.
pub fn has_libraries_of_broker(permit: &Permit<'_, Trace, Rc<Process>>) -> bool {
    let directory = &permit.resource().directory;
    let its = readlinkat(directory, "ns/mnt");
    if matches!((its, readlink("/proc/thread-self/ns/mnt")), (Ok(its), Ok(own)) if its == own) {
        return true;
    }
    let (Ok(exe), Ok(maps)) =
        (readlinkat(directory, "exe"), read(std::os::fd::AsFd::as_fd(directory), "maps", MAPS_BYTES))
    else {
        return false;
    };
    let maps = String::from_utf8_lossy(&maps).into_owned();
    // The program itself is handed over.
    let mut libraries = maps.lines().filter_map(Code::parse).filter(|code| exe.to_str() != Some(code.path));
    libraries.all(|code| code.is_here())
}

/// A file that is mapped as code.
struct Code<'a> {
    device: (u64, u64),
    inode: u64,
    path: &'a str,
}

impl<'a> Code<'a> {
    /// proc_pid_maps(5): `begin-end perms offset dev inode path`.
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let permissions = fields.nth(1)?;
        let (major, minor) = fields.nth(1)?.split_once(':')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let device = (number(major)?, number(minor)?);
        let inode = fields.next()?.parse().ok()?;
        // Nothing before has a slash.
        let path = line.get(line.find('/')?..)?;
        (permissions.as_bytes().get(2) == Some(&b'x') && inode != 0).then_some(Self { device, inode, path })
    }

    /// Whether this is what has its path here. Elsewhere than in the directories of the system nobody looks: the process says
    /// the path.
    fn is_here(&self) -> bool {
        let is_of_system = LIBRARIES.iter().any(|directory| self.path.starts_with(directory));
        let found = || stat(self.path).ok();
        is_of_system
            && found().is_some_and(|stat| {
                (major(stat.st_dev), minor(stat.st_dev)) == self.device && stat.st_ino == self.inode
            })
    }
}

/// Done by a thread of its own, with whose end everything that it has attached to goes on.
fn copy(directory: BorrowedFd<'_>, pid: u32) -> io::Result<Taken> {
    let program = open(directory, "exe", OFlag::O_RDONLY)?;
    is_of_this_machine(&program)?;
    let threads = stop_all(directory, pid)?;
    let pieces = memory::pieces(directory, &threads)?;
    let auxiliary = read(directory, "auxv", AUXILIARY_BYTES)?;
    let mut core = fs::File::from(memfd_create("rex-threads", MFdFlags::MFD_CLOEXEC)?);
    core_file::write(&mut core, &threads, &auxiliary, &pieces)?;
    core.flush()?;
    Ok(Taken { program, core })
}

/// A thread that was stopped.
#[derive(Debug)]
struct Thread {
    /// Its number.
    tid: u32,
    /// What it has in its registers.
    registers: Registers,
}

/// Stops every thread, those that come meanwhile as well; the first one is that of the process, as far as it is left.
fn stop_all(directory: BorrowedFd<'_>, pid: u32) -> io::Result<Vec<Thread>> {
    let deadline = Instant::now() + PATIENCE;
    let mut stopped: BTreeMap<u32, Option<Registers>> = BTreeMap::new();
    loop {
        let found: Vec<u32> =
            numbers_in(directory, "task")?.into_iter().filter(|tid| !stopped.contains_key(tid)).collect();
        if found.is_empty() {
            break;
        }
        if stopped.len() + found.len() > MAX_TRACED_THREADS {
            return Err(Errno::E2BIG.into());
        }
        for tid in found {
            let registers = stop(directory, tid, deadline)?;
            stopped.insert(tid, registers);
        }
    }
    let mut threads: Vec<Thread> = stopped
        .into_iter()
        .filter_map(|(tid, registers)| registers.map(|registers| Thread { tid, registers }))
        .collect();
    if threads.is_empty() {
        return Err(Errno::ESRCH.into());
    }
    threads.sort_by_key(|thread| thread.tid != pid);
    Ok(threads)
}

/// Stops a thread; nothing when it ends.
///
/// Nobody waits for it with wait(2): that would take a signal from it which it is just getting.
fn stop(directory: BorrowedFd<'_>, tid: u32, deadline: Instant) -> io::Result<Option<Registers>> {
    let number = Pid::from_raw(i32::try_from(tid).map_err(|_| Errno::ESRCH)?);
    match ptrace::seize(number, Options::empty()) {
        Ok(()) => {}
        Err(Errno::ESRCH) => return Ok(None),
        // What has ended and was not waited for cannot be seized.
        Err(Errno::EPERM) if matches!(state(directory, tid)?, None | Some(b'Z' | b'X')) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    }
    // As long as it is held nobody else gets its number; if it is still one of this process, it always was.
    if state(directory, tid)?.is_none() {
        return Ok(None);
    }
    match ptrace::interrupt(number) {
        Err(Errno::ESRCH) => return Ok(None),
        outcome => outcome?,
    }
    loop {
        match state(directory, tid)? {
            None | Some(b'Z' | b'X') => return Ok(None),
            // proc_pid_stat(5): "t Tracing stop".
            Some(b't') => break,
            Some(_) if Instant::now() > deadline => return Err(Errno::ETIMEDOUT.into()),
            Some(_) => thread::sleep(MOMENT),
        }
    }
    match Registers::of(number) {
        // Between the two it was killed.
        Err(Errno::ESRCH) => Ok(None),
        outcome => Ok(Some(outcome?)),
    }
}

/// The letter of the state of a thread of this process; nothing when there is none.
fn state(directory: BorrowedFd<'_>, tid: u32) -> io::Result<Option<u8>> {
    match read(directory, &format!("task/{tid}/stat"), STAT_BYTES) {
        Ok(text) => Ok(Some(Stat::parse(&text).ok_or(Errno::EINVAL)?.state)),
        Err(error)
            if matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::ENOENT | Errno::ESRCH)) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether the program is one of this machine; registers and memory of others have another form.
fn is_of_this_machine(program: &OwnedFd) -> io::Result<()> {
    let mut head = [0; 20];
    let count = pread(program, &mut head, 0)?;
    // elf(5): class in byte 4, which is 2 for 64 bits; machine in bytes 18 and 19.
    let is_one =
        count == head.len() && head.starts_with(b"\x7fELF\x02") && head.ends_with(&MACHINE.to_le_bytes());
    if is_one { Ok(()) } else { Err(Errno::ENOEXEC.into()) }
}

/// How long the threads have for stopping, all together.
const PATIENCE: Duration = Duration::from_secs(2);
const MOMENT: Duration = Duration::from_micros(200);
const STAT_BYTES: u64 = 4096;
const AUXILIARY_BYTES: u64 = 64 * 1024;
const MAPS_BYTES: u64 = 16 << 20;
/// Where the system has libraries.
const LIBRARIES: [&str; 2] = ["/usr/lib", "/lib"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_known_by_what_they_are_and_not_by_their_paths() {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let code: Vec<Code<'_>> = maps.lines().filter_map(Code::parse).collect();
        let of_system: Vec<_> = code.iter().filter(|code| code.path.contains("/lib")).collect();
        assert!(!of_system.is_empty(), "the C library is one: {maps}");

        let (first, other) = (of_system[0], Code { inode: 1, ..*of_system[0] });

        assert!(first.is_here(), "{}", first.path);
        assert!(!other.is_here());
        assert!(!Code { path: "/usr/lib/none", ..*first }.is_here());
        assert!(!Code { path: "/proc/self/exe", ..*first }.is_here());
    }
}
