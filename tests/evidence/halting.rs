//! T14: whoever may see a run can end it, and nothing of it begins after that.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;
use rex_tests::program;
use rex_tests::runs::{Ended, Run, Started, eventually, is_running};
use rex_tests::scratch::Scratch;
use serde_json::Value;

use crate::host::Host;

const EVERYTHING: &str = "permit(principal, action, resource);";

/// `rex-broker` with these words, on the host.
fn told(host: &Host, words: &[&str]) -> Output {
    let mut command = host.command(&program::path().display().to_string());
    command.args(words).stdin(Stdio::null()).output().expect("there is unshare")
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect()
}

/// The runs that are listed.
fn listed(host: &Host) -> Vec<Value> {
    let output = told(host, &["ps", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    lines(&output)
}

fn register(host: &Host) -> PathBuf {
    host.path("lib/rex-broker/runs")
}

/// A run that reads until it is stopped, and has begun to.
fn reading(host: &Host, data: &Scratch, token: Option<&str>) -> Started {
    let path = data.file("a", "canary");
    let run = Run::of(&format!(
        "let n = 0; for i in 0..100000 {{ n += cat(\"{}\").len; sleep(0.002); }} n",
        path.display()
    ))
    .policy(EVERYTHING);
    let started = match token {
        Some(token) => host.with(run, token),
        None => host.behind(run),
    }
    .start();
    started.wait_for_record("file_system::Action::\\\"read\\\"");
    started
}

/// What a run tells that was stopped for this reason.
fn was_stopped(ended: &Ended, reason: &str) {
    assert_eq!(ended.code(), Some(76), "{} {}", ended.text(), ended.stderr);
    assert!(ended.message().contains(&format!("stopped by root: {reason}")), "{}", ended.message());
    let records = ended.records();
    let [.., stop, end] = records.as_slice() else { panic!("there are no two records") };
    assert_eq!((&stop["event"], &end["event"]), (&Value::from("stop"), &Value::from("end")));
    assert_eq!((&stop["by"], &stop["by_uid"], &stop["reason"]), (&"root".into(), &0.into(), &reason.into()));
    assert_eq!(end["exit"], 76);
}

#[test]
fn t14_a_run_is_listed_and_stopped_by_run_user_delegation_or_all() {
    let Some(host) = Host::new() else { return };
    let data = Scratch::new();
    assert!(listed(&host).is_empty(), "nothing runs");
    for by in ["run", "user", "delegation", "all"] {
        let run = reading(&host, &data, Some("root"));
        let runs = listed(&host);
        let [about] = runs.as_slice() else { panic!("{by}: {runs:?}") };
        assert_eq!(about["principal"], "alice@corp.example");
        assert_eq!((&about["uid"], &about["stopped"]), (&0.into(), &false.into()));
        assert_eq!(about["pid"], run.broker().as_raw());
        let id = about["run"].as_str().expect("it has one").to_owned();
        for wrong in [["--run", "00"], ["--user", "bob"], ["--delegation", "another"]] {
            let output = told(&host, &["stop", wrong[0], wrong[1]]);
            assert!(output.stdout.is_empty(), "{wrong:?}");
            assert_eq!(output.status.code(), Some(if wrong[0] == "--run" { 78 } else { 0 }), "{wrong:?}");
        }
        assert!(is_running(run.broker()), "{by}: it was not meant");
        let name = about["delegation"].as_str().expect("it has one").to_owned();

        let reason = format!("INC-{by}");
        let mut words = match by {
            "run" => vec!["stop", "--run", &id],
            "user" => vec!["stop", "--user", "alice@corp.example"],
            "delegation" => vec!["stop", "--delegation", &name],
            _ => vec!["stop", "--all"],
        };
        words.extend(["--json", "--reason", &reason]);
        let output = told(&host, &words);

        assert!(!is_running(run.broker()), "{by}: it is over when the command is");
        assert_eq!(output.status.code(), Some(0), "{by}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(lines(&output), [serde_json::json!({ "run": id, "became": "stopped" })]);
        was_stopped(&run.wait(), &reason);
        assert_eq!(fs::read_dir(register(&host)).expect("it is there").count(), 0, "{by}: the entry is gone");
    }
}

/// The entry of the only run.
fn entry(host: &Host) -> File {
    let path = fs::read_dir(register(host)).expect("there is a register").next().expect("it has an entry");
    OpenOptions::new().write(true).open(path.expect("it can be read").path()).expect("root may write it")
}

#[test]
fn t14_no_operation_begins_after_the_word_whatever_is_signalled() {
    let Some(host) = Host::new() else { return };
    let data = Scratch::new();
    for word in [Some(b'!'), None] {
        let run = reading(&host, &data, None);
        let entry = entry(&host);
        run.stop();
        let before = decisions(&run);

        match word {
            Some(word) => entry.write_all_at(&[word], 0).expect("it can be written"),
            // Nor is a run let go on by cutting its entry off.
            None => entry.set_len(0).expect("it can be cut off"),
        }
        run.signal(Signal::SIGCONT);

        let ended = run.wait();
        assert_eq!(ended.code(), Some(76), "{} {}", ended.text(), ended.stderr);
        let records = ended.records();
        // What it was in the middle of when it was held may still come to its end.
        let decided = records.iter().filter(|record| record["event"] == "decision").count();
        assert!(decided <= before + MOST_IN_ONE_OPERATION, "{decided} after {before}");
        let [.., stop, end] = records.as_slice() else { panic!("there are no two records") };
        assert_eq!((&stop["event"], &end["event"]), (&"stop".into(), &"end".into()));
        assert_eq!(stop["by"], "somebody who has left no name");
    }
}

/// Reading a file by `cat` asks for no more than this, and records what is repeated less often.
const MOST_IN_ONE_OPERATION: usize = 4;

fn decisions(run: &Started) -> usize {
    let text = fs::read_to_string(run.run.scratch.path().join("audit.jsonl")).unwrap_or_default();
    text.lines().filter(|line| line.contains("\"event\":\"decision\"")).count()
}

#[test]
fn t14_no_entry_of_a_tree_is_begun_after_the_word() {
    let Some(host) = Host::new() else { return };
    let data = Scratch::new();
    let tree = data.path().join("tree");
    fs::create_dir(&tree).expect("a directory can be made");
    for number in 0..FILES {
        File::create(tree.join(number.to_string())).expect("a file can be made");
    }
    let left = || fs::read_dir(&tree).map_or(0, Iterator::count);
    let script = format!("rm([rm::recursive, rm::force], \"{}\")", tree.display());
    let run = host.behind(Run::of(&script).policy(EVERYTHING)).start();
    eventually("it removes", || (left() < FILES).then_some(()));
    run.stop();
    let entry = entry(&host);
    let before = left();
    assert!(before > MANY, "{before} are too few to say anything");

    entry.write_all_at(b"!", 0).expect("it can be written");
    run.signal(Signal::SIGCONT);

    let ended = run.wait();
    assert_eq!(ended.code(), Some(76), "{} {}", ended.text(), ended.stderr);
    assert!(left() + 1 >= before, "{} of {before} are left", left());
}

const FILES: usize = 20_000;
const MANY: usize = 1_000;

#[test]
fn t14_a_broker_that_is_held_up_is_killed_with_its_jail() {
    let Some(host) = Host::new() else { return };
    let data = Scratch::new();
    let run = reading(&host, &data, None);
    let (broker, jail) = (run.broker(), run.jail());
    run.stop();

    let output = told(&host, &["stop", "--all", "--json"]);

    assert_eq!(lines(&output)[0]["became"], "killed");
    eventually("both are gone", || (!is_running(broker) && !is_running(jail)).then_some(()));
    assert_eq!(run.wait().signal(), Some(9));
    assert_eq!(fs::read_dir(register(&host)).expect("it is there").count(), 0, "the entry is gone");
}

#[test]
fn t14_another_user_neither_sees_nor_stops_it() {
    let Some(host) = Host::new() else { return };
    let data = Scratch::new();
    let run = reading(&host, &data, None);
    let id = listed(&host)[0]["run"].as_str().expect("it has one").to_owned();
    let as_nobody = |words: &[&str]| {
        let mut command = host.command("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program::path()).args(words);
        command.output().expect("there is setpriv")
    };

    assert!(as_nobody(&["ps", "--json"]).stdout.is_empty());
    assert_eq!(as_nobody(&["stop", "--run", &id]).status.code(), Some(78));
    assert!(as_nobody(&["stop", "--all"]).stdout.is_empty());

    assert!(is_running(run.broker()), "it goes on");
    told(&host, &["stop", "--all", "--reason", "the end"]);
    was_stopped(&run.wait(), "the end");
}

#[test]
fn t14_entries_are_believed_for_no_process_but_the_one_that_holds_them() {
    let Some(host) = Host::new() else { return };
    assert_eq!(
        host.behind(Run::of("1").policy(EVERYTHING)).finish().code(),
        Some(0),
        "it makes the register"
    );
    let mut victim = Command::new("sleep").arg("60").spawn().expect("there is sleep");
    let forged = |name: &str, start: u64| {
        let text = format!(
            "-\n{{\"run\":\"{name}\",\"pid\":{},\"start_ticks\":{start},\"uid\":0,\"principal\":\"root\",\
             \"script_sha256\":\"\",\"since_seconds\":0}}\n",
            victim.id()
        );
        host.write(&format!("lib/rex-broker/runs/{name}"), &text);
        let path = host.path(&format!("lib/rex-broker/runs/{name}"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        path
    };
    let stat = fs::read_to_string(format!("/proc/{}/stat", victim.id())).expect("it runs");
    let ticks =
        stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19)).expect("it was started");
    // Everything agrees, but it holds no lock: a number that has come back, or a lie.
    let stale = forged("aa", ticks.parse().expect("it is a number"));
    // Somebody else holds the lock than the entry says, and one that is damaged is held as well.
    let held = forged("bb", ticks.parse().expect("it is a number"));
    host.write("lib/rex-broker/runs/cc", "-\n{\"run\":");
    let damaged = host.path("lib/rex-broker/runs/cc");
    let locks: Vec<File> = [&held, &damaged].map(locked).into();
    // What is no entry stays what it is.
    let other = Scratch::new();
    let target = other.file("target", "-\n{}\n");
    symlink(&target, register(&host).join("dd")).expect("a link can be made");

    let output = told(&host, &["stop", "--all", "--json"]);

    assert_eq!(lines(&output), [serde_json::json!({ "run": "bb", "became": "halted" })]);
    assert!(matches!(victim.try_wait(), Ok(None)), "nobody has signalled it");
    assert!(!stale.exists(), "it is of no process");
    assert_eq!(fs::read(&target).expect("it is there"), b"-\n{}\n");
    drop(locks);
    victim.kill().and_then(|()| victim.wait()).expect("it is ours");
}

/// The file with a lock of this process.
fn locked(path: &PathBuf) -> File {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("it is there");
    let lock =
        nix::libc::flock { l_type: nix::libc::F_WRLCK as i16, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
    fcntl(&file, FcntlArg::F_SETLK(&lock)).expect("nobody else has it");
    file
}

#[test]
fn t14_a_register_that_others_can_write_refuses_runs_and_scripts_do_not_reach_it() {
    let Some(host) = Host::new() else { return };
    let path = "/var/lib/rex-broker/runs";
    let tried = host.behind(Run::of(&format!("rm(\"{path}/stopped\")")).policy(EVERYTHING)).finish();
    assert_eq!(tried.code(), Some(77), "{} {}", tried.text(), tried.stderr);
    let denied =
        tried.records().into_iter().find(|record| record["decision"] == "deny").expect("it is denied");
    assert_eq!(denied["policies"][0], "built-in: the register of runs");

    let register = register(&host);
    fs::set_permissions(&register, fs::Permissions::from_mode(0o777)).expect("it is ours");
    let refused = host.behind(Run::of("1").policy(EVERYTHING)).finish();
    assert_eq!(refused.code(), Some(78), "{}", refused.text());
    assert!(refused.message().contains("the register of runs is refused"), "{}", refused.message());

    let elsewhere = Scratch::new();
    fs::set_permissions(elsewhere.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
    fs::remove_dir_all(&register).expect("it is ours");
    symlink(elsewhere.path(), &register).expect("a link can be made");
    let refused = host.behind(Run::of("1").policy(EVERYTHING)).finish();
    assert_eq!(refused.code(), Some(78), "{}", refused.text());
    assert_eq!(fs::read_dir(elsewhere.path()).expect("it is there").count(), 0, "nothing was made there");
}
