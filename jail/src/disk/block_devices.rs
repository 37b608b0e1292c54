//! Which block devices there are, and how they belong together, as lsblk(8) shows it.

use std::collections::BTreeMap;

use rex_ipc::failure::FailureClass;
use rex_ipc::file_system::{CreateDir, DirPlace, EntryType, OpenDir, ReadLink};
use rex_ipc::name;
use rex_ipc::sysinfo::Source;
use rhai::{Array, Dynamic, INT, Map, NativeCallContext};

use super::mounts;
use crate::error::Fallible;
use crate::error::family::Disks;
use crate::file_system::dir::DirHandle;
use crate::file_system::options::{DirConfig, OpenDirOptions};
use crate::file_system::whole;
use crate::session::Session;
use crate::sysinfo::tables::{self, ENOENT, without_escapes};
use crate::text::Redaction;
use crate::value::{self, Size};

/// A block device.
struct Device {
    /// What the kernel calls it.
    kernel_name: String,
    /// What scripts call it: a logical volume has a name of its own.
    name: String,
    numbers: (String, String),
    size_kib: INT,
    kind: Option<String>,
    is_removable: bool,
    is_read_only: bool,
    mount_point: String,
    children: Vec<String>,
}

impl Device {
    fn is_partition(&self) -> bool {
        self.kind.as_deref() == Some("partition")
    }

    fn is_volume(&self) -> bool {
        self.kind.as_deref() == Some(VOLUME)
    }

    /// The link that leads to what the kernel says of it.
    fn place(&self) -> String {
        let (major, minor) = &self.numbers;
        format!("{DEVICES}/{major}:{minor}")
    }

    fn to_map(&self) -> Map {
        let flag = |is_set: bool| Dynamic::from(if is_set { "1" } else { "0" });
        let text = |text: &str| Dynamic::from(text.to_owned());
        let children: Array = self.children.iter().map(|child| text(child)).collect();
        [
            ("name", text(&self.name)),
            ("type", text(self.kind.as_deref().unwrap_or("unknown"))),
            ("maj", text(&self.numbers.0)),
            ("min", text(&self.numbers.1)),
            ("size_kib", Dynamic::from_int(self.size_kib)),
            ("removable", flag(self.is_removable)),
            ("read_only", flag(self.is_read_only)),
            ("mount_point", text(&self.mount_point)),
            ("children", Dynamic::from_array(children)),
        ]
        .into_iter()
        .map(|(key, value)| (key.into(), value))
        .collect()
    }
}

/// Every block device, by name.
///
/// # Errors
/// The policy's denials and the system's failures, but for what stands in `removable` and `ro` and for what belongs to what;
/// the limits on values.
pub fn list(context: &NativeCallContext) -> Fallible<Map> {
    let session = Session::of(context);
    let (proc, partitions) = whole::open_and_read(context, "/proc", false, "partitions", Redaction::Refused)?;
    let volumes = volumes(context, &session)?;
    let mut devices = parse(&name::to_text(&partitions), &volumes);
    let mounts = tables::read::<Disks>(context, Source::MountsOfInit)?;
    let swaps = whole::read_in(context, &proc, "swaps", Redaction::Refused)?;
    let used = Used::of(&mounts, &name::to_text(&swaps), session.is_rex_compat());
    for device in &mut devices {
        device.mount_point = used.place_of(device);
        describe(context, device)?;
    }
    relate(context, &session, &mut devices)?;
    let map: Map = devices
        .iter()
        .map(|device| (device.name.as_str().into(), Dynamic::from_map(device.to_map())))
        .collect();
    let whole = Dynamic::from_map(map);
    Size::of(&whole).check(&session)?;
    Ok(whole.cast())
}

/// The names of logical volumes by what the kernel calls them, which links tell. Rex fails where there is no directory of
/// such links, although a host without it has no volumes.
fn volumes(context: &NativeCallContext, session: &Session) -> Fallible<BTreeMap<String, String>> {
    let line = value::line(context);
    let id = session.new_dir();
    let at = DirPlace::Path(value::path(LINKS)?);
    let opened = match session.ask(line, OpenDir { id, at, follow: false, create: CreateDir::No }) {
        Ok(opened) => opened,
        Err(failed)
            if failed.failure.class == FailureClass::System { errno: ENOENT } && !session.is_rex_compat() =>
        {
            return Ok(BTreeMap::new());
        }
        Err(failed) => return Err(failed.into()),
    };
    let links = DirHandle::adopt(session, id, LINKS, &opened);
    let mut names = Vec::new();
    links.for_each_entry(context, |entry| {
        if entry.entry_type == EntryType::Symlink && entry.name.as_str().starts_with(LINK) {
            names.push(entry.name.into_string());
        }
        Ok(())
    })?;
    let mut volumes = BTreeMap::new();
    for name in names {
        let request = ReadLink { dir: links.id(), name: value::name(&name)? };
        let target = session.ask(line, request)?.target.into_string();
        let volume = name.strip_prefix(LINK).unwrap_or(&name);
        volumes.insert(last_of(&target).to_owned(), volume.to_owned());
    }
    Ok(volumes)
}

