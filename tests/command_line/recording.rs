//! What stands in the record of a run, and what happens when it cannot be written.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use rex_tests::runs::{PERMIT_ALL, Run, records};
use serde_json::Value;

use crate::ALL_BUT_DENIED;

fn decisions(records: &[Value]) -> Vec<&Value> {
    records.iter().filter(|record| record["event"] == "decision").collect()
}

#[test]
fn every_decision_of_a_run_is_recorded() {
    let run = Run::of("");
    let file = run.scratch.file("notes", "0123456789abcdef");
    run.scratch.file(
        "script.rhai",
        format!("try {{ cat(\"/denied\") }} catch (e) {{}}\ncat(\"{}\")", file.display()),
    );

    let ended = run.policy(ALL_BUT_DENIED).finish();

    let records = ended.records();
    assert_eq!(records.first().expect("there are records")["event"], "start");
    let end = records.last().expect("there are records");
    assert_eq!(end["event"], "end");
    assert_eq!(end["status"], "SUCCESS");
    assert_eq!(end["denials"], 1);
    assert_eq!(end["bytes"], 16);
    let decisions = decisions(&records);
    let denied = decisions.iter().find(|record| record["decision"] == "deny").expect("one is a denial");
    assert_eq!(denied["resource"], "/denied");
    assert_eq!(denied["policies"][0], "marked");
    assert_eq!(denied["claimed_line"], 1);
    let read = decisions.iter().find(|record| record["operation"] == "read_chunk").expect("one is a read");
    assert_eq!(read["resource"], file.to_str().expect("it is text"));
    assert_eq!((&read["decision"], &read["bytes"]), (&"permit".into(), &16.into()));
    for (place, record) in records.iter().enumerate() {
        assert_eq!(record["seq"], place, "{record}");
        assert_eq!(record["run"], ended.document()["jail"]["run"]);
    }
}

/// The names in a record that tells of several decisions, and how many these are.
fn together(record: &Value) -> Option<(Vec<&str>, usize)> {
    let names: Vec<&str> = record["names"].as_array()?.iter().filter_map(Value::as_str).collect();
    Some((names, usize::try_from(record["count"].as_u64()?).ok()?))
}

// docs/audit.md: "about 360 bytes and the length of the name that it is about", "about 560 bytes, and for each name its length
// and three more", "two for each entry and one more for each directory".
#[test]
fn the_record_is_no_longer_than_the_page_says() {
    let run = Run::of("");
    let tree = run.scratch.path().join("tree");
    for directory in 0..20 {
        let directory = tree.join(format!("directory-{directory:02}"));
        fs::create_dir_all(&directory).expect("a directory can be made");
        for file in 0..19 {
            fs::write(directory.join(format!("file-{file:02}.txt")), "").expect("a file can be written");
        }
    }
    run.scratch.file("script.rhai", format!("du([du::all_files], \"{}\").entries.len()", tree.display()));

    let ended = run.finish();

    let (entries, directories) = (1 + 20 * 20, 1 + 20);
    assert_eq!(ended.document()["output"], entries.to_string());
    let records = ended.records();
    let single = decisions(&records);
    let told: Vec<(Vec<&str>, usize)> = records.iter().filter_map(together).collect();
    assert_eq!(told.len(), 20, "one for the files of each directory");
    let told_decisions: usize = told.iter().map(|(_, count)| count).sum();
    assert_eq!(told_decisions, 2 * 20 * 19);
    let all = single.len() + told_decisions;
    assert!(all <= 2 * entries + directories, "{all}");
    assert_eq!(records.last().expect("there are records")["decisions"], all);
    for (names, _) in &told {
        let mut names = names.clone();
        names.sort_unstable();
        assert_eq!(names, (0..19).map(|file| format!("file-{file:02}.txt")).collect::<Vec<_>>());
    }
    let alone: usize = single.iter().filter_map(|record| record["resource"].as_str()).map(str::len).sum();
    let names: usize = told.iter().flat_map(|(names, _)| names).map(|name| name.len() + 3).sum();
    let directory = tree.as_os_str().len() + 14;
    let audit = ended.run.scratch.path().join("audit.jsonl");
    let bytes = usize::try_from(fs::metadata(audit).expect("it is there").len()).expect("it is short");
    let most = single.len() * 380 + alone + told.len() * (580 + directory) + names + 1000;
    assert!(bytes <= most, "{bytes} of {most} for {all} decisions");
}

