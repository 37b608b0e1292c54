//! How the objects of the SDK read as text: what they are, and not under which name Rex has them.

use rhai::{Dynamic, Engine};

use crate::commands::cat::CatFlag;
use crate::commands::cp::CpFlag;
use crate::commands::du::DuFlag;
use crate::commands::find_files::GlobFlag;
use crate::commands::grep::GrepFlag;
use crate::commands::ls::LsFlag;
use crate::commands::mkdir::MkdirFlag;
use crate::commands::mv::MvFlag;
use crate::commands::rm::RmFlag;
use crate::commands::sed::SedFlag;
use crate::commands::seq::SeqFlag;
use crate::commands::tail::TailFlag;
use crate::commands::wc::WcFlag;
use crate::commands::write::WriteFlag;
use crate::content::elf::ElfInfo;
use crate::content::gzip::GzipInfo;
use crate::datetime::{DateTime, DateTimeFormat};
use crate::disk::activity::{CpuStats, DeviceStats, IoStatSnapshot};
use crate::disk::file_systems::{Filesystem, Filesystems, Unit};
use crate::error::family::{Disks, Kind, Network as NetworkFamily, Processes, SystemInfo};
use crate::error::{CommonErrorKind, IoErrorKind};
use crate::file_system::dir::DirHandle;
use crate::file_system::disk_usage::{DiskUsageEntry, DiskUsageResult};
use crate::file_system::entry::DirEntry;
use crate::file_system::execute::ExecuteResult;
use crate::file_system::file::{FileHandle, Match, WordCount};
use crate::file_system::link::SymlinkHandle;
use crate::file_system::metadata::{Metadata, Ownership, type_name};
use crate::file_system::options::{Builder, DirConfig, SizeRange, SizeUnit};
use crate::network::client::{Request, Response};
use crate::network::connections::{Endpoint, InternetConnection, NetworkProtocol, TcpState};
use crate::network::interfaces::Network;
use crate::network::sockets::{
    NetworkStats, ProcessInfo as SocketHolder, UnixProtocol, UnixSocket, UnixSocketState,
};
use crate::process::info::{PidNamespace, ProcessInfo};
use crate::process::ipcs::IpcsInfo;
use crate::process::manager::ProcessManager;
use crate::process::open_files::{FuserInfo, OpenFileInfo};
use crate::process::service::{ServiceInfo, State};
use crate::process::signals;
use crate::sysinfo::Host;
use crate::sysinfo::kernel_log::DmesgEntry;
use crate::sysinfo::memory::{Meminfo, Swapinfo};
use crate::sysinfo::names::UnameInfo;
use crate::sysinfo::parameters::{SysctlEntry, SysctlManager};
use crate::sysinfo::slab::{SlabEntry, SlabInfo, SlabSummary};
use crate::sysinfo::statistics::{CpuTime, KernelStats, milliseconds};
use rex_ipc::file_system::EntryType;
use rex_ipc::network::Protocol;
use rex_ipc::process_system::Signal;
use rex_ipc::runtime::MetricUnit;

/// An object that reads well.
trait Readable: Clone + 'static {
    /// One line without a type name of any program.
    fn text(&self) -> String;
}

/// Implements [`Readable`], and knows every type that does.
macro_rules! readable {
    ($($kind:ty, |$value:ident| $text:expr;)+) => {
        $(impl Readable for $kind {
            fn text(&self) -> String {
                let $value = self;
                $text
            }
        })+

        /// The text of an object; nothing for any other value.
        pub fn text_of(value: &Dynamic) -> Option<String> {
            $(if let Some(object) = value.read_lock::<$kind>() {
                return Some(object.text());
            })+
            None
        }

        /// Has the language use these texts wherever it makes one of a value: in `${…}`, `+`, `to_string`, `debug`, and within
        /// arrays and maps.
        pub fn register(engine: &mut Engine) {
            $(for name in ["to_string", "to_debug"] {
                engine.register_fn(name, |object: &mut $kind| object.text());
            })+
        }
    };
}

