//! File systems and block devices, under the names that scripts know.

use rhai::{Array, Dynamic, ImmutableString, NativeCallContext};

use super::command::command;
use super::kind::{Kind, kind};
use super::object::object;
use crate::disk::activity::{CpuStats, DeviceStats, IoStatSnapshot};
use crate::disk::block_devices;
use crate::disk::file_systems::{Filesystem, FilesystemOptions, Filesystems, Unit, format_bytes};
use crate::disk::unmount::{self, UnmountOptions};
use crate::file_system::options::Builder;
use crate::registry::{Entry, NOTHING, Registrar};
use crate::session::Session;

/// Registers commands, objects and options.
pub fn register(registrar: &mut Registrar<'_>) {
    register_commands(registrar);
    register_options(registrar);
    register_unmount(registrar);
    register_file_systems(registrar);
    register_units(registrar);
    register_file_system(registrar);
    register_snapshot(registrar);
    register_processors(registrar);
    register_device(registrar);
    registrar.function(
        Entry {
            module: "IoStatSnapshot",
            name: "to_string",
            signature: "(IoStatSnapshot)",
            returns: "String",
            actions: NOTHING,
            doc: "The tables of iostat(1).",
        },
        |snapshot: &mut IoStatSnapshot| snapshot.text(),
    );
}

const DF: &str = "file_system::Action::\"read\" File(/proc/mounts), file_system::Action::\"read\" File(/proc/diskstats), then per listed mount: file_system::Action::\"stat\" Dir(<mount point>), file_system::Action::\"read\" File(/proc/mounts)";
const IOSTAT: &str =
    "file_system::Action::\"read\" File(/proc/stat), file_system::Action::\"read\" File(/proc/diskstats)";
const LSBLK: &str = "(all file_system) open Dir(/proc), open File(/proc/partitions), read File(/proc/partitions), open Dir(/dev/disk/by-id), read Dir(/dev/disk/by-id), [read File(/dev/disk/by-id/dm-name-*)]*, open Dir(/proc), open File(/proc/mounts), open File(/proc/<own pid>/mounts), read File(/proc/<own pid>/mounts), open File(/proc/swaps), read File(/proc/swaps), per device: open Dir(/sys/dev/block/M:m), open Dir(resolved), [open+read File(resolved/uevent)], [open+read File(resolved/removable)], open+read File(resolved/ro); children: lvm open Dir(/sys/dev/block/M:m/slaves), open Dir(resolved), read Dir(resolved); partition open Dir(/sys/dev/block), read File(/sys/dev/block/M:m)";

fn register_commands(registrar: &mut Registrar<'_>) {
    registrar.function(
        command("df", "()", "Array<Filesystem>", DF, "How full each mounted file system is."),
        |context: NativeCallContext| Session::of(&context).as_text(Filesystems::default().list(&context)),
    );
    registrar.function(
        command(
            "iostat",
            "()",
            "IoStatSnapshot",
            IOSTAT,
            "What processors and block devices have done since the host was started.",
        ),
        |context: NativeCallContext| Session::of(&context).as_text(IoStatSnapshot::read(&context)),
    );
    registrar.function(
        command("lsblk", "()", "Map<String,Map>", LSBLK, "The block devices by name."),
        |context: NativeCallContext| Session::of(&context).as_text(block_devices::list(&context)),
    );
}

fn register_options(registrar: &mut Registrar<'_>) {
    let kind = kind!("FilesystemOptions");
    kind.start::<FilesystemOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("targets", "(FilesystemOptionsBuilder, Array)", "Only the file systems at these places."),
        |builder: &mut Builder<FilesystemOptions>, targets: Array| {
            builder.0.targets = targets.iter().map(Dynamic::to_string).collect();
        },
    );
    registrar.setter(
        kind.setter("local", kind.bool, "Only the file systems of this host."),
        |builder: &mut Builder<FilesystemOptions>, wanted: bool| builder.0.local = wanted,
    );
    kind.plain_build::<FilesystemOptions>(registrar);
}

fn register_unmount(registrar: &mut Registrar<'_>) {
    let kind = kind!("UnmountOptions");
    kind.start::<UnmountOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter("path", kind.text, "Where it is mounted."),
        |builder: &mut Builder<UnmountOptions>, path: ImmutableString| builder.0.path = Some(path),
    );
    registrar.function(kind.build(), Builder::<UnmountOptions>::build);
    registrar.function(
        Entry {
            module: "global",
            name: "unmount",
            signature: "(UnmountOptions)",
            returns: "()",
            actions: "file_system::Action::\"unmount\" Dir(<path>)",
            doc: "Takes away what is mounted at a place.",
        },
        |context: NativeCallContext, options: UnmountOptions| unmount::unmount(&context, &options),
    );
}

fn register_file_systems(registrar: &mut Registrar<'_>) {
    registrar.type_name::<Filesystems>("rust_safe_disk_info::df::common::Filesystems");
    let entry = |name, signature, returns, actions, doc| Entry {
        module: "Filesystems",
        name,
        signature,
        returns,
        actions,
        doc,
    };
    registrar.function(
        entry(
            "Filesystems",
            "(FilesystemOptions)",
            "Filesystems",
            NOTHING,
            "The file systems that the options mean; nothing is asked yet.",
        ),
        |options: FilesystemOptions| Filesystems { options },
    );
    registrar.function(
        entry("filesystems", "(Filesystems)", "Array<Filesystem>", DF, "How full each of them is."),
        |context: NativeCallContext, these: Filesystems| these.list(&context),
    );
    registrar.function(
        entry(
            "iostat",
            "(Filesystems)",
            "IoStatSnapshot",
            IOSTAT,
            "What processors and block devices have done since the host was started.",
        ),
        |context: NativeCallContext, _: Filesystems| IoStatSnapshot::read(&context),
    );
}

