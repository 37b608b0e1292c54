//! The host as a whole, under the names that scripts know.

use rhai::{Array, Dynamic, INT, Map, NativeCallContext};

use super::command::command;
use super::kind::{Kind, kind};
use super::object::{Object, object};
use crate::error::Fallible;
use crate::file_system::options::Builder;
use crate::registry::{Entry, NOTHING, Registrar};
use crate::session::Session;
use crate::sysinfo::Host;
use crate::sysinfo::kernel_log::{self, DmesgEntry, DmesgOptions};
use crate::sysinfo::memory::{Meminfo, Swapinfo};
use crate::sysinfo::names::{self, OPERATING_SYSTEM, UnameInfo};
use crate::sysinfo::parameters::{self, SysctlEntry, SysctlManager};
use crate::sysinfo::slab::{SlabEntry, SlabInfo, SlabSummary};
use crate::sysinfo::statistics::{CpuTime, KernelStats, milliseconds};

/// Registers commands, objects and options.
pub fn register(registrar: &mut Registrar<'_>) {
    register_commands(registrar);
    register_host(registrar);
    register_parameters(registrar);
    register_log_options(registrar);
    register_memory(registrar);
    register_swap(registrar);
    register_names(registrar);
    register_message(registrar);
    register_parameter(registrar);
    register_cpu_time(registrar);
    register_statistics(registrar);
    register_slabs(registrar);
    register_slab(registrar);
    register_slab_summary(registrar);
    register_texts(registrar);
}

const LIST: &str = "sysinfo::Action::\"list\" Sysinfo";
const READ_MEMORY: &str = "file_system::Action::\"read\" File(/proc/meminfo)";
const READ_LOG: &str = "file_system::Action::\"read\" File(/dev/kmsg)";
const READ_PARAMETER: &str = "file_system::Action::\"open\" Dir(<dir of key>), file_system::Action::\"open\" File(<key file>), file_system::Action::\"read\" (or redacted_read) File(<key file>)";
const WRITE_PARAMETER: &str = "file_system::Action::\"open\" Dir(<dir of key>), file_system::Action::\"open\" File(<key file>), file_system::Action::\"write\" File(<key file>)";
const FIND_PARAMETERS: &str = "file_system::Action::\"open\" Dir(/proc/sys), file_system::Action::\"read\" Dir(/proc/sys), then per directory open+read Dir, per matching file open+read File (denials skip)";

fn register_commands(registrar: &mut Registrar<'_>) {
    registrar.function(
        command("uname", "()", "UnameInfo", LIST, "What the kernel calls itself and the host."),
        |context: NativeCallContext| Session::of(&context).as_text(UnameInfo::read(&context)),
    );
    registrar.function(
        command("nproc", "()", "i64", LIST, "How many processors are online."),
        |context: NativeCallContext| Session::of(&context).as_text(names::count_processors(&context)),
    );
    registrar.function(
        command(
            "free",
            "()",
            "Map",
            "file_system::Action::\"read\" File(/proc/meminfo), file_system::Action::\"read\" File(/proc/meminfo)",
            "How much memory and swap space there is, and how much is free.",
        ),
        |context: NativeCallContext| Session::of(&context).as_text(free(&context)),
    );
    registrar.function(
        command("dmesg", "()", "Array<DmesgEntry>", READ_LOG, "The messages of the kernel, oldest first."),
        |context: NativeCallContext| {
            Session::of(&context).as_text(kernel_log::read(&context, &DmesgOptions::default()))
        },
    );
    registrar.function(
        command(
            "sysctl_read",
            "(key: String)",
            "String",
            READ_PARAMETER,
            "The value of a parameter of the kernel.",
        ),
        |context: NativeCallContext, key: &str| {
            Session::of(&context).as_text(parameters::read(&context, key))
        },
    );
    registrar.function(
        command(
            "sysctl_find",
            "(pattern: String)",
            "Array<Map>",
            FIND_PARAMETERS,
            "The parameters of the kernel whose paths match a regular expression.",
        ),
        |context: NativeCallContext, pattern: &str| -> Fallible<Array> {
            let found = Session::of(&context).as_text(parameters::find(&context, pattern))?;
            Ok(found.iter().map(|entry| Dynamic::from_map(entry.to_map())).collect())
        },
    );
    registrar.function(
        command(
            "sysctl_write",
            "(key: String, value: String)",
            "()",
            WRITE_PARAMETER,
            "Sets a parameter of the kernel.",
        ),
        |context: NativeCallContext, key: &str, value: &str| {
            Session::of(&context).as_text(parameters::write(&context, key, value))
        },
    );
}

