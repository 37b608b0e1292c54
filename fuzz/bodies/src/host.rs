//! Requests about processes, services, kernel and disks for the session that is fuzzed. The policy permits none of them, so that
//! whatever they name, nothing of the host is told or touched.

use rex_ipc::bounded::Text;
use rex_ipc::handle::FileId;
use rex_ipc::interface::Request;
use rex_ipc::network::{
    AddressKind, BeginGet, Connect, DnsSeconds, Hop, KnownAddresses, NameServer, Protocol, QueryName,
    ReadResponse,
};
use rex_ipc::process_system::{
    FindRealPath, Holders, ListOpenFiles, ListProcesses, Processes, Signal, SignalProcess, Sought,
};
use rex_ipc::sysinfo::{
    CountProcessors, HostName, ListInterfaces, LoadParameters, ReadKernelLog, ReadSource, Source,
    StatFileSystem, Uname, Unmount, WriteParameter,
};
use rex_ipc::systemd::{ActOnUnit, ReloadManager, UnitInterface, UnitName, UnitStatus, UnitVerb};

use crate::session::Choices;

/// One of them.
pub(crate) fn request(choices: &mut Choices<'_>, path: impl Fn(&mut Choices<'_>) -> String) -> Request {
    let pid = |choices: &mut Choices<'_>| [0, 1, std::process::id(), u32::MAX][choices.below(4)];
    match choices.below(22) {
        0 => {
            let which = match choices.below(3) {
                0 => Processes::After { pid: u32::MAX - 1, task: pid(choices) },
                1 => Processes::TasksOf { pid: pid(choices), task: 0 },
                _ => Processes::One { pid: pid(choices), task: choices.coin().then(|| pid(choices)) },
            };
            ListProcesses { which, tasks: choices.coin(), namespaces: choices.coin() }.into()
        }
        1 => SignalProcess {
            pid: pid(choices),
            started_ticks: choices.coin().then_some(1),
            signal: [Signal::Terminate, Signal::Quit, Signal::Hangup, Signal::Kill][choices.below(4)],
        }
        .into(),
        2 => {
            let of = Holders::One { pid: pid(choices), skip: pid(choices) };
            let sought = match choices.below(3) {
                0 => Sought::Everything,
                1 => Sought::At { path: Text::cut(&path(choices)), below: choices.coin() },
                _ => Sought::Sockets,
            };
            ListOpenFiles { of, sought }.into()
        }
        3 => FindRealPath { path: Text::cut(&path(choices)) }.into(),
        4 => ActOnUnit {
            unit: unit(choices),
            verb: [UnitVerb::Start, UnitVerb::Stop, UnitVerb::Restart, UnitVerb::TryRestart]
                [choices.below(4)],
            wait: None,
        }
        .into(),
        5 => UnitStatus {
            unit: unit(choices),
            interface: if choices.coin() { UnitInterface::Unit } else { UnitInterface::Service },
            offset_bytes: pid(choices),
        }
        .into(),
        6 => ReloadManager {}.into(),
        7 => StatFileSystem { mount_point: Text::cut(&path(choices)) }.into(),
        8 => Uname {}.into(),
        9 => HostName {}.into(),
        10 => CountProcessors {}.into(),
        11 => ListInterfaces { skip: pid(choices) }.into(),
        12 => {
            let all = [Source::Memory, Source::Mounts, Source::MountsOfInit, Source::Tcp];
            ReadSource { source: all[choices.below(4)], offset_bytes: pid(choices).into() }.into()
        }
        14 => {
            let hop = Hop::new(choices.below(11) as u8).unwrap_or(Hop::MAX);
            BeginGet { url: Text::cut(&url(choices)), hop }.into()
        }
        15 => ReadResponse {}.into(),
        16 => Connect {
            endpoint: Text::cut(&url(choices)),
            port: 9,
            protocol: [Protocol::Tcp, Protocol::Udp, Protocol::Either][choices.below(3)],
        }
        .into(),
        17 => KnownAddresses { host: Text::cut(&url(choices)) }.into(),
        18 => QueryName {
            host: Text::cut(&url(choices)),
            search_domain: choices.coin().then_some(0),
            kind: if choices.coin() { AddressKind::V4 } else { AddressKind::V6 },
            server: NameServer::Configured(7),
            over_tcp: choices.coin(),
            wait: DnsSeconds::MAX,
        }
        .into(),
        // A path at which nothing is mounted; what is mounted on this host is not tried.
        19 => Unmount { path: Text::cut(choices.one(&["", "/dev/null", "/proc/self", "/..", "/open/a"])) }
            .into(),
        20 => LoadParameters { program: choices.coin().then_some(FileId(1)) }.into(),
        13 => ReadKernelLog { after: choices.coin().then_some(0) }.into(),
        _ => {
            let path = choices.one(&["kernel/hostname", "../open/file", "", "kernel//", "fs/binfmt_misc"]);
            WriteParameter { path: Text::cut(path), value: Text::cut(choices.one(&["", "1", "a\0b"])) }.into()
        }
    }
}

fn unit(choices: &mut Choices<'_>) -> UnitName {
    Text::cut(choices.one(&["cron.service", "", "../x", "a@b.service", "\n"]))
}

fn url(choices: &mut Choices<'_>) -> String {
    let all = [
        "http://127.0.0.1:9/",
        "HTTP://localhost/..",
        "localhost",
        "",
        "http://[::1]/\"",
        "a.example.",
        "http://u@h/%",
    ];
    choices.one(&all).to_owned()
}
