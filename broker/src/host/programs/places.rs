//! The places that a program gets: the base that every dynamic program needs, and what the policy permits as a whole, which
//! is decided before and not for each of them.
//!
//! A place of the policy is opened by its name once, without any link on the way; whatever lies in it is reached from that
//! descriptor and from those that were opened below it. What is handed over is looked at as it is for a script: by what it
//! is and not by its name alone.

mod closed;
mod mounted;
mod relocated;

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::sys::stat::{FileStat, SFlag, fstat};
use rex_ipc::limits::MAX_PROGRAM_PLACES;
use rex_spawner::order::Thing;
use rex_spawner::{Confinement, Place, Rights};

use super::object::{NamedSocket, Programs, Tool};
use super::unguarded::open_plain;
use crate::gate::{Inode, file_type};
use crate::policy::name::PathName;
use crate::policy::{InnerPlace, InnerRight};
pub use closed::Closed;
use closed::Now;
use mounted::Mounts;
pub use relocated::Relocated;

/// Everything that a program sees beside itself: the base, and what it may do at most by the policy.
///
/// # Errors
/// When it is more than one order can have; when a file that is closed has names that nobody knows, and a directory of its
/// file system would be given; when what is mounted cannot be read.
pub(super) fn places(
    programs: &Programs,
    confinement: Confinement,
    tool: Option<Tool>,
) -> io::Result<(Vec<Place>, Vec<OwnedFd>)> {
    let mut found = Found {
        objects: Vec::new(),
        links: Vec::new(),
        closed: programs.closed.now(),
        mounts: Mounts::read()?,
        is_confined: confinement == Confinement::Confined,
        hard_links: programs.hard_links,
    };
    for path in BASE_DIRECTORIES {
        found.base(Path::new(path), Rights::READ | Rights::LIST | Rights::MAP);
    }
    for path in LOADERS {
        // The kernel executes it for a program that was not linked statically.
        found.loader(Path::new(path));
    }
    for path in BASE_FILES {
        found.base(Path::new(path), Rights::READ);
    }
    for path in DEVICES {
        found.base(Path::new(path), Rights::READ | Rights::WRITE | Rights::DEVICE);
    }
    match tool {
        None => {
            found.by_policy(programs, |rights| rights)?;
            found.sockets(&programs.sockets)?;
        }
        // It sets what the host's administrators have written, and nothing of it is the script's.
        Some(Tool::Parameters) => {
            for path in PARAMETERS {
                found.base(Path::new(path), Rights::READ | Rights::LIST | Rights::WRITE);
            }
            for path in PARAMETER_FILES {
                found.base(Path::new(path), Rights::READ | Rights::LIST);
            }
        }
        // Libraries of the program can lie anywhere. There is nothing that a debugger has to change or to start.
        Some(Tool::Debugger | Tool::Gstack) => {
            found.base(Path::new(DEBUGGER_FILES), Rights::READ | Rights::LIST);
            found.by_policy(programs, |rights| rights.only(Rights::READ | Rights::LIST))?;
        }
    }
    found.in_order()
}

/// What the rights of a place are for the spawner; that names may be changed is a property of the whole.
fn rights(place: &InnerPlace) -> Rights {
    let one = |right: &InnerRight| match right {
        InnerRight::Read => Rights::READ,
        InnerRight::List => Rights::LIST,
        InnerRight::Write => Rights::WRITE,
        InnerRight::MakeFiles => Rights::MAKE_FILES,
        InnerRight::MakeDirectories => Rights::MAKE_DIRECTORIES,
        InnerRight::RemoveFiles => Rights::REMOVE_FILES,
        InnerRight::RemoveDirectories => Rights::REMOVE_DIRECTORIES,
        InnerRight::Execute => Rights::EXECUTE,
        InnerRight::Rename => Rights::NONE,
    };
    place.rights.iter().map(one).fold(Rights::NONE, |all, right| all | right)
}

struct Found {
    objects: Vec<(Vec<u8>, bool, Rights, OwnedFd)>,
    links: Vec<(Vec<u8>, Vec<u8>)>,
    closed: Now,
    mounts: Mounts,
    is_confined: bool,
    hard_links: bool,
}

/// Something that lies in a place of the policy.
struct Item<'a> {
    path: PathName,
    file: OwnedFd,
    /// The directory that it was found in.
    parent: Option<BorrowedFd<'a>>,
}

impl Found {
    /// What the policy permits as a whole, with what is left of the rights to it.
    fn by_policy(&mut self, programs: &Programs, left: impl Fn(Rights) -> Rights) -> io::Result<()> {
        for place in &programs.inner.places {
            let rights = left(rights(place));
            let except = programs.relocated.closed_at(place, &programs.inner)?;
            if rights != Rights::NONE {
                self.permitted(place, except, rights)?;
            }
        }
        Ok(())
    }