fn register_units(registrar: &mut Registrar<'_>) {
    registrar.type_name::<Unit>("Unit");
    for (name, bytes) in Unit::ALL {
        let entry = Entry {
            module: "Unit",
            name,
            signature: "constant",
            returns: "Unit",
            actions: NOTHING,
            doc: "A unit for numbers of bytes.",
        };
        registrar.constant(entry, Dynamic::from(Unit { bytes }));
    }
    registrar.function(
        Entry {
            module: "global",
            name: "format_bytes",
            signature: "(size: u64, Unit)",
            returns: "u64",
            actions: NOTHING,
            doc: "A number of bytes in a larger unit, without its fraction.",
        },
        format_bytes,
    );
}

object! {
    Filesystem as "Filesystem", "rust_safe_disk_info::df::common::Filesystem", register_file_system {
        fs_device: "String" "What is mounted." = |found| found.fs_device.clone();
        fs_kind: "String" "The type of the file system." = |found| found.fs_kind.clone();
        mounted_on: "String" "Where it is mounted." = |found| found.mounted_on.clone();
        size: "u64" "Its size, in bytes." = |found| found.size;
        block_used: "u64" "How much of it is not available, in bytes." = |found| found.block_used();
        block_available: "u64" "How much of it an unprivileged user can use, in bytes." = |found| found.block_available;
        block_use_percent: "f64" "How much of it is not available, in percent." = |found| found.block_use_percent();
        kb_blocks: "u64" "Its size, in KiB." = |found| found.size / 1024;
        mb_blocks: "u64" "Its size, in MiB." = |found| found.size / (1024 * 1024);
        inodes: "u64" "How many inodes it has." = |found| found.inodes;
        iused: "u64" "How many inodes are in use." = |found| found.iused();
        ifree: "u64" "How many inodes are free." = |found| found.ifree;
        iuse_percent: "f64" "Which part of the inodes is in use, in percent." = |found| found.iuse_percent();
        mount_options: "Array<String>" "With which options it is mounted." = |found| found.mount_options.clone();
    }
    beside {}
}

object! {
    IoStatSnapshot as "IoStatSnapshot", "rust_safe_disk_info::iostat::common::IoStatSnapshot", register_snapshot {
        cpu_stats: "CpuStats" "What all processors together did." = |snapshot| snapshot.cpu_stats;
        device_stats: "Array<DeviceStats>" "What each block device did." = |snapshot| snapshot.device_stats.clone();
    }
    beside {}
}

object! {
    CpuStats as "CpuStats", "rust_safe_disk_info::iostat::common::CpuStats", register_processors {
        user_percent: "f64" "Time for programs, in percent of all." = |stats| stats.user_percent;
        nice_percent: "f64" "Time for programs of lower priority, in percent of all." = |stats| stats.nice_percent;
        system_percent: "f64" "Time for the kernel and interrupts, in percent of all." = |stats| stats.system_percent;
        iowait_percent: "f64" "Time in which something was awaited, in percent of all." = |stats| stats.iowait_percent;
        steal_percent: "f64" "Time that other virtual machines had, in percent of all." = |stats| stats.steal_percent;
        idle_percent: "f64" "Time without work, in percent of all." = |stats| stats.idle_percent;
    }
    beside {}
}

object! {
    DeviceStats as "DeviceStats", "rust_safe_disk_info::iostat::common::DeviceStats", register_device {
        device_name: "String" "The name of the device." = |device| device.device_name.clone();
        rrqm_per_sec: "f64" "Reads that were merged with others, in a second." = |device| device.rrqm_per_sec;
        wrqm_per_sec: "f64" "Writes that were merged with others, in a second." = |device| device.wrqm_per_sec;
        read_requests_per_sec: "f64" "Reads in a second." = |device| device.read_requests_per_sec;
        write_requests_per_sec: "f64" "Writes in a second." = |device| device.write_requests_per_sec;
        rkb_per_sec: "f64" "KiB that were read, in a second." = |device| device.rkb_per_sec;
        wkb_per_sec: "f64" "KiB that were written, in a second." = |device| device.wkb_per_sec;
        avg_request_size: "f64" "The mean length of a request, in sectors of 512 bytes." = |device| device.avg_request_size;
        avg_queue_size: "f64" "The mean number of requests under way." = |device| device.avg_queue_size;
        avg_wait: "f64" "How long a request took, in milliseconds." = |device| device.avg_wait;
        avg_read_wait: "f64" "How long a read took, in milliseconds." = |device| device.avg_read_wait;
        avg_write_wait: "f64" "How long a write took, in milliseconds." = |device| device.avg_write_wait;
        svctm: "f64" "How long the device worked for a request, in milliseconds." = |device| device.svctm;
        util_percent: "f64" "How long the device had something to do, in percent of all time." = |device| device.util_percent;
    }
    beside {}
}
