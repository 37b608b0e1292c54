//! What belongs to a run stays its own: its files and what leads to them, its processes, its descriptors, its acts.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rex_tests::runs::{PERMIT_ALL, Run, children, eventually, records};
use rex_tests::scratch::Scratch;
use serde_json::Value;

fn permitted_writes<'r>(records: &'r [Value], operation: &str) -> Vec<&'r Value> {
    let is_write = |record: &&Value| {
        record["operation"] == operation
            && record["decision"] == "permit"
            && record["action"] == "file_system::Action::\"write\""
    };
    records.iter().filter(is_write).collect()
}

/// What was not opened because it shows the run, once each.
fn not_shown(records: &[Value]) -> Vec<&str> {
    let reason = "built-in: broker and jail are not shown to scripts";
    let denied =
        records.iter().filter(|record| record["decision"] == "deny" && record["policies"][0] == reason);
    let mut resources: Vec<&str> = denied.filter_map(|record| record["resource"].as_str()).collect();
    resources.dedup();
    resources
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary names are text")
}

// The directory goes, and another one comes: this run would keep what it has, and the next one would take the script's.
#[test]
fn the_directory_of_policy_and_log_cannot_be_exchanged() {
    let run = Run::of("");
    let own = run.scratch.path().to_owned();
    let away = Scratch::new();
    let (forged, twin) = (away.path().join("forged"), away.path().join("twin"));
    for directory in [&forged, &twin] {
        fs::create_dir(directory).expect("a directory can be made");
        fs::write(directory.join("policy.cedar"), PERMIT_ALL).expect("it is ours");
    }
    let script = "
        fn at(path) { DirConfig().path(path).build().open(OpenDirOptions().build()) }
        fn moved(parent, name, to, as_name) {
            at(parent).move(at(`${parent}/${name}`), at(to), as_name, MoveOptions().build());
        }
        let told = [];
        try {
            moved(\"PARENT\", \"OWN\", \"AWAY\", \"old\");
            moved(\"AWAY\", \"forged\", \"PARENT\", \"OWN\");
            told.push(\"exchanged\");
        } catch (e) { told.push(e.to_string()) }
        moved(\"AWAY\", \"twin\", \"AWAY\", \"moved\");
        told";
    let (parent, name) = text(&own).rsplit_once('/').expect("it is absolute");
    let script = script.replace("PARENT", parent).replace("OWN", name).replace("AWAY", text(away.path()));
    run.scratch.file("script.rhai", script);

    let ended = run.finish();

    let records = ended.records();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert!(own.join("policy.cedar").exists() && own.join("audit.jsonl").exists(), "{}", ended.text());
    assert!(!away.path().join("old").exists() && forged.exists(), "{}", ended.text());
    assert!(away.path().join("moved/policy.cedar").exists(), "the twin has moved: {}", ended.text());
    let denied: Vec<&Value> = records.iter().filter(|record| record["decision"] == "deny").collect();
    assert_eq!(denied.len(), 1, "{denied:?}");
    assert_eq!(denied[0]["action"], "file_system::Action::\"move\"");
    assert_eq!(denied[0]["resource"], text(&own));
    assert!(denied[0]["policies"][0].as_str().is_some_and(|reason| reason.starts_with("built-in: ")));
}

// The watchdog is a thread with a number of its own, under which /proc shows the whole process.
#[test]
fn the_watchdog_does_not_show_the_broker() {
    let flags = Scratch::new();
    let run = Run::of("");
    let script = "
        let threads = \"\";
        while threads == \"\" { try { threads = cat(\"FLAG\") } catch (e) {} }
        let seen = [];
        for number in threads.split(\"\\n\") {
            if number == \"\" { continue; }
            for file in [\"environ\", \"cmdline\", \"maps\", \"status\", \"comm\", \"oom_score_adj\"] {
                try { cat(`/proc/${number}/${file}`); seen.push(`${number}/${file}`); } catch (e) {}
                try { cat(`/proc/${number}/task/${number}/${file}`); seen.push(file); } catch (e) {}
            }
        }
        let other = cat(\"/proc/OTHER/comm\");
        `${seen} ${other}`";
    let other = std::process::id().to_string();
    let script = script.replace("FLAG", text(&flags.path().join("flag"))).replace("OTHER", &other);
    run.scratch.file("script.rhai", script);
    let started = run.start();
    started.wait_for_record("open_file");
    let tasks = format!("/proc/{}/task", started.broker());
    let threads = eventually("the watchdog runs", || {
        let threads: Vec<String> = fs::read_dir(&tasks)
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        (threads.len() > 1).then_some(threads)
    });

    flags.file("half", threads.join("\n"));
    fs::rename(flags.path().join("half"), flags.path().join("flag")).expect("a file can be renamed");
    let ended = started.wait();

    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    let document = ended.document();
    let output = document["output"].as_str().expect("it is text");
    assert!(output.starts_with("[] ") && output.len() > 4, "{output}");
    let records = ended.records();
    let closed = not_shown(&records);
    for thread in threads {
        assert!(closed.iter().any(|path| *path == format!("/proc/{thread}")), "{thread}: {closed:?}");
    }
}

// The number that the broker has in an outer process namespace is another than the one that it knows.
#[test]
fn a_proc_of_an_outer_namespace_does_not_show_the_broker() {
    if !nix::unistd::geteuid().is_root() {
        rex_tests::skip::skipped("only root can make a process namespace");
        return;
    }
    let place = Scratch::new();
    let outer = place.path().join("outer");
    fs::create_dir(&outer).expect("a directory can be made");
    let run = Run::of("");
    let script = "
        let numbers = \"\";
        while numbers == \"\" { try { numbers = cat(\"FLAG\") } catch (e) {} }
        let told = [];
        for number in numbers.split(\"\\n\") {
            let shown = [];
            for file in [\"environ\", \"cmdline\", \"maps\", \"status\", \"comm\"] {
                try { cat(`OUTER/${number}/${file}`); shown.push(file) } catch (e) {}
            }
            told.push(`${number}: ${shown.len()}`);
        }
        told";
    let script = script.replace("FLAG", text(&place.path().join("flag"))).replace("OUTER", text(&outer));
    run.scratch.file("script.rhai", script);
    // The mounts are in a namespace of their own, too, and go with it.
    let words = "mount --rbind /proc \"$0\" && exec unshare --pid --fork --kill-child --mount-proc \"$@\"";
    let started = run.behind(["unshare", "--mount", "sh", "-c", words, text(&outer)]).start();
    started.wait_for_record("open_file");
    let outside = started.broker();
    let [broker] = children(outside)[..] else { panic!("unshare has one child") };
    let [jail, spawner] = children(Pid::from_raw(broker))[..] else {
        panic!("the broker has a jail, and what starts programs")
    };

    // A control: the process outside is not of this run, and has all of these files.
    place.file("half", format!("{broker}\n{jail}\n{spawner}\n{outside}"));
    fs::rename(place.path().join("half"), place.path().join("flag")).expect("a file can be renamed");
    let ended = started.wait();

    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    let document = ended.document();
    let expected = format!(r#"["{broker}: 0", "{jail}: 0", "{spawner}: 0", "{outside}: 5"]"#);
    assert_eq!(document["output"], expected, "{}", ended.text());
    let closed = [broker, jail, spawner].map(|number| format!("{}/{number}", outer.display()));
    assert_eq!(not_shown(&ended.records()), closed);
}

// What counts is what stands on file when nobody can write any more.
#[test]
fn a_kill_after_two_truncations_leaves_two_records() {
    let run = Run::of("");
    let file = run.scratch.file("file", "0123456789");
    let script = format!(
        "let dir = DirConfig().path(\"{}\").build().open(OpenDirOptions().build());
         let file = dir.open_file(\"file\", OpenFileOptions().read(true).write(true).build());
         for i in 0..2 {{ file.truncate(TruncateOptions().size(5).build()); }}
         sleep(1000)",
        run.scratch.path().display()
    );
    run.scratch.file("script.rhai", script);
    let started = run.start();
    eventually("the file is cut", || {
        fs::metadata(&file).is_ok_and(|metadata| metadata.len() == 5).then_some(())
    });
    // The second one follows at once; a record that is put off is put off for a second.
    std::thread::sleep(Duration::from_millis(400));

    started.signal(Signal::SIGKILL);
    let ended = started.wait();

    let records = ended.records();
    let truncations = permitted_writes(&records, "truncate");
    assert_eq!(truncations.len(), 2, "{records:?}");
    for truncation in truncations {
        assert_eq!(truncation["act"]["does"], "truncate");
        assert_eq!(truncation["act"]["size_bytes"], 5);
    }
}

#[test]
fn what_changes_the_host_is_recorded_each_time_with_what_it_does() {
    let run = Run::of("");
    let script = "
        for content in [\"one\", \"three\", \"one\"] { write([write::append], \"DIR/log\", content); }
        for i in 0..3 { cp([cp::force], \"DIR/log\", \"DIR/copy\"); }
        for i in 0..3 { write([write::replace], \"DIR/log\", \"new\"); }";
    let directory = text(run.scratch.path()).to_owned();
    run.scratch.file("log", "");
    run.scratch.file("script.rhai", script.replace("DIR", &directory));

    let ended = run.finish();

    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    let records = ended.records();
    let acts = |operation: &str, does: &str| -> Vec<Value> {
        let of = permitted_writes(&records, operation);
        of.iter().filter(|record| record["act"]["does"] == does).map(|record| record["act"].clone()).collect()
    };
    let bytes: Vec<u64> =
        acts("finish_write", "append").iter().filter_map(|act| act["bytes"].as_u64()).collect();
    assert_eq!(bytes, [3, 5, 3], "{records:?}");
    let copies = acts("copy", "copy");
    assert_eq!(copies.len(), 3, "{records:?}");
    for copy in copies {
        assert_eq!(copy["from"], format!("{directory}/log"));
        assert_eq!(copy["to"], format!("{directory}/copy"));
    }
    assert_eq!(acts("finish_write", "replace").len(), 3, "{records:?}");
}

// The broker's own descriptors have low numbers, too; none of them may become the log.
#[test]
fn only_a_descriptor_of_the_caller_takes_the_record() {
    // What started this test may have left some open.
    let words = ["sh", "-c", "exec \"$@\" 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-", "sh"];
    for number in 3..10 {
        let ended = Run::of("1").audit_log(format!("fd:{number}")).behind(words).finish();

        assert_ne!(ended.code(), Some(0), "fd:{number}: {}", ended.text());
        assert!(ended.message().contains("was not open when the program started"), "{}", ended.message());
    }
}

// Where one of the first three is closed, the program begins with /dev/null in its place.
#[test]
fn a_descriptor_that_keeps_nothing_takes_no_record() {
    let words = ["sh", "-c", "exec \"$@\" 2>&-", "sh"];
    let ended = Run::of("1").audit_log("fd:2").behind(words).finish();

    assert_ne!(ended.code(), Some(0), "{}", ended.text());
    let ended = Run::of("1").audit_log("fd:2").finish();
    assert_eq!(ended.code(), Some(0), "a control: {}", ended.text());
}

// The name is the log of the next run, whatever stands there by now.
#[test]
fn a_new_file_at_the_place_of_a_renamed_log_is_closed() {
    let flags = Scratch::new();
    let run = Run::of("");
    let log = run.scratch.path().join("audit.jsonl");
    let script = "
        let seen = \"\";
        while seen == \"\" { try { seen = cat(\"FLAG\") } catch (e) {} }
        let told = [];
        for path in [\"LOG\", \"LOG.1\", \"LOG.other\"] {
            try { cat(path); told.push(\"read\") } catch (e) { told.push(\"closed\") }
            try { write([write::append], path, \"forged\"); told.push(\"written\") } catch (e) { told.push(\"closed\") }
        }
        try { mv(\"LOG.other\", \"LOG\"); told.push(\"moved\") } catch (e) { told.push(\"closed\") }
        told.len() + \" \" + told";
    let script = script.replace("FLAG", text(&flags.path().join("flag"))).replace("LOG", text(&log));
    run.scratch.file("script.rhai", script);
    run.scratch.file("audit.jsonl.other", "other");
    let started = run.start();
    started.wait_for_record("open_file");

    fs::rename(&log, log.with_extension("jsonl.1")).expect("a log can be renamed");
    fs::write(&log, "").expect("it is ours");
    flags.file("half", "now");
    fs::rename(flags.path().join("half"), flags.path().join("flag")).expect("a file can be renamed");
    let ended = started.wait();

    let document = ended.document();
    let output = document["output"].as_str().expect("it is text");
    let expected = r#"["closed", "closed", "closed", "closed", "read", "written", "closed"]"#;
    assert_eq!(output, format!("7 {expected}"), "{}", ended.text());
    assert_eq!(fs::read_to_string(&log).expect("it can be read"), "");
    assert!(!records(&log.with_extension("jsonl.1")).is_empty());
}

// A name that went between opening and protecting was an error once.
#[test]
fn runs_start_while_their_log_is_renamed_every_moment() {
    let scratch = Scratch::new();
    let log = scratch.path().join("audit.jsonl");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let renaming = {
        let log = log.clone();
        std::thread::spawn(move || {
            let mut round = 0;
            while stopped.recv_timeout(Duration::from_millis(2)).is_err() {
                round += 1;
                let _ = fs::rename(&log, log.with_extension(format!("jsonl.{round}")));
            }
        })
    };

    let mut ended = Vec::new();
    for _ in 0..12 {
        let started: Vec<_> = (0..4).map(|_| Run::of("1").audit_log(&log).start()).collect();
        ended.extend(started.into_iter().map(|started| started.wait()));
    }
    stop.send(()).expect("it still renames");
    renaming.join().expect("renaming does not panic");

    let files = fs::read_dir(scratch.path()).expect("they are there");
    let all: Vec<Value> = files.flat_map(|file| records(&file.expect("it can be seen").path())).collect();
    for ended in &ended {
        assert_eq!(ended.code(), Some(0), "{}", ended.text());
        let run = &ended.document()["jail"]["run"];
        assert_eq!(all.iter().filter(|record| record["run"] == *run).count(), 2, "{run}");
    }
}
