//! A control group for one jail, where the host has handed a part of its tree to the broker.
//!
//! It bounds what no system call shows: a busy loop, and memory that is only touched. Every promised limit holds without
//! it too, by arena, resource limits and the broker's deadline.

use std::ffi::CStr;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use crate::observe::Finding;
use crate::plan::Plan;

/// A control group with its limits set; removed when it is dropped, after everything in it was killed.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    directory: File,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum CgroupError {
    /// No unified hierarchy is mounted.
    NoHierarchy,
    /// The broker's part of the tree was not handed to it.
    NotDelegated(PathBuf),
    /// The tree has only these of the controllers.
    Controllers(String),
    /// What could not be done, and why.
    Call(&'static str, io::Error),
}

impl fmt::Display for CgroupError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHierarchy => write!(formatter, "no unified hierarchy of control groups is mounted"),
            Self::NotDelegated(path) => {
                write!(formatter, "{} is not delegated to the broker", path.display())
            }
            Self::Controllers(found) => write!(
                formatter,
                "the unified hierarchy has the controllers [{found}]; {} are needed",
                CONTROLLERS.join(", ")
            ),
            Self::Call(what, error) => write!(formatter, "cannot {what}: {error}"),
        }
    }
}

impl Cgroup {
    /// Makes a group for the next jail.
    pub(crate) fn create(plan: &Plan) -> Result<Self, CgroupError> {
        let base = delegated_base()?;
        enable_controllers(&base)?;
        let cgroup = Self::create_in(&base)?;
        // What is missing below is dropped with the half-made group.
        cgroup.set("memory.max", &(plan.arena_bytes + plan.stack_bytes + IMAGE_BYTES).to_string())?;
        cgroup.set("memory.oom.group", "1")?;
        cgroup.set("pids.max", "1")?;
        // One processor's worth of time: a jail has one thread.
        cgroup.set("cpu.max", "100000 100000")?;
        // Absent where the kernel does not account for swap, and then there is nothing to limit.
        match cgroup.set("memory.swap.max", "0") {
            Err(CgroupError::Call(_, error)) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => outcome?,
        }
        Ok(cgroup)
    }

    /// Makes an empty group below `base`, named after this process.
    fn create_in(base: &Path) -> Result<Self, CgroupError> {
        for number in 0..MAX_GROUPS {
            let path = base.join(format!("rex-jail-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {
                    let directory =
                        File::open(&path).map_err(|error| CgroupError::Call("open the group", error))?;
                    return Ok(Self { path, directory });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(CgroupError::Call("make a group", error)),
            }
        }
        Err(CgroupError::Call("make a group", io::Error::other("every name is taken")))
    }

    /// The directory, for the fork into it.
    pub(crate) fn as_raw_fd(&self) -> RawFd {
        self.directory.as_raw_fd()
    }

    /// Whether `pid` and nothing else is in the group.
    pub(crate) fn look_at(&self, pid: i32) -> Finding {
        let group = self.path.display();
        let Ok(pids) = fs::read_to_string(self.path.join("cgroup.procs")) else {
            return Finding::Hidden(format!("cannot read {group}/cgroup.procs"));
        };
        match pids.trim() == pid.to_string() {
            true => Finding::Confirmed(format!("the only process in {group}")),
            false => Finding::Refuted(format!("not the only process in {group}")),
        }
    }

    /// Where the group lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn set(&self, file: &'static str, value: &str) -> Result<(), CgroupError> {
        write_existing(&self.path.join(file), value).map_err(|error| CgroupError::Call(file, error))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Before 5.14 there is no such file; the jail was killed by its descriptor before this.
        let _ = write_existing(&self.path.join("cgroup.kill"), "1");
        for _ in 0..REMOVAL_TRIES {
            match fs::remove_dir(&self.path) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => std::thread::yield_now(),
                // Whatever else is wrong, an empty group that stays behind holds nothing up.
                _ => break,
            }
        }
    }
}

/// The group below which the broker may make others: its own, or the one above when a unit has its processes in a subgroup.
///
/// # Source
/// systemd.resource-control(5), `Delegate=`: the delegated group carries the attribute `delegate`. A control group
/// namespace shows its root as `/`, and what is in there belongs to the container.
fn delegated_base() -> Result<PathBuf, CgroupError> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| CgroupError::Call("read the mounts", error))?;
    let membership = fs::read_to_string("/proc/self/cgroup")
        .map_err(|error| CgroupError::Call("read the broker's group", error))?;
    let hierarchy = unified_hierarchy(&mounts).ok_or(CgroupError::NoHierarchy)?;
    let own =
        membership.lines().find_map(|line| line.strip_prefix("0::/")).ok_or(CgroupError::NoHierarchy)?;
    if own.is_empty() {
        return Ok(hierarchy);
    }
    let own = hierarchy.join(own);
    match own.parent() {
        Some(parent) if is_marked_delegated(parent) => Ok(parent.to_owned()),
        _ if is_marked_delegated(&own) => Ok(own),
        _ => Err(CgroupError::NotDelegated(own)),
    }
}