    /// A part of the base; what is not there is left out.
    fn base(&mut self, path: &Path, rights: Rights) {
        if let Ok(target) = fs::read_link(path)
            && rights.contains(Rights::LIST)
        {
            // Its target is a part of the base by itself, or is no library of anybody.
            self.links.push((bytes(path), bytes(&target)));
            return;
        }
        // A file is seen under its name wherever it lies; it is root's to say what that leads to.
        let Ok(real) = fs::canonicalize(path) else { return };
        let Ok((file, kind)) = open_plain(&real) else { return };
        let is_device = kind == SFlag::S_IFCHR && rights.contains(Rights::DEVICE);
        let is_expected = match kind {
            SFlag::S_IFDIR => rights.contains(Rights::LIST),
            SFlag::S_IFREG => !rights.contains(Rights::DEVICE),
            _ => is_device,
        };
        if is_expected {
            self.objects.push((bytes(path), kind == SFlag::S_IFDIR, rights, file));
        }
    }

    /// The sockets that an operator has named. Whoever is named and not there is not left out in silence.
    ///
    /// # Errors
    /// When one cannot be given, or all sockets would be in sight.
    fn sockets(&mut self, sockets: &[NamedSocket]) -> io::Result<()> {
        if !self.is_confined && !sockets.is_empty() {
            let message = "sockets are for programs with a root of their own; `--children confined` gives it";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        for NamedSocket { path, held } in sockets {
            let file = held.as_ref().map_err(|why| io::Error::other(why.as_str()))?.try_clone()?;
            // The mount is one that nothing can be changed through; connecting changes nothing of the file.
            self.objects.push((bytes(path), false, Rights::NONE, file));
        }
        Ok(())
    }

    fn loader(&mut self, path: &Path) {
        let Ok(real) = fs::canonicalize(path) else { return };
        if let Ok((file, SFlag::S_IFREG)) = open_plain(&real) {
            self.objects.push((bytes(&real), false, Rights::READ | Rights::EXECUTE, file));
        }
    }

    /// A place of the policy, without what is left out of it.
    fn permitted(&mut self, place: &InnerPlace, mut except: Vec<PathName>, rights: Rights) -> io::Result<()> {
        except.extend(place.except.iter().chain(&self.closed.names).cloned());
        if except.iter().any(|except| place.path.is_within(except)) {
            return Ok(());
        }
        // What is not there is not seen, and a name that leads through a link is none that the policy is asked about.
        let Ok((file, kind)) = open_plain(&place.path.to_os()) else { return Ok(()) };
        let item = Item { path: place.path.clone(), file, parent: None };
        match kind {
            SFlag::S_IFDIR if place.is_tree => self.give(item, &except, rights),
            SFlag::S_IFREG => {
                let Ok((parent, _)) = open_plain(&place.path.parent().to_os()) else { return Ok(()) };
                self.give(Item { parent: Some(parent.as_fd()), ..item }, &except, rights)
            }
            _ => Ok(()),
        }
    }

    /// One thing of a place, or what is in it where it cannot be given as a whole.
    fn give(&mut self, item: Item<'_>, except: &[PathName], rights: Rights) -> io::Result<()> {
        let stat = fstat(&item.file)?;
        let inode = Inode::of(&stat);
        let path = bytes(&item.path.to_os());
        if self.closed.inodes.contains(&inode) {
            return Ok(());
        }
        match file_type(&stat) {
            SFlag::S_IFLNK => {
                if let Ok(target) = readlinkat(&item.file, "") {
                    self.links.push((path, target.as_bytes().to_vec()));
                }
                Ok(())
            }
            // Views of the kernel, of processes and of devices are no content that a policy is about.
            _ if !self.mounts.is_of_files(item.file.as_fd()) => Ok(()),
            SFlag::S_IFREG if !self.may_be_foreign(&item, &stat) => self.add(path, false, rights, item.file),
            SFlag::S_IFDIR => {
                let mounted = self.mounts.below(&item.path);
                let is_whole = !self.closed.directories.contains(&inode)
                    && !except.iter().any(|except| except.is_within(&item.path))
                    // Without a root of its own a program would see what is mounted there.
                    && (self.is_confined || mounted.is_empty());
                if !is_whole {
                    return self.around(&item, except, rights);
                }
                self.closed.has_no_unknown_name(item.file.as_fd(), inode)?;
                self.mounted(&item, &mounted, except, rights)?;
                self.add(path, true, rights, item.file)
            }
            // A FIFO or a socket leads to somebody who was not asked about.
            _ => Ok(()),
        }
    }

    /// What is mounted in a directory that is given as a whole, because the mount of a directory is given without them.
    fn mounted(
        &mut self,
        top: &Item<'_>,
        mounted: &[PathName],
        except: &[PathName],
        rights: Rights,
    ) -> io::Result<()> {
        // As with neighbours: all or none.
        if mounted.len() > MAX_PROGRAM_PLACES.saturating_sub(self.objects.len()) {
            return Ok(());
        }
        for point in mounted {
            let Some(below) = point.below(&top.path) else { continue };
            let Ok(file) = open_below(top.file.as_fd(), &below) else { continue };
            self.give(Item { path: point.clone(), file, parent: None }, except, rights)?;
        }
        Ok(())
    }

    /// What is in a directory beside what is left out: neither the directory nor what leads there is given as a whole.
    fn around(&mut self, top: &Item<'_>, except: &[PathName], rights: Rights) -> io::Result<()> {
        // The directory that is held, whatever has its name by now.
        let held = format!("/proc/self/fd/{}", top.file.as_raw_fd());
        let Ok(entries) = fs::read_dir(held) else { return Ok(()) };
        let left = MAX_PROGRAM_PLACES.saturating_sub(self.objects.len());
        let entries: Vec<_> = entries.flatten().take(left.saturating_add(1)).collect();
        // Neighbours that are too many are left out, all of them and not some.
        if entries.len() > left {
            return Ok(());
        }
        for entry in entries {
            let name = entry.file_name();
            let path = top.path.join(name.as_bytes());
            if except.contains(&path) {
                continue;
            }
            let name = CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL)?;
            let Ok(file) = open_below(top.file.as_fd(), &name) else { continue };
            self.give(Item { path, file, parent: Some(top.file.as_fd()) }, except, rights)?;
        }
        Ok(())
    }

