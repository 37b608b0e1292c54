//! Samples of the rows about processes, services, disks and the host as a whole.

use rex_ipc::file_system::{Chunk, EntryType, NameText};
use rex_ipc::handle::FileId;
use rex_ipc::process_system::*;
use rex_ipc::sysinfo::*;
use rex_ipc::systemd::*;

use crate::rows::{Sampled, bytes, list, text};

impl Sampled for ListProcesses {
    fn requests() -> Vec<Self> {
        let all = [
            Processes::After { pid: 0, task: 0 },
            Processes::After { pid: 300, task: 301 },
            Processes::TasksOf { pid: 300, task: 0 },
            Processes::One { pid: 70_000, task: None },
            Processes::One { pid: 7, task: Some(8) },
        ];
        all.map(|which| ListProcesses { which, tasks: true, namespaces: false }).into()
    }

    fn replies() -> Vec<ProcessPage> {
        let record = ProcessRecord {
            pid: 300,
            parent: 1,
            is_task: false,
            uid: 0,
            user: Some(text("root")),
            name: text("sshd"),
            command: text("sshd -D"),
            state: b'S',
            resident_bytes: 8_192_000,
            cpu_ticks: 12,
            started_ticks: 70_000,
            namespace: Some(PidNamespace { inode: 4_026_531_836, pid: 300 }),
        };
        let nameless = ProcessRecord { uid: 4_000_000_000, user: None, namespace: None, ..record.clone() };
        vec![
            ProcessPage {
                processes: list(vec![record, nameless]),
                next: Some((300, 0)),
                uptime_ns: 1 << 40,
                ticks_per_second: 100,
                memory_bytes: 1 << 34,
            },
            ProcessPage {
                processes: list(vec![]),
                next: None,
                uptime_ns: 0,
                ticks_per_second: 100,
                memory_bytes: 0,
            },
        ]
    }
}

impl Sampled for SignalProcess {
    fn requests() -> Vec<Self> {
        [Signal::Terminate, Signal::Quit, Signal::Hangup, Signal::Kill]
            .map(|signal| SignalProcess { pid: 300, started_ticks: Some(70_000), signal })
            .into()
    }

    fn replies() -> Vec<Signalled> {
        vec![Signalled { name: text("sleep"), command: text("sleep 1000") }]
    }
}

impl Sampled for ListOpenFiles {
    fn requests() -> Vec<Self> {
        vec![
            ListOpenFiles { of: Holders::One { pid: 300, skip: 0 }, sought: Sought::Everything },
            ListOpenFiles {
                of: Holders::From { pid: 0, skip: 300 },
                sought: Sought::At { path: text("/srv"), below: true },
            },
            ListOpenFiles { of: Holders::From { pid: 0, skip: 0 }, sought: Sought::Sockets },
        ]
    }

    fn replies() -> Vec<OpenFilesPage> {
        let held = |access, entry_type, target| OpenEntry { access, entry_type, target: text(target) };
        let entries = vec![
            held(OpenAccess::WorkingDirectory, EntryType::Dir, "/"),
            held(OpenAccess::Root, EntryType::Dir, "/"),
            held(OpenAccess::Executable, EntryType::File, "/usr/bin/x"),
            held(OpenAccess::Mapped, EntryType::File, "/lib/y"),
            held(OpenAccess::Descriptor, EntryType::Socket, "socket:[9]"),
        ];
        let holder = Holder {
            pid: 300,
            started_ticks: 70_000,
            uid: 0,
            user: Some(text("root")),
            name: text("x"),
            command: text("x -a"),
            entries: list(entries),
        };
        vec![
            OpenFilesPage { holders: list(vec![holder]), next: Some((300, 5)), kept_back: None },
            OpenFilesPage {
                holders: list(vec![]),
                next: None,
                kept_back: Some(KeptBack { processes: 300, pid: 1, errno: 13 }),
            },
        ]
    }
}

impl Sampled for BeginTrace {
    fn requests() -> Vec<Self> {
        vec![
            BeginTrace { pid: 300, started_ticks: None, within: None, tracer: None },
            BeginTrace { pid: 1, started_ticks: Some(70_000), within: Some(300), tracer: Some(FileId(7)) },
        ]
    }

    fn replies() -> Vec<TraceBegun> {
        [Tracer::Debugger, Tracer::Script].map(|tracer| TraceBegun { started_ticks: 70_000, tracer }).into()
    }
}

impl Sampled for EnterNamespaces {
    fn requests() -> Vec<Self> {
        let of_process =
            |started_ticks| Namespaces::OfProcess { pid: 300, started_ticks, mount: false, network: true };
        [
            of_process(None),
            of_process(Some(70_000)),
            Namespaces::Named(NameText::try_from(text("blue")).unwrap()),
        ]
        .map(|of| EnterNamespaces { of })
        .into()
    }

    fn replies() -> Vec<()> {
        vec![()]
    }
}

impl Sampled for LeaveNamespaces {
    fn requests() -> Vec<Self> {
        vec![LeaveNamespaces {}]
    }

    fn replies() -> Vec<()> {
        vec![()]
    }
}

