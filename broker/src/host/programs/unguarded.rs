//! What is opened for programs without a permit of its own: the base that every dynamic program needs, and places that the
//! policy permits as a whole, which is decided before and not for each of them.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};
use rex_ipc::limits::MAX_PROGRAM_PLACES;
use rex_outside::SealedImage;
use rex_outside::spawner::Spawner;
use rex_spawner::order::Thing;
use rex_spawner::{Place, Rights};

use super::object::Tool;
use crate::gate::{Inode, file_type};
use crate::policy::name::PathName;
use crate::policy::{Inner, InnerPlace, InnerRight};

/// Starts the process that starts programs. Called before the script is known, for a policy that could ever permit one.
///
/// # Errors
/// Those of making the image and of starting it.
pub fn start_spawner(image: &[u8]) -> io::Result<Spawner> {
    let image = SealedImage::new(image).map_err(|error| io::Error::other(error.to_string()))?;
    Spawner::start(&image)
}

/// The capabilities that the broker could use, one bit for each; none where that cannot be told.
pub fn own_capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let permitted = status.lines().find_map(|line| line.strip_prefix("CapPrm:"));
    permitted.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}

/// Where a path leads without any link, what stands there, and the open object, which cannot be read. For interpreters, which
/// a script that may be executed names and the policy is asked about by the real name that is found here.
///
/// # Errors
/// Those of realpath(3) and openat2(2).
pub(super) fn find(path: &Path) -> io::Result<(PathName, Inode, OwnedFd)> {
    let real = fs::canonicalize(path)?;
    let (file, kind) = open_plain(&real)?;
    if kind != SFlag::S_IFREG {
        return Err(Errno::EACCES.into());
    }
    let inode = Inode::of(&fstat(&file)?);
    Ok((PathName::from_os(&real), inode, file))
}

/// Opens what stands at a path to which no link leads, as something that can be told apart and not be read.
fn open_plain(path: &Path) -> io::Result<(OwnedFd, SFlag)> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let file = openat2(AT_FDCWD, path.as_c_str(), how)?;
    let kind = file_type(&fstat(&file)?);
    Ok((file, kind))
}

/// Everything that a program sees beside itself: the base, and what it may do at most by the policy.
///
/// # Errors
/// When it is more than one order can have.
pub(super) fn places(inner: &Inner) -> io::Result<(Vec<Place>, Vec<OwnedFd>)> {
    let mut found = Found::with_base();
    for place in &inner.places {
        let rights = rights(place);
        if rights != Rights::NONE {
            found.permitted(place, rights)?;
        }
    }
    found.in_order()
}

/// Everything that a program of the host sees which does the work of a function: the base, and what that work is about.
///
/// # Errors
/// When it is more than one order can have.
pub(super) fn places_of_tool(tool: Tool, inner: &Inner) -> io::Result<(Vec<Place>, Vec<OwnedFd>)> {
    let mut found = Found::with_base();
    match tool {
        Tool::Parameters => {
            for path in PARAMETERS {
                found.base(Path::new(path), Rights::READ | Rights::LIST | Rights::WRITE);
            }
            for path in PARAMETER_FILES {
                found.base(Path::new(path), Rights::READ | Rights::LIST);
            }
        }
        Tool::Debugger => {
            found.base(Path::new(DEBUGGER_FILES), Rights::READ | Rights::LIST);
            // Libraries of the program can lie anywhere. There is nothing that a debugger has to change or to start.
            for place in &inner.places {
                let rights = rights(place).only(Rights::READ | Rights::LIST);
                if rights != Rights::NONE {
                    found.permitted(place, rights)?;
                }
            }
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

#[derive(Default)]
struct Found {
    objects: Vec<(Vec<u8>, bool, Rights, OwnedFd)>,
    links: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Found {
    /// What every program sees.
    fn with_base() -> Self {
        let mut found = Self::default();
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
        found
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

    fn loader(&mut self, path: &Path) {
        let Ok(real) = fs::canonicalize(path) else { return };
        if let Ok((file, SFlag::S_IFREG)) = open_plain(&real) {
            self.objects.push((bytes(&real), false, Rights::READ | Rights::EXECUTE, file));
        }
    }

    /// A place of the policy, without what is left out of it.
    fn permitted(&mut self, place: &InnerPlace, rights: Rights) -> io::Result<()> {
        let path = place.path.to_os();
        // What is not there is not seen, and a name that leads through a link is none that the policy is asked about.
        let Ok((file, kind)) = open_plain(&path) else { return Ok(()) };
        match kind {
            SFlag::S_IFDIR if place.is_tree && place.except.is_empty() => {
                self.add(bytes(&path), true, rights, file)
            }
            SFlag::S_IFDIR if place.is_tree => {
                drop(file);
                self.around(&place.path, &place.except, rights)
            }
            SFlag::S_IFREG => self.add(bytes(&path), false, rights, file),
            _ => Ok(()),
        }
    }

    /// What is in a directory beside what is left out: neither the directory nor what leads there is given as a whole.
    fn around(&mut self, top: &PathName, except: &[PathName], rights: Rights) -> io::Result<()> {
        let Ok(entries) = fs::read_dir(top.to_os()) else { return Ok(()) };
        let left = MAX_PROGRAM_PLACES.saturating_sub(self.objects.len());
        let entries: Vec<_> = entries.flatten().take(left.saturating_add(1)).collect();
        // Neighbours that are too many are left out, all of them and not some.
        if entries.len() > left {
            return Ok(());
        }
        for entry in entries {
            let path = top.join(entry.file_name().as_bytes());
            if except.contains(&path) {
                continue;
            }
            if except.iter().any(|except| except.is_within(&path)) {
                self.around(&path, except, rights)?;
                continue;
            }
            let os = path.to_os();
            let Ok((file, kind)) = open_plain_or_link(&os) else { continue };
            match kind {
                SFlag::S_IFDIR => self.add(bytes(&os), true, rights, file)?,
                SFlag::S_IFREG => self.add(bytes(&os), false, rights, file)?,
                SFlag::S_IFLNK => {
                    if let Ok(target) = fs::read_link(&os) {
                        self.links.push((bytes(&os), bytes(&target)));
                    }
                }
                _ => {}
            }
        }
        Ok(())
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

fn open_plain_or_link(path: &Path) -> io::Result<(OwnedFd, SFlag)> {
    let file = open(path, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())?;
    let kind = file_type(&fstat(file.as_fd())?);
    Ok((file, kind))
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