/// The lines of `/proc/partitions`: major, minor, blocks of 1 KiB, name. What does not begin with two numbers is none.
fn parse(table: &str, volumes: &BTreeMap<String, String>) -> Vec<Device> {
    let is_number = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
    let device = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (major, minor) = (words.next().filter(is_number)?, words.next().filter(is_number)?);
        let (blocks, kernel_name) = (words.next()?, words.next()?);
        let volume = volumes.get(kernel_name);
        Some(Device {
            kernel_name: kernel_name.to_owned(),
            name: volume.map_or(kernel_name, String::as_str).to_owned(),
            numbers: (major.to_owned(), minor.to_owned()),
            size_kib: blocks.parse().unwrap_or(0),
            kind: volume.map(|_| VOLUME.to_owned()),
            is_removable: false,
            is_read_only: false,
            mount_point: String::new(),
            children: Vec::new(),
        })
    };
    table.lines().filter_map(device).collect()
}

/// What devices are used for.
struct Used {
    mounts: BTreeMap<String, String>,
    swaps: Vec<String>,
}

impl Used {
    /// Of several places of one device the last counts. Rex leaves what is escaped as it is.
    fn of(mounts: &str, swaps: &str, as_rex: bool) -> Self {
        let plain = |text: &str| if as_rex { text.to_owned() } else { without_escapes(text) };
        Self {
            mounts: mounts::lines(mounts).map(|[device, place, ..]| (plain(device), plain(place))).collect(),
            // The first line has the headings.
            swaps: swaps
                .lines()
                .skip(1)
                .filter_map(|line| line.split_ascii_whitespace().next())
                .map(plain)
                .collect(),
        }
    }

    fn place_of(&self, device: &Device) -> String {
        let [name, volume, kernel_name] =
            [("/dev/", &device.name), ("/dev/mapper/", &device.name), ("/dev/", &device.kernel_name)]
                .map(|(place, name)| format!("{place}{name}"));
        let mounted = self.mounts.get(&volume).or_else(|| self.mounts.get(&name));
        if let Some(place) = mounted.or_else(|| self.mounts.get(&kernel_name)) {
            return place.clone();
        }
        let is_swap = self.swaps.iter().any(|swap| [&name, &volume, &kernel_name].contains(&swap));
        if is_swap { "[SWAP]".to_owned() } else { String::new() }
    }
}

/// Reads what the kernel says of a device: its type, and whether it can be taken out and written to.
fn describe(context: &NativeCallContext, device: &mut Device) -> Fallible<()> {
    let place = device.place();
    let handle = if device.is_volume() {
        open(context, &place)?
    } else {
        let (handle, event) = whole::open_and_read(context, &place, true, "uevent", Redaction::Accepted)?;
        let event = name::to_text(&event);
        device.kind = event.lines().find_map(|line| line.strip_prefix("DEVTYPE=")).map(str::to_owned);
        handle
    };
    // A partition is as removable as the disk that it is on, and does not say so.
    if !device.is_partition() {
        device.is_removable = is_set(context, &handle, "removable")?;
    }
    device.is_read_only = is_set(context, &handle, "ro")?;
    Ok(())
}

/// Whether a file has a 1; not where it cannot be read.
fn is_set(context: &NativeCallContext, dir: &DirHandle, name: &str) -> Fallible<bool> {
    let content = tolerated(whole::read_in(context, dir, name, Redaction::Accepted))?.unwrap_or_default();
    Ok(content.trim_ascii() == b"1")
}

/// Tells each device what is on it.
fn relate(context: &NativeCallContext, session: &Session, devices: &mut [Device]) -> Fallible<()> {
    let mut below: Vec<(String, String)> = Vec::new();
    let mut all = None;
    for device in devices.iter().filter(|device| device.is_volume() || device.is_partition()) {
        let mut on = |parent: &str| below.push((parent.to_owned(), device.name.clone()));
        if device.is_volume() {
            let slaves = open(context, &format!("{}/slaves", device.place()));
            let listed = slaves.and_then(|slaves| {
                slaves.for_each_entry(context, |entry| {
                    on(entry.name.as_str());
                    Ok(())
                })
            });
            tolerated(listed)?;
        } else {
            let dir = match &all {
                Some(dir) => dir,
                None => all.insert(DirHandle::open(context, &at(DEVICES), &OpenDirOptions::default())?),
            };
            let place = device.place();
            let request = ReadLink { dir: dir.id(), name: value::name(last_of(&place))? };
            let target = session.ask(value::line(context), request);
            let target = tolerated(target.map_err(Into::into))?.map(|target| target.target.into_string());
            // `../../devices/…/block/sda/sda1`
            if let Some((parent, _)) = target.as_deref().and_then(|target| target.rsplit_once('/')) {
                on(last_of(parent));
            }
        }
    }
    for (parent, child) in below {
        if let Some(parent) = devices.iter_mut().find(|device| device.kernel_name == parent) {
            parent.children.push(child);
        }
    }
    Ok(())
}

