//! Broker, jail, spawner and programs are killed at random moments, and nothing of the run is left.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rex_tests::runs::{Run, Started, children, eventually, is_running};
use rex_tests::tree::is_root;

use crate::places::own_mounts;
use crate::{execute, opened, real};

/// How often somebody is killed: each of them twice in each confinement. `.ci/full kills` has a thousand.
const ROUNDS: u64 = 24;
/// Who; a program is the last one, because it has to be there first.
const WHO: [&str; 4] = ["broker", "jail", "spawner", "program"];
const HOW: [&str; 3] = ["confined", "approximate", "unconfined"];
/// What a run has in its directory.
const FILES: [&str; 3] = ["audit.jsonl", "policy.cedar", "script.rhai"];
/// How often it is looked, every ten milliseconds.
const PATIENCE: u32 = 3000;
/// How long after a run has begun somebody is killed at the latest, in microseconds.
const LATEST: u64 = 1 << 18;

#[test]
fn whoever_is_killed_nothing_of_the_run_is_left() {
    if !is_root() {
        return;
    }
    // Where nobody else mounts anything.
    own_mounts();
    let rounds = rex_tests::size::of("REX_TEST_KILLS", ROUNDS);
    let mut random = 0x5eed_u64;
    let mut killed_programs = 0;
    for round in 0..rounds {
        let who = WHO[round as usize % WHO.len()];
        let how = HOW[round as usize / WHO.len() % HOW.len()];
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round);
        let moment = Duration::from_micros((random >> 33) % LATEST);

        let word = format!("{}.{}", 8000 + round, std::process::id());
        let mounts = mounts();
        let started = family(&word, "0.03").options(["--children", how]).start();
        let mut traces = Traces::of(&started, &word, mounts);
        if who == "program" {
            // There is one for a part of the run only.
            let _first = traces.wait_for(who);
            thread::sleep(moment / 8);
        } else {
            thread::sleep(moment);
        }
        traces.note();
        let victim = traces.wait_for(who);
        if let Some(victim) = victim {
            traces.note();
            killed_programs += u32::from(who == "program");
            // It may have ended by itself in between.
            let _is_gone = kill(victim, Signal::SIGKILL);
        }
        let ended = started.wait();

        let mut left = Vec::new();
        for _ in 0..PATIENCE {
            left = traces.left(ended.run.scratch.path());
            if left.is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(left, [""; 0], "{who}, {how}, after {moment:?}");
    }
    // Of the rounds that were to kill a program most have met one.
    assert!(u64::from(killed_programs) * 2 * WHO.len() as u64 >= rounds, "{killed_programs} of {rounds}");
}

// Without this, the search above could be one that finds nothing.
#[test]
fn what_is_left_is_found() {
    if !is_root() {
        return;
    }
    own_mounts();
    let word = format!("7999.{}", std::process::id());
    let started = family(&word, "60").start();
    let mut traces = Traces::of(&started, &word, mounts());
    let spawner = traces.wait_for("spawner").expect("there is one");
    traces.wait_for("program").expect("there is one");
    traces.note();
    let found = traces.left(started.run.scratch.path());
    let has = |found: &[String], what: &str| found.iter().any(|line| line.contains(what));
    for what in [format!("process {}", started.broker()), format!("process {spawner}"), word.clone()] {
        assert!(has(&found, &what), "{what}: {found:?}");
    }
    started.signal(Signal::SIGKILL);
    let ended = started.wait();
    eventually("nothing is left", || traces.left(ended.run.scratch.path()).is_empty().then_some(()));

    let place = ended.run.scratch.path();
    fs::write(place.join(".rex-left"), "").unwrap();
    assert!(has(&traces.left(place), ".rex-left"));
    fs::remove_file(place.join(".rex-left")).unwrap();

    // One that has ended, and that nobody has waited for.
    let mut left = Command::new("/usr/bin/sleep").arg("0").stdin(Stdio::null()).spawn().unwrap();
    let pid = left.id() as i32;
    eventually("it has ended", || (!is_running(Pid::from_raw(pid))).then_some(()));
    traces.known.extend(identity(pid));
    assert!(has(&traces.left(place), &format!("process {pid}")));
    left.wait().unwrap();
    assert_eq!(traces.left(place), [""; 0]);

    traces.mounts.pop_last();
    assert!(has(&traces.left(place), "mount "));
}