fn free(context: &NativeCallContext) -> Fallible<Map> {
    let memory = Dynamic::from(Meminfo::read(context)?);
    let swap = Dynamic::from(Swapinfo::read(context)?);
    Ok([("memory".into(), memory), ("swap".into(), swap)].into_iter().collect())
}

fn register_host(registrar: &mut Registrar<'_>) {
    registrar.type_name::<Host>("rust_safe_system_info::system_info::SystemInfo");
    let entry = |name, signature, returns, actions, doc| Entry {
        module: "SystemInfo",
        name,
        signature,
        returns,
        actions,
        doc,
    };
    let only = "(SystemInfo)";
    registrar.function(
        entry("SystemInfo", "()", "SystemInfo", NOTHING, "The host; nothing is asked yet."),
        Host::default,
    );
    registrar.function(
        entry("uname_info", only, "UnameInfo", LIST, "What the kernel calls itself and the host."),
        |context: NativeCallContext, _: Host| UnameInfo::read(&context),
    );
    registrar.function(
        entry("hostname", only, "String", LIST, "The name of the host."),
        |context: NativeCallContext, _: Host| names::host_name(&context),
    );
    registrar.function(
        entry("cpu_count", only, "i64", LIST, "How many processors are online."),
        |context: NativeCallContext, _: Host| names::count_processors(&context),
    );
    registrar.function(
        entry(
            "memory_info",
            only,
            "Meminfo",
            READ_MEMORY,
            "How much memory there is, and what it is used for.",
        ),
        |context: NativeCallContext, _: Host| Meminfo::read(&context),
    );
    registrar.function(
        entry(
            "swap_info",
            only,
            "Swapinfo",
            READ_MEMORY,
            "How much swap space there is, and how much is free.",
        ),
        |context: NativeCallContext, _: Host| Swapinfo::read(&context),
    );
    registrar.function(
        entry(
            "dmesg_info",
            "(SystemInfo, DmesgOptions)",
            "Array<DmesgEntry>",
            READ_LOG,
            "The messages of the kernel, oldest first.",
        ),
        |context: NativeCallContext, _: Host, options: DmesgOptions| kernel_log::read(&context, &options),
    );
    registrar.function(
        entry(
            "kernel_stats",
            only,
            "KernelStats",
            "file_system::Action::\"read\" File(/proc/stat)",
            "What the kernel counts since the host was started.",
        ),
        |context: NativeCallContext, _: Host| KernelStats::read(&context),
    );
    registrar.function(
        entry(
            "slab_info",
            only,
            "SlabInfo",
            "file_system::Action::\"open\" Dir(/proc), file_system::Action::\"open\" File(/proc/slabinfo), file_system::Action::\"read\" (or redacted_read) File(/proc/slabinfo)",
            "What the slab allocator of the kernel holds.",
        ),
        |context: NativeCallContext, _: Host| SlabInfo::read(&context),
    );
}

