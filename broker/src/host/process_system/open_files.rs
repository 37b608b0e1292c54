//! What a process holds open, as the kernel tells it.

use std::cell::Cell;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, readlinkat};
use nix::sys::stat::{FileStat, fstatat};
use rex_ipc::action::file_system::Read;
use rex_ipc::action::process_system::ListFds;
use rex_ipc::file_system::EntryType;
use rex_ipc::name;
use rex_ipc::process_system::OpenAccess;

use super::object::{NamespaceEntry, Process};
use super::unguarded::{is_kept_back, open, read};
use crate::gate::Permit;
use crate::host::file_system::stat::entry_type;

/// Something that a process holds open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// How.
    pub access: OpenAccess,
    /// What it is.
    pub entry_type: EntryType,
    /// What the kernel calls it, in the form of [`rex_ipc::name`].
    pub target: String,
}

/// How far it was looked at what a process holds open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether everything was handed over that the system tells.
    pub is_all: bool,
    /// Why the system does not tell everything, if it was kept from the broker.
    pub kept_back: Option<Errno>,
}

/// Hands over what a process holds open, beginning behind the first `skip` entries, until `take` says that it is enough:
/// working directory, root, program, mapped files, descriptors. Nothing is handed over for what the broker may not see or what
/// goes meanwhile, so that whoever counts knows where to go on.
///
/// With `only_sockets`, nothing is handed over for anything else, either.
///
/// # Errors
/// Those of `take`.
pub fn of<E>(
    permit: &Permit<'_, ListFds, Rc<Process>>,
    only_sockets: bool,
    skip: u32,
    mut take: impl FnMut(Option<Held>) -> Result<bool, E>,
) -> Result<Seen, E> {
    let process = permit.resource();
    let base = process.directory.as_fd();
    let mut left = skip;
    let kept_back = Cell::new(None);
    let note = |reason: &Errno| {
        if is_kept_back(*reason) && kept_back.get().is_none() {
            kept_back.set(Some(*reason));
        }
    };
    let mut pass = |find: &dyn Fn() -> Result<Option<Held>, Errno>| -> Result<bool, E> {
        if left > 0 {
            left -= 1;
            return Ok(true);
        }
        take(find().inspect_err(note).unwrap_or_default())
    };
    let seen = |is_all| Ok(Seen { is_all, kept_back: kept_back.get() });
    if !only_sockets {
        for (entry, access) in [
            (c"cwd", OpenAccess::WorkingDirectory),
            (c"root", OpenAccess::Root),
            (c"exe", OpenAccess::Executable),
        ] {
            if !pass(&|| link(base, entry, access))? {
                return seen(false);
            }
        }
        for path in mapped(process).inspect_err(note).unwrap_or_default() {
            let held = || {
                let target = path.clone();
                Ok(Some(Held { access: OpenAccess::Mapped, entry_type: EntryType::File, target }))
            };
            if !pass(&held)? {
                return seen(false);
            }
        }
    }
    let Ok((directory, mut listing)) = descriptors(process).inspect_err(note) else { return seen(true) };
    for entry in listing.iter().filter_map(Result::ok) {
        let number = entry.file_name();
        let held = || match only_sockets {
            true => socket(directory.as_fd(), number),
            false => link(directory.as_fd(), number, OpenAccess::Descriptor),
        };
        if number.to_bytes().iter().all(u8::is_ascii_digit) && !pass(&held)? {
            return seen(false);
        }
    }
    seen(true)
}

/// The number of the pid namespace that an entry of a process tells, as `/proc/PID/ns/pid` does.
///
/// # Errors
/// Those of readlink(2); `EINVAL` for a text of another form.
pub fn namespace(permit: &Permit<'_, Read, NamespaceEntry>) -> io::Result<u64> {
    let target = readlinkat(&permit.resource().process.directory, "ns/pid")?;
    let number = target.to_str().and_then(|text| text.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok());
    number.ok_or_else(|| Errno::EINVAL.into())
}

