//! Whether an object of a `/proc`, wherever that is mounted, shows a process of this run.
//!
//! A process has many entries there: one for its number, one for the number of each of its threads, those of the threads
//! below it, and the same again in every other `/proc`, under other numbers where that belongs to an outer process
//! namespace. So nothing is decided by what a path looks like: the kernel says where the open object lies in its
//! `/proc`, and what process that is in the broker's own namespace. Whatever cannot be found out counts as shown.

use std::cell::RefCell;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::libc::STATX_MNT_ID;
use nix::sys::stat::{FileStat, Mode, fstat, major, minor};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use rex_outside::kernel::statx;

/// The processes of a run, and the `/proc` through which the broker sees itself.
#[derive(Debug)]
pub struct OwnProcesses {
    own: Instance,
    mount: u64,
    block_size: nix::libc::blksize_t,
    /// Their numbers in the broker's own process namespace.
    numbers: Vec<u32>,
    /// Those of workers, while there are any.
    workers: Rc<RefCell<Vec<u32>>>,
}

/// A `/proc`: what one process namespace looks like.
#[derive(Debug)]
struct Instance {
    root: OwnedFd,
    device: u64,
    /// How many namespaces lie between this one and the broker's; nothing when the broker cannot be found in it.
    depth: Option<usize>,
    /// The broker's own umask, where it can be found and says it.
    umask: Option<u32>,
}

/// What `/proc/N/status` says about numbers.
#[derive(Debug, PartialEq, Eq)]
struct Status {
    /// The task's own number.
    number: u32,
    /// That of its process, in this namespace and in each further one that the process is in.
    processes: Vec<u32>,
    /// The bits that it takes from the mode of what it makes.
    umask: Option<u32>,
}

/// A line of `mountinfo`.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    id: u64,
    device: (u64, u64),
    root: Vec<u8>,
    point: Vec<u8>,
}

impl OwnProcesses {
    /// The broker, as it is seen through the directory of its own descriptors.
    ///
    /// # Errors
    /// When there is no `/proc`, or it does not show the broker.
    pub fn new(own_fds: BorrowedFd<'_>, workers: Rc<RefCell<Vec<u32>>>) -> io::Result<Self> {
        let root = open(own_fds, "../..", OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        let stat = fstat(&root)?;
        let mount = mount_of(root.as_fd())?;
        let own = Instance::new(root, stat.st_dev)?;
        Ok(Self { own, mount, block_size: stat.st_blksize, numbers: vec![std::process::id()], workers })
    }

    /// Adds a process of this run: the jail, or whatever else comes to work for it.
    pub fn add(&mut self, number: u32) {
        self.numbers.push(number);
    }

    fn has(&self, number: u32) -> bool {
        self.numbers.contains(&number) || self.workers.borrow().contains(&number)
    }

    /// Whether the `/proc` of this host has the numbers that the broker itself knows.
    pub fn are_numbered_as_here(&self) -> bool {
        self.own.depth == Some(0)
    }

    /// The bits that the broker takes from the mode of what it makes; those of all but the owner where `/proc` does not
    /// say it. Reading it so changes nothing, where umask(2) would have to set it first, for every thread.
    pub fn umask(&self) -> u32 {
        self.own.umask.unwrap_or(0o077)
    }

    /// The `/proc` through which the broker sees itself.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.own.root.as_fd()
    }

    /// Whether this `status`, read in [`Self::root`], is that of a process of the run, or of a task of one.
    pub(super) fn include_status(&self, text: &str) -> bool {
        let Some(status) = Status::parse(text) else { return true };
        // Where the broker is not seen, nobody can say who is.
        self.own.depth.is_none_or(|depth| self.include(&status, Some(depth)))
    }

    /// Whether this object shows a process of the run.
    pub fn are_shown_by(&self, object: BorrowedFd<'_>, stat: &FileStat, own_fds: BorrowedFd<'_>) -> bool {
        self.is_in_proc(object, stat) && self.is_shown(object, stat, own_fds).unwrap_or(true)
    }