fn register_parameters(registrar: &mut Registrar<'_>) {
    registrar.type_name::<SysctlManager>("rust_safe_system_info::sysctl::linux::SysctlManager");
    let entry = |name, signature, returns, actions, doc| Entry {
        module: "SysctlManager",
        name,
        signature,
        returns,
        actions,
        doc,
    };
    registrar.function(
        entry(
            "SysctlManager",
            "()",
            "SysctlManager",
            NOTHING,
            "What reads and sets parameters of the kernel.",
        ),
        SysctlManager::default,
    );
    registrar.function(
        entry(
            "read",
            "(SysctlManager, key: String)",
            "String",
            READ_PARAMETER,
            "The value of a parameter of the kernel.",
        ),
        |context: NativeCallContext, _: SysctlManager, key: &str| parameters::read(&context, key),
    );
    registrar.function(
        entry(
            "write",
            "(SysctlManager, key: String, value: String)",
            "()",
            WRITE_PARAMETER,
            "Sets a parameter of the kernel.",
        ),
        |context: NativeCallContext, _: SysctlManager, key: &str, value: &str| {
            parameters::write(&context, key, value)
        },
    );
    registrar.function(
        entry(
            "find",
            "(SysctlManager, pattern: String)",
            "Array<SysctlEntry>",
            FIND_PARAMETERS,
            "The parameters of the kernel whose paths match a regular expression.",
        ),
        |context: NativeCallContext, _: SysctlManager, pattern: &str| -> Fallible<Array> {
            let found = parameters::find(&context, pattern)?;
            Ok(found.into_iter().map(Dynamic::from).collect())
        },
    );
    registrar.function(
        entry(
            "load_system",
            "(SysctlManager)",
            "()",
            LOAD_PARAMETERS,
            "Has sysctl(8) set what the files of the host name.",
        ),
        |context: NativeCallContext, _: SysctlManager| parameters::load(&context),
    );
}

const LOAD_PARAMETERS: &str = "sysctl::Action::\"load\" Sysctl, file_system::Action::\"open\" Dir(/usr/sbin), file_system::Action::\"open\" File(/usr/sbin/sysctl)";

fn register_log_options(registrar: &mut Registrar<'_>) {
    let kind = kind!("DmesgOptions");
    kind.start::<DmesgOptions>(registrar, kind.name);
    registrar.setter(
        kind.setter(
            "human_readable_time",
            kind.bool,
            "Shows when a message was written as date and time of day.",
        ),
        |builder: &mut Builder<DmesgOptions>, wanted: bool| builder.0.human_readable_time = wanted,
    );
    kind.plain_build::<DmesgOptions>(registrar);
}

object! {
    Meminfo as "Meminfo", "rust_safe_system_info::memory::common::Meminfo", register_memory {
        total: "u64" "All memory, in bytes." = |memory| memory.total;
        free: "u64" "Memory that nothing is in, in bytes." = |memory| memory.free;
        available: "u64" "Memory that programs can get without swapping, in bytes." = |memory| memory.available;
        used: "u64" "Memory that is not available, in bytes." = |memory| memory.used();
        buffers: "u64" "Memory for raw block devices, in bytes." = |memory| memory.buffers;
        cached: "u64" "Memory for the content of files, in bytes." = |memory| memory.cached;
        shared_mem: "u64" "Memory of tmpfs and of shared segments, in bytes." = |memory| memory.shared_mem;
    }
    beside {}
}

object! {
    Swapinfo as "Swapinfo", "rust_safe_system_info::memory::common::Swapinfo", register_swap {
        total: "u64" "All swap space, in bytes." = |swap| swap.total;
        free: "u64" "Swap space that nothing is in, in bytes." = |swap| swap.free;
        used: "u64" "Swap space that is in use, in bytes." = |swap| swap.used();
    }
    beside {}
}

object! {
    UnameInfo as "UnameInfo", "rust_safe_system_info::uname::common::UnameInfo", register_names {
        kernel_name: "String" "The name of the kernel." = |names| names.kernel_name.clone();
        nodename: "String" "The name of the host in its network." = |names| names.nodename.clone();
        kernel_release: "String" "Which release of the kernel runs." = |names| names.kernel_release.clone();
        kernel_version: "String" "When and how the kernel was built." = |names| names.kernel_version.clone();
        machine: "String" "What the kernel was built for." = |names| names.machine.clone();
        processor: "String" "The machine once more." = |names| names.machine.clone();
        hardware_platform: "String" "The machine once more." = |names| names.machine.clone();
        operating_system: "String" "The name of the operating system." = |_names| OPERATING_SYSTEM;
    }
    beside {}
}