/// A run that starts programs which leave others behind, one after another, each of which takes this long.
fn family(word: &str, seconds: &str) -> Run {
    let (shell, setsid, sleep) = (real("/bin/sh"), real("/usr/bin/setsid"), real("/usr/bin/sleep"));
    let policy: String = [&shell, &setsid, &sleep]
        .iter()
        .map(|path| execute(path).replace("[file_system", "[file_system::Action::\"read\", file_system"))
        .collect();
    let script = format!(
        "{}for round in 0..3 {{ program.execute(ExecuteOptions().args([[\"-c\", \"{setsid} {sleep} {word} & {sleep} {seconds}\"]]).build()); }}",
        opened(&shell)
    );
    // A session of its own tells its processes from those of other runs.
    Run::of(&script).policy(&policy).behind(["setsid"])
}

/// What a run can leave, and how it is told from what others have.
struct Traces {
    broker: Pid,
    word: String,
    /// Processes of the run that were seen, each with the moment it began.
    known: BTreeSet<(i32, String)>,
    mounts: BTreeSet<String>,
}

impl Traces {
    fn of(started: &Started, word: &str, mounts: BTreeSet<String>) -> Self {
        let mut traces =
            Self { broker: started.broker(), word: word.to_owned(), known: BTreeSet::new(), mounts };
        traces.note();
        traces
    }

    /// Notes every process of the run that is there now.
    fn note(&mut self) {
        let mut rest = vec![self.broker.as_raw()];
        while let Some(pid) = rest.pop() {
            rest.extend(children(Pid::from_raw(pid)));
            self.known.extend(identity(pid));
        }
    }

    /// The process of this kind, unless the run ends before there is one.
    fn wait_for(&self, who: &str) -> Option<Pid> {
        let of_broker = |name: &str| {
            let mut found = children(self.broker).into_iter().map(Pid::from_raw);
            found.find(|pid| words(pid.as_raw()).first().is_some_and(|word| word == name))
        };
        while is_running(self.broker) {
            let found = match who {
                "broker" => Some(self.broker),
                "jail" => of_broker("rex-jail"),
                "spawner" => of_broker("rex-spawner"),
                _ => processes().into_iter().map(Pid::from_raw).find(|pid| self.is_marked(pid.as_raw())),
            };
            if found.is_some() {
                return found;
            }
            thread::sleep(Duration::from_millis(1));
        }
        None
    }

    fn is_marked(&self, pid: i32) -> bool {
        words(pid).iter().any(|word| word.split(' ').any(|word| word == self.word))
    }

    /// Everything that is left of the run, one line for each.
    fn left(&self, place: &Path) -> Vec<String> {
        let mut left = Vec::new();
        for pid in processes() {
            let Some(identity) = identity(pid) else { continue };
            // The fourth field behind the name.
            let is_of_session =
                stat(pid).is_some_and(|fields| fields.get(3) == Some(&self.broker.to_string()));
            if self.known.contains(&identity) || is_of_session || self.is_marked(pid) {
                left.push(format!("process {pid} {:?}", words(pid)));
            }
        }
        left.extend(mounts().difference(&self.mounts).map(|line| format!("mount {line}")));
        let names = fs::read_dir(place).expect("it is there").flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        left.extend(names.filter(|name| !FILES.contains(&name.as_str())).map(|name| format!("file {name}")));
        for temporary in [std::env::temp_dir().as_path(), Path::new("/dev/shm"), Path::new("/run")] {
            let own = format!("-{}", self.broker);
            let entries = fs::read_dir(temporary).into_iter().flatten().flatten();
            let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
            let of_run = names.filter(|name| name.starts_with("rex") && name.contains(&own));
            left.extend(of_run.map(|name| format!("file {name}")));
        }
        let mut groups = Vec::new();
        find_groups(Path::new("/sys/fs/cgroup"), &format!("-{}-", self.broker), 4, &mut groups);
        left.extend(groups);
        left
    }
}

/// The control groups that have this process in their name.
fn find_groups(directory: &Path, of: &str, depth: u32, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("rex") && name.contains(of) {
                found.push(format!("group {}", entry.path().display()));
            }
            if depth > 0 {
                find_groups(&entry.path(), of, depth - 1, found);
            }
        }
    }
}

fn mounts() -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/thread-self/mountinfo").expect("there is a /proc");
    text.lines().map(str::to_owned).collect()
}

fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("there is a /proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn words(pid: i32) -> Vec<String> {
    let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = text.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// The fields of /proc/PID/stat behind the name: state, parent, group, session, and so on.
fn stat(pid: i32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

/// A process, and when it began: numbers are given again.
fn identity(pid: i32) -> Option<(i32, String)> {
    Some((pid, stat(pid)?.get(19)?.clone()))
}