    /// Whether this is a directory of a `/proc`, or lies in one.
    pub fn is_in_proc(&self, object: BorrowedFd<'_>, stat: &FileStat) -> bool {
        // Every file on a disk, and most others, are told apart without a further call: a `/proc` has no device, and
        // the same size of blocks as any other.
        if major(stat.st_dev) != 0 || stat.st_blksize != self.block_size {
            return false;
        }
        fstatfs(object).map_or(true, |statfs| statfs.filesystem_type() == PROC_SUPER_MAGIC)
    }

    fn is_shown(&self, object: BorrowedFd<'_>, stat: &FileStat, own_fds: BorrowedFd<'_>) -> io::Result<bool> {
        let path = path_of(object, own_fds)?;
        if stat.st_dev == self.own.device && mount_of(object)? == self.mount {
            let base = path_of(self.own.root.as_fd(), own_fds)?;
            return self.is_shown_at(&below(&path, &base)?, || Ok(Seen::In(&self.own)));
        }
        let mounts = mounts(&self.own)?;
        let id = mount_of(object)?;
        let mount = mounts.iter().find(|mount| mount.id == id).ok_or(Errno::ENOENT)?;
        if mount.device != (major(stat.st_dev), minor(stat.st_dev)) {
            return Err(Errno::ESTALE.into());
        }
        let mut place = mount.root.clone();
        place.push(b'/');
        place.extend(below(&path, &mount.point)?);
        if stat.st_dev == self.own.device {
            return self.is_shown_at(&place, || Ok(Seen::In(&self.own)));
        }
        let other = other_root(&mounts, stat.st_dev);
        self.is_shown_at(&place, || match &other {
            Some(root) => Ok(Seen::In(root)),
            None => Ok(Seen::Alone(entry_alone(&mounts, stat.st_dev, first(&place))?)),
        })
    }

    /// Whether the entry at this path of a `/proc` shows a process of the run.
    fn is_shown_at<'i>(&self, place: &[u8], seen: impl FnOnce() -> io::Result<Seen<'i>>) -> io::Result<bool> {
        let entry = first(place);
        match entry {
            b"" => return Ok(false),
            b"self" | b"thread-self" => return Ok(true),
            // All memory of the host, the broker's included.
            b"kcore" => return Ok(true),
            _ if !entry.first().is_some_and(u8::is_ascii_digit) => return Ok(false),
            _ => {}
        }
        let number: u32 =
            std::str::from_utf8(entry).ok().and_then(|text| text.parse().ok()).ok_or(Errno::ESTALE)?;
        let (status, depth) = match seen()? {
            Seen::In(instance) => {
                // Where the broker is not seen, nobody can say who is.
                let depth = instance.depth.ok_or(Errno::ENOENT)?;
                (Status::read(instance.root.as_fd(), &format!("{number}/status"))?, Some(depth))
            }
            Seen::Alone(directory) => (Status::read(directory.as_fd(), "status")?, None),
        };
        if status.number != number {
            return Err(Errno::ESTALE.into());
        }
        Ok(self.include(&status, depth))
    }

    fn include(&self, status: &Status, depth: Option<usize>) -> bool {
        match depth {
            Some(depth) => status.processes.get(depth).is_some_and(|number| self.has(*number)),
            // How far out this namespace is, is not known. Among the numbers of our own process is that which we know.
            None => status.processes.iter().any(|number| self.has(*number)),
        }
    }
}

/// Through what a process is looked at.
enum Seen<'i> {
    In(&'i Instance),
    /// The directory of this very process, because the root of its `/proc` is nowhere to be found.
    Alone(OwnedFd),
}

impl Instance {
    fn new(root: OwnedFd, device: u64) -> io::Result<Self> {
        let stat = fstat(&root)?;
        let is_proc = fstatfs(&root)?.filesystem_type() == PROC_SUPER_MAGIC;
        if !is_proc || stat.st_ino != ROOT_INODE || stat.st_dev != device {
            return Err(Errno::ESTALE.into());
        }
        let status = Status::read(root.as_fd(), "self/status").ok();
        // The last number is the one in the innermost namespace, the broker's own.
        let depth = status.as_ref().and_then(|status| status.processes.len().checked_sub(1));
        Ok(Self { root, device, depth, umask: status.and_then(|status| status.umask) })
    }
}

