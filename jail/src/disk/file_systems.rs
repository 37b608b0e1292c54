//! How full each mounted file system is, as df(1) shows it.

use std::collections::BTreeSet;

use rex_ipc::sysinfo::{FileSystemStatus, Source, StatFileSystem};
use rhai::{Array, Dynamic, NativeCallContext};

use super::activity::device_names;
use super::mounts::{self, Mount, is_within};
use crate::error::family::{Disks, Kind, OTHER};
use crate::error::{Fallible, TooLarge, too_large};
use crate::limits::array_limit;
use crate::session::Session;
use crate::sysinfo::tables::{self, without_escapes};
use crate::value;

/// Which file systems are looked at.
#[derive(Clone, Debug, Default)]
pub struct FilesystemOptions {
    /// Those at these places; all when there is none.
    pub targets: Vec<String>,
    /// Those of this host alone.
    pub local: bool,
}

/// What scripts call the functions for file systems on.
#[derive(Clone, Debug, Default)]
pub struct Filesystems {
    /// Which are looked at.
    pub options: FilesystemOptions,
}

/// A unit for [`format_bytes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Bytes in one.
    pub bytes: u64,
}

impl Unit {
    /// Every unit by its name in the script.
    pub const ALL: [(&'static str, u64); 3] = [("BYTES", 1), ("KILOBYTES", 1 << 10), ("MEGABYTES", 1 << 20)];

    /// The name in the script.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, bytes)| *bytes == self.bytes).map_or("Unit", |(name, _)| name)
    }
}

/// A mounted file system; sizes are in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Filesystem {
    /// What is mounted.
    pub fs_device: String,
    /// Of which type.
    pub fs_kind: String,
    /// Where.
    pub mounted_on: String,
    /// With which options.
    pub mount_options: Vec<String>,
    /// All of it.
    pub size: u64,
    /// What an unprivileged user can still use.
    pub block_available: u64,
    /// All inodes.
    pub inodes: u64,
    /// Those that are free.
    pub ifree: u64,
}

impl Filesystem {
    /// What is not available: what is reserved for root counts as used.
    pub fn block_used(&self) -> u64 {
        self.size.saturating_sub(self.block_available)
    }

    /// What is not available, in percent of all; 0 where there is nothing.
    pub fn block_use_percent(&self) -> f64 {
        percent(self.block_used(), self.size)
    }

    /// Inodes that are not free.
    pub fn iused(&self) -> u64 {
        self.inodes.saturating_sub(self.ifree)
    }

    /// Inodes that are not free, in percent of all; 0 where there is none.
    pub fn iuse_percent(&self) -> f64 {
        percent(self.iused(), self.inodes)
    }
}

impl Filesystems {
    /// The file systems that are meant, in the order in which they were mounted.
    ///
    /// # Errors
    /// `PermissionDenied`, also when one of them alone may not be looked at; `Other` for the system's failures; the limit on
    /// arrays.
    pub fn list(&self, context: &NativeCallContext) -> Fallible<Array> {
        let (session, line) = (Session::of(context), value::line(context));
        let table = tables::read::<Disks>(context, Source::Mounts)?;
        let devices = device_names(&tables::read::<Disks>(context, Source::DiskStatistics)?);
        let all: Vec<Mount> = mounts::parse(&table).collect();
        let mut list = Array::new();
        for mount in self.selected(&all, &devices, session.is_rex_compat()) {
            let mount_point = value::path(&mount.mounted_on)
                .map_err(|error| Kind::<Disks>::of_file(error, session.is_rex_compat()))?;
            let status = session
                .ask(line, StatFileSystem { mount_point })
                .map_err(|failed| Kind::<Disks>::of(failed, OTHER))?;
            let FileSystemStatus::Known { fragment_bytes, blocks, available_blocks, inodes, free_inodes } =
                status
            else {
                continue;
            };
            if list.len() >= array_limit(&session) {
                return Err(too_large(TooLarge::Array));
            }
            // Rex takes the first line for this place, whatever is mounted over it.
            let first = all.iter().find(|other| other.mounted_on == mount.mounted_on);
            let optioned = first.filter(|_| session.is_rex_compat()).unwrap_or(mount);
            list.push(Dynamic::from(Filesystem {
                fs_device: match session.is_rex_compat() {
                    true => mount.device.clone(),
                    false => without_escapes(&mount.device),
                },
                fs_kind: mount.kind.clone(),
                mounted_on: mount.mounted_on.clone(),
                mount_options: optioned.options(),
                size: blocks.saturating_mul(fragment_bytes),
                block_available: available_blocks.saturating_mul(fragment_bytes),
                inodes,
                ifree: free_inodes,
            }));
        }
        Ok(list)
    }