object! {
    DmesgEntry as "DmesgEntry", "rust_safe_system_info::dmesg::common::DmesgEntry", register_message {
        timestamp_from_system_start: "String" "When the message was written." = |entry| entry.timestamp.clone();
        message: "String" "The text of the message." = |entry| entry.message.clone();
    }
    beside {}
}

object! {
    SysctlEntry as "SysctlEntry", "rust_safe_system_info::sysctl::common::SysctlEntry", register_parameter {
        key: "String" "The name of the parameter." = |entry| entry.key.clone();
        value: "String" "The value of the parameter." = |entry| entry.value.clone();
    }
    beside {}
}

/// Ticks, and ticks as milliseconds, as integers of the language.
fn ticks(ticks: u64) -> INT {
    crate::value::integer(ticks)
}

fn ms(ticks: u64) -> INT {
    crate::value::integer(milliseconds(ticks))
}

object! {
    CpuTime as "CpuTime", "rhai_safe_system_info::kernel_stats::RhaiCpuTime", register_cpu_time {
        user_ticks: "i64" "Time for programs, in ticks." = |time| ticks(time.user);
        nice_ticks: "i64" "Time for programs of lower priority, in ticks." = |time| ticks(time.nice);
        system_ticks: "i64" "Time for the kernel, in ticks." = |time| ticks(time.system);
        idle_ticks: "i64" "Time without work, in ticks." = |time| ticks(time.idle);
        iowait_ticks: "i64" "Time without work while something was awaited, in ticks." = |time| ticks(time.iowait);
        irq_ticks: "i64" "Time for interrupts, in ticks." = |time| ticks(time.irq);
        softirq_ticks: "i64" "Time for what interrupts left to be done, in ticks." = |time| ticks(time.softirq);
        stolen_ticks: "i64" "Time that other virtual machines had, in ticks." = |time| ticks(time.stolen);
        guest_ticks: "i64" "Time for virtual machines, in ticks." = |time| ticks(time.guest);
        guest_nice_ticks: "i64" "Time for virtual machines of lower priority, in ticks." = |time| ticks(time.guest_nice);
        user_ms: "i64" "Time for programs, in milliseconds." = |time| ms(time.user);
        nice_ms: "i64" "Time for programs of lower priority, in milliseconds." = |time| ms(time.nice);
        system_ms: "i64" "Time for the kernel, in milliseconds." = |time| ms(time.system);
        idle_ms: "i64" "Time without work, in milliseconds." = |time| ms(time.idle);
        iowait_ms: "i64" "Time without work while something was awaited, in milliseconds." = |time| ms(time.iowait);
        irq_ms: "i64" "Time for interrupts, in milliseconds." = |time| ms(time.irq);
        softirq_ms: "i64" "Time for what interrupts left to be done, in milliseconds." = |time| ms(time.softirq);
        stolen_ms: "i64" "Time that other virtual machines had, in milliseconds." = |time| ms(time.stolen);
        guest_ms: "i64" "Time for virtual machines, in milliseconds." = |time| ms(time.guest);
        guest_nice_ms: "i64" "Time for virtual machines of lower priority, in milliseconds." = |time| ms(time.guest_nice);
    }
    beside {}
}

object! {
    KernelStats as "KernelStats", "rhai_safe_system_info::kernel_stats::RhaiKernelStats", register_statistics {
        total_cpu_time: "CpuTime" "The time of all processors together." = |stats| stats.total_cpu_time;
        cpu_time: "Array<CpuTime>" "The time of each processor." = |stats| stats.cpu_time.clone();
        procs_running: "i64" "How many threads can run." = |stats| ticks(stats.procs_running);
        procs_blocked: "i64" "How many processes wait for a device." = |stats| ticks(stats.procs_blocked);
        context_switches: "i64" "How many context switches there were." = |stats| ticks(stats.context_switches);
        boot_time: "i64" "When the host was started, in seconds since 1970." = |stats| ticks(stats.boot_time);
        forks: "i64" "How many processes and threads were made." = |stats| ticks(stats.forks);
    }
    beside {}
}

object! {
    SlabInfo as "SlabInfo", "rust_safe_system_info::slab::common::SlabInfo", register_slabs {
        slabs: "Array<SlabEntry>" "Each cache, those with most objects first." = |info| info.slabs.clone();
        summary: "SlabSummary" "All caches together." = |info| info.summary.clone();
    }
    beside {}
}

