//! Network namespaces are entered: what is asked for that, and what then is where.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::AsRawFd;

use nix::sched::{CloneFlags, unshare};
use rex_ipc::bounded::Text;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::PathText;
use rex_ipc::network::{Connect, Protocol};
use rex_ipc::process_system::{EnterNamespaces, LeaveNamespaces, Namespaces};
use rex_ipc::sysinfo::{ListInterfaces, ReadSource, Source};
use rex_tests::session::{ALLOW_ALL, Session};
use rex_tests::tree::{is_root, with_mounts};

use super::{Victim, only};

pub(super) fn of_process(pid: u32) -> EnterNamespaces {
    EnterNamespaces { of: Namespaces::OfProcess { pid, started_ticks: None, mount: false, network: true } }
}

pub(super) fn named(name: &str) -> EnterNamespaces {
    EnterNamespaces { of: Namespaces::Named(PathText::cut(name).try_into().unwrap()) }
}

fn connect(port: u16) -> Connect {
    Connect { endpoint: Text::cut("127.0.0.1"), port, protocol: Protocol::Tcp }
}

fn table() -> ReadSource {
    ReadSource { source: Source::Tcp, offset_bytes: 0 }
}

/// A network namespace with a server at an address of this host, held by its name in `/run/netns`.
pub(super) struct Elsewhere {
    pub(super) port: u16,
    _server: TcpListener,
}

impl Elsewhere {
    /// Makes one; the mounts have to be those of the test alone.
    pub(super) fn make(name: &str) -> Self {
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let own = fs::File::open("/proc/thread-self/ns/net").unwrap();
            let up = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status();
            assert!(up.expect("ip(8) is needed").success());
            (own, TcpListener::bind("127.0.0.1:0").unwrap())
        });
        let (own, server) = made.join().unwrap();
        let directory = "/run/netns";
        fs::create_dir_all(directory).unwrap();
        let flags = nix::mount::MsFlags::empty();
        nix::mount::mount(Some("none"), directory, Some("tmpfs"), flags, None::<&str>).unwrap();
        let place = format!("{directory}/{name}");
        fs::File::create(&place).unwrap();
        let source = format!("/proc/self/fd/{}", own.as_raw_fd());
        let bind = nix::mount::MsFlags::MS_BIND;
        nix::mount::mount(Some(source.as_str()), place.as_str(), None::<&str>, bind, None::<&str>).unwrap();
        Self { port: server.local_addr().unwrap().port(), _server: server }
    }
}

fn port_is_told(session: &mut Session, port: u16) -> bool {
    let chunk = session.send(table()).unwrap();
    String::from_utf8_lossy(chunk.bytes.as_slice()).contains(&format!("0100007F:{port:04X}"))
}

#[test]
fn permitted() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let elsewhere = Elsewhere::make("blue");
        let mut session = Session::with_policy(ALLOW_ALL);
        assert!(session.send(connect(elsewhere.port)).is_err(), "a control: nobody listens here");
        assert!(!port_is_told(&mut session, elsewhere.port));
        session.questions();

        session.send(named("blue")).unwrap();
        assert_eq!(
            session.questions(),
            [
                "permit network_namespace File /run/netns/blue",
                "permit open Dir /run/netns",
                "permit open File /run/netns/blue"
            ]
        );
        session.send(connect(elsewhere.port)).unwrap();
        assert_eq!(session.questions(), ["permit connect network::url /run/netns/blue/127.0.0.1"]);
        assert!(port_is_told(&mut session, elsewhere.port));
        let path = "/run/netns/blue/proc/net/tcp";
        assert_eq!(
            session.questions(),
            [format!("permit open File {path}"), format!("permit read File {path}")]
        );
        let found = session.send(ListInterfaces { skip: 0 }).unwrap();
        let names: Vec<_> =
            found.interfaces.as_slice().iter().map(|one| one.name.as_str().to_owned()).collect();
        assert_eq!(names, ["lo"]);
        assert_eq!(session.questions().last().unwrap(), "permit read Dir /run/netns/blue/sys/class/net");
    });
}

