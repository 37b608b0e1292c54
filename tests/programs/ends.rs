//! What is left of a program: nothing, whatever has ended first.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rex_tests::runs::{Run, children, eventually, is_running};
use rex_tests::tree::is_root;

use crate::{real, run};

/// The processes that have this word among their arguments.
fn processes_with(word: &str) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").expect("there is a /proc").flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.split(|byte| *byte == 0).any(|given| given == word.as_bytes())
        })
        .map(Pid::from_raw)
        .collect()
}

/// A number of seconds that no other test waits.
fn unusual(seconds: u32) -> String {
    format!("{seconds}.{}", std::process::id())
}

fn sleeping(word: &str, options: &[&str]) -> Run {
    run(&real("/usr/bin/sleep"), &format!(".args([\"{word}\"])"), "result.exit_code").options(options)
}

#[test]
fn the_end_of_the_broker_is_that_of_the_program_however_it_is_confined() {
    if !is_root() {
        return;
    }
    for (at, how) in ["confined", "approximate", "unconfined"].into_iter().enumerate() {
        let word = unusual(7000 + at as u32);
        let started = sleeping(&word, &["--children", how]).start();
        eventually("the program runs", || (!processes_with(&word).is_empty()).then_some(()));

        started.signal(Signal::SIGKILL);

        eventually("the program is gone", || processes_with(&word).is_empty().then_some(()));
        drop(started.wait());
    }
}

#[test]
fn an_unconfined_program_ends_with_its_keeper() {
    if !is_root() {
        return;
    }
    let word = unusual(7050);
    let started = sleeping(&word, &["--children", "unconfined"]).start();
    let program = eventually("the program runs", || processes_with(&word).first().copied());
    let keeper = rex_tests::runs::status_field(program, "PPid:").expect("it has a parent");
    let keeper = Pid::from_raw(keeper.trim().parse().expect("it is a number"));

    kill(keeper, Signal::SIGKILL).expect("it is ours");

    eventually("the program is gone", || processes_with(&word).is_empty().then_some(()));
    drop(started.wait());
}

#[test]
fn the_end_of_what_starts_programs_is_that_of_the_program_and_is_told() {
    if !is_root() {
        return;
    }
    let word = unusual(7100);
    let started = sleeping(&word, &[]).start();
    eventually("the program runs", || (!processes_with(&word).is_empty()).then_some(()));
    let jail = started.jail();
    let spawner =
        children(started.broker()).into_iter().find(|pid| *pid != jail.as_raw()).expect("it is there");

    kill(Pid::from_raw(spawner), Signal::SIGKILL).unwrap();

    eventually("the program is gone", || processes_with(&word).is_empty().then_some(()));
    let ended = started.wait();
    assert_eq!(ended.document()["status"], "ERROR", "{}", ended.stderr);
    assert!(ended.message().contains("has ended before the program"), "{}", ended.message());
}

#[test]
fn a_program_that_is_killed_says_so_and_the_deadline_ends_one_that_waits() {
    if !is_root() {
        return;
    }
    let word = unusual(7200);
    let started = sleeping(&word, &[]).start();
    let program = eventually("the program runs", || processes_with(&word).first().copied());

    kill(program, Signal::SIGKILL).unwrap();

    assert_eq!(started.wait().document()["output"], "-9");

    let word = unusual(7300);
    let begun = Instant::now();
    let ended = sleeping(&word, &["--timeout", "1"]).finish();
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(ended.code(), Some(124), "{}", ended.stderr);
    assert_eq!(processes_with(&word), []);
}

// It leaves its parent, its session and its terminal, and keeps the pipe of the script open.
#[test]
fn what_has_left_its_session_does_not_outlive_the_call_and_holds_nothing_up() {
    if !is_root() {
        return;
    }
    let shell = real("/bin/sh");
    let setsid = real("/usr/bin/setsid");
    let sleep = real("/usr/bin/sleep");
    for (at, how) in ["confined", "approximate", "unconfined"].into_iter().enumerate() {
        let word = unusual(7400 + at as u32);
        let policy: String = [&shell, &setsid, &sleep]
            .iter()
            .map(|path| {
                let path = path.as_str();
                crate::execute(path).replace(
                    "[file_system::Action::\"open\"",
                    "[file_system::Action::\"read\", file_system::Action::\"open\"",
                )
            })
            .collect();
        let inner = format!("({setsid} {sleep} {word} &) ; echo left");
        let begun = Instant::now();

        let ended =
            run(&shell, &format!(".args([[\"-c\", \"{inner}\"]])"), "`${result.stdout}${result.stderr}`")
                .policy(&policy)
                .options(["--children", how])
                .finish();

        assert_eq!(ended.document()["output"], "left\n", "{how}: {}", ended.stderr);
        assert!(begun.elapsed() < Duration::from_secs(60), "{how}");
        let left = processes_with(&word);
        assert!(left.iter().all(|pid| !is_running(*pid)), "{how}: {left:?}");
    }
}

#[test]
fn a_program_that_forks_without_an_end_reaches_its_bound_and_goes() {
    if !is_root() {
        return;
    }
    let shell = real("/bin/sh");
    let policy = crate::execute(&shell).replace(
        "[file_system::Action::\"open\"",
        "[file_system::Action::\"read\", file_system::Action::\"open\"",
    );
    // Each waits on a pipe that nobody writes, so that all of them stay.
    let bomb = "i=0; while [ $i -lt 2000 ]; do (read x < /proc/self/fd/1) & i=$((i+1)); done; echo all";

    let ended =
        run(&shell, &format!(".args([[\"-c\", \"{bomb}\"]])"), "result.stdout").policy(&policy).finish();

    let document = ended.document();
    assert!(!document["output"].as_str().unwrap_or_default().contains("all"), "{document}");
}
