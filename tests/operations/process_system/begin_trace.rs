//! Tracing is begun: what is asked for it, and in what order. What it tells is tried in `tests/programs` with whole runs.

use std::path::Path;

use nix::mount::{MsFlags, mount};
use rex_ipc::handle::FileId;
use rex_ipc::process_system::{BeginTrace, Tracer};
use rex_ipc::program::ReadProgram;
use rex_tests::session::{ALLOW_ALL, Session};
use rex_tests::skip::skipped;
use rex_tests::tree::{is_root, with_mounts};

use super::{Victim, only};
use crate::file_system::begin_program;

/// Whether echo(1) can stand where the debugger is.
fn can_stand_in() -> bool {
    let can = is_root() && Path::new(GDB).exists();
    if is_root() && !can {
        skipped("/usr/bin/gdb is needed: package gdb");
    }
    can
}

/// A session in which echo(1) is the debugger, which is open.
fn session(policy: &str) -> (Session, FileId) {
    let echo = std::fs::canonicalize("/usr/bin/echo").unwrap();
    mount(Some(&echo), GDB, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    let mut session = begin_program::session(&format!("{policy}{OPEN}"));
    let bin = session.open_dir("/usr/bin").unwrap();
    let debugger = session.open_file(bin, "gdb").unwrap();
    session.questions();
    (session, debugger)
}

fn begin(pid: u32, tracer: Option<FileId>) -> BeginTrace {
    BeginTrace { pid, started_ticks: None, within: None, tracer }
}

/// What the stand-in of the debugger has written.
fn output(session: &mut Session) -> String {
    let mut text = Vec::new();
    loop {
        let read = session.send(ReadProgram {}).unwrap();
        text.extend_from_slice(read.output.as_slice());
        if read.end.is_some() {
            return String::from_utf8(text).unwrap();
        }
    }
}

/// The state of a process, as a letter, and who traces it.
fn state(pid: u32) -> (String, String) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    (line("State:")[..1].to_owned(), line("TracerPid:"))
}

#[test]
fn permitted() {
    if !can_stand_in() {
        return;
    }
    with_mounts(|| {
        let victim = Victim::start();
        let (mut session, debugger) = session(ALLOW_ALL);

        let found = session.send(begin(victim.pid(), None)).unwrap();
        assert_eq!(found.tracer, Tracer::Debugger);
        let started = Some(found.started_ticks);
        session.send(BeginTrace { started_ticks: started, ..begin(victim.pid(), Some(debugger)) }).unwrap();

        let trace = format!("permit trace process_system::Process {}", victim.pid());
        assert_eq!(
            session.questions(),
            [trace.clone(), trace, "permit execute File /usr/bin/gdb".to_owned()]
        );
        let text = output(&mut session);
        assert!(
            text.starts_with(
                "-nx -batch -iex set libthread-db-search-path /proc/self/fd/3 -iex set auto-load off "
            ),
            "{text}"
        );
        let end = "-ex thread apply all -s backtrace /proc/self/fd/3 /proc/self/fd/4\n";
        assert!(text.ends_with(end), "{text}");
        assert_eq!(state(victim.pid()), ("S".to_owned(), "0".to_owned()), "it goes on");
    });
}

#[test]
fn denied() {
    if !can_stand_in() {
        return;
    }
    with_mounts(|| {
        let victim = Victim::start();
        let trace = format!("trace process_system::Process {}", victim.pid());
        let (mut session, debugger) = session(&only(&["list", "kill", "mount_namespace"], victim.pid()));
        for tracer in [None, Some(debugger)] {
            assert!(session.send(begin(victim.pid(), tracer)).unwrap_err().is_denial());
            assert_eq!(session.questions(), [format!("deny {trace}")]);
        }
        assert!(session.services.host.programs.question().is_none(), "nothing was started");
    });
    with_mounts(|| {
        let victim = Victim::start();
        let other = Victim::start();
        let (mut session, debugger) = session(&only(&["trace"], victim.pid()));

        assert!(session.send(begin(other.pid(), Some(debugger))).unwrap_err().is_denial(), "another one");
        session.questions();
        assert!(session.send(begin(victim.pid(), Some(debugger))).unwrap_err().is_denial());
        assert_eq!(session.questions().last().unwrap(), "deny execute File /usr/bin/gdb");
        let within = BeginTrace { within: Some(other.pid()), ..begin(victim.pid(), Some(debugger)) };
        assert!(session.send(within).unwrap_err().is_denial());
        let refused = format!("deny mount_namespace process_system::Process {}", other.pid());
        assert_eq!(session.questions().last().unwrap(), &refused);
        assert!(session.services.host.programs.question().is_none(), "nothing was started");
    });
}

#[test]
fn who_has_got_the_number_of_another_is_not_traced_and_neither_is_the_run() {
    if !can_stand_in() {
        return;
    }
    with_mounts(|| {
        let victim = Victim::start();
        let mut own = Victim::start();
        let (mut session, debugger) = session(ALLOW_ALL);
        session.services.hide_process(own.pid());

        let other = BeginTrace { started_ticks: Some(1), ..begin(victim.pid(), Some(debugger)) };
        assert!(!session.send(other).unwrap_err().is_denial(), "there is no such process any more");
        for closed in [own.pid(), std::process::id(), 1] {
            assert!(session.send(begin(closed, Some(debugger))).unwrap_err().is_denial(), "{closed}");
        }
        assert!(session.services.host.programs.question().is_none(), "nothing was started");
        assert!(own.0.try_wait().unwrap().is_none());
    });
}

#[test]
fn another_program_than_the_debugger_traces_nothing() {
    if !can_stand_in() {
        return;
    }
    with_mounts(|| {
        let victim = Victim::start();
        let (mut session, _) = session(ALLOW_ALL);
        let bin = session.open_dir("/usr/bin").unwrap();
        let other = session.open_file(bin, "id").unwrap();

        let refused = session.send(begin(victim.pid(), Some(other))).unwrap_err();

        assert!(!refused.is_denial());
        assert!(session.services.host.programs.question().is_none(), "nothing was started");
    });
}

// ptrace(2): a process has one tracer.
#[test]
fn who_is_traced_already_is_left_alone() {
    if !can_stand_in() {
        return;
    }
    with_mounts(|| {
        let (mut session, debugger) = session(ALLOW_ALL);
        let mut gdb = std::process::Command::new("/bin/sh");
        let script = "import ctypes,os,sys,time\np=os.fork()\nif p==0: time.sleep(1000)\nc=ctypes.CDLL(None)\nc.ptrace(0x4206,p,None,None)\nprint(p,flush=True)\nsys.stdin.read()\nos.kill(p,9)";
        gdb.args(["-c", "exec python3 -c \"$0\"", script]);
        let mut tracer =
            gdb.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(tracer.stdout.as_mut().unwrap()), &mut line)
            .unwrap();
        let traced: u32 = line.trim().parse().expect("python3 is needed");

        let refused = session.send(begin(traced, Some(debugger))).unwrap_err();

        assert!(!refused.is_denial());
        assert_eq!(state(traced).1, tracer.id().to_string());
        drop(tracer.stdin.take());
        tracer.wait().unwrap();
    });
}

const GDB: &str = "/usr/bin/gdb";
const OPEN: &str = r#"permit(principal, action == file_system::Action::"open", resource);"#;
