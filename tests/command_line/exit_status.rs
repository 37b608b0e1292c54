//! Each way to end has its exit status, and Rex's under compatibility.

use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use rex_tests::runs::{Ended, Run};
use rex_tests::scratch::Scratch;

use crate::ALL_BUT_DENIED;

fn code_of(run: Run) -> (Option<i32>, Ended) {
    let ended = run.finish();
    (ended.code(), ended)
}

/// Asserts both exit statuses of the same run: the program's own, and Rex's.
fn assert_status(make: impl Fn() -> Run, own: i32, rex: i32) {
    let ended = make().finish();
    let as_rex = make().options(["--rex-compat"]).finish();

    assert_eq!(ended.code(), Some(own), "{} {}", ended.text(), ended.stderr);
    assert_eq!(as_rex.code(), Some(rex), "{} {}", as_rex.text(), as_rex.stderr);
    assert_eq!(ended.document()["status"], if own == 0 { "SUCCESS" } else { "ERROR" });
}

#[test]
fn done_is_0() {
    assert_status(|| Run::of("1"), 0, 0);
}

#[test]
fn a_failed_script_is_1() {
    assert_status(|| Run::of("throw \"no\""), 1, 0);
    assert_status(|| Run::of("cat(\"/no/such/file\")"), 1, 0);
}

#[test]
fn a_script_that_does_not_compile_is_65() {
    assert_status(|| Run::of("let ="), 65, 0);
    assert_status(|| Run::of("undefined + 1"), 65, 0);
}

#[test]
fn a_policy_that_does_not_parse_is_65() {
    assert_status(|| Run::of("1").policy("permit(principal, action resource);"), 65, 1);
}