#[test]
fn a_process_is_as_good_as_a_name() {
    if !is_root() {
        return;
    }
    let victim = Victim::start();
    let mut session = Session::with_policy(&only(&["network_namespace"], victim.pid()));

    session.send(of_process(victim.pid())).unwrap();

    let asked = format!("permit network_namespace process_system::Process {}", victim.pid());
    assert_eq!(session.questions(), [asked]);
    assert!(session.send(connect(9)).unwrap_err().is_denial());
    let name = format!("deny connect network::url /proc/{}/ns/net/127.0.0.1", victim.pid());
    assert_eq!(session.questions(), [name]);
}

#[test]
fn denied() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let _elsewhere = Elsewhere::make("blue");
        let on = |action: &str, kind: &str, path: &str| {
            format!(
                "permit(principal, action == file_system::Action::\"{action}\", resource == file_system::{kind}::\"{path}\");\n"
            )
        };
        let namespace = on("network_namespace", "File", "/run/netns/blue");
        let directory = on("open", "Dir", "/run/netns");
        let other = on("network_namespace", "File", "/run/netns/red");
        for (policy, refused) in [
            (String::new(), "deny network_namespace File /run/netns/blue"),
            (other, "deny network_namespace File /run/netns/blue"),
            (namespace.clone(), "deny open Dir /run/netns"),
            (format!("{namespace}{directory}"), "deny open File /run/netns/blue"),
        ] {
            let mut session = Session::with_policy(&policy);
            assert!(session.send(named("blue")).unwrap_err().is_denial());
            assert_eq!(session.questions().last().unwrap(), refused);
            assert!(session.services.host.network.inside.is_none());
        }
        let victim = Victim::start();
        let mut session = Session::with_policy(&only(&["mount_namespace", "list"], victim.pid()));
        assert!(session.send(of_process(victim.pid())).unwrap_err().is_denial());
        let both =
            Namespaces::OfProcess { pid: victim.pid(), started_ticks: None, mount: true, network: true };
        assert!(session.send(EnterNamespaces { of: both }).unwrap_err().is_denial());
        let name = format!("process_system::Process {}", victim.pid());
        assert_eq!(
            session.questions(),
            [
                format!("deny network_namespace {name}"),
                format!("permit mount_namespace {name}"),
                format!("deny network_namespace {name}")
            ]
        );
    });
}

// What may be connected to on the host is another thing within, and the other way round.
#[test]
fn a_permit_for_the_host_is_none_within_and_one_for_within_is_none_outside() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let elsewhere = Elsewhere::make("blue");
        let here = TcpListener::bind("127.0.0.1:0").unwrap();
        let port_here = here.local_addr().unwrap().port();
        let enter = "permit(principal, action in [file_system::Action::\"network_namespace\", file_system::Action::\"open\"], resource in file_system::Dir::\"/run/netns\");\n";
        let of = |name: &str, table: &str| {
            format!(
                "{enter}permit(principal, action == network::Action::\"connect\", resource == network::url::\"{name}\");\n\
                 permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"read\"], resource == file_system::File::\"{table}\");\n"
            )
        };
        let mut host = Session::with_policy(&of("127.0.0.1", "/proc/net/tcp"));
        host.send(connect(port_here)).unwrap();
        host.send(table()).unwrap();
        host.send(named("blue")).unwrap();
        assert!(host.send(connect(elsewhere.port)).unwrap_err().is_denial());
        assert!(host.send(connect(port_here)).unwrap_err().is_denial());
        assert!(host.send(table()).unwrap_err().is_denial());
        assert!(host.send(ListInterfaces { skip: 0 }).unwrap_err().is_denial());

        let mut within =
            Session::with_policy(&of("/run/netns/blue/127.0.0.1", "/run/netns/blue/proc/net/tcp"));
        assert!(within.send(connect(port_here)).unwrap_err().is_denial());
        assert!(within.send(table()).unwrap_err().is_denial());
        // Nor under the name that it has within.
        let spelled = Connect { endpoint: Text::cut("/run/netns/blue/127.0.0.1"), ..connect(port_here) };
        assert!(within.send(spelled).is_err());
        assert!(within.send(named("blue")).is_ok());
        within.send(connect(elsewhere.port)).unwrap();
        within.send(table()).unwrap();
        assert!(within.send(connect(port_here)).is_err(), "nobody listens there");
        within.send(LeaveNamespaces {}).unwrap();
        assert!(within.send(connect(port_here)).unwrap_err().is_denial());
        let rest = ReadSource { offset_bytes: 1, ..table() };
        assert!(within.send(rest).unwrap_err().is_denial(), "nor is the rest of a table told");
    });
}