    fn selected<'m>(&self, all: &'m [Mount], devices: &BTreeSet<String>, as_rex: bool) -> Vec<&'m Mount> {
        let mut seen = BTreeSet::new();
        let candidates: Vec<&Mount> = all
            .iter()
            .filter(|mount| !is_left_out(mount, as_rex))
            .filter(|mount| seen.insert((&mount.device, &mount.mounted_on, &mount.kind)))
            .collect();
        let mut wanted: Vec<bool> = vec![self.options.targets.is_empty(); candidates.len()];
        for target in &self.options.targets {
            for (wanted, is_meant) in wanted.iter_mut().zip(meant(target, &candidates, as_rex)) {
                *wanted |= is_meant;
            }
        }
        let is_local = |mount: &&Mount| !self.options.local || is_local(&mount.device, devices);
        let wanted = candidates.into_iter().zip(wanted).filter_map(|(mount, wanted)| wanted.then_some(mount));
        wanted.filter(is_local).collect()
    }
}

/// Which mounts a target means: those at or below it; where nothing is, the one that contains it.
fn meant(target: &str, candidates: &[&Mount], as_rex: bool) -> Vec<bool> {
    if as_rex {
        return candidates.iter().map(|mount| mount.mounted_on.starts_with(target)).collect();
    }
    if !target.starts_with('/') {
        return vec![false; candidates.len()];
    }
    let below: Vec<bool> = candidates.iter().map(|mount| is_within(&mount.mounted_on, target)).collect();
    if below.contains(&true) {
        return below;
    }
    let containing = candidates.iter().enumerate().filter(|(_, mount)| is_within(target, &mount.mounted_on));
    // The deepest, and of several at one place the one that was mounted over the others.
    let deepest = containing.max_by_key(|(_, mount)| mount.mounted_on.trim_end_matches('/').len());
    (0..candidates.len()).map(|index| deepest.is_some_and(|(deepest, _)| deepest == index)).collect()
}

/// Whether a mount holds no files of anybody: what the kernel shows of itself, and what is read only by its nature.
fn is_left_out(mount: &Mount, as_rex: bool) -> bool {
    let place = mount.mounted_on.as_str();
    let is_in = |above: &str| if as_rex { place.starts_with(above) } else { is_within(place, above) };
    NO_FILES.contains(&mount.kind.as_str())
        || is_in("/sys")
        || is_in("/proc")
        || (is_in("/run") && !is_in("/run/media"))
        || mount.device.starts_with("sunrpc")
}

fn is_local(device: &str, devices: &BTreeSet<String>) -> bool {
    if device.strip_prefix("/dev/").is_some_and(|name| devices.contains(name)) {
        return true;
    }
    let device = device.to_lowercase();
    let is_remote = ["nfs", "smb", "cifs", "efs", "autofs", ":"].iter().any(|sign| device.contains(sign));
    !is_remote && !device.starts_with("//")
}

