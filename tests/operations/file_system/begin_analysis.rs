//! The debugger is begun. What it sees, and what is told of that, is tried in `tests/programs` with whole runs.

use std::path::Path;

use nix::mount::{MsFlags, mount};
use rex_ipc::bounded::{List, Text};
use rex_ipc::failure::ErrorKind;
use rex_ipc::handle::FileId;
use rex_ipc::program::{BeginAnalysis, ReadProgram, Wanted};
use rex_tests::session::{ALLOW_ALL, Session};
use rex_tests::skip::skipped;
use rex_tests::tree::{is_root, with_mounts};

use super::begin_program;

/// Whether echo(1) can stand where the debugger is.
fn can_stand_in() -> bool {
    let can = is_root() && Path::new("/usr/bin/gdb").exists();
    if is_root() && !can {
        skipped("/usr/bin/gdb is needed: package gdb");
    }
    can
}

/// A session in which echo(1) is the debugger, with two files.
fn session(policy: &str) -> (Session, [FileId; 3]) {
    let echo = std::fs::canonicalize("/usr/bin/echo").unwrap();
    mount(Some(&echo), "/usr/bin/gdb", None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    let mut session = begin_program::session(policy);
    let bin = session.open_dir("/usr/bin").unwrap();
    let debugger = session.open_file(bin, "gdb").unwrap();
    session.tree.file("p", "program");
    session.tree.file("c", "core");
    let root = session.root();
    let [program, core] = ["p", "c"].map(|name| session.open_file(root, name).unwrap());
    session.questions();
    (session, [debugger, program, core])
}

fn begin([debugger, program, core]: [FileId; 3], wanted: Wanted) -> BeginAnalysis {
    BeginAnalysis { debugger, program, core, wanted }
}

fn variables(names: &[&str]) -> Wanted {
    let names = names.iter().map(|name| Text::cut(name)).collect();
    Wanted::Variables { thread: Some(2), frame: 3, names: List::new(names).unwrap() }
}

#[test]
fn permitted() {
    if !can_stand_in() {
        return;
    }
    with_mounts(|| {
        let (mut session, files) = session(ALLOW_ALL);

        session.send(begin(files, variables(&["a", "b[1]"]))).unwrap();

        assert_eq!(
            session.questions(),
            ["permit read File ~/p", "permit read File ~/c", "permit execute File /usr/bin/gdb"]
        );
        let mut text = Vec::new();
        loop {
            let read = session.send(ReadProgram {}).unwrap();
            text.extend_from_slice(read.output.as_slice());
            if read.end.is_some() {
                break;
            }
        }
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("-nx -batch -iex set auto-load off "), "{text}");
        let end = "-ex thread 2 -ex frame 3 -ex echo rex-broker: 0\\n -ex print a -ex echo rex-broker: 1\\n -ex print b[1] \
                   -ex echo rex-broker: 2\\n /proc/self/fd/3 /proc/self/fd/4\n";
        assert!(text.ends_with(end), "{text}");
    });
}

#[test]
fn denied() {
    if !can_stand_in() {
        return;
    }
    let open = r#"permit(principal, action == file_system::Action::"open", resource);"#;
    let read = r#"permit(principal, action == file_system::Action::"read", resource);"#;
    with_mounts(|| {
        let (mut session, files) = session(open);
        assert!(session.send(begin(files, Wanted::Backtrace)).unwrap_err().is_denial());
        assert_eq!(session.questions(), ["deny read File ~/p"]);
    });
    with_mounts(|| {
        let (mut session, files) = session(&format!("{open}{read}"));
        assert!(session.send(begin(files, Wanted::Backtrace)).unwrap_err().is_denial());
        assert_eq!(session.questions().last().unwrap(), "deny execute File /usr/bin/gdb");
        assert!(session.services.host.programs.question().is_none(), "nothing was started");

        // Rex does not ask for the debugger.
        session.services.deciding.rex_compat = true;
        session.send(begin(files, Wanted::Backtrace)).unwrap();
        session.send(ReadProgram {}).unwrap();
    });
}

#[test]
fn what_is_no_name_of_a_variable_reaches_no_debugger() {
    if !can_stand_in() {
        return;
    }
    with_mounts(|| {
        let (mut session, files) = session(ALLOW_ALL);
        for expression in ["$_shell(\"id\")", "f()", "a b", ""] {
            let refused = session.send(begin(files, variables(&["a", expression]))).unwrap_err();

            assert_eq!(refused.kind(), Some(ErrorKind::InvalidArguments), "{expression}");
        }
        assert!(session.questions().is_empty(), "nobody was asked");
        assert!(session.services.host.programs.question().is_none(), "nothing was started");
    });
}
