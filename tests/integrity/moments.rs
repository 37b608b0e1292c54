//! The broker is killed between the steps in which new content takes a name: what was there, or what is new, is whole.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rex_tests::runs::{Run, eventually};
use rex_tests::scratch::Scratch;

const OLD: &str = "old";
const NEW: &str = "new";

/// How often it is tried to meet a moment.
const TRIES: usize = 300;

#[test]
fn a_kill_after_the_link_leaves_the_old_file_and_a_temporary_one_that_the_next_run_removes() {
    // The content has its temporary name, and has not yet been exchanged.
    met(AddWatchFlags::IN_CREATE, NEW, OLD);
}

#[test]
fn a_kill_after_the_exchange_leaves_the_new_file_and_a_temporary_one_that_the_next_run_removes() {
    // The old file has the temporary name, and has not yet been removed.
    met(AddWatchFlags::IN_MOVED_TO, OLD, NEW);
}

/// Kills the broker as soon as the directory tells of this change, until it was dead before the next step.
///
/// Broker and test share one processor, on which the broker runs only when nobody else wants to: so the test is woken
/// within the very call that changes the directory.
fn met(change: AddWatchFlags, temporary: &str, target: &str) {
    let mut one = CpuSet::new();
    let ours = sched_getaffinity(Pid::from_raw(0)).expect("we may know where we run");
    let cpu = (0..CpuSet::count()).find(|cpu| ours.is_set(*cpu).unwrap_or(false)).expect("we run somewhere");
    one.set(cpu).expect("it is there");
    sched_setaffinity(Pid::from_raw(0), &one).expect("we may run there alone");
    let scratch = Scratch::new();
    for directory in ["work", "state"] {
        fs::create_dir(scratch.path().join(directory)).expect("a directory can be made");
    }
    let work = scratch.path().join("work");
    let run = |script: String| {
        Run::of(&script)
            .variable("XDG_STATE_HOME", scratch.path().join("state"))
            .behind(["chrt", "--idle", "0"])
    };
    let replace = format!(r#"write([write::replace], "{}/target", "{NEW}")"#, work.display());
    let mut met = 0;
    let mut tries = 0;
    while met < WANTED {
        tries += 1;
        assert!(tries <= TRIES, "met {met} times in {TRIES} tries");
        for name in names(&work) {
            fs::remove_file(work.join(name)).expect("it is ours");
        }
        fs::write(work.join("target"), OLD).expect("it is ours");
        let watch = Inotify::init(InitFlags::IN_CLOEXEC).expect("directories can be watched");
        watch.add_watch(&work, change).expect("and so can this one");
        let started = run(replace.clone()).start();
        let broker = started.broker();
        let mut seen = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
        let count = poll(&mut seen, PollTimeout::from(60_000_u16)).expect("it can be waited for");
        kill(broker, Signal::SIGKILL).expect("it is not yet waited for");
        assert_eq!(count, 1, "the broker changes the directory");
        let ended = started.wait();

        let content = fs::read_to_string(work.join("target")).expect("there is always one");
        assert!([OLD, NEW].contains(&content.as_str()), "{content}: {}", ended.stderr);
        let left: Vec<_> = names(&work).into_iter().filter(|name| name != "target").collect();
        assert!(left.len() <= 1, "{left:?}");
        let Some(name) = left.first() else { continue };
        let found = fs::read_to_string(work.join(name)).expect("it is a file");
        if (found.as_str(), content.as_str()) != (temporary, target) {
            continue;
        }
        met += 1;
        clean(&run, &work, &content);
    }
    println!("met {met} times in {tries} tries");
}

/// The next run removes what was left, and nothing else.
fn clean(run: &impl Fn(String) -> Run, work: &Path, content: &str) {
    let ended = run("1".to_owned()).finish();
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    // Another run on this host may just be at it.
    eventually("it is removed", || (names(work) == ["target"]).then_some(()));
    assert_eq!(fs::read_to_string(work.join("target")).expect("it is there"), content);
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("it can be listed");
    entries
        .map(|entry| entry.expect("so can its entries").file_name().into_string().expect("it is text"))
        .collect()
}

/// How often each moment is met.
const WANTED: usize = 3;