fn link(base: BorrowedFd<'_>, entry: &CStr, access: OpenAccess) -> Result<Option<Held>, Errno> {
    let target = readlinkat(base, entry)?;
    // The link leads to the object itself; where it cannot be followed, its type is not known.
    let kind = fstatat(base, entry, AtFlags::empty()).ok().as_ref().map_or(EntryType::Unknown, kind);
    Ok(Some(Held { access, entry_type: kind, target: name::to_text(target.as_encoded_bytes()) }))
}

/// A socket, told by its text alone: the kernel gives it to sockets, and everything that has a path one with a `/` in front or
/// behind `(unreachable)`; see `sockfs_dname` in the kernel's `net/socket.c`, and d_path.c.
fn socket(base: BorrowedFd<'_>, number: &CStr) -> Result<Option<Held>, Errno> {
    let target = readlinkat(base, number)?;
    let is_socket = target.as_encoded_bytes().starts_with(b"socket:[");
    let access = OpenAccess::Descriptor;
    let target = name::to_text(target.as_encoded_bytes());
    Ok(is_socket.then_some(Held { access, entry_type: EntryType::Socket, target }))
}

fn kind(stat: &FileStat) -> EntryType {
    entry_type(stat)
}

/// The files that are mapped, each once, the program left out; see proc_pid_maps(5): `from-to rights offset major:minor inode
/// path`.
fn mapped(process: &Process) -> Result<Vec<String>, Errno> {
    let text = read(process.directory.as_fd(), "maps", MAPS_BYTES).map_err(|error| reason(&error))?;
    let program = readlinkat(&process.directory, "exe").ok();
    let program = program.as_ref().map(|path| path.as_encoded_bytes());
    let mut seen = std::collections::HashSet::new();
    let mut paths = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Some((device, inode, path)) = mapping(line) else { continue };
        // The kernel writes a line end in a path as `\012`, and nothing else.
        if Some(path) != program && seen.insert((device.to_vec(), inode.to_vec())) {
            paths.push(name::to_text(path));
        }
    }
    Ok(paths)
}

fn reason(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

fn mapping(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut rest = line;
    let mut fields = [&[][..]; 5];
    for field in &mut fields {
        let end = rest.iter().position(|byte| *byte == b' ')?;
        (*field, rest) = rest.split_at(end);
        rest = rest.get(1..)?;
    }
    let start = rest.iter().position(|byte| *byte != b' ')?;
    let path = rest.get(start..)?;
    let [_, _, _, device, inode] = fields;
    (path.starts_with(b"/") && inode != b"0").then_some((device, inode, path))
}

/// The directory of the descriptors, and a listing of it, which ascends by number; see `proc_readfd_common` in the kernel's
/// `fs/proc/fd.c`. It is read as far as it is looked at.
fn descriptors(process: &Process) -> Result<(OwnedFd, Dir), Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
    let directory = open(process.directory.as_fd(), "fd", flags).map_err(|error| reason(&error))?;
    let listing = Dir::from_fd(directory.try_clone().map_err(|error| reason(&error))?)?;
    Ok((directory, listing))
}

/// A process with more mappings than this tells only the first ones.
const MAPS_BYTES: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_file_is_a_line_with_an_inode_and_a_path() {
        let line = b"7f00-7f10 r-xp 00000000 fe:01 1234                       /lib/x y.so (deleted)";
        assert_eq!(mapping(line), Some((&b"fe:01"[..], &b"1234"[..], &b"/lib/x y.so (deleted)"[..])));

        let none: [&[u8]; 5] = [
            b"",
            b"7f00-7f10 rw-p 00000000 00:00 0",
            b"7f00-7f10 rw-p 00000000 00:00 0                          [heap]",
            b"7f00-7f10 rw-p 00000000 00:00 0                          /anon_hugepage",
            b"7f00-7f10 rw-p 00000000 00:00",
        ];
        for line in none {
            assert_eq!(mapping(line), None, "{:?}", String::from_utf8_lossy(line));
        }
    }
}