object! {
    SlabEntry as "SlabEntry", "rust_safe_system_info::slab::common::SlabEntry", register_slab {
        name: "String" "What the kernel calls the cache." = |slab| slab.name.clone();
        objs: "i64" "How many objects the cache has room for." = |slab| ticks(slab.objs);
        active: "u64" "How many objects are in use." = |slab| slab.active;
        slabs: "u64" "How many slabs are in use." = |slab| slab.slabs;
        obj_per_slab: "u64" "How many objects a slab has room for." = |slab| slab.obj_per_slab;
        pages_per_slab: "u64" "How many pages a slab takes." = |slab| slab.pages_per_slab;
        obj_size_bytes: "u64" "The length of an object, in bytes." = |slab| slab.obj_size_bytes;
    }
    beside {
        use_percent: "u64" "Which part of the objects is in use, in percent." = |slab| slab.use_percent();
        obj_size_kb: "f64" "The length of an object, in KiB." = |slab| slab.obj_size_kb();
        cache_size_kb: "u64" "The memory of the slabs, in KiB." = |slab| slab.cache_size_kb();
        active_size_kb: "f64" "The memory of the objects in use, in KiB." = |slab| slab.active_size_kb();
    }
}

object! {
    SlabSummary as "SlabSummary", "rust_safe_system_info::slab::common::SlabSummary", register_slab_summary {
        active_objects: "u64" "How many objects are in use." = |all| all.active_objects;
        total_objects: "u64" "How many objects there is room for." = |all| all.total_objects;
        active_slabs: "u64" "How many slabs are in use." = |all| all.active_slabs;
        total_slabs: "u64" "How many slabs there are." = |all| all.total_slabs;
        active_caches: "u64" "How many caches have room for objects." = |all| all.active_caches;
        total_caches: "u64" "How many caches there are." = |all| all.total_caches;
        objects_usage_percent: "f64" "Which part of the objects is in use, in percent." = |all| all.objects_usage_percent();
        slabs_usage_percent: "f64" "Which part of the slabs is in use, in percent." = |all| all.slabs_usage_percent();
        caches_usage_percent: "f64" "Which part of the caches is in use, in percent." = |all| all.caches_usage_percent();
        size_usage_percent: "f64" "Which part of the memory is in use, in percent." = |all| all.size_usage_percent();
        active_size_kb: "f64" "The memory of the objects in use, in KiB." = |all| all.active_size_kb;
        total_size_kb: "f64" "The memory of all objects, in KiB." = |all| all.total_size_kb;
        min_obj_size_kb: "f64" "The length of the shortest object, in KiB." = |all| all.min_obj_size_kb;
        avg_obj_size_kb: "f64" "The mean length of an object, in KiB." = |all| all.avg_obj_size_kb;
        max_obj_size_kb: "f64" "The length of the longest object, in KiB." = |all| all.max_obj_size_kb;
    }
    beside {}
}

fn register_texts(registrar: &mut Registrar<'_>) {
    let entry = |module, signature, doc| Entry {
        module,
        name: "to_string",
        signature,
        returns: "String",
        actions: NOTHING,
        doc,
    };
    registrar.function(entry("Meminfo", "(Meminfo)", "A line for each number."), |memory: &mut Meminfo| {
        memory.text()
    });
    registrar.function(entry("Swapinfo", "(Swapinfo)", "A line for each number."), |swap: &mut Swapinfo| {
        swap.text()
    });
    registrar.function(
        entry("DmesgEntry", "(DmesgEntry)", "The time in brackets, and the text."),
        |entry: &mut DmesgEntry| entry.text(),
    );
    registrar
        .function(entry("UnameInfo", "(UnameInfo)", "All names in one line."), |names: &mut UnameInfo| {
            names.text()
        });
    registrar.function(
        entry("SlabSummary", "(SlabSummary)", "The head of slabtop(1)."),
        |summary: &mut SlabSummary| summary.text(),
    );
}
