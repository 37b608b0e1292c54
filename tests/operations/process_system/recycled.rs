//! Numbers of processes that are given to others between look and act.
//!
//! In a process namespace of its own one number is given to one process after another, by turns to one that may be
//! signalled and to one that may not. Nobody is described with what belongs to another, and nobody gets a signal that was
//! permitted for another.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use rex_ipc::process_system::{ListProcesses, Processes, Signal, SignalProcess};
use rex_tests::scratch::Scratch;
use rex_tests::session::Session;
use rex_tests::size;
use rex_tests::skip::skipped;
use rex_tests::tree::is_root;

/// The number that goes from one to the next.
const NUMBER: u32 = 5000;

/// How often it goes, unless REX_TEST_RECYCLED says something else.
const ROUNDS: u64 = 2000;

/// That this is the namespace in which the numbers go round.
const INSIDE: &str = "REX_TEST_INSIDE";

/// Who may be signalled, and who may only be described.
const USERS: [(&str, u32); 2] = [("good", 4_000_001), ("bad", 4_000_002)];

const POLICY: &str = r#"
    permit(principal, action == process_system::Action::"list", resource)
    when { resource.name == "good" || resource.name == "bad" };
    permit(principal, action == process_system::Action::"kill", resource)
    when { resource.name == "good" && resource.uid == 4000001 };
"#;

#[test]
fn nobody_is_signalled_or_described_as_who_had_the_number_before() {
    if !is_root() {
        skipped("only root gives away numbers");
        return;
    }
    let test = std::env::current_exe().expect("there is a test");
    let inside = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(test)
        .args(["--exact", "process_system::recycled::numbers_go_round", "--nocapture"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output()
        .expect("unshare(1) can be started");

    let said =
        format!("{}{}", String::from_utf8_lossy(&inside.stdout), String::from_utf8_lossy(&inside.stderr));
    assert!(inside.status.success() && said.contains("went round"), "{said}");
}

// What the other test runs; alone it has nothing to do.
#[test]
fn numbers_go_round() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let rounds = size::of("REX_TEST_RECYCLED", ROUNDS);
    let programs = Scratch::new();
    for (name, _) in USERS {
        std::fs::copy("/bin/sleep", programs.path().join(name)).expect("sleep(1) can be copied");
    }
    open_to_all(programs.path());
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Whoever runs a session keeps signals away from what is started later: this thread is there first.
        let recycling = scope.spawn(|| {
            let seen = recycle(programs.path(), rounds);
            is_over.store(true, Ordering::Relaxed);
            seen
        });
        let (described, signalled) = look_and_act(&is_over);
        let (met, ended) = recycling.join().expect("it asserts nothing");

        println!("went round {met} times: {described:?} described, {signalled} signalled, {ended:?} ended");
        assert!(met >= rounds / 2, "{met} of {rounds} got the number");
        assert!(described.iter().all(|count| *count > 0), "a control: {described:?} were described");
        assert!(ended[0] > 0, "a control: nobody was signalled who may be");
        assert_eq!(ended[1], 0, "somebody was signalled as another");
    });
}

fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// Describes whoever has the number, and signals it. Says how many of each were described, and how many signals were sent.
fn look_and_act(is_over: &AtomicBool) -> ([u64; 2], u64) {
    let mut session = Session::with_policy(POLICY);
    let (mut described, mut signalled) = ([0; 2], 0);
    while !is_over.load(Ordering::Relaxed) {
        let which = Processes::One { pid: NUMBER, task: None };
        let request = ListProcesses { which, tasks: false, namespaces: false };
        if let Ok(page) = session.send(request) {
            for record in page.processes.into_vec() {
                let place = USERS.iter().position(|(name, _)| *name == record.name.as_str());
                let place = place.unwrap_or_else(|| panic!("nobody else may be described: {record:?}"));
                let (name, uid) = USERS[place];
                // Between fork and exec it is still what it comes from.
                let command = record.command.as_str();
                assert!(command == format!("{name} 1000") || !command.ends_with(" 1000"), "{record:?}");
                assert_eq!(record.uid, uid, "{record:?}");
                described[place] += 1;
            }
        }
        let signal = SignalProcess { pid: NUMBER, started_ticks: None, signal: Signal::Terminate };
        signalled += u64::from(session.send(signal).is_ok());
        session.records.clear();
    }
    (described, signalled)
}

/// Gives the number to one after the other. Says how many got it, and how many of each were ended by somebody else.
fn recycle(programs: &Path, rounds: u64) -> (u64, [u64; 2]) {
    let (mut met, mut ended) = (0, [0; 2]);
    for round in 0..rounds {
        let place = usize::from(round % 2 == 1);
        // proc_sys_kernel(5): the next process gets the next number.
        std::fs::write("/proc/sys/kernel/ns_last_pid", (NUMBER - 1).to_string()).expect("root may");
        let mut child = start(programs, place);
        met += u64::from(child.id() == NUMBER);
        // Some live long enough to be met, and some have gone between look and act.
        for _ in 0..round % 200 {
            std::thread::yield_now();
        }
        let _gone = child.kill();
        let status = child.wait().expect("it is a child");
        ended[place] += u64::from(status.signal() == Some(nix::libc::SIGTERM));
    }
    (met, ended)
}

fn start(programs: &Path, place: usize) -> Child {
    let (name, uid) = USERS[place];
    let mut command = Command::new(programs.join(name));
    command.arg0(name).arg("1000").uid(uid).stdin(Stdio::null());
    command.spawn().expect("it can be started")
}