impl Status {
    fn read(directory: BorrowedFd<'_>, path: &str) -> io::Result<Self> {
        let mut text = String::new();
        std::fs::File::from(open(directory, path, OFlag::O_RDONLY)?)
            .take(MAX_STATUS_BYTES)
            .read_to_string(&mut text)?;
        Self::parse(&text).ok_or_else(|| Errno::EINVAL.into())
    }

    /// proc_pid_status(5): `Tgid` and `Pid` in the namespace of this `/proc`; `NStgid` "Thread group ID in each of the
    /// PID namespaces of which pid is a member […] ordered from […] the PID namespace of the process that mounted this
    /// procfs […] to […] innermost". A kernel without namespaces leaves that out. `Umask` is "in octal with a leading zero".
    fn parse(text: &str) -> Option<Self> {
        let numbers = |name: &str| -> Option<Vec<u32>> {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_ascii_whitespace().map(|word| word.parse().ok()).collect()
        };
        let number = *numbers("Pid:")?.first()?;
        let process = numbers("Tgid:")?;
        let processes = if text.contains("\nNStgid:") { numbers("NStgid:")? } else { process.clone() };
        let umask = text.lines().find_map(|line| line.strip_prefix("Umask:"));
        let umask = umask.and_then(|digits| u32::from_str_radix(digits.trim(), 8).ok());
        (processes.first() == process.first()).then_some(Self { number, processes, umask })
    }
}

impl Mount {
    /// proc_pid_mountinfo(5): fields 1, 3, 4 and 5 are id, device, root and mount point.
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let id = number(fields.next()?)?;
        let mut device = fields.nth(1)?.split(|byte| *byte == b':');
        let device = (number(device.next()?)?, number(device.next()?)?);
        let (root, point) = (unescaped(fields.next()?), unescaped(fields.next()?));
        Some(Self { id, device, root, point })
    }
}

fn mounts(own: &Instance) -> io::Result<Vec<Mount>> {
    let mut text = Vec::new();
    std::fs::File::from(open(own.root.as_fd(), "thread-self/mountinfo", OFlag::O_RDONLY)?)
        .read_to_end(&mut text)?;
    Ok(text.split(|byte| *byte == b'\n').filter_map(Mount::parse).collect())
}

/// The root of the `/proc` with this device, if it is mounted anywhere and nothing is mounted over it.
fn other_root(mounts: &[Mount], device: u64) -> Option<Instance> {
    let of_device = mounts.iter().filter(|mount| mount.device == (major(device), minor(device)));
    of_device
        .filter(|mount| mount.root == b"/")
        .find_map(|mount| Instance::new(open_path(&mount.point).ok()?, device).ok())
}

/// The directory of one process in the `/proc` with this device, which is mounted by itself.
fn entry_alone(mounts: &[Mount], device: u64, entry: &[u8]) -> io::Result<OwnedFd> {
    let root = [b"/", entry].concat();
    let of_device = mounts.iter().filter(|mount| mount.device == (major(device), minor(device)));
    of_device
        .filter(|mount| mount.root == root)
        .find_map(|mount| {
            let directory = open_path(&mount.point).ok()?;
            fstat(&directory).is_ok_and(|stat| stat.st_dev == device).then_some(directory)
        })
        .ok_or_else(|| Errno::ENOENT.into())
}

fn open_path(path: &[u8]) -> io::Result<OwnedFd> {
    let path = std::ffi::OsStr::from_bytes(path);
    Ok(nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?)
}

fn open(directory: BorrowedFd<'_>, path: &str, flags: OFlag) -> io::Result<OwnedFd> {
    Ok(openat(directory, path, flags | OFlag::O_CLOEXEC, Mode::empty())?)
}

/// Where the kernel says that an open object is.
fn path_of(object: BorrowedFd<'_>, own_fds: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    Ok(readlinkat(own_fds, object.as_raw_fd().to_string().as_str())?.as_bytes().to_vec())
}

