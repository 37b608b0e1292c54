//! Processes, under the names that scripts know.

use rex_ipc::process_system::Signal;
use rhai::{Array, Dynamic, FnPtr, INT, ImmutableString, NativeCallContext};

use crate::error::Fallible;
use crate::process::info::{PidNamespace, ProcessInfo};
use crate::process::ipcs::IpcsInfo;
use crate::process::manager::ProcessManager;
use crate::process::open_files::{self, FuserInfo, OpenFileInfo};
use crate::process::options::{
    KillOptions, LsofOptions, MonitorProcessesCpuOptions, NamespaceOptions, ProcessOptions, TraceOptions,
};
use crate::process::{folded, listing, monitor, namespaces, signals, trace};
use crate::registry::{Entry, NOTHING, Registrar};

/// Registers the manager of processes, what it gives, and the commands.
pub fn register(registrar: &mut Registrar<'_>) {
    register_commands(registrar);
    register_manager(registrar);
    register_signal(registrar);
    register_info(registrar);
    register_namespace(registrar);
    register_open_files(registrar);
    register_ipcs(registrar);
}

fn register_commands(registrar: &mut Registrar<'_>) {
    let entry = |name, signature, returns, actions, doc| Entry {
        module: "command",
        name,
        signature,
        returns,
        actions,
        doc,
    };
    registrar.function(
        entry("ps", "()", "Array<ProcessInfo>", LIST, "The processes that may be listed."),
        |context: NativeCallContext| -> Fallible<Array> {
            let listed = listing::processes(&context, &ProcessManager::default(), &ProcessOptions::default());
            listed.map_err(|error| folded("ps", error))
        },
    );
    registrar.function(
        entry("kill", "(pid: i64)", "Array<Map>", KILL, "Sends `SIGTERM` to a process."),
        signals::command,
    );
    registrar.function(
        entry(
            "kill",
            "(flags: Array, pid: i64)",
            "Array<Map>",
            KILL,
            "Sends `SIGTERM` to a process; the array has to be empty.",
        ),
        signals::command_with_flags,
    );
}

fn register_manager(registrar: &mut Registrar<'_>) {
    registrar.type_name::<ProcessManager>("rust_safe_process_mgmt::RcProcessManager");
    let entry = |name, signature, returns, actions, doc| Entry {
        module: "ProcessManager",
        name,
        signature,
        returns,
        actions,
        doc,
    };
    registrar.function(
        entry("ProcessManager", "()", "ProcessManager", NOTHING, "Lists, watches and signals processes."),
        ProcessManager::default,
    );
    registrar.function(
        entry(
            "processes",
            "(ProcessManager)",
            "Array<ProcessInfo>",
            LIST,
            "The processes that may be listed.",
        ),
        |context: NativeCallContext, manager: ProcessManager| {
            listing::processes(&context, &manager, &ProcessOptions::default())
        },
    );
    registrar.function(
        entry(
            "processes",
            "(ProcessManager, ProcessOptions)",
            "Array<ProcessInfo>",
            LIST_WITH_OPTIONS,
            "The processes that may be listed, with what the options add.",
        ),
        |context: NativeCallContext, manager: ProcessManager, options: ProcessOptions| {
            listing::processes(&context, &manager, &options)
        },
    );
    registrar.function(
        entry(
            "processes_using_inode",
            "(ProcessManager, path: String)",
            "Array<FuserInfo>",
            FUSER,
            "The processes that use a file or directory.",
        ),
        |context: NativeCallContext, manager: ProcessManager, path: &str| {
            open_files::users_of(&context, &manager, path)
        },
    );
    registrar.function(
        entry(
            "list_open_files",
            "(ProcessManager, LsofOptions)",
            "Array<OpenFileInfo>",
            LSOF,
            "What a process holds open, or who holds something open at a path.",
        ),
        |context: NativeCallContext, manager: ProcessManager, options: LsofOptions| {
            open_files::list(&context, &manager, &options)
        },
    );
    registrar.function(
        entry(
            "ipcs_info",
            "(ProcessManager)",
            "IpcsInfo",
            IPCS,
            "The kernel's tables of shared memory, message queues and semaphores.",
        ),
        |context: NativeCallContext, _: ProcessManager| IpcsInfo::read(&context),
    );
    registrar.function(
        entry(
            "kill",
            "(ProcessManager, KillOptions)",
            "Array<Map>",
            KILL_WITH_OPTIONS,
            "Sends a signal to the processes that the options mean.",
        ),
        |context: NativeCallContext, manager: ProcessManager, options: KillOptions| {
            signals::kill(&context, &manager, &options)
        },
    );
    registrar.function(
        entry(
            "monitor_processes_cpu",
            "(ProcessManager, MonitorProcessesCpuOptions)",
            "Array<Array<ProcessInfo>>",
            MONITOR,
            "How much of a processor some processes use, looked at several times.",
        ),
        |context: NativeCallContext, _: ProcessManager, options: MonitorProcessesCpuOptions| {
            monitor::monitor(&context, &options)
        },
    );
    registrar.function(
        entry(
            "trace",
            "(ProcessManager, pid: i64)",
            "TracedProcess",
            TRACE,
            "The threads of a process, and the calls in each.",
        ),
        |context: NativeCallContext, manager: ProcessManager, pid: INT| {
            trace::trace(&context, &manager, pid, None)
        },
    );
    registrar.function(
        entry(
            "trace",
            "(ProcessManager, pid: i64, TraceOptions)",
            "TracedProcess",
            TRACE_WITH_OPTIONS,
            "The threads of a process that is named within a pid namespace, and the calls in each.",
        ),
        |context: NativeCallContext, manager: ProcessManager, pid: INT, options: TraceOptions| {
            trace::trace(&context, &manager, pid, Some(&options))
        },
    );
    registrar.function(
        entry(
            "nsenter",
            "(ProcessManager, NamespaceOptions, FnPtr)",
            "any",
            NSENTER,
            "Runs a function within a network namespace.",
        ),
        |context: NativeCallContext, _: ProcessManager, options: NamespaceOptions, callback: FnPtr| {
            namespaces::nsenter(&context, &options, &callback)
        },
    );
}

