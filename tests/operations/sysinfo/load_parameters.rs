//! sysctl(8) is begun. A stand-in takes its place in a mount namespace of the test's own, so that the host stays as it is; what
//! the real one does is tried in `tests/programs` with whole runs.

use std::path::Path;

use nix::mount::{MsFlags, mount};
use rex_broker::host::Children;
use rex_broker::host::programs::unguarded::start_spawner;
use rex_broker::run::image::SPAWNER;
use rex_ipc::handle::FileId;
use rex_ipc::program::{ProgramEnd, ReadProgram};
use rex_ipc::sysinfo::LoadParameters;
use rex_tests::session::{ALLOW_ALL, Session};
use rex_tests::skip::skipped;
use rex_tests::tree::{is_root, with_mounts};

const PROGRAM: &str = "/usr/sbin/sysctl";

/// Whether there is a place to put a stand-in at, which root alone can.
fn can_stand_in() -> bool {
    let can = is_root() && Path::new(PROGRAM).exists();
    if is_root() && !can {
        skipped("sysctl(8) is not installed: package procps");
    }
    can
}

/// A session in which echo(1) stands where sysctl(8) is, and the file of it.
fn session(policy: &str) -> (Session, FileId) {
    let echo = std::fs::canonicalize("/usr/bin/echo").unwrap();
    mount(Some(&echo), PROGRAM, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    let mut session = Session::with_policy(policy);
    session.services.host.programs.spawner = Some(start_spawner(SPAWNER.bytes).unwrap());
    session.services.host.programs.confinement = Children::Approximate.confinement();
    let directory = session.open_dir("/usr/sbin").unwrap();
    let file = session.open_file(directory, "sysctl").unwrap();
    session.questions();
    (session, file)
}

/// What it has written, and how it has ended.
fn output(session: &mut Session) -> (String, ProgramEnd) {
    let mut text = Vec::new();
    loop {
        let read = session.send(ReadProgram {}).unwrap();
        text.extend_from_slice(read.output.as_slice());
        if let Some(end) = read.end {
            return (String::from_utf8(text).unwrap(), end);
        }
    }
}

#[test]
fn permitted() {
    if !can_stand_in() {
        return;
    }
    with_mounts(|| {
        let (mut session, file) = session(ALLOW_ALL);

        session.send(LoadParameters { program: None }).unwrap();
        assert_eq!(session.questions(), ["permit load sysctl::Sysctl host"]);
        assert!(session.services.host.programs.question().is_none(), "it was only asked");
        session.send(LoadParameters { program: Some(file) }).unwrap();

        assert_eq!(
            session.questions(),
            ["permit load sysctl::Sysctl host", "permit execute File /usr/sbin/sysctl"]
        );
        assert_eq!(output(&mut session), ("--system\n".to_owned(), ProgramEnd::Exited { status: 0 }));
    });
}

#[test]
fn denied() {
    let mut without =
        Session::with_policy("permit(principal, action in [file_system::Action::\"execute\"], resource);");
    assert!(without.send(LoadParameters { program: None }).unwrap_err().is_denial());
    assert_eq!(without.questions(), ["deny load sysctl::Sysctl host"]);
    if !can_stand_in() {
        return;
    }
    with_mounts(|| {
        let only_load = r#"permit(principal, action == sysctl::Action::"load", resource);
                           permit(principal, action == file_system::Action::"open", resource);"#;
        let (mut session, file) = session(only_load);
        assert!(session.send(LoadParameters { program: Some(file) }).unwrap_err().is_denial());
        assert_eq!(
            session.questions(),
            ["permit load sysctl::Sysctl host", "deny execute File /usr/sbin/sysctl"]
        );
        assert!(session.services.host.programs.question().is_none(), "nothing was started");

        // Rex does not ask for the program, and what forbids it counts all the same.
        session.services.deciding.rex_compat = true;
        session.send(LoadParameters { program: Some(file) }).unwrap();
        assert_eq!(output(&mut session).0, "--system\n");
    });
    with_mounts(|| {
        let forbidden = r#"permit(principal, action, resource);
                           forbid(principal, action == file_system::Action::"execute", resource)
                           when { context.command_line == "sysctl --system" };"#;
        let (mut session, file) = session(forbidden);
        session.services.deciding.rex_compat = true;
        assert!(session.send(LoadParameters { program: Some(file) }).unwrap_err().is_denial());
    });
}

#[test]
fn another_file_than_the_program_is_not_started() {
    if !can_stand_in() {
        return;
    }
    with_mounts(|| {
        let (mut session, _) = session(ALLOW_ALL);
        let directory = session.open_dir("/usr/bin").unwrap();
        let other = session.open_file(directory, "env").unwrap();

        let refused = session.send(LoadParameters { program: Some(other) }).unwrap_err();

        assert_eq!(refused.errno(), Some(nix::libc::ESTALE as u16));
        assert!(session.services.host.programs.question().is_none(), "nothing was started");
    });
}