#[test]
fn arguments_that_are_wrong_are_65() {
    let with = |text: &str| {
        let run = Run::of("1");
        let file = run.scratch.file("args.json", text);
        run.options(["-a".into(), file.into_os_string()])
    };

    assert_status(|| with("{"), 65, 1);
    assert_status(|| with(r#"{"x": "plain"}"#), 65, 1);
    assert_status(|| with(r#"{"x": {"listValue": [{"listValue": [{"integerValue": 1}]}]}}"#), 65, 1);
}

#[test]
fn an_input_that_is_missing_is_66() {
    assert_status(
        || {
            let run = Run::of("1");
            fs::remove_file(run.scratch.path().join("script.rhai")).expect("it is there");
            run
        },
        66,
        1,
    );
    assert_status(|| Run::of("1").options(["-a", "/no/such/arguments"]), 66, 1);
}

#[test]
fn an_input_that_is_not_text_is_65() {
    assert_status(
        || {
            let run = Run::of("");
            run.scratch.file("script.rhai", b"\"\xff\"");
            run
        },
        65,
        1,
    );
}

#[test]
fn a_jail_that_is_gone_is_70() {
    let started =
        Run::of("try { cat(\"/denied\") } catch (e) {} sleep(1000);").policy(ALL_BUT_DENIED).start();
    started.wait_for_record("/denied");

    kill(started.jail(), Signal::SIGKILL).expect("the jail runs");
    let ended = started.wait();

    assert_eq!(ended.code(), Some(70));
}

#[test]
fn a_protection_that_cannot_be_had_is_71() {
    let run = || Run::of("cat(\"/etc/hostname\")").options(["--require", "max,+spec,+core_sched"]);
    let ended = run().finish();
    if ended.code() == Some(0) {
        rex_tests::skip::skipped("this host has every protection there is");
        return;
    }

    assert_status(run, 71, 1);
    assert!(ended.message().contains("required and missing:"), "{}", ended.message());
    assert!(ended.message().contains("needs Linux"), "{}", ended.message());
    assert_eq!(ended.jail_end(), "not_started");
    assert!(!ended.records().iter().any(|record| record["event"] == "decision"));
}

#[test]
fn a_result_that_cannot_be_written_is_73() {
    let full = || OpenOptions::new().write(true).open("/dev/full").expect("there is one");

    let (code, ended) = code_of(Run::of("1").stdout(full()));
    let (as_rex, _) = code_of(Run::of("1").options(["--rex-compat"]).stdout(full()));

    assert_eq!(code, Some(73));
    assert_eq!(as_rex, Some(1));
    assert!(ended.stderr.contains("cannot write the result"), "{}", ended.stderr);
    // Whatever level of diagnostics is wanted.
    let silent = Run::of("1").variable("REX_BROKER_LOG", "off").stdout(full()).finish();
    assert!(silent.stderr.contains("cannot write the result"), "{}", silent.stderr);
}

#[test]
fn a_result_that_nobody_reads_is_73() {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("there can be one more pipe");
    drop(reader);

    let (code, _) = code_of(Run::of("1").stdout(writer));

    assert_eq!(code, Some(73));
}

#[test]
fn a_record_that_cannot_be_opened_is_74() {
    let run = Run::of("1");
    let place = |name: &str| run.scratch.path().join(name);
    let file = run.scratch.file("target", "");
    symlink(&file, place("link")).expect("a link can be made");
    fs::hard_link(run.scratch.file("first", ""), place("second")).expect("a file can have two names");
    nix::unistd::mkfifo(&place("fifo"), nix::sys::stat::Mode::S_IRWXU).expect("a FIFO can be made");
    let writable = run.scratch.file("writable", "");
    fs::set_permissions(&writable, fs::Permissions::from_mode(0o666)).expect("it is ours");
    let places = [
        "/dev/full".into(),
        place("link"),
        place("second"),
        place("fifo"),
        writable,
        run.scratch.path().to_owned(),
        place("no/such/directory"),
    ];

    for place in places {
        assert_status(|| Run::of("1").audit_log(&place), 74, 1);
    }
}

#[test]
fn a_descriptor_that_takes_no_record_is_74() {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("there can be one more pipe");
    drop(reader);
    let inherited = |descriptor: OwnedFd| {
        fcntl(&descriptor, FcntlArg::F_SETFD(FdFlag::empty())).expect("it is open");
        descriptor
    };
    let unread = inherited(writer);
    let full = inherited(OpenOptions::new().write(true).open("/dev/full").expect("there is one").into());
    let read_only = inherited(File::open("/dev/null").expect("there is one").into());

    for descriptor in [unread, full, read_only] {
        assert_status(|| Run::of("1").audit_log(format!("fd:{}", descriptor.as_raw_fd())), 74, 1);
    }
    assert_status(|| Run::of("1").audit_log("fd:9999"), 74, 1);
}

#[test]
fn a_limit_is_75() {
    let table = [
        ("loop {}", "--max-operations", "100000"),
        ("let a = []; loop { a.push(\"x\"); }", "--memory", "16"),
        ("for i in 0..100 { try { cat(\"/denied\") } catch (e) {} }", "--max-calls", "10"),
        ("let s = \"\"; s.pad(1000, \"x\"); s", "--max-output", "100"),
        (
            "let h = []; loop { h.push(DirConfig().path(\"/\").build().open(OpenDirOptions().build())); }",
            "--max-open-handles",
            "5",
        ),
        ("loop { cat(\"/proc/cpuinfo\") }", "--max-read-bytes", "1000"),
        ("loop { info(\"x\") }", "--max-log-lines", "10"),
        ("loop { AlarmBuilder().type(\"A\").publish() }", "--max-signals", "10"),
    ];

    for (script, option, value) in table {
        let run = || Run::of(script).policy(ALL_BUT_DENIED).options([option, value]);

        assert_status(run, 75, 0);
        assert!(run().finish().message().contains("limit"), "{option}");
    }
}

#[test]
fn a_run_that_fills_its_share_of_the_record_ends() {
    let run = |option: &str, value: &str| {
        Run::of("let i = 0; loop { i += 1; try { cat(`/denied${i}/x`) } catch (e) {} }")
            .policy("")
            .options([option, value])
    };

    for (option, value) in [("--max-audit-records", "100"), ("--max-audit-bytes", "20000")] {
        let ended = run(option, value).finish();

        assert_eq!(ended.code(), Some(75), "{}", ended.text());
        let records = ended.records();
        assert_eq!(records.last().expect("there are records")["event"], "end", "{option}");
    }
}

#[test]
fn a_denial_that_ends_the_script_is_77() {
    assert_status(|| Run::of("cat(\"/denied\")").policy(ALL_BUT_DENIED), 77, 0);
}

#[test]
fn a_denial_that_the_script_handles_is_0() {
    assert_status(|| Run::of("try { cat(\"/denied\") } catch (e) { 1 }").policy(ALL_BUT_DENIED), 0, 0);
}

#[test]
fn a_denial_that_the_script_invents_is_1() {
    assert_status(|| Run::of("throw \"Permission denied: root unauthorized\""), 1, 0);
    assert_status(
        || {
            Run::of(
                "throw #{source: \"IoErrorKind\", kind: IoErrorKind::PermissionDenied, message: \"Permission denied: x\"}",
            )
        },
        1,
        0,
    );
}

#[test]
fn a_deadline_is_124() {
    assert_status(|| Run::of("loop {}").options(["--timeout", "1"]), 124, 0);
    assert_status(|| Run::of("sleep(1000)").options(["--timeout", "1"]), 124, 0);
}

#[test]
fn the_first_thing_that_is_wrong_is_the_one_that_is_told() {
    let deep = r#"{"x": {"listValue": [{"listValue": [{"integerValue": 1}]}]}}"#;
    let run = |script: &str, policy: &str, arguments: &str, audit: &str| {
        let run = Run::of(script).policy(policy);
        let file = run.scratch.file("args.json", arguments);
        let run = run.audit_log(audit).options(["-a".into(), file.into_os_string()]);
        run.options(["--rex-compat"]).finish().document()["error"].clone()
    };
    let type_of = |error: serde_json::Value| error["error_type"].as_str().unwrap_or_default().to_owned();

    // Rex: files are read and decoded, then the policy is parsed, then the depth is checked, then the script compiled.
    assert_eq!(type_of(run("let =", "bad", "{", "/dev/full")), "COMMUNICATION_EXCEPTION");
    assert_eq!(type_of(run("let =", "bad", deep, "/dev/full")), "INTERNAL_EXCEPTION");
    assert!(run("let =", "bad", deep, "/dev/full")["message"].to_string().contains("Cedar policy"));
    assert_eq!(type_of(run("let =", "", deep, "/dev/full")), "VALIDATION_EXCEPTION");
    assert!(run("let =", "", "{}", "/dev/full")["message"].to_string().contains("audit log"));
    assert_eq!(type_of(run("let =", "", "{}", "none")), "SCRIPT_EXCEPTION");
}

// Standard error of `run` is for people: where it is lost, the end of the run and its record are what they were.
#[test]
fn what_people_are_told_may_be_lost() {
    let full = || OpenOptions::new().write(true).open("/dev/full").expect("there is one");
    let unread = || {
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("there can be one more pipe");
        drop(reader);
        File::from(writer)
    };
    let scratch = Scratch::new();
    let script = |name: &str, text: &str| scratch.file(name, text).to_str().expect("it is text").to_owned();
    let policy = script("none.cedar", "");
    let scripts = [
        (script("logs.rhai", "info(\"hi\"); 42"), 0),
        (script("throws.rhai", "throw \"x\""), 1),
        (script("denied.rhai", "cat(\"/etc/passwd\")"), 77),
        (scratch.path().join("missing.rhai").to_str().expect("it is text").to_owned(), 66),
    ];
    let mut table: Vec<(Vec<&str>, i32)> =
        scripts.iter().map(|(script, code)| (vec!["run", script, "--policy", &policy], *code)).collect();
    table.extend([
        (vec![], 64),
        (vec!["run"], 64),
        (vec!["sdk", "show", "nosuch"], 1),
        (vec!["manual", "no"], 64),
    ]);
    for (words, code) in table {
        for lost in [full(), unread()] {
            let log = scratch.path().join("audit.jsonl");
            let mut command = std::process::Command::new(rex_tests::program::path());
            command
                .args(&words)
                .env("REX_BROKER_LOG", "debug")
                .stdout(std::process::Stdio::null())
                .stderr(lost);
            if words.len() > 2 && words[0] == "run" {
                command.arg("--audit-log").arg(&log);
            }

            let status = command.status().expect("the program can be started");

            assert_eq!(status.code(), Some(code), "{words:?}");
            let records = if log.exists() { rex_tests::runs::records(&log) } else { Vec::new() };
            if let Some(end) = records.last() {
                assert_eq!(end["exit"], code, "{words:?}");
            }
            drop(fs::remove_file(&log));
        }
    }
}

// A signal does not say anything of the host's protections, however early it comes.
#[test]
fn a_signal_while_the_jail_is_made_is_told_as_one() {
    let mut before = 0;
    for round in 0..400 {
        if before > 2 {
            break;
        }
        let started = Run::of("while true {}").start();
        std::thread::sleep(std::time::Duration::from_millis(round % 40));
        started.signal(Signal::SIGTERM);
        let ended = started.wait();
        // Before anything is set up, the signal ends the process as any other.
        if ended.signal() == Some(15) {
            continue;
        }
        assert_eq!(ended.code(), Some(143), "{}", ended.text());
        assert!(ended.message().starts_with("Script terminated: SIGTERM"), "{}", ended.message());
        before += u32::from(ended.jail_end() == "not_started");
    }
    assert!(before > 2, "no signal came before the script was begun");
}