/// Where the unified hierarchy is mounted.
///
/// # Source
/// proc(5), `/proc/PID/mountinfo`: the fifth field is the mount point, the first after the dash the type.
fn unified_hierarchy(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let kind = after.split_whitespace().next()?;
        let point = before.split_whitespace().nth(4)?;
        (kind == "cgroup2").then(|| PathBuf::from(point))
    })
}

fn is_marked_delegated(directory: &Path) -> bool {
    const ATTRIBUTES: [&CStr; 2] = [c"trusted.delegate", c"user.delegate"];

    let Ok(directory) = File::open(directory) else {
        return false;
    };
    let mut value = [0; 8];
    ATTRIBUTES
        .iter()
        .any(|name| matches!(crate::kernel::fgetxattr(directory.as_fd(), name, &mut value), Ok(1) if value[0] == b'1'))
}

/// Hands the controllers down to the groups below `base`.
fn enable_controllers(base: &Path) -> Result<(), CgroupError> {
    let available = fs::read_to_string(base.join("cgroup.controllers"))
        .map_err(|error| CgroupError::Call("read the controllers", error))?;
    if !CONTROLLERS.iter().all(|needed| available.split_whitespace().any(|name| name == *needed)) {
        return Err(CgroupError::Controllers(available.trim().to_owned()));
    }
    let request = CONTROLLERS.map(|name| format!("+{name}")).join(" ");
    write_existing(&base.join("cgroup.subtree_control"), &request)
        .map_err(|error| CgroupError::Call("hand the controllers down", error))
}

/// Writes to a file of the kernel; one that is absent is not made.
fn write_existing(path: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];
/// Room for the image, page tables and the socket's buffers.
const IMAGE_BYTES: u64 = 64 << 20;
const MAX_GROUPS: u32 = 4096;
/// A group is busy for a moment after its last process was reaped.
const REMOVAL_TRIES: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unified_hierarchy_is_found_among_the_others() {
        let mounts = "30 29 0:26 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
             31 29 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";

        assert_eq!(unified_hierarchy(mounts), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(unified_hierarchy("1 2 0:3 / /proc rw - proc proc rw\n"), None);
    }

    /// A directory that looks like a part of the hierarchy.
    struct Base(PathBuf);

    impl Base {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("rex-cgroup-{name}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Base {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    // That the fork into it succeeded is a word; who is in it is seen.
    #[test]
    fn a_group_that_the_jail_is_not_in_or_is_not_alone_in_is_refuted() {
        let base = Base::new("claimed");
        let group = Cgroup::create_in(&base.0).unwrap();
        let with = |pids: &str| {
            fs::write(group.path.join("cgroup.procs"), pids).unwrap();
            group.look_at(7)
        };

        assert!(matches!(with("7\n"), Finding::Confirmed(_)));
        for pids in ["", "8\n", "7\n8\n", "77\n", "0\n"] {
            assert!(matches!(with(pids), Finding::Refuted(_)), "{pids:?}");
        }
        fs::remove_file(group.path.join("cgroup.procs")).unwrap();
        assert!(matches!(group.look_at(7), Finding::Hidden(_)));
    }

    #[test]
    fn a_real_group_without_the_jail_in_it_is_refuted() {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let Some(group) = unified_hierarchy(&mounts).and_then(|base| Cgroup::create_in(&base).ok()) else {
            // What is written to the stream itself is seen although the test passes.
            let line = "skipped: this user may make no group in a unified hierarchy\n";
            drop(io::stderr().write_all(line.as_bytes()));
            return;
        };

        assert!(matches!(group.look_at(std::process::id() as i32), Finding::Refuted(_)));
    }

    #[test]
    fn a_tree_without_the_controllers_is_refused() {
        let base = Base::new("controllers");
        fs::write(base.0.join("cgroup.controllers"), "hugetlb pids\n").unwrap();

        let error = enable_controllers(&base.0).unwrap_err();

        assert!(matches!(error, CgroupError::Controllers(found) if found == "hugetlb pids"));
    }
}