#[test]
fn the_record_is_for_its_owner_only() {
    let ended = Run::of("1").finish();

    let metadata = fs::metadata(ended.run.scratch.path().join("audit.jsonl")).expect("it is there");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_script_that_does_not_compile_leaves_a_record_too() {
    let records = Run::of("let =").finish().records();

    let events: Vec<_> = records.iter().map(|record| record["event"].as_str().unwrap_or_default()).collect();
    assert_eq!(events, ["start", "end"]);
    assert_eq!(records[1]["exit"], 65);
}

// Conversations are in lock-step: that a frame was sent shows that the one before it was answered.
#[test]
fn a_broker_that_is_killed_has_recorded_every_answer_that_it_gave() {
    let run = Run::of("");
    for number in 0..50 {
        run.scratch.file(&format!("f{number}"), "x");
    }
    let script = "loop { for i in 0..50 { cat(`DIR/f${i}`); } try { cat(\"/denied\") } catch (e) {} }";
    let script = script.replace("DIR", run.scratch.path().to_str().expect("it is text"));
    run.scratch.file("script.rhai", script);
    let started = run.policy(ALL_BUT_DENIED).start();
    started.wait_for_record("/denied");

    started.signal(Signal::SIGKILL);
    let ended = started.wait();

    let records = ended.records();
    let decisions = decisions(&records);
    assert!(decisions.len() >= 50 * 3, "{}", decisions.len());
    for (place, record) in records.iter().enumerate() {
        assert_eq!(record["seq"], place, "{record}");
    }
    let opened: Vec<&str> = decisions
        .iter()
        .filter(|record| record["operation"] == "open_file")
        .filter_map(|record| record["resource"].as_str()?.rsplit('/').next())
        .collect();
    for (place, name) in opened.iter().enumerate() {
        let expected = match place % 51 {
            50 => "denied".to_owned(),
            number => format!("f{number}"),
        };
        assert_eq!(**name, *expected, "the {place}th file");
    }
    assert!(!records.iter().any(|record| record["event"] == "end"));
}

#[test]
fn a_script_cannot_read_its_own_record() {
    for option in ["cat", "ls"] {
        let run = Run::of("");
        let log = run.scratch.path().join("audit.jsonl");
        run.scratch.file("script.rhai", format!("{option}(\"{}\")", log.display()));

        let ended = run.policy(PERMIT_ALL).finish();

        assert_eq!(ended.document()["status"], "ERROR", "{option}: {}", ended.text());
    }
}

#[test]
fn a_disk_that_is_full_ends_the_run_with_74() {
    if !geteuid().is_root() {
        rex_tests::skip::skipped("only root can mount a small file system");
        return;
    }
    let run = Run::of("let i = 0; loop { i += 1; try { cat(`/denied${i}/x`) } catch (e) {} }").policy("");
    let small = SmallFileSystem::at(run.scratch.path().join("small"));

    let ended = run.audit_log(small.0.join("audit.jsonl")).finish();

    assert_eq!(ended.code(), Some(74), "{}", ended.text());
    assert_eq!(ended.document()["error"]["error_type"], "INTERNAL_EXCEPTION");
    assert!(ended.message().contains("cannot write audit log"), "{}", ended.message());
    assert!(ended.document()["denials"].is_array(), "what was denied up to then is told");
}

#[test]
fn a_run_without_a_record_says_so() {
    let ended = Run::of("1").audit_log("none").finish();

    assert_eq!(ended.code(), Some(0));
    assert_eq!(ended.document()["jail"]["audit_log"], "none");
}

#[test]
fn an_inherited_descriptor_takes_the_record() {
    use std::os::fd::AsRawFd;

    let scratch = rex_tests::scratch::Scratch::new();
    let path = scratch.file("inherited", "");
    let file = fs::OpenOptions::new().append(true).open(&path).expect("it is ours");
    nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).expect("it is open");

    let ended = Run::of("1").audit_log(format!("fd:{}", file.as_raw_fd())).finish();

    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(ended.document()["jail"]["audit_log"], format!("fd:{}", file.as_raw_fd()));
    assert_eq!(records(&path).len(), 2);
}

#[test]
fn runs_that_share_a_record_do_not_mix_their_lines() {
    let scratch = rex_tests::scratch::Scratch::new();
    let shared = scratch.path().join("shared.jsonl");
    let script = "for i in 0..300 { try { cat(`/denied${i}/x`) } catch (e) {} }";

    let started: Vec<_> = (0..4).map(|_| Run::of(script).policy("").audit_log(&shared).start()).collect();
    let ended: Vec<_> = started.into_iter().map(|started| started.wait()).collect();

    let records = records(&shared);
    for ended in ended {
        assert_eq!(ended.code(), Some(0), "{}", ended.text());
        let run = &ended.document()["jail"]["run"];
        let own: Vec<&Value> = records.iter().filter(|record| record["run"] == *run).collect();
        let numbers: Vec<u64> = own.iter().filter_map(|record| record["seq"].as_u64()).collect();
        assert_eq!(numbers, (0..own.len() as u64).collect::<Vec<_>>());
        assert_eq!(own.last().expect("there are records")["denials"], 300);
    }
}

#[test]
fn a_line_that_an_earlier_run_left_torn_is_not_continued() {
    let run = Run::of("1");
    let log = run.scratch.file("audit.jsonl", "{\"torn\":");
    fs::set_permissions(&log, fs::Permissions::from_mode(0o600)).expect("it is ours");

    let ended = run.finish();

    let text = fs::read_to_string(&log).expect("it can be read");
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "{\"torn\":");
    assert!(lines[1..].iter().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

/// A file system that is soon full, unmounted at the end.
struct SmallFileSystem(std::path::PathBuf);

impl SmallFileSystem {
    fn at(path: std::path::PathBuf) -> Self {
        fs::create_dir(&path).expect("a directory can be made");
        mount(Some("tmpfs"), &path, Some("tmpfs"), MsFlags::empty(), Some("size=64k,mode=0700"))
            .expect("root can mount");
        Self(path)
    }
}

impl Drop for SmallFileSystem {
    fn drop(&mut self) {
        // It goes with its mount namespace at the latest.
        if let Err(error) = umount2(&self.0, MntFlags::MNT_DETACH) {
            eprintln!("{} is still mounted: {error}", self.0.display());
        }
    }
}