readable! {
    DateTime, |date| date.as_text();
    DirEntry, |entry| of_kind(entry.name(), entry.entry_type());
    EntryType, |kind| type_name(*kind).to_owned();
    DirHandle, |dir| of_kind(dir.path(), EntryType::Dir);
    FileHandle, |file| of_kind(file.path(), EntryType::File);
    SymlinkHandle, |link| of_kind(&link.path(), EntryType::Symlink);
    Metadata, |metadata| {
        let modified = DateTime::of_moment(metadata.modified_seconds());
        format!(
            "{}, {}, mode {:04o}, {}, modified {modified}",
            type_name(metadata.entry_type()),
            counted(metadata.file_size(), "byte"),
            metadata.permissions() & MODE_BITS,
            metadata.owner().text(),
        )
    };
    ExecuteResult, |result| format!("exit code {}", result.exit_code);
    Ownership, |owner| format!("{}:{}", owner.user, owner.group);
    Match, |found| format!("{}: {}", found.line_number, found.line_content);
    WordCount, |count| {
        let (lines, words) = (counted(count.lines, "line"), counted(count.words, "word"));
        format!("{lines}, {words}, {}", counted(count.bytes, "byte"))
    };
    DiskUsageEntry, |entry| {
        let (bytes, inodes) = (counted(entry.size_bytes, "byte"), counted(entry.inode_count, "inode"));
        format!("{}: {bytes}, {inodes}", entry.path)
    };
    DiskUsageResult, |result| match result.denied_count {
        0 => result.total.text(),
        denied => format!("{}, {} not looked at", result.total.text(), counted(denied, "entry")),
    };
    GzipInfo, |info| {
        let whole = counted(info.uncompressed_size_bytes, "byte");
        format!("{} compressed, {whole} uncompressed", counted(info.compressed_size_bytes, "byte"))
    };
    ElfInfo, |info| {
        let bits = if info.is_64bit { "64-bit" } else { "32-bit" };
        let program = info.execfn.iter().map(|path| format!(", core of {path}"));
        let interpreter = info.interpreter.iter().map(|path| format!(", interpreter {path}"));
        format!("{bits} ELF{}", program.chain(interpreter).collect::<String>())
    };
    IoErrorKind, |kind| kind.kind.name().to_owned();
    CommonErrorKind, |kind| kind.name().to_owned();
    ProcessManager, |_manager| "processes".to_owned();
    ProcessInfo, |process| process.as_text();
    PidNamespace, |namespace| format!("pid {} in pid:[{}]", namespace.child_ns_pid, namespace.namespace_id);
    FuserInfo, |user| user.as_text();
    OpenFileInfo, |file| file.as_text();
    IpcsInfo, |info| info.as_text();
    Signal, |signal| signals::name(*signal).to_owned();
    State, |state| state.as_text().to_owned();
    ServiceInfo, |info| info.as_text();
    Kind<Processes>, |kind| kind.name().to_owned();
    Kind<SystemInfo>, |kind| kind.name().to_owned();
    Kind<Disks>, |kind| kind.name().to_owned();
    Kind<NetworkFamily>, |kind| kind.name().to_owned();
    Host, |_host| "the host".to_owned();
    Request, |request| format!("GET {}", request.url);
    Response, |response| {
        format!("status {}, {}", response.status, counted(crate::value::integer(response.text.len()), "byte"))
    };
    Meminfo, |memory| memory.text();
    Swapinfo, |swap| swap.text();
    UnameInfo, |names| names.text();
    DmesgEntry, |entry| entry.text();
    SysctlManager, |_manager| "the parameters of the kernel".to_owned();
    SysctlEntry, |entry| format!("{} = {}", entry.key, entry.value);
    KernelStats, |stats| {
        let started = DateTime::of_moment(crate::value::integer(stats.boot_time));
        format!("{}, started {started}", counted(crate::value::integer(stats.cpu_time.len()), "processor"))
    };
    CpuTime, |time| {
        let [user, system, idle] = [time.user, time.system, time.idle].map(milliseconds);
        format!("user {user} ms, system {system} ms, idle {idle} ms")
    };
    SlabInfo, |info| info.summary.text();
    SlabSummary, |summary| summary.text();
    SlabEntry, |slab| format!("{}: {} of {} objects", slab.name, slab.active, slab.objs);
    Filesystems, |_these| "file systems".to_owned();
    Filesystem, |found| {
        format!("{} on {} ({}): {:.1}% used", found.fs_device, found.mounted_on, found.fs_kind, found.block_use_percent())
    };
    IoStatSnapshot, |snapshot| snapshot.text();
    CpuStats, |stats| {
        let CpuStats { user_percent, system_percent, idle_percent, .. } = stats;
        format!("user {user_percent:.2}%, system {system_percent:.2}%, idle {idle_percent:.2}%")
    };
    DeviceStats, |device| {
        let (reads, writes) = (device.read_requests_per_sec, device.write_requests_per_sec);
        format!("{}: {reads:.2} reads/s, {writes:.2} writes/s", device.device_name)
    };
    Network, |network| format!("{}: {}", network.interface_name, network.addresses.join(", "));
    NetworkStats, |stats| {
        let number = |count: usize| counted(crate::value::integer(count), "socket");
        let (internet, unix) = (number(stats.internet_connections.len()), number(stats.unix_sockets.len()));
        format!("{internet} of TCP and UDP, {unix} within the host")
    };
    InternetConnection, |socket| {
        let InternetConnection { protocol, local_address, remote_address, state, .. } = socket;
        format!("{} {local_address} {remote_address} {}", protocol.name(), state.name())
    };
    UnixSocket, |socket| {
        format!("{} {} {}", socket.protocol.name(), socket.state.name(), socket.path).trim_end().to_owned()
    };
    SocketHolder, |process| format!("{} ({})", process.process_name, process.pid);
    Endpoint, |address| address.to_string();
    NetworkProtocol, |protocol| protocol.name().to_owned();
    TcpState, |state| state.name().to_owned();
    UnixProtocol, |protocol| protocol.name().to_owned();
    UnixSocketState, |state| state.name().to_owned();
    SizeUnit, |unit| unit.name().to_owned();
    Unit, |unit| unit.name().to_owned();
    MetricUnit, |unit| unit.name().to_owned();
    Protocol, |protocol| match protocol {
        Protocol::Either => "AUTO".to_owned(),
        other => constant_name(other).to_uppercase(),
    };
    DateTimeFormat, |format| constant_name(format).to_uppercase();
    CatFlag, |flag| constant_name(flag);
    CpFlag, |flag| constant_name(flag);
    DuFlag, |flag| constant_name(flag);
    GlobFlag, |flag| match flag {
        GlobFlag::Type(kind) => constant_name(kind),
        other => constant_name(other),
    };
    GrepFlag, |flag| constant_name(flag);
    LsFlag, |flag| constant_name(flag);
    MkdirFlag, |flag| constant_name(flag);
    MvFlag, |flag| constant_name(flag);
    RmFlag, |flag| constant_name(flag);
    SedFlag, |flag| constant_name(flag);
    SeqFlag, |flag| constant_name(flag);
    TailFlag, |flag| match flag {
        TailFlag::Count(lines) => format!("n({lines})"),
        other => constant_name(other),
    };
    WcFlag, |flag| constant_name(flag);
    WriteFlag, |flag| constant_name(flag);
    DirConfig, |config| of_path("DirConfig", config);
    Builder<DirConfig>, |builder| of_path("DirConfigBuilder", &builder.0);
    SizeRange, |range| {
        let side = |word: &str, bytes: Option<rhai::INT>| bytes.map(|bytes| format!(" {word} {}", counted(bytes, "byte")));
        let sides = [side("from", range.min_bytes), side("to", range.max_bytes)];
        format!("sizes{}", sides.into_iter().flatten().collect::<String>())
    };
}

