//! Calls of the kernel that do not come back: the run still ends in time, with a document that names the call.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, geteuid};
use rex_tests::runs::{Ended, Run, eventually, is_running, status_field};
use rex_tests::scratch::Scratch;

use crate::{ALL_BUT_DENIED, TRACES};

/// A file system whose server never says a word: every call that needs it waits.
struct DeadFileSystem {
    at: PathBuf,
    /// Closing it ends the file system, and every call that waits for it.
    _server: File,
}

impl DeadFileSystem {
    /// Nothing when the host does not let us make one.
    fn at(at: PathBuf) -> Option<Self> {
        if !geteuid().is_root() {
            rex_tests::skip::skipped("only root can mount a file system");
            return None;
        }
        let Ok(server) = OpenOptions::new().read(true).write(true).open("/dev/fuse") else {
            rex_tests::skip::skipped("this host has no /dev/fuse");
            return None;
        };
        fs::create_dir(&at).expect("a directory can be made");
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", server.as_raw_fd());
        let mounted = mount(Some("dead"), &at, Some("fuse"), MsFlags::empty(), Some(options.as_str()));
        if let Err(errno) = mounted {
            rex_tests::skip::skipped(format!("no FUSE file system can be mounted here: {errno}"));
            return None;
        }
        Some(Self { at, _server: server })
    }
}

impl Drop for DeadFileSystem {
    fn drop(&mut self) {
        if let Err(error) = umount2(&self.at, MntFlags::MNT_DETACH) {
            eprintln!("{} is still mounted: {error}", self.at.display());
        }
    }
}

/// A run with traces that then touches the dead file system.
fn touching(scratch: &Scratch, call: &str) -> Option<(Run, DeadFileSystem)> {
    let dead = DeadFileSystem::at(scratch.path().join("dead"))?;
    let call = call.replace("DEAD", dead.at.to_str().expect("it is text"));
    Some((Run::of(&format!("{TRACES}\n{call}")).policy(ALL_BUT_DENIED), dead))
}

/// Asserts that everything up to the end is told, in the document and in the record.
fn assert_told(ended: &Ended, end: &str, code: i32, operation: &str) {
    let document = ended.document();
    assert_eq!(ended.code(), Some(code), "{document}");
    assert_eq!(document["jail"]["end"], end, "{document}");
    assert_eq!(document["logs"][0]["attributes"]["message"], "seen");
    assert_eq!(document["alarms"][0]["alarm_type"], "Seen");
    assert_eq!(document["denials"][0]["resource"], "file_system::File::\"/denied\"");
    let message = ended.message();
    assert!(message.contains(&format!("{operation} had not come back")), "{message}");
    assert!(message.contains("(line 6"), "{message}");
    let records = ended.records();
    let abandoned = records.iter().find(|record| record["failure"] == "abandoned");
    assert_eq!(abandoned.expect("the call is on record")["operation"], operation);
    let last = records.last().expect("there are records");
    assert_eq!((&last["event"], &last["end"], &last["exit"]), (&"end".into(), &end.into(), &code.into()));
    for (place, record) in records.iter().enumerate() {
        assert_eq!(record["seq"], place, "{record}");
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// What is promised is a second; a machine that does much else at the same time gets another.
const LONGEST: Duration = Duration::from_secs(2);

#[test]
fn the_deadline_ends_a_run_that_waits_for_a_dead_file_system() {
    let scratch = Scratch::new();
    let Some((run, _dead)) = touching(&scratch, "cat(\"DEAD/x\")") else { return };

    let begun = Instant::now();
    let ended = run.options(["--timeout", "1"]).finish();

    let took = begun.elapsed();
    assert_told(&ended, "limit", 124, "open_dir");
    assert!(ended.records().iter().any(|record| record["limit"] == "timeout"));
    assert!(took < SECOND + LONGEST, "a second of its own, and time to end in: {took:?}");
}

// Issue: a dead network mount is a value or an error within the deadline.
#[test]
fn the_deadline_ends_a_look_at_the_space_of_a_dead_mount() {
    let scratch = Scratch::new();
    let Some((run, _dead)) = touching(&scratch, "df()") else { return };

    let begun = Instant::now();
    let ended = run.options(["--timeout", "1"]).finish();

    let took = begun.elapsed();
    assert_told(&ended, "limit", 124, "stat_file_system");
    assert!(took < SECOND + LONGEST, "{took:?}");
}

#[test]
fn a_signal_ends_a_run_that_waits_for_a_dead_file_system() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
        let scratch = Scratch::new();
        let Some((run, _dead)) = touching(&scratch, "cat(\"DEAD/x\")") else { return };
        let started = run.start();
        started.wait_for_record("/denied");
        let jail = started.jail();
        eventually("the broker waits in the kernel", || waits_for_server(started.broker()));

        let sent = Instant::now();
        started.signal(signal);
        let ended = started.wait();

        let took = sent.elapsed();
        assert_told(&ended, "killed", code, "open_dir");
        assert!(took < LONGEST, "{took:?}");
        assert!(!is_running(jail), "the jail is gone, too");
    }
}

// Under Rex's rules SIGTERM leaves the script ten seconds; the deadline still holds.
#[test]
fn a_rex_run_that_waits_for_a_dead_file_system_has_its_grace_and_no_more() {
    let scratch = Scratch::new();
    let Some((run, _dead)) = touching(&scratch, "cat(\"DEAD/x\")") else { return };
    let started = run.options(["--rex-compat"]).start();
    started.wait_for_record("/denied");
    eventually("the broker waits in the kernel", || waits_for_server(started.broker()));

    let sent = Instant::now();
    started.signal(Signal::SIGTERM);
    let ended = started.wait();

    let took = sent.elapsed();
    assert_told(&ended, "killed", 0, "open_dir");
    assert!(took >= 10 * SECOND && took < 10 * SECOND + LONGEST, "{took:?}");
}

#[test]
fn a_script_on_a_dead_file_system_cannot_hold_the_start() {
    for option in ["script.rhai", "policy.cedar"] {
        let scratch = Scratch::new();
        let Some(dead) = DeadFileSystem::at(scratch.path().join("dead")) else { return };
        let run = Run::of("1");
        let path = run.scratch.path().join(option);
        fs::remove_file(&path).expect("it was made");
        std::os::unix::fs::symlink(dead.at.join("x"), path).expect("a link can be made");

        let begun = Instant::now();
        let ended = run.options(["--timeout", "1"]).finish();

        let took = begun.elapsed();
        assert_eq!(ended.code(), Some(124), "{option}: {}", ended.text());
        assert!(ended.message().contains("start of the run had not come back"), "{}", ended.message());
        assert!(took < SECOND + LONGEST, "{took:?}");
    }
}

/// Whether this process waits in the kernel for what only the kernel can give it; waiting for a jail looks otherwise.
fn waits_for_server(broker: Pid) -> Option<()> {
    status_field(broker, "State:").filter(|state| state.starts_with('D')).map(drop)
}
