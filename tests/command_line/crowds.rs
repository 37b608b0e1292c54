//! Very many entries and very deep trees: listing, counting, finding and removing end, within limits and with little
//! memory in the broker.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::Pid;
use rex_tests::runs::{Ended, Run};
use rex_tests::scratch::Scratch;
use rex_tests::size;

/// What the broker may have resident, however many entries there are, where the program is not optimised.
const BROKER_KIB: u64 = 48 * 1024;

/// The same with directories of very long paths, or with as many open as a script may have.
const DEEP_BROKER_KIB: u64 = 88 * 1024;

/// How many entries the crowd has, unless REX_TEST_CROWD says something else.
const CROWD: usize = 120_000;

/// The depth of the tree; a path to its end is longer than the kernel takes.
const DEPTH: usize = 3_000;

const OPEN: &str = r#"let open = |path| DirConfig().path(path).build().open(OpenDirOptions().build());"#;

/// Runs a script to its end, with a look at the memory of the broker.
fn run(name: &str, most_kib: u64, code: i32, script: &str) -> Ended {
    let begun = std::time::Instant::now();
    // The interpreter's memory has room for a million names, so that what is looked at is the broker.
    let (ended, peak) = Run::of(script).options(["--memory", "1024"]).finish_and_measure();
    println!("{name}: {:?}, exit {:?}, broker {peak} KiB", begun.elapsed(), ended.code());
    assert!(peak < most_kib, "{name}: the broker had {peak} KiB");
    assert!(ended.code() == Some(code), "{name}: {} {}", ended.message(), ended.stderr);
    ended
}

#[test]
fn a_crowded_directory_is_listed_counted_searched_and_removed() {
    let scratch = Scratch::new();
    let crowd = scratch.path().join("crowd");
    fs::create_dir(&crowd).expect("a directory can be made");
    let entries = std::env::var("REX_TEST_CROWD").map_or(CROWD, |text| text.parse().expect("it is a number"));
    for number in 0..entries {
        File::create(crowd.join(format!("{number}"))).expect("a file can be made");
    }
    let path = crowd.to_str().expect("it is text");

    let listed =
        run("list_entries", BROKER_KIB, 0, &format!(r#"{OPEN} open.call("{path}").list_entries().len()"#));
    assert_eq!(listed.document()["output"], entries.to_string());
    let counted = run("du", BROKER_KIB, 0, &format!(r#"du([du::max_depth(0)], "{path}").total_inode_count"#));
    assert_eq!(counted.document()["output"], (entries + 1).to_string());
    let found = run("find_files", BROKER_KIB, 0, &format!(r#"find_files([glob::r], "*99", "{path}").len()"#));
    assert_eq!(found.document()["output"], (entries / 100).to_string());
    run("rm", BROKER_KIB, 0, &format!(r#"rm([rm::recursive], "{path}")"#));
    assert!(!crowd.exists());
}

#[test]
fn a_deep_tree_ends_a_walk_by_its_limit_and_is_removed() {
    let scratch = Scratch::new();
    let top = scratch.path().join("top");
    deep(&top, "d", DEPTH);
    let path = top.to_str().expect("it is text");

    // A walk by the script holds each directory that it is in, and ends where it may hold no more.
    for script in [
        format!(r#"du([du::max_depth(0)], "{path}").total_inode_count"#),
        format!(r#"find_files([glob::r], "end", "{path}").len()"#),
    ] {
        let ended = run("walk", DEEP_BROKER_KIB, 75, &script);
        assert!(ended.message().contains("max-open-handles of 1024"), "{}", ended.message());
    }
    // A removal by the broker does not.
    run("rm", DEEP_BROKER_KIB, 0, &format!(r#"rm([rm::recursive], "{path}")"#));
    assert!(!top.exists());
}

// The path of the last directory has 200 KB; all of them together have more than the broker may hold.
#[test]
fn very_long_paths_are_not_remembered_for_ever() {
    let scratch = Scratch::new();
    let top = scratch.path().join("top");
    deep(&top, &"n".repeat(250), 800);

    run("rm", DEEP_BROKER_KIB, 0, &format!(r#"rm([rm::recursive], "{}")"#, top.display()));

    assert!(!top.exists());
}

/// Processes that wait, all children of one, and that one; ended with this.
struct Waiting(Child);

impl Waiting {
    fn many(processes: u64) -> Self {
        let scratch = Scratch::new();
        scratch.file("crowd.c", CROWD_PROGRAM);
        let program = scratch.path().join("crowd");
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-static", "-o"]).arg(&program).arg(scratch.path().join("crowd.c"));
        let compiled = compiler.output().expect("cc, from Debian's gcc, can be run");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let mut command = Command::new(program);
        command.arg(processes.to_string()).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().expect("what was compiled can be run");
        let mut said = [0; 2];
        let read = child.stdout.take().expect("it is piped").read_exact(&mut said);
        let waiting = Self(child);
        read.expect("as many processes can be had");
        waiting
    }
}

/// Takes 80 KiB a process, a tenth of what an interpreter would.
const CROWD_PROGRAM: &str = "#include <stdlib.h>
#include <unistd.h>
int main(int count, char **words) {
    for (long left = atol(words[1]); left > 0; left--) {
        int child = fork();
        if (child < 0) return 1;
        if (child == 0) for (;;) pause();
    }
    if (write(1, \"go\", 2) != 2) return 1;
    for (;;) pause();
}
";

impl Drop for Waiting {
    fn drop(&mut self) {
        let group = Pid::from_raw(i32::try_from(self.0.id()).expect("a number of a process"));
        let _over = killpg(group, Signal::SIGKILL);
        let _reaped = self.0.wait();
    }
}

// Issue: 20,000 processes; the gate has fewer. Each is asked about, and the broker holds none of them.
#[test]
fn a_crowd_of_processes_is_listed_and_each_is_asked_about() {
    let processes = size::of("REX_TEST_PROCESSES", 1500);
    let waiting = Waiting::many(processes);
    let parent = waiting.0.id();
    let script = format!("let n = 0; for p in ps() {{ if p.ppid == {parent} {{ n += 1; }} }} n");

    let listed = run("ps", BROKER_KIB, 0, &script);

    assert_eq!(listed.document()["output"], processes.to_string());
    let asked: u64 = listed.records().iter().map(|record| record["decisions"].as_u64().unwrap_or(1)).sum();
    assert!(asked >= processes, "{asked} decisions about {processes} processes");
    let held = run("netstat", BROKER_KIB, 0, "network_stats().internet_connections.len() >= 0");
    assert_eq!(held.document()["output"], "true");
}

/// Makes directories within each other, with a file at the end.
fn deep(top: &Path, name: &str, depth: usize) {
    fs::create_dir(top).expect("a directory can be made");
    let enter = |at: &dyn AsFd, name: &str| -> OwnedFd {
        openat(at.as_fd(), name, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).expect("it is there")
    };
    let mut here = enter(&AT_FDCWD, top.to_str().expect("it is text"));
    for _ in 0..depth {
        mkdirat(&here, name, Mode::S_IRWXU).expect("a directory can be made");
        here = enter(&here, name);
    }
    openat(&here, "end", OFlag::O_CREAT | OFlag::O_WRONLY, Mode::S_IRUSR).expect("a file can be made");
}