/// The name that a constant has in scripts, from that of its variant: `ignore_case` for `IgnoreCase`, `range(1, 2)` for
/// `Range(1, 2)`. A test holds every constant to it.
fn constant_name(value: &impl std::fmt::Debug) -> String {
    let mut name = String::new();
    for character in format!("{value:?}").chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}

fn of_path(name: &str, config: &DirConfig) -> String {
    config.path.as_ref().map_or_else(|| name.to_owned(), |path| format!("{name} of {path}"))
}

fn of_kind(name: &str, kind: EntryType) -> String {
    format!("{name} ({})", type_name(kind))
}

fn counted(number: rhai::INT, of: &str) -> String {
    match (number, of.strip_suffix('y')) {
        (1, _) => format!("1 {of}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        _ => format!("{number} {of}s"),
    }
}

/// The permission bits of a mode, without those of the type.
const MODE_BITS: rhai::INT = 0o7777;

#[cfg(test)]
#[path = "forms/constants.rs"]
mod constants;

#[cfg(test)]
mod tests {
    use rex_ipc::bounded::{List, Text};
    use rex_ipc::file_system::EntryType;
    use rex_ipc::process_system::{Holder, OpenAccess, OpenEntry};
    use rex_ipc::sysinfo::{Address, FileSystemStatus, Interface, Source};

    use crate::testing::{Bench, held, process};

    fn bench() -> Bench {
        Bench::new()
            .file("/d/f", "one two\nthree\n")
            .dir("/d/s")
            .link("/d/l", "f")
            .process(process(7, "server"))
            .holding(7, vec![held(OpenAccess::Descriptor, EntryType::File, "/d/f")])
    }

    /// Every object that a script can hold as the result of something, and its text.
    const OBJECTS: [(&str, &str); 25] = [
        ("from_epoch_seconds(0)", "1970-01-01T00:00:00Z"),
        ("from_epoch_nanos(1, 500000000)", "1970-01-01T00:00:01.5Z"),
        ("DateTime(2025, 258, 1, 0, 0, 0, 0)", "2025-258-01T00:00:00"),
        ("ls(\"/d\")[\"f\"]", "f (File)"),
        ("ls(\"/d\")[\"s\"]", "s (Dir)"),
        ("ls(\"/d\")[\"l\"]", "l (Symlink)"),
        ("ls(\"/d\")[\"f\"].type()", "File"),
        ("dir()", "/d (Dir)"),
        ("file()", "/d/f (File)"),
        ("dir().open_symlink(\"l\")", "/d/l (Symlink)"),
        ("file().metadata()", "File, 14 bytes, mode 0644, root:root, modified 2009-02-13T23:31:30Z"),
        ("file().get_ownership()", "root:root"),
        ("file().search(\"t.o\")[0]", "1: one two"),
        ("file().counts()", "2 lines, 3 words, 14 bytes"),
        ("file().disk_usage(DiskUsageOptions().apparent_size(true).build())", "/d/f: 14 bytes, 1 inode"),
        ("dir().disk_usage(DiskUsageOptions().apparent_size(true).build())", "/d: 8206 bytes, 3 inodes"),
        ("kind()", "IoError"),
        ("kind_of_process()", "ValidationError"),
        ("ProcessManager()", "processes"),
        ("ps()[0]", "7 server (root, Sleep)"),
        ("namespaced().pid_namespace", "pid 7 in pid:[4026531836]"),
        ("ProcessManager().processes_using_inode(\"/d/f\")[0]", "7 server -x (root): File descriptor"),
        (
            "ProcessManager().list_open_files(LsofOptions().pid(7).build())[0]",
            "7 server: /d/f (REG, File descriptor)",
        ),
        ("Signal::SIGHUP", "SIGHUP"),
        ("State::FAILED", "failed"),
    ];

    const FUNCTIONS: &str = r#"
        fn dir() { DirConfig().path("/d").build().open(OpenDirOptions().build()) }
        fn file() { dir().open_file("f", OpenFileOptions().read(true).build()) }
        fn kind_of_process() { let k = (); try { kill(99); } catch (e) { k = e.kind; } k }
        fn namespaced() { ProcessManager().processes(ProcessOptions().load_namespace_info(true).build())[0] }
        fn kind() { let k = (); try { cat("/gone"); } catch (e) { k = e.kind; } k }
    "#;

    #[test]
    fn every_object_reads_well_wherever_it_becomes_text() {
        let mut wrong = Vec::new();
        for (object, text) in OBJECTS {
            for (way, expected) in [
                ("o", text.to_owned()),
                ("[o]", format!("[{text}]")),
                ("#{k: o}", format!("#{{\"k\": {text}}}")),
                ("`${o}`", text.to_owned()),
                ("\"\" + o", text.to_owned()),
                ("o + \"\"", text.to_owned()),
                ("o.to_string()", text.to_owned()),
                ("`${[o]}`", format!("[{text}]")),
                ("`${#{k: o}}`", format!("#{{\"k\": {text}}}")),
                ("[o].to_string()", format!("[{text}]")),
                ("#{k: o}.to_json()", format!("{{\"k\":\"{text}\"}}")),
                ("#{k: [o]}.to_json()", format!("{{\"k\":[\"{text}\"]}}")),
            ] {
                let output = bench().output(&format!("{FUNCTIONS} let o = {object}; {way}"));
                if output != expected {
                    wrong.push(format!("{way} of {object}: {output} and not {expected}"));
                }
            }
            let bench = bench();
            bench.output(&format!("{FUNCTIONS} let o = {object}; debug(o); debug([o]);"));
            if bench.log() != [format!("Debug {text}"), format!("Debug [{text}]")] {
                wrong.push(format!("debug: {:?}", bench.log()));
            }
            let thrown = bench.failure(&format!("{FUNCTIONS} let o = {object}; throw o"));
            if !thrown.starts_with(&format!("Runtime error: {text} (line")) {
                wrong.push(format!("thrown: {thrown}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn host() -> Bench {
        let slabs = "slabinfo - version: 2.1\nk 1 2 4096 1 1 : tunables 0 0 0 : slabdata 1 2 0\n";
        let local = u32::from_ne_bytes([127, 0, 0, 1]);
        let socket = format!("0: {local:08X}:0016 00000000:0000 0A 0:0 0:0 0 0 0 5");
        let bench = Bench::new()
            .file("/proc/slabinfo", slabs)
            .file("/proc/sys/kernel/ostype", "Linux\n")
            .table(Source::Statistics, "cpu 1 2 3 4\ncpu0 1 2 3 4\nbtime 0\n")
            .table(Source::DiskStatistics, "8 0 sda\n")
            .table(Source::Mounts, "/dev/sda1 / ext4 rw 0 0\n")
            .table(Source::Tcp, format!("head\n{socket}\n"))
            .table(Source::Tcp6, "")
            .table(Source::Udp, "")
            .table(Source::Udp6, "")
            .table(Source::Unix, "head\n0: 2 0 0 1 1 5\n");
        let (fragment_bytes, blocks, available_blocks) = (1, 1000, 750);
        let status =
            FileSystemStatus::Known { fragment_bytes, blocks, available_blocks, inodes: 0, free_inodes: 0 };
        let holder = Holder {
            started_ticks: 1,
            pid: 7,
            uid: 0,
            user: None,
            name: Text::new("sshd").unwrap(),
            command: Text::new("sshd").unwrap(),
            entries: List::new(vec![OpenEntry {
                access: OpenAccess::Descriptor,
                entry_type: EntryType::Socket,
                target: Text::new("socket:[5]").unwrap(),
            }])
            .unwrap(),
        };
        let lo = Interface {
            name: Text::new("lo").unwrap(),
            addresses: List::new(vec![Address::V4([127, 0, 0, 1]), Address::V4([127, 0, 0, 2])]).unwrap(),
        };
        bench.world.borrow_mut().host.usual_status = Some(status);
        bench.world.borrow_mut().host.holders = vec![holder];
        bench.world.borrow_mut().host.interfaces = vec![lo];
        bench
    }

    #[test]
    fn what_tells_of_the_host_reads_well() {
        let connection = "network_stats().internet_connections[0]";
        let unix = "network_stats().unix_sockets[0]";
        for (object, text) in [
            ("SystemInfo()".to_owned(), "the host"),
            ("SystemInfo().kernel_stats()".into(), "1 processor, started 1970-01-01T00:00:00Z"),
            ("SystemInfo().kernel_stats().total_cpu_time".into(), "user 10 ms, system 30 ms, idle 40 ms"),
            ("SystemInfo().slab_info().slabs[0]".into(), "k: 1 of 2 objects"),
            ("SysctlManager()".into(), "the parameters of the kernel"),
            ("SysctlManager().find(\"ostype\")[0]".into(), "kernel.ostype = Linux"),
            ("Filesystems(FilesystemOptions().build())".into(), "file systems"),
            ("df()[0]".into(), "/dev/sda1 on / (ext4): 25.0% used"),
            ("iostat().cpu_stats".into(), "user 10.00%, system 30.00%, idle 40.00%"),
            ("iostat().device_stats[0]".into(), "sda: 0.00 reads/s, 0.00 writes/s"),
            ("ip_addresses()[0]".into(), "lo: 127.0.0.1, 127.0.0.2"),
            ("network_stats()".into(), "1 socket of TCP and UDP, 1 socket within the host"),
            (connection.into(), "Tcp 127.0.0.1:22 0.0.0.0:0 Listen"),
            (format!("{connection}.local_address"), "127.0.0.1:22"),
            (format!("{connection}.protocol"), "Tcp"),
            (format!("{connection}.state"), "Listen"),
            (format!("{connection}.process_info"), "sshd (7)"),
            (unix.into(), "Stream Unconnected"),
            (format!("{unix}.protocol"), "Stream"),
            (format!("{unix}.state"), "Unconnected"),
            ("SysteminfoErrorKind::InvalidValue".into(), "InvalidValue"),
            ("DiskinfoErrorKind::Other".into(), "Other"),
            ("NetworkErrorKind::RequestError".into(), "RequestError"),
            ("ProcessErrorKind::DBusError".into(), "DBusError"),
        ] {
            for (way, expected) in [
                ("o", text.to_owned()),
                ("[o]", format!("[{text}]")),
                ("`${o}`", text.to_owned()),
                ("#{k: o}.to_json()", format!("{{\"k\":\"{text}\"}}")),
            ] {
                assert_eq!(host().output(&format!("let o = {object}; {way}")), expected, "{way} of {object}");
            }
        }
        for whole in ["SystemInfo().slab_info()", "SystemInfo().slab_info().summary"] {
            assert!(host().output(whole).starts_with("Active / Total Objects (% used)    : 1 / 2 (50.0%)\n"));
        }
        assert!(host().output("iostat()").starts_with("avg-cpu:"));
    }

    #[test]
    fn for_rex_an_object_is_the_name_of_its_type() {
        let rex = bench().like_rex();

        for (way, expected) in [
            ("now()", "rust_sdk_common_utils::types::datetime::DateTime"),
            ("[now()]", "[rust_sdk_common_utils::types::datetime::DateTime]"),
            ("ls(\"/d\")[\"f\"]", "rust_safe_io::dir_entry::DirEntry"),
            ("#{k: now()}.to_json()", "{\"k\":\"rust_sdk_common_utils::types::datetime::DateTime\"}"),
        ] {
            assert_eq!(rex.output(way), expected, "{way}");
        }
        assert_eq!(bench().output("type_of(now())"), "rust_sdk_common_utils::types::datetime::DateTime");
    }

    /// No type of Rex's is forgotten: whatever has a name with a path in it has a text.
    #[test]
    fn every_type_with_the_name_of_a_rust_type_has_a_text() {
        let sources = [
            include_str!("sdk/content.rs"),
            include_str!("sdk/file_system.rs"),
            include_str!("sdk/file_system_change.rs"),
            include_str!("sdk/command_change.rs"),
            include_str!("sdk/disk.rs"),
            include_str!("sdk/network.rs"),
            include_str!("sdk/sysinfo.rs"),
            include_str!("datetime.rs"),
            include_str!("sdk/process.rs"),
            include_str!("sdk/service.rs"),
            include_str!("sdk/options.rs"),
        ];
        let own = include_str!("forms.rs");
        let mut found = 0;
        for source in sources {
            for rest in source.split("type_name::<").skip(1) {
                let (kind, name) = rest.split_once(">(\"").unwrap_or(("", ""));
                if name.split('"').next().unwrap_or_default().contains("::") {
                    assert!(own.contains(&format!("\n    {kind}, |")), "{kind}");
                    found += 1;
                }
            }
            // With `kind` go the finished options and their builder.
            for rest in source.split("kind.start::<").skip(1) {
                let (kind, name) = rest.split_once(">(registrar, ").unwrap_or(("", ""));
                if name.split(')').next().unwrap_or_default().contains("::") {
                    assert!(own.contains(&format!("\n    {kind}, |")), "{kind}");
                    found += 1;
                }
            }
            for rest in source.split("object! {\n    ").skip(1) {
                let kind = rest.split(" as ").next().unwrap_or_default();
                assert!(own.contains(&format!("\n    {kind}, |")), "{kind}");
                found += 1;
            }
        }
        assert!(found >= 40, "{found}");
    }
}