// A jail that was taken over enters and leaves when it likes.
#[test]
fn a_table_that_was_begun_elsewhere_does_not_go_on_and_nothing_is_entered_twice() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let _elsewhere = Elsewhere::make("blue");
        let mut session = Session::with_policy(ALLOW_ALL);
        let rest = || ReadSource { offset_bytes: 1, ..table() };
        session.services.host.sources = Default::default();
        for _ in 0..3 {
            session.send(named("blue")).unwrap();
            assert_eq!(
                session.send(named("blue")).unwrap_err().kind(),
                Some(ErrorKind::UnsupportedOperationError)
            );
            assert!(session.send(rest()).is_err());
            session.send(LeaveNamespaces {}).unwrap();
            assert!(session.send(rest()).is_err());
            assert_eq!(
                session.send(LeaveNamespaces {}).unwrap_err().kind(),
                Some(ErrorKind::UnsupportedOperationError)
            );
        }
    });
}

#[test]
fn what_would_be_done_elsewhere_is_refused_by_name() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let _elsewhere = Elsewhere::make("blue");
        let mut session = crate::file_system::begin_program::session(ALLOW_ALL);
        let (echo, _) = crate::file_system::begin_program::echo(&mut session);
        session.send(named("blue")).unwrap();
        session.questions();

        let program = session.send(crate::file_system::begin_program::saying(echo, &[])).unwrap_err();
        assert_eq!(program.kind(), Some(ErrorKind::UnsupportedOperationError));
        let parameters = session.send(rex_ipc::sysinfo::LoadParameters { program: None }).unwrap_err();
        assert_eq!(parameters.kind(), Some(ErrorKind::UnsupportedOperationError));
        assert!(session.questions().is_empty(), "nobody was asked");
        let unknown = Connect { endpoint: Text::cut("name.invalid"), ..connect(9) };
        assert_eq!(session.send(unknown).unwrap_err().kind(), Some(ErrorKind::UnsupportedOperationError));
        session.send(LeaveNamespaces {}).unwrap();
        session.send(crate::file_system::begin_program::saying(echo, &[])).unwrap();
    });
}

#[test]
fn what_is_no_network_namespace_and_what_belongs_to_the_run_is_not_entered() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let _elsewhere = Elsewhere::make("blue");
        fs::File::create("/run/netns/file").unwrap().write_all(b"text").unwrap();
        std::os::unix::fs::symlink("blue", "/run/netns/link").unwrap();
        let own = Victim::start();
        let mut session = Session::with_policy(ALLOW_ALL);
        session.services.hide_process(own.pid());

        for name in ["file", "link", "none"] {
            let refused = session.send(named(name)).unwrap_err();
            assert!(!refused.is_denial(), "{name}");
            assert!(session.services.host.network.inside.is_none(), "{name}");
        }
        for closed in [own.pid(), std::process::id()] {
            assert!(session.send(of_process(closed)).unwrap_err().is_denial());
        }
        let gone = Namespaces::OfProcess { pid: 1, started_ticks: Some(1), mount: false, network: true };
        assert!(!session.send(EnterNamespaces { of: gone }).unwrap_err().is_denial());
        let mount = Namespaces::OfProcess { pid: 1, started_ticks: None, mount: true, network: false };
        let refused = session.send(EnterNamespaces { of: mount }).unwrap_err();
        assert_eq!(refused.kind(), Some(ErrorKind::UnsupportedOperationError));
        assert!(session.services.host.network.inside.is_none());
    });
}

// What Rex asks for within has the name that it has everywhere.
#[test]
fn a_script_of_rex_is_asked_what_rex_asks() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let elsewhere = Elsewhere::make("blue");
        let mut session = Session::with_policy(ALLOW_ALL);
        session.services.deciding.rex_compat = true;
        session.send(named("blue")).unwrap();
        session.questions();

        session.send(connect(elsewhere.port)).unwrap();
        assert!(port_is_told(&mut session, elsewhere.port));
        let asked = session.questions();
        assert_eq!(
            asked,
            [
                "permit connect network::url 127.0.0.1",
                "permit open File /proc/net/tcp",
                "permit read File /proc/net/tcp"
            ]
        );
        // The thread that serves was never elsewhere.
        let here = fs::read_link("/proc/thread-self/ns/net").unwrap();
        assert_eq!(here, fs::read_link("/proc/self/ns/net").unwrap());
    });
}
