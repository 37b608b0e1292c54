//! Signals.

use std::os::unix::process::ExitStatusExt;

use rex_ipc::process_system::{ListProcesses, Processes, Signal, SignalProcess};
use rex_tests::session::{ALLOW_ALL, Session};

use super::{Victim, only};

fn signal(pid: u32, signal: Signal) -> SignalProcess {
    SignalProcess { pid, started_ticks: None, signal }
}

/// Sends one signal. The process is started first: whoever runs a session keeps signals away from what is started later.
fn sent(kind: Signal, number: i32, action: &str) {
    let mut victim = Victim::start();
    let mut session = Session::with_policy(&only(&[action], victim.pid()));

    let signalled = session.send(signal(victim.pid(), kind)).unwrap();

    assert_eq!((signalled.name.as_str(), signalled.command.as_str()), ("sleep", "sleep 1000"));
    assert_eq!(victim.0.wait().unwrap().signal(), Some(number));
    assert_eq!(session.questions(), [format!("permit {action} process_system::Process {}", victim.pid())]);
}

#[test]
fn permitted() {
    sent(Signal::Terminate, 15, "kill");
}

#[test]
fn quit_is_permitted_like_any_end() {
    sent(Signal::Quit, 3, "kill");
}

#[test]
fn kill_is_permitted_like_any_end() {
    sent(Signal::Kill, 9, "kill");
}

#[test]
fn hangup_is_permitted_as_an_interruption() {
    sent(Signal::Hangup, 1, "interrupt");
}

#[test]
fn denied() {
    let mut victim = Victim::start();
    let mut session = Session::with_policy(&only(&["interrupt", "list"], victim.pid()));

    assert!(session.send(signal(victim.pid(), Signal::Terminate)).unwrap_err().is_denial());

    assert_eq!(session.questions(), [format!("deny kill process_system::Process {}", victim.pid())]);
    assert!(victim.0.try_wait().unwrap().is_none(), "it goes on");
}

#[test]
fn the_first_process_and_those_of_the_run_get_none() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let mut jail = Victim::start();
    session.services.hide_process(jail.pid());

    for pid in [1, std::process::id(), jail.pid()] {
        for sent in [Signal::Terminate, Signal::Hangup] {
            let refused = session.send(signal(pid, sent)).unwrap_err();
            // As an ordinary user, PID 1 could not be signalled anyway: the forbid comes first.
            assert!(refused.is_denial(), "{pid}: {refused:?}");
        }
    }
    assert!(jail.0.try_wait().unwrap().is_none(), "it goes on");
}

#[test]
fn whoever_has_the_number_by_now_is_not_who_was_meant() {
    let mut victim = Victim::start();
    let mut session = Session::with_policy(ALLOW_ALL);
    let which = Processes::One { pid: victim.pid(), task: None };
    let page = session.send(ListProcesses { which, tasks: false, namespaces: false }).unwrap();
    let started = page.processes.as_slice()[0].started_ticks;
    session.questions();

    let other = SignalProcess { started_ticks: Some(started + 1), ..signal(victim.pid(), Signal::Kill) };
    assert_eq!(session.send(other).unwrap_err().errno(), Some(nix::libc::ESRCH as u16));
    assert!(session.questions().is_empty());
    assert!(victim.0.try_wait().unwrap().is_none(), "it goes on");

    let same = SignalProcess { started_ticks: Some(started), ..signal(victim.pid(), Signal::Kill) };
    session.send(same).unwrap();
    assert_eq!(victim.0.wait().unwrap().signal(), Some(9));
}

#[test]
fn nobody_gets_no_signal() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let gone = {
        let mut victim = Victim::start();
        victim.0.kill().unwrap();
        victim.0.wait().unwrap();
        victim.pid()
    };

    let task = std::thread::spawn(|| nix::unistd::gettid().as_raw() as u32);
    for pid in [gone, 0, u32::MAX, i32::MAX as u32, task.join().unwrap()] {
        let refused = session.send(signal(pid, Signal::Kill)).unwrap_err();
        assert_eq!(refused.errno(), Some(nix::libc::ESRCH as u16), "{pid}: {refused:?}");
    }
}