fn register_signal(registrar: &mut Registrar<'_>) {
    registrar.type_name::<Signal>("Signal");
    let entry = |name, signature, returns, doc| Entry {
        module: "Signal",
        name,
        signature,
        returns,
        actions: NOTHING,
        doc,
    };
    for signal in [Signal::Terminate, Signal::Quit, Signal::Hangup, Signal::Kill] {
        let entry =
            entry(signals::name(signal), "constant", "Signal", "A signal that ends a process, or may.");
        registrar.constant(entry, Dynamic::from(signal));
    }
    let both = "(Signal, Signal)";
    registrar
        .function(entry("==", both, "bool", "Whether both are the same signal."), |a: Signal, b: Signal| {
            a == b
        });
    registrar.function(
        entry("!=", both, "bool", "Whether they are different signals."),
        |a: Signal, b: Signal| a != b,
    );
}

fn register_info(registrar: &mut Registrar<'_>) {
    registrar.type_name::<ProcessInfo>("rust_safe_process_mgmt::ProcessInfo");
    let entry = |name, returns, doc| Entry {
        module: "ProcessInfo",
        name,
        signature: "(ProcessInfo)",
        returns,
        actions: NOTHING,
        doc,
    };
    registrar.function(
        entry("get$pid", "i64", "Its number; that of the task for a task."),
        |process: &mut ProcessInfo| process.pid(),
    );
    registrar.function(
        entry("get$name", "String", "The name that it has given itself, or that of its program."),
        |process: &mut ProcessInfo| process.name(),
    );
    registrar.function(
        entry("get$ppid", "i64 | ()", "The number of its parent, or of the process that a task belongs to."),
        |process: &mut ProcessInfo| process.ppid(),
    );
    registrar.function(
        entry("get$uid", "i64 | ()", "The number of its real user."),
        |process: &mut ProcessInfo| process.uid(),
    );
    registrar.function(
        entry("get$username", "String", "The name of its real user; empty when that has none."),
        |process: &mut ProcessInfo| process.username(),
    );
    registrar.function(
        entry("get$memory_usage", "i64", "Resident memory in bytes."),
        |process: &mut ProcessInfo| process.memory_usage(),
    );
    registrar.function(
        entry("get$memory_percent", "f64", "Resident memory in percent of the host's."),
        |process: &mut ProcessInfo| process.memory_percent(),
    );
    registrar.function(
        entry("get$state", "String", "What it is doing, as a word."),
        |process: &mut ProcessInfo| process.state(),
    );
    registrar.function(
        entry("get$command", "String", "Its command line, with the program's name without its directory."),
        |process: &mut ProcessInfo| process.command(),
    );
    registrar.function(
        entry("get$recent_cpu_usage", "f64 | ()", "Percent of one processor between two looks."),
        |process: &mut ProcessInfo| process.recent_cpu_usage(),
    );
    registrar.function(
        entry("get$historical_cpu_usage", "f64", "Percent of one processor since it was started."),
        |process: &mut ProcessInfo| process.historical_cpu_usage(),
    );
    registrar.function(
        entry("get$pid_namespace", "PidNamespace | ()", "Its pid namespace, if that was wanted."),
        |process: &mut ProcessInfo| process.pid_namespace(),
    );
    registrar.function(entry("to_map", "Map", "The fields as a map."), |process: &mut ProcessInfo| {
        process.to_map()
    });
}