    /// Whether somebody else than root and the broker's user could have made this one of several names of a file.
    fn may_be_foreign(&self, item: &Item<'_>, stat: &FileStat) -> bool {
        if stat.st_nlink <= 1 || self.hard_links {
            return false;
        }
        let is_ours = |uid: u32| uid == 0 || uid == nix::unistd::geteuid().as_raw();
        let parent = item.parent.and_then(|parent| fstat(parent).ok());
        let is_alone = parent.is_some_and(|parent| is_ours(parent.st_uid) && parent.st_mode & 0o022 == 0);
        !is_ours(stat.st_uid) || !is_alone
    }

    fn add(&mut self, path: Vec<u8>, is_directory: bool, rights: Rights, file: OwnedFd) -> io::Result<()> {
        if self.objects.len() > MAX_PROGRAM_PLACES {
            return Err(io::Error::from(Errno::E2BIG));
        }
        self.objects.push((path, is_directory, rights, file));
        Ok(())
    }

    /// Each place before what lies below it; what stands at one path once, with all of its rights.
    fn in_order(mut self) -> io::Result<(Vec<Place>, Vec<OwnedFd>)> {
        // A longer path comes behind the one that it begins with.
        self.objects.sort_by(|one, other| one.0.cmp(&other.0));
        let mut objects: Vec<(Vec<u8>, bool, Rights, OwnedFd)> = Vec::new();
        for (path, is_directory, rights, file) in self.objects {
            match objects.last_mut() {
                Some(last) if last.0 == path => last.2 |= rights,
                _ => objects.push((path, is_directory, rights, file)),
            }
        }
        if objects.len() > MAX_PROGRAM_PLACES {
            return Err(io::Error::from(Errno::E2BIG));
        }
        // What may be done in a directory may be done to what is in it, although that is a place of its own.
        for at in 0..objects.len() {
            let (before, rest) = objects.split_at_mut(at);
            let Some((path, _, rights, _)) = rest.first_mut() else { break };
            for (top, is_directory, of_top, _) in before {
                if *is_directory
                    && path.strip_prefix(top.as_slice()).is_some_and(|rest| rest.starts_with(b"/"))
                {
                    *rights |= of_top.without(Rights::DEVICE);
                }
            }
        }
        // Where links stand there is nothing else, so that they can come first.
        self.links.retain(|(path, _)| !objects.iter().any(|object| object.0 == *path));
        let mut places: Vec<Place> = self
            .links
            .into_iter()
            // A place below another is in what that shows already.
            .filter(|(path, _)| {
                let covers = |top: &[u8]| path.strip_prefix(top).is_some_and(|rest| rest.starts_with(b"/"));
                !objects.iter().any(|(top, is_directory, ..)| *is_directory && covers(top))
            })
            .map(|(path, target)| Place { path, what: Thing::Link(target) })
            .collect();
        let mut files = Vec::new();
        for (path, is_directory, rights, file) in objects {
            places.push(Place { path, what: Thing::Object { is_directory, rights } });
            files.push(file);
        }
        Ok((places, files))
    }
}

/// Opens what has a name below a directory as something that can be told apart and not be read; no link is followed.
fn open_below(directory: BorrowedFd<'_>, name: &std::ffi::CStr) -> io::Result<OwnedFd> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).resolve(
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS,
    );
    Ok(openat2(directory, name, how)?)
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

/// Where libraries are.
const BASE_DIRECTORIES: [&str; 9] = [
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/share/locale",
    "/usr/share/zoneinfo",
];
/// What loads them.
const LOADERS: [&str; 4] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];
/// What the C library reads.
const BASE_FILES: [&str; 9] = [
    "/etc/ld.so.cache",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/localtime",
    "/etc/locale.alias",
    "/etc/host.conf",
];
/// What everybody may have.
const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/urandom"];
/// What gdb is partly written in.
const DEBUGGER_FILES: &str = "/usr/share/gdb";
/// Where the parameters of the kernel are.
const PARAMETERS: [&str; 1] = ["/proc/sys"];
/// What says how they are to be set; sysctl(8), "--system".
const PARAMETER_FILES: [&str; 6] = [
    "/etc/sysctl.conf",
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/lib/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/lib/sysctl.d",
];
