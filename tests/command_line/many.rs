//! Many runs at once on one host, and a log that is taken away under them: every record and every document is whole.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::sys::signal::Signal;
use rex_tests::runs::{Ended, Run, Started, eventually, records};
use rex_tests::scratch::Scratch;
use serde_json::Value;

/// How many denials each run leaves.
const DENIALS: usize = 40;

/// The records of one run among those of others.
fn of_run<'r>(records: &'r [Value], ended: &Ended) -> Vec<&'r Value> {
    let run = &ended.document()["jail"]["run"];
    records.iter().filter(|record| record["run"] == *run).collect()
}

/// Asserts that a run has left all its records: a first, a last, and none missing in between.
fn assert_whole(records: &[&Value]) {
    for (place, record) in records.iter().enumerate() {
        assert_eq!(record["seq"], place, "{record}");
    }
    assert_eq!(records.first().expect("there are records")["event"], "start");
    let end = records.last().expect("there are records");
    assert_eq!(end["event"], "end");
    assert_eq!(end["records"], records.len());
}

#[test]
fn fifty_runs_at_once_leave_whole_documents_and_whole_records() {
    let scratch = Scratch::new();
    let shared = scratch.path().join("shared.jsonl");
    let run = |number: usize| {
        let script = format!(
            "for i in 0..{DENIALS} {{ info(`{number} ${{i}}`); try {{ cat(`/denied${{i}}/{number}`) }} catch (e) {{}} }}
             let s = \"\"; s.pad(200000, \"x\"); \"{number} \" + s"
        );
        Run::of(&script).policy("").audit_log(&shared).start()
    };

    let started: Vec<Started> = (0..50).map(run).collect();
    let ended: Vec<Ended> = started.into_iter().map(Started::wait).collect();

    let records = records(&shared);
    let mut runs = BTreeSet::new();
    for (number, ended) in ended.iter().enumerate() {
        assert_eq!(ended.code(), Some(0), "{number}: {}", ended.stderr);
        let document = ended.document();
        let output = document["output"].as_str().expect("it is text");
        assert_eq!(output, format!("{number} {}", "x".repeat(200_000)));
        let logs = document["logs"].as_array().expect("there are logs");
        for (place, log) in logs.iter().enumerate() {
            assert_eq!(log["attributes"]["message"], format!("{number} {place}"));
        }
        assert_eq!((logs.len(), document["denials"].as_array().map(Vec::len)), (DENIALS, Some(DENIALS)));
        let own = of_run(&records, ended);
        assert_whole(&own);
        assert_eq!(own.len(), DENIALS + 2);
        runs.insert(document["jail"]["run"].to_string());
    }
    assert_eq!(runs.len(), 50, "no two runs have one name");
    assert_eq!(records.len(), 50 * (DENIALS + 2), "and nobody else has written");
}

/// A run that leaves one denial after the other until there is a flag, and a hundred after that.
struct Rotated {
    started: Started,
    flags: Scratch,
}

impl Rotated {
    fn begin(log: &Path) -> Self {
        let flags = Scratch::new();
        let script = "let n = 0; let seen = \"\";
            while seen == \"\" {
                n += 1;
                try { cat(`/before${n}/x`) } catch (e) {}
                try { seen = cat(\"FLAG\") } catch (e) {}
            }
            for i in 0..100 { try { cat(`/after${i}/x`) } catch (e) {} }
            n";
        let script = script.replace("FLAG", flags.path().join("flag").to_str().expect("it is text"));
        let policy = format!(
            "permit(principal, action, resource in file_system::Dir::\"{}\");",
            flags.path().display()
        );
        let started = Run::of(&script).policy(&policy).audit_log(log).start();
        Self { started, flags }
    }

    fn end(self) -> Ended {
        self.flags.file("half", "now");
        fs::rename(self.flags.path().join("half"), self.flags.path().join("flag"))
            .expect("a file can be renamed");
        self.started.wait()
    }
}

/// Asserts that all the denials of such a run are on record, those before the flag and those after.
fn assert_complete(records: &[Value], ended: &Ended) {
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    let own = of_run(records, ended);
    assert_whole(&own);
    let before: usize =
        ended.document()["output"].as_str().and_then(|text| text.parse().ok()).expect("a number");
    let denied: BTreeSet<&str> = own
        .iter()
        .filter(|record| record["decision"] == "deny")
        .filter_map(|record| record["resource"].as_str())
        .collect();
    for number in 1..=before {
        assert!(denied.contains(format!("/before{number}").as_str()), "/before{number}");
    }
    for number in 0..100 {
        assert!(denied.contains(format!("/after{number}").as_str()), "/after{number}");
    }
}

/// What logrotate makes with `create 0600`.
fn make_log(path: &Path) {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).expect("a file can be made");
}