impl Sampled for FindRealPath {
    fn requests() -> Vec<Self> {
        vec![FindRealPath { path: text("/bin/sh") }]
    }

    fn replies() -> Vec<RealPath> {
        vec![RealPath { path: text("/usr/bin/dash"), entry_type: EntryType::File }]
    }
}

impl Sampled for ActOnUnit {
    fn requests() -> Vec<Self> {
        let wait = JobSeconds::new(90);
        [UnitVerb::Start, UnitVerb::Stop, UnitVerb::Restart, UnitVerb::TryRestart]
            .into_iter()
            .flat_map(|verb| [None, wait].map(|wait| ActOnUnit { unit: text("cron.service"), verb, wait }))
            .collect()
    }

    fn replies() -> Vec<UnitJob> {
        vec![UnitJob { result: None }, UnitJob { result: Some(text("done")) }]
    }
}

impl Sampled for UnitStatus {
    fn requests() -> Vec<Self> {
        [UnitInterface::Unit, UnitInterface::Service]
            .map(|interface| UnitStatus { unit: text("cron.service"), interface, offset_bytes: 300 })
            .into()
    }

    fn replies() -> Vec<Chunk> {
        vec![Chunk { bytes: bytes(&[0, 0, 0, 0]), end: true }]
    }
}

impl Sampled for ReloadManager {
    fn requests() -> Vec<Self> {
        vec![ReloadManager {}]
    }

    fn replies() -> Vec<()> {
        vec![()]
    }
}

impl Sampled for StatFileSystem {
    fn requests() -> Vec<Self> {
        vec![StatFileSystem { mount_point: text("/srv") }]
    }

    fn replies() -> Vec<FileSystemStatus> {
        vec![
            FileSystemStatus::Known {
                fragment_bytes: 4096,
                blocks: 1 << 20,
                available_blocks: 70_000,
                inodes: 300,
                free_inodes: 7,
            },
            FileSystemStatus::NotAccessible,
        ]
    }
}

impl Sampled for Unmount {
    fn requests() -> Vec<Self> {
        vec![Unmount { path: text("/mnt/a") }]
    }

    fn replies() -> Vec<()> {
        vec![()]
    }
}

impl Sampled for LoadParameters {
    fn requests() -> Vec<Self> {
        vec![LoadParameters { program: None }, LoadParameters { program: Some(FileId(300)) }]
    }

    fn replies() -> Vec<()> {
        vec![()]
    }
}

impl Sampled for Uname {
    fn requests() -> Vec<Self> {
        vec![Uname {}]
    }

    fn replies() -> Vec<KernelNames> {
        vec![KernelNames {
            kernel_name: text("Linux"),
            node_name: text("host"),
            release: text("6.18.0"),
            version: text("#1 SMP"),
            machine: text("x86_64"),
        }]
    }
}

impl Sampled for HostName {
    fn requests() -> Vec<Self> {
        vec![HostName {}]
    }

    fn replies() -> Vec<HostNameText> {
        vec![HostNameText { name: text("host") }]
    }
}

impl Sampled for CountProcessors {
    fn requests() -> Vec<Self> {
        vec![CountProcessors {}]
    }

    fn replies() -> Vec<ProcessorCount> {
        vec![ProcessorCount { count: 2 }]
    }
}

impl Sampled for ListInterfaces {
    fn requests() -> Vec<Self> {
        vec![ListInterfaces { skip: 0 }, ListInterfaces { skip: 300 }]
    }

    fn replies() -> Vec<InterfacePage> {
        let addresses = vec![Address::V4([127, 0, 0, 1]), Address::V6([0xfe; 16])];
        let interface = Interface { name: text("lo"), addresses: list(addresses) };
        let bare = Interface { name: text("eth0"), addresses: list(vec![]) };
        vec![InterfacePage { interfaces: list(vec![interface, bare]), end: true }]
    }
}

impl Sampled for ReadSource {
    fn requests() -> Vec<Self> {
        [
            Source::Memory,
            Source::Statistics,
            Source::Mounts,
            Source::MountsOfInit,
            Source::DiskStatistics,
            Source::Tcp,
            Source::Tcp6,
            Source::Udp,
            Source::Udp6,
            Source::Unix,
        ]
        .map(|source| ReadSource { source, offset_bytes: 300 })
        .into()
    }

    fn replies() -> Vec<Chunk> {
        vec![Chunk { bytes: bytes(b"MemTotal: 1 kB\n"), end: true }]
    }
}

impl Sampled for ReadKernelLog {
    fn requests() -> Vec<Self> {
        vec![ReadKernelLog { after: None }, ReadKernelLog { after: Some(300) }]
    }

    fn replies() -> Vec<KernelLogPage> {
        vec![
            KernelLogPage { records: list(vec![bytes(b"6,301,5140900,-;text\n")]), next: Some(301) },
            KernelLogPage { records: list(vec![]), next: None },
        ]
    }
}

impl Sampled for WriteParameter {
    fn requests() -> Vec<Self> {
        vec![WriteParameter { path: text("kernel/hostname"), value: text("host") }]
    }

    fn replies() -> Vec<()> {
        vec![()]
    }
}