fn register_namespace(registrar: &mut Registrar<'_>) {
    registrar.type_name::<PidNamespace>("rust_safe_process_mgmt::PidNamespace");
    let entry = |name, returns, doc| Entry {
        module: "PidNamespace",
        name,
        signature: "(PidNamespace)",
        returns,
        actions: NOTHING,
        doc,
    };
    registrar.function(
        entry("get$namespace_id", "i64", "The inode number of the namespace."),
        |namespace: &mut PidNamespace| namespace.namespace_id,
    );
    registrar.function(
        entry("get$child_ns_pid", "i64", "The number of the process in its innermost namespace."),
        |namespace: &mut PidNamespace| namespace.child_ns_pid,
    );
    registrar.function(entry("to_map", "Map", "The fields as a map."), |namespace: &mut PidNamespace| {
        namespace.to_map()
    });
}

fn register_open_files(registrar: &mut Registrar<'_>) {
    registrar.type_name::<FuserInfo>("rust_safe_process_mgmt::FuserInfo");
    let entry = |name, returns, doc| Entry {
        module: "FuserInfo",
        name,
        signature: "(FuserInfo)",
        returns,
        actions: NOTHING,
        doc,
    };
    registrar.function(
        entry("get$user", "String", "The user of the process; a number when it has no name."),
        |user: &mut FuserInfo| user.user.clone(),
    );
    registrar
        .function(entry("get$pid", "i64", "The number of the process."), |user: &mut FuserInfo| user.pid);
    registrar.function(
        entry("get$access", "String", "How the process uses the path, separated by commas."),
        |user: &mut FuserInfo| user.access(),
    );
    registrar.function(
        entry("get$command", "String", "The command line of the process."),
        |user: &mut FuserInfo| user.command.clone(),
    );
    registrar.function(
        entry("to_map", "Map", "The fields as a map; the ways of use are an array."),
        |user: &mut FuserInfo| user.to_map(),
    );
    registrar.type_name::<OpenFileInfo>("rust_safe_process_mgmt::OpenFileInfo");
    let text = |name, returns, doc| Entry {
        module: "OpenFileInfo",
        name,
        signature: "(OpenFileInfo)",
        returns,
        actions: NOTHING,
        doc,
    };
    registrar
        .function(text("get$pid", "i64", "The number of the process."), |file: &mut OpenFileInfo| file.pid);
    registrar.function(
        text("get$process_name", "String", "What the process calls itself."),
        |file: &mut OpenFileInfo| file.process_name.clone(),
    );
    registrar.function(
        text("get$user", "String", "The user of the process; a number when it has no name."),
        |file: &mut OpenFileInfo| file.user.clone(),
    );
    registrar.function(
        text("get$command", "String", "The command line of the process."),
        |file: &mut OpenFileInfo| file.command.clone(),
    );
    registrar.function(
        text("get$file_path", "String", "The path, or what the kernel calls it instead."),
        |file: &mut OpenFileInfo| file.file_path.clone(),
    );
    registrar.function(
        text("get$file_type", "String", "What it is, in a word of lsof(8)."),
        |file: &mut OpenFileInfo| ImmutableString::from(file.file_type),
    );
    registrar.function(
        text("get$access", "String", "How the process holds it open."),
        |file: &mut OpenFileInfo| ImmutableString::from(file.access),
    );
    registrar
        .function(text("to_map", "Map", "The fields as a map."), |file: &mut OpenFileInfo| file.to_map());
}