fn open(context: &NativeCallContext, path: &str) -> Fallible<DirHandle> {
    let options = OpenDirOptions { follow_symlinks: true, ..OpenDirOptions::default() };
    DirHandle::open(context, &at(path), &options)
}

fn at(path: &str) -> DirConfig {
    DirConfig { path: Some(path.into()) }
}

/// The value, or nothing for an error that can be caught.
fn tolerated<T>(outcome: Fallible<T>) -> Fallible<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_catchable() => Ok(None),
        Err(error) => Err(error),
    }
}

fn last_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Links from numbers of devices to what the kernel says of them.
const DEVICES: &str = "/sys/dev/block";
/// Links from names of devices to devices, and how those of logical volumes begin.
const LINKS: &str = "/dev/disk/by-id";
const LINK: &str = "dm-name-";
/// The type of a logical volume.
const VOLUME: &str = "lvm";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    const PARTITIONS: &str = "major minor  #blocks  name\n\n   8        0    1000 sda\n   8        1     600 sda1\n   8        2     x sda2\n\
                              \u{20}254        0     300 dm-0\n 254 1 200 dm-1\n  11        0       1 sr0\n";
    const MOUNTS: &str = "/dev/sda1 /boot ext4 rw 0 0\n/dev/sda1 /my\\040boot ext4 rw 0 0\n/dev/mapper/vg-root / ext4 rw 0 0\n";
    const SWAPS: &str = "Filename Type Size Used Priority\n/dev/dm-1 partition 200 0 -2\n";

    fn bench() -> Bench {
        let pci = "/sys/devices/pci0/block/sda";
        let mut bench = Bench::new()
            .file("/proc/partitions", PARTITIONS)
            .file("/proc/swaps", SWAPS)
            .table(Source::MountsOfInit, MOUNTS)
            .link("/dev/disk/by-id/dm-name-vg-root", "../../dm-0")
            .link("/dev/disk/by-id/dm-name-vg-swap", "../../dm-1")
            .link("/dev/disk/by-id/ata-disk", "../../sda")
            .file("/dev/disk/by-id/dm-name-file", "")
            .file("/sys/devices/virtual/block/dm-0/removable", "0\n")
            .file("/sys/devices/virtual/block/dm-0/ro", "1\n")
            .dir("/sys/devices/virtual/block/dm-0/slaves/sda2")
            .dir("/sys/devices/virtual/block/dm-1/slaves/sda2")
            .file("/sys/devices/sr0/uevent", "MAJOR=11\n")
            .file("/sys/devices/sr0/removable", "1\n")
            .file(&format!("{pci}/uevent"), "MAJOR=8\nDEVTYPE=disk\n")
            .file(&format!("{pci}/removable"), "0\n")
            .file(&format!("{pci}/ro"), "0\n");
        for (name, kind) in [("sda1", "partition"), ("sda2", "partition")] {
            bench = bench
                .file(&format!("{pci}/{name}/uevent"), format!("DEVTYPE={kind}\n"))
                .file(&format!("{pci}/{name}/ro"), "0\n");
        }
        for (numbers, target) in [
            ("8:0", "pci0/block/sda"),
            ("8:1", "pci0/block/sda/sda1"),
            ("8:2", "pci0/block/sda/sda2"),
            ("254:0", "virtual/block/dm-0"),
            ("254:1", "virtual/block/dm-1"),
            ("11:0", "sr0"),
        ] {
            bench = bench.link(&format!("/sys/dev/block/{numbers}"), &format!("../../devices/{target}"));
        }
        bench
    }

    const SHORT: &str = r#"lsblk().values().map(|d| [d.name, d["type"], `${d.maj}:${d.min}`, d.size_kib, d.removable + d.read_only, d.mount_point, d.children])"#;

    #[test]
    fn every_device_is_told_with_what_is_on_it() {
        assert_eq!(
            bench().output(SHORT),
            r#"[["sda", "disk", "8:0", 1000, "00", "", ["sda1", "sda2"]], ["sda1", "partition", "8:1", 600, "00", "/my boot", []], ["sda2", "partition", "8:2", 0, "00", "", ["vg-root", "vg-swap"]], ["sr0", "unknown", "11:0", 1, "10", "", []], ["vg-root", "lvm", "254:0", 300, "01", "/", []], ["vg-swap", "lvm", "254:1", 200, "00", "[SWAP]", []]]"#
        );
        assert!(bench().like_rex().output(SHORT).contains(r#""8:1", 600, "00", "/my\\040boot", []"#));
        assert_eq!(
            bench().like_rex().output("let m = lsblk(); [m.keys(), m[\"vg-root\"].keys(), type_of(m.sda.size_kib), type_of(m.sda.maj)]"),
            r#"[["sda", "sda1", "sda2", "sr0", "vg-root", "vg-swap"], ["children", "maj", "min", "mount_point", "name", "read_only", "removable", "size_kib", "type"], "i64", "string"]"#
        );
    }

    // spec, lsblk: "If `/dev/disk/by-id` does not exist the call fails ... even without LVM".
    #[test]
    fn a_host_without_links_to_disks_has_no_volumes_and_for_rex_no_devices() {
        let bench = || {
            Bench::new()
                .file("/proc/partitions", "8 0 1 sda\n")
                .file("/proc/swaps", "")
                .table(Source::MountsOfInit, "")
                .file("/sys/devices/sda/uevent", "DEVTYPE=disk\n")
                .link("/sys/dev/block/8:0", "../../devices/sda")
        };

        assert_eq!(bench().output(SHORT), r#"[["sda", "disk", "8:0", 1, "00", "", []]]"#);
        assert!(
            bench()
                .like_rex()
                .failure("lsblk()")
                .starts_with("Runtime error: No such file or directory (os error 2)")
        );
    }

    #[test]
    fn a_denial_is_a_text_but_for_what_may_be_denied() {
        for (action, path) in [
            ("open", "/proc"),
            ("open", "/proc/partitions"),
            ("read", "/proc/partitions"),
            ("open", "/dev/disk/by-id"),
            ("read", "/dev/disk/by-id"),
            ("read", "/dev/disk/by-id/dm-name-vg-swap"),
            ("read", "/proc/1/mounts"),
            ("open", "/proc/swaps"),
            ("read", "/proc/swaps"),
            ("open", "/sys/dev/block/8:0"),
            ("open", "/sys/devices/pci0/block/sda"),
            ("open", "/sys/devices/virtual/block/dm-0"),
            ("open", "/sys/devices/sr0/uevent"),
            ("read", "/sys/devices/sr0/uevent"),
            ("open", "/sys/dev/block"),
        ] {
            for bench in [bench(), bench().like_rex()] {
                let ended = bench.denying(action, path).run("lsblk()");
                let message = format!(
                    "Runtime error: Permission denied: tester unauthorized to perform file_system::Action::\"{action}\""
                );
                assert!(ended.text.starts_with(&message), "{action} {path}: {}", ended.text);
                assert!(ended.outcome.ended_by.is_some());
            }
        }
        for (action, path, expected) in [
            ("read", "/sys/devices/sr0/removable", r#""sr0", "unknown", "11:0", 1, "00""#),
            ("open", "/sys/devices/virtual/block/dm-0/ro", r#""vg-root", "lvm", "254:0", 300, "00""#),
            ("open", "/sys/dev/block/254:0/slaves", r#""8:2", 0, "00", "", ["vg-swap"]"#),
            ("read", "/sys/devices/virtual/block/dm-1/slaves", r#""8:2", 0, "00", "", ["vg-root"]"#),
            ("read", "/sys/dev/block/8:1", r#""8:0", 1000, "00", "", ["sda2"]"#),
        ] {
            let output = bench().denying(action, path).output(SHORT);
            assert!(output.contains(expected), "{action} {path}: {output}");
        }
    }

    #[test]
    fn tables_that_make_no_sense_give_what_they_have() {
        let devices = |table: &str| {
            parse(table, &BTreeMap::new()).into_iter().map(|d| d.kernel_name).collect::<Vec<_>>()
        };

        assert_eq!(devices(""), [""; 0]);
        assert_eq!(
            devices("major minor  #blocks  name\n\n8\n8 0\n8 0 1\n-8 0 1 a\n8 0 99999999999999999999 b\n"),
            ["b"]
        );
        let used = Used::of("", "", false);
        assert_eq!(used.place_of(&parse("8 0 1 sda", &BTreeMap::new())[0]), "");
        let used = Used::of("x\n/dev/sda\n", "Filename\n\n/dev/sda\n", false);
        assert_eq!(used.place_of(&parse("8 0 1 sda", &BTreeMap::new())[0]), "[SWAP]");
    }
}