fn mount_of(object: BorrowedFd<'_>) -> io::Result<u64> {
    let attributes = statx(object, STATX_MNT_ID)?;
    if attributes.stx_mask & STATX_MNT_ID == 0 {
        return Err(Errno::ENOSYS.into());
    }
    Ok(attributes.stx_mnt_id)
}

/// What is left of a path below another one.
fn below(path: &[u8], base: &[u8]) -> io::Result<Vec<u8>> {
    let base = if base == b"/" { b"" } else { base };
    match path.strip_prefix(base) {
        Some(rest) if rest.is_empty() || rest.starts_with(b"/") => Ok(rest.to_vec()),
        _ => Err(Errno::ESTALE.into()),
    }
}

fn first(place: &[u8]) -> &[u8] {
    place.split(|byte| *byte == b'/').find(|part| !part.is_empty()).unwrap_or_default()
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// proc_pid_mountinfo(5), as in fstab(5): space, tab, line end and backslash are three octal digits behind a backslash.
pub(super) fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let escaped = after
            .get(..3)
            .filter(|_| *byte == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match escaped {
            Some(character) => {
                plain.push(character);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                plain.push(*byte);
                rest = after;
            }
        }
    }
    plain
}

/// `PROC_ROOT_INO` of linux/proc_fs.h.
const ROOT_INODE: u64 = 1;
const MAX_STATUS_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> Option<Status> {
        Status::parse(&text.replace(' ', "\t"))
    }

    #[test]
    fn the_numbers_of_a_task_are_read_from_its_status() {
        type Row = (&'static str, Option<(u32, &'static [u32], Option<u32>)>);
        let table: [Row; 9] = [
            ("Name: x\nUmask: 0027\nTgid: 7\nPid: 9\nNStgid: 7\n", Some((9, &[7], Some(0o027)))),
            ("Name: x\nUmask: 9\nTgid: 7\nPid: 9\n", Some((9, &[7], None))),
            ("Name: x\nTgid: 7\nPid: 9\nNStgid: 7\n", Some((9, &[7], None))),
            ("Name: x\nTgid: 7\nPid: 9\nNStgid: 7 3 1\n", Some((9, &[7, 3, 1], None))),
            ("Name: x\nTgid: 7\nPid: 9\n", Some((9, &[7], None))),
            ("Name: x\nTgid: 7\nPid: 9\nNStgid: 8\n", None),
            ("Name: x\nTgid: 7\nPid: 9\nNStgid: x\n", None),
            ("Name: x\nTgid: 7\n", None),
            ("", None),
        ];

        for (text, expected) in table {
            let expected = expected.map(|(number, processes, umask)| Status {
                number,
                processes: processes.to_vec(),
                umask,
            });
            assert_eq!(status(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_mount_is_read_with_its_escapes() {
        let line = br"36 35 0:22 /12/fd /mnt/with\040space\134x rw,noatime master:1 - proc proc rw";

        let mount = Mount::parse(line).unwrap();

        let expected = Mount {
            id: 36,
            device: (0, 22),
            root: b"/12/fd".to_vec(),
            point: br"/mnt/with space\x".to_vec(),
        };
        assert_eq!(mount, expected);
        assert_eq!(Mount::parse(b""), None);
        assert_eq!(Mount::parse(b"36 35 22 / / rw"), None);
    }

    #[test]
    fn a_process_is_known_by_its_number_in_the_brokers_namespace_alone() {
        let own_fds = crate::host::file_system::unguarded::own_fds().unwrap();
        let mut processes = OwnProcesses::new(own_fds.as_fd(), Rc::default()).unwrap();
        processes.numbers = vec![40, 41];
        let table: [(&[u32], Option<usize>, bool); 8] = [
            (&[40], Some(0), true),
            (&[41], Some(0), true),
            (&[42], Some(0), false),
            (&[40, 7], Some(1), false),
            (&[7, 40], Some(1), true),
            (&[7], Some(1), false),
            (&[7, 40, 1], None, true),
            (&[7, 8, 1], None, false),
        ];

        for (numbers, depth, expected) in table {
            let status = Status { number: numbers[0], processes: numbers.to_vec(), umask: None };
            assert_eq!(processes.include(&status, depth), expected, "{numbers:?} {depth:?}");
        }
    }
}