fn register_ipcs(registrar: &mut Registrar<'_>) {
    registrar.type_name::<IpcsInfo>("rust_safe_process_mgmt::IpcsInfo");
    let entry = |name, returns, doc| Entry {
        module: "IpcsInfo",
        name,
        signature: "(IpcsInfo)",
        returns,
        actions: NOTHING,
        doc,
    };
    registrar.function(
        entry("get$shared_memory", "String", "The text of `/proc/sysvipc/shm`."),
        |info: &mut IpcsInfo| info.shared_memory.clone(),
    );
    registrar.function(
        entry("get$queues", "String", "The text of `/proc/sysvipc/msg`."),
        |info: &mut IpcsInfo| info.queues.clone(),
    );
    registrar.function(
        entry("get$semaphores", "String", "The text of `/proc/sysvipc/sem`."),
        |info: &mut IpcsInfo| info.semaphores.clone(),
    );
    registrar.function(
        entry("to_string", "String", "The three texts under their titles."),
        |info: &mut IpcsInfo| info.as_text(),
    );
    registrar
        .function(entry("to_map", "Map", "The three texts as a map."), |info: &mut IpcsInfo| info.to_map());
}

const LIST: &str = "process_system::Action::\"list\" Process(each; denials skip)";
const KILL: &str = "process_system::Action::\"kill\" Process(pid)";
const LIST_WITH_OPTIONS: &str = "[load_namespace_info: per process, before list: file_system open Dir(/proc/<pid>), open Dir(/proc/<pid>/ns), read File(/proc/<pid>/ns/pid), open File(/proc/<pid>/status), read File(/proc/<pid>/status)], process_system::Action::\"list\" Process(each; denials skip)";
const FUSER: &str = "file_system::Action::\"stat\" File(path), file_system::Action::\"open\" Dir(/proc), file_system::Action::\"read\" Dir(/proc), process_system::Action::\"list_fds\" Process(each; denials skip)";
const LSOF: &str = "[file_system::Action::\"stat\" File(path) when path], file_system::Action::\"open\" Dir(/proc), file_system::Action::\"read\" Dir(/proc), process_system::Action::\"list_fds\" Process(each; denials skip); with pid: single Process, denial is an error";
const IPCS: &str = "(all file_system) for shm, sem, msg: open Dir(/proc/sysvipc), open File(/proc/sysvipc/<f>); then read (or redacted_read) File(/proc/sysvipc/shm), …/sem, …/msg";
const KILL_WITH_OPTIONS: &str =
    "process_system::Action::\"kill\" Process(pid), or \"interrupt\" when the signal is SIGHUP";
const MONITOR: &str = "per batch: process_system::Action::\"list\" Process(each; denials skip)";
const NSENTER: &str = "pid: [mount] process_system::Action::\"mount_namespace\" Process(pid), [net] process_system::Action::\"network_namespace\" Process(pid); net_ns_name: file_system::Action::\"network_namespace\" File(/run/netns/<name>), file_system::Action::\"open\" Dir(/run/netns), file_system::Action::\"open\" File(/run/netns/<name>)";
const TRACE: &str = "process_system::Action::\"trace\" Process(pid), file_system::Action::\"open\" Dir(/usr/bin) when it is there, file_system::Action::\"open\" File(/usr/bin/gdb) when it is there, [file_system::Action::\"open\" File(resolved gdb)], file_system::Action::\"execute\" File(/usr/bin/gdb) when it is there";
const TRACE_WITH_OPTIONS: &str = "process_system::Action::\"trace\" Process(pid), file_system::Action::\"open\" Dir(/usr/bin) when it is there, file_system::Action::\"open\" File(/usr/bin/gdb) when it is there, [file_system::Action::\"open\" File(resolved gdb)], process_system::Action::\"mount_namespace\" Process(ns_pid), file_system::Action::\"execute\" File(/usr/bin/gdb) when it is there";