// logrotate's `create`: the run that is under way goes on in the file that it has opened.
#[test]
fn a_log_that_is_renamed_keeps_the_runs_that_have_it_open() {
    let scratch = Scratch::new();
    let (log, old) = (scratch.path().join("audit.jsonl"), scratch.path().join("audit.jsonl.1"));
    let under_way: Vec<Rotated> = (0..3).map(|_| Rotated::begin(&log)).collect();
    // A run that has not opened the log yet would open the new one.
    eventually("all three write", || {
        let writing = fs::read_to_string(&log).map_or(0, |text| text.matches("\"seq\":20,").count());
        (writing >= 3).then_some(())
    });

    fs::rename(&log, &old).expect("a log can be renamed");
    make_log(&log);
    let later = Run::of("try { cat(\"/later/x\") } catch (e) {}").policy("").audit_log(&log).finish();
    let ended: Vec<Ended> = under_way.into_iter().map(Rotated::end).collect();

    let (before, after) = (records(&old), records(&log));
    ended.iter().for_each(|ended| assert_complete(&before, ended));
    assert_whole(&of_run(&after, &later));
    assert!(ended.iter().all(|ended| of_run(&after, ended).is_empty()), "no run is split");
    assert!(of_run(&before, &later).is_empty());
}

// Many times over, while runs come and go.
#[test]
fn a_log_that_is_renamed_again_and_again_loses_no_record() {
    let scratch = Scratch::new();
    let log = scratch.path().join("audit.jsonl");
    let script = format!("for i in 0..{DENIALS} {{ try {{ cat(`/denied${{i}}/x`) }} catch (e) {{}} }}");
    let mut started = Vec::new();

    for round in 0..8 {
        started.extend((0..3).map(|_| Run::of(&script).policy("").audit_log(&log).start()));
        started[round * 3].wait_for_text(&log, "\"seq\":5,");
        fs::rename(&log, scratch.path().join(format!("audit.jsonl.{round}"))).expect("a log can be renamed");
    }
    let ended: Vec<Ended> = started.into_iter().map(Started::wait).collect();

    let files = fs::read_dir(scratch.path()).expect("they are there");
    let all: Vec<Value> = files.flat_map(|file| records(&file.expect("it can be seen").path())).collect();
    for ended in &ended {
        assert_eq!(ended.code(), Some(0), "{}", ended.text());
        assert_whole(&of_run(&all, ended));
    }
    assert_eq!(all.len(), ended.len() * (DENIALS + 2));
}

// logrotate's `copytruncate`. What is written between copying and truncating is lost, as logrotate(8) says itself; the
// runs are stopped meanwhile, so that this is about what the broker does with a file that has become shorter.
#[test]
fn a_log_that_is_copied_and_truncated_is_continued_at_its_new_end() {
    let scratch = Scratch::new();
    let (log, copy) = (scratch.path().join("audit.jsonl"), scratch.path().join("audit.jsonl.1"));
    let under_way = Rotated::begin(&log);
    under_way.started.wait_for_text(&log, "/before20");
    under_way.started.stop();

    fs::copy(&log, &copy).expect("a log can be copied");
    OpenOptions::new().write(true).truncate(true).open(&log).expect("it can be truncated");
    under_way.started.signal(Signal::SIGCONT);
    let ended = under_way.end();

    assert!(!fs::read(&log).expect("it can be read").contains(&0), "there is no hole");
    let mut all = records(&copy);
    assert!(!all.is_empty() && all.len() < 1_000_000);
    all.extend(records(&log));
    assert_complete(&all, &ended);
}

// A record that is lost in that way is missed.
#[test]
fn a_record_that_is_lost_leaves_a_gap() {
    let scratch = Scratch::new();
    let log = scratch.path().join("audit.jsonl");
    let under_way = Rotated::begin(&log);
    under_way.started.wait_for_text(&log, "/before20");
    under_way.started.stop();

    OpenOptions::new().write(true).truncate(true).open(&log).expect("it can be truncated");
    fs::set_permissions(&log, Permissions::from_mode(0o600)).expect("it is ours");
    under_way.started.signal(Signal::SIGCONT);
    let ended = under_way.end();

    let left = records(&log);
    let own = of_run(&left, &ended);
    let end = own.last().expect("there are records");
    assert!(own[0]["seq"].as_u64() > Some(20), "the first that is left is not the first");
    assert!(end["records"].as_u64() > Some(own.len() as u64), "{end}");
}