/// A number of bytes in a larger unit, without its fraction.
pub fn format_bytes(bytes: u64, unit: Unit) -> u64 {
    bytes.checked_div(unit.bytes).unwrap_or(0)
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

/// Types of file systems that are not listed.
const NO_FILES: [&str; 13] = [
    "rootfs",
    "sysfs",
    "proc",
    "devtmpfs",
    "cgroup",
    "cgroup2",
    "pstore",
    "squashfs",
    "rpc_pipefs",
    "iso9660",
    "devpts",
    "hugetlbfs",
    "mqueue",
];

#[cfg(test)]
mod tests {
    use rex_ipc::sysinfo::{FileSystemStatus, Source};

    use crate::testing::Bench;

    const MOUNTS: &str = "sysfs /sys sysfs rw 0 0\n\
        /dev/sda1 / ext4 rw,relatime 0 0\n\
        /dev/sda1 / ext4 rw,relatime 0 0\n\
        tmpfs /run tmpfs rw 0 0\n\
        tmpfs /run/media tmpfs rw 0 0\n\
        tmpfs /dev/shm tmpfs rw,size=64k 0 0\n\
        tmpfs /srv/x tmpfs rw,first 0 0\n\
        host:/export /srv/x nfs ro,second,size=1,size=2 0 0\n\
        /dev/nfsdisk /data ext4 rw 0 0\n\
        /dev/my\\040disk /system-data xfs rw 0 0\n\
        tmpfs /a\\040b tmpfs rw 0 0\n\
        sunrpc /rpc tmpfs rw 0 0\n\
        squash /snap squashfs ro 0 0\n";

    fn bench() -> Bench {
        let status = FileSystemStatus::Known {
            fragment_bytes: 4096,
            blocks: 1024,
            available_blocks: 256,
            inodes: 100,
            free_inodes: 75,
        };
        let bench = Bench::new().table(Source::Mounts, MOUNTS).table(
            Source::DiskStatistics,
            "8 1 sda1 1 2 3 4 5 6 7 8 9 10 11\n8 2 nfsdisk 1 2 3 4 5 6 7 8 9 10 11\n",
        );
        bench.world.borrow_mut().host.usual_status = Some(status);
        bench
    }

    fn listed(bench: &Bench, options: &str) -> String {
        bench.output(&format!(
            "Filesystems(FilesystemOptions(){options}.build()).filesystems().map(|f| f.mounted_on)"
        ))
    }

    #[test]
    fn every_mount_with_files_is_listed_once_in_its_order() {
        assert_eq!(
            listed(&bench(), ""),
            r#"["/", "/run/media", "/dev/shm", "/srv/x", "/srv/x", "/data", "/system-data", "/a b"]"#
        );
        assert_eq!(bench().output("df().len()"), "8");
        // spec: "Prefixes are textual: a mount at `/system-data` or `/runner` is left out too".
        assert_eq!(
            listed(&bench().like_rex(), ""),
            r#"["/", "/run/media", "/dev/shm", "/srv/x", "/srv/x", "/data", "/a b"]"#
        );
    }

    #[test]
    fn a_file_system_has_numbers_in_bytes() {
        for bench in [bench(), bench().like_rex()] {
            assert_eq!(
                bench.output(
                    "let f = df()[0]; [f.fs_device, f.fs_kind, f.mounted_on, f.size, f.block_used, f.block_available, \
                     f.block_use_percent, f.kb_blocks, f.mb_blocks, f.inodes, f.iused, f.ifree, f.iuse_percent, f.mount_options, \
                     type_of(f.size), type_of(f)]"
                ),
                r#"["/dev/sda1", "ext4", "/", 4194304, 3145728, 1048576, 75.0, 4096, 4, 100, 25, 75, 25.0, ["rw", "relatime"], "u64", "rust_safe_disk_info::df::common::Filesystem"]"#
            );
            assert_eq!(
                bench.output("df()[0].to_map()"),
                r##"#{"block_available": 1048576, "block_use_percent": 75.0, "block_used": 3145728, "fs_device": "/dev/sda1", "fs_kind": "ext4", "ifree": 75, "inodes": 100, "iuse_percent": 25.0, "iused": 25, "kb_blocks": 4096, "mb_blocks": 4, "mount_options": ["rw", "relatime"], "mounted_on": "/", "size": 4194304}"##
            );
        }
    }

    #[test]
    fn targets_are_places_and_for_rex_beginnings_of_text() {
        for (targets, expected, for_rex) in [
            (r#"["/srv"]"#, r#"["/srv/x", "/srv/x"]"#, r#"["/srv/x", "/srv/x"]"#),
            (r#"["/d"]"#, r#"["/"]"#, r#"["/dev/shm", "/data"]"#),
            (r#"["/data/deep/file"]"#, r#"["/data"]"#, "[]"),
            (r#"["/srv/x/file"]"#, r#"["/srv/x"]"#, "[]"),
            (
                r#"["data", ""]"#,
                "[]",
                r#"["/", "/run/media", "/dev/shm", "/srv/x", "/srv/x", "/data", "/a b"]"#,
            ),
            (
                r#"["/"]"#,
                r#"["/", "/run/media", "/dev/shm", "/srv/x", "/srv/x", "/data", "/system-data", "/a b"]"#,
                r#"["/", "/run/media", "/dev/shm", "/srv/x", "/srv/x", "/data", "/a b"]"#,
            ),
            (r#"["/a b", "/data/"]"#, r#"["/data", "/a b"]"#, r#"["/a b"]"#),
            ("[7]", "[]", "[]"),
        ] {
            let options = format!(".targets({targets})");
            assert_eq!(listed(&bench(), &options), expected, "{targets}");
            assert_eq!(listed(&bench().like_rex(), &options), for_rex, "{targets}");
        }
        assert_eq!(
            bench().output(
                r#"Filesystems(FilesystemOptions().targets(["/srv/x/file"]).build()).filesystems()[0].fs_device"#
            ),
            "host:/export"
        );
    }

    #[test]
    fn a_remote_file_system_is_not_local_and_a_disk_is_whatever_its_name() {
        assert_eq!(
            listed(&bench(), ".local(true)"),
            r#"["/", "/run/media", "/dev/shm", "/srv/x", "/data", "/system-data", "/a b"]"#
        );
        let table = "//server/share /m cifs rw 0 0\nfs-1.EFS.example /e nfs4 rw 0 0\nautofs /h tmpfs rw 0 0\n/dev/x /x ext4 rw 0 0\n";
        assert_eq!(listed(&bench().table(Source::Mounts, table), ".local(true)"), r#"["/x"]"#);
    }

    // spec: "Stacked mounts on one point all show the first one's options."
    #[test]
    fn each_mount_has_its_own_options_but_for_rex() {
        let script = r#"df().filter(|f| f.mounted_on == "/srv/x").map(|f| f.mount_options)"#;

        assert_eq!(bench().output(script), r#"[["rw", "first"], ["ro", "second", "size=2"]]"#);
        assert_eq!(bench().like_rex().output(script), r#"[["rw", "first"], ["rw", "first"]]"#);
        let devices = r#"df().map(|f| f.fs_device).filter(|d| d.contains("my"))"#;
        assert_eq!(bench().output(devices), r#"["/dev/my disk"]"#);
    }

    #[test]
    fn the_tables_are_asked_for_and_then_each_mount() {
        let bench = bench();

        bench.output(r#"Filesystems(FilesystemOptions().targets(["/srv"]).build()).filesystems()"#);

        assert_eq!(
            bench.asked().concat(),
            ["read_source", "read_source", "stat_file_system", "stat_file_system"]
        );
        let denied = |action, path: &str| {
            bench.world.borrow_mut().denied = vec![(action, path.to_owned())];
            bench.run("Filesystems(FilesystemOptions().build()).filesystems()").text
        };
        for (action, path) in [("read", "/proc/mounts"), ("read", "/proc/diskstats"), ("stat", "/srv/x")] {
            let message = denied(action, path);
            assert!(
                message.starts_with("DiskinfoErrorKind: PermissionDenied: Permission denied: "),
                "{message}"
            );
            assert!(bench.failure("df()").starts_with("Runtime error: Permission denied: "));
        }
    }

    // spec: "statvfs failing with EACCES drops that entry; any other errno aborts (kind `Other`)."
    #[test]
    fn what_the_system_does_not_show_is_left_out_and_what_fails_is_an_error() {
        let bench = bench();
        bench.world.borrow_mut().host.statuses.insert("/data".into(), FileSystemStatus::NotAccessible);
        assert_eq!(bench.output("df().len()"), "7");

        let zero = FileSystemStatus::Known {
            fragment_bytes: u64::MAX,
            blocks: 0,
            available_blocks: 7,
            inodes: 0,
            free_inodes: 9,
        };
        bench.world.borrow_mut().host.statuses.insert("/data".into(), zero);
        let script = r#"let f = df().filter(|f| f.mounted_on == "/data")[0];
                        [f.block_used, f.block_use_percent, f.iused, f.iuse_percent, f.size]"#;
        assert_eq!(bench.output(script), "[0, 0.0, 0, 0.0, 0]");

        bench.world.borrow_mut().host.usual_status = None;
        let message = bench.failure("Filesystems(FilesystemOptions().build()).filesystems()");
        assert!(
            message.starts_with("DiskinfoErrorKind: Other: No such file or directory (os error 2)"),
            "{message}"
        );
    }

    #[test]
    fn bytes_are_counted_in_units() {
        let script = "let s = df()[0].size; [Unit::BYTES, Unit::KILOBYTES, Unit::MEGABYTES].map(|u| format_bytes(s, u))";

        for bench in [bench(), bench().like_rex()] {
            assert_eq!(bench.output(script), "[4194304, 4096, 4]");
        }
    }
}
