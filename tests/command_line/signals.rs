//! SIGTERM and SIGINT end a run whatever its script does; under `--rex-compat` SIGTERM leaves it ten seconds.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use rex_tests::runs::{Ended, Run};

use crate::ALL_BUT_DENIED;

const MARK: &str = "try { cat(\"/denied\") } catch (e) {}";

/// Sends the signal when the script has come to its body.
fn interrupted(run: Run, signal: Signal) -> (Ended, Duration) {
    let started = run.policy(ALL_BUT_DENIED).options(["--max-operations", "1000000000000"]).start();
    started.wait_for_record("/denied");
    let sent = Instant::now();
    started.signal(signal);
    let ended = started.wait();
    (ended, sent.elapsed())
}

#[test]
fn a_signal_ends_whatever_the_script_does() {
    let bodies = [
        "loop {}",
        "sleep(1000);",
        "loop { try { cat(\"/denied/again\") } catch (e) {} }",
        "loop { info(\"x\"); }",
        // One native call after the other, each of which looks at 50 MB.
        "let s = \"\"; s.pad(50000000, \"a\"); loop { s.index_of(\"ab\"); }",
        "loop { seq(1, 1000000); }",
    ];

    for body in bodies {
        for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
            let (ended, took) = interrupted(Run::of(&format!("{MARK}\n{body}")), signal);

            assert_eq!(ended.code(), Some(code), "{body}: {}", ended.text());
            assert_eq!(ended.jail_end(), "killed", "{body}");
            // A second is promised; a machine that does much else gets another.
            assert!(took < Duration::from_secs(2), "{body}: {took:?}");
        }
        let options = ["--timeout", "1", "--max-operations", "1000000000000"];
        let begun = Instant::now();

        let ended = Run::of(body).policy(ALL_BUT_DENIED).options(options).finish();

        assert_eq!(ended.code(), Some(124), "{body}: {}", ended.text());
        assert!(begun.elapsed() < Duration::from_secs(3), "{body}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_signal_ends_a_script_that_reads_a_fifo() {
    let run = Run::of("");
    let fifo = run.scratch.path().join("fifo");
    nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO can be made");
    run.scratch.file(
        "script.rhai",
        format!("{MARK}\nloop {{ try {{ cat(\"{}\") }} catch (e) {{}} }}", fifo.display()),
    );

    let (ended, _) = interrupted(run, Signal::SIGTERM);

    assert_eq!(ended.code(), Some(143), "{}", ended.text());
}

// Rex: "A script that ends by itself within the 10 s is unaffected and reports normally."
#[test]
fn a_rex_script_may_finish_after_sigterm() {
    let run = Run::of("");
    let flag = run.scratch.path().join("flag");
    let script = format!(
        "{MARK}\nlet seen = \"\"; while seen == \"\" {{ try {{ seen = cat(\"{}\") }} catch (e) {{}} }} seen",
        flag.display()
    );
    run.scratch.file("script.rhai", script);
    let started = run.policy(ALL_BUT_DENIED).options(["--rex-compat"]).start();
    started.wait_for_record("/denied");

    started.signal(Signal::SIGTERM);
    started.run.scratch.file("half", "finished by itself");
    std::fs::rename(started.run.scratch.path().join("half"), flag).expect("a file can be renamed");
    let ended = started.wait();

    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(ended.document()["output"], "finished by itself");
}

// The same while the script sleeps: it wakes when its time has come, and not at the signal.
#[test]
fn a_rex_script_may_sleep_on_after_sigterm() {
    let script = format!("{MARK}\nlet n = 0; while n < 40 {{ sleep(0.05); n += 1; }} \"slept\"");
    let started = Run::of(&script).policy(ALL_BUT_DENIED).options(["--rex-compat"]).start();
    started.wait_for_record("/denied");

    started.signal(Signal::SIGTERM);
    let ended = started.wait();

    assert_eq!(ended.document()["output"], "slept", "{}", ended.text());
}

// Rex: `Script terminated: SIGTERM timeout exceeded (line, position)`, class SCRIPT_EXCEPTION, exit 0.
#[test]
fn a_rex_script_that_goes_on_after_sigterm_ends_ten_seconds_later() {
    let (ended, took) =
        interrupted(Run::of(&format!("{MARK}\nloop {{}}")).options(["--rex-compat"]), Signal::SIGTERM);

    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    assert_eq!(ended.document()["error"]["error_type"], "SCRIPT_EXCEPTION");
    assert!(
        ended.message().starts_with("Script terminated: SIGTERM timeout exceeded"),
        "{}",
        ended.message()
    );
    assert!(took >= Duration::from_secs(10), "{took:?}");
}

/// A pipe that is full, so that whoever writes to it has to wait for a reader.
fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("there can be one more pipe");
    let room = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).expect("a pipe can be small");
    let filling = vec![b' '; usize::try_from(room).expect("it has room")];
    nix::unistd::write(&writer, &filling).expect("the pipe is empty");
    (reader, writer)
}

#[test]
fn a_signal_ends_a_run_whose_result_nobody_reads() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let (reader, writer) = full_pipe();
        let started = Run::of("1").stdout(writer).start();
        started.wait_for_record("\"event\":\"end\"");

        started.signal(signal);
        let ended = started.wait();

        assert_eq!(ended.code(), Some(code), "{}", ended.stderr);
        drop(reader);
    }
}

#[test]
fn the_deadline_ends_a_run_whose_result_nobody_reads() {
    for script in ["1", "loop {}"] {
        let (reader, writer) = full_pipe();
        let begun = Instant::now();

        let ended = Run::of(script).stdout(writer).options(["--timeout", "1"]).finish();

        assert_eq!(ended.code(), Some(124), "{script}: {}", ended.stderr);
        assert!(begun.elapsed() < Duration::from_secs(3), "{script}: {:?}", begun.elapsed());
        assert_eq!(ended.records().last().expect("there are records")["event"], "end");
        drop(reader);
    }
}

#[test]
fn a_result_that_is_read_late_is_whole() {
    let (reader, writer) = full_pipe();
    let script = "let s = \"\"; s.pad(300000, \"x\"); s";
    let started = Run::of(script).stdout(writer).options(["--timeout", "60"]).start();
    started.wait_for_record("\"event\":\"end\"");

    let mut text = String::new();
    File::from(reader).read_to_string(&mut text).expect("a pipe can be read");
    let ended = started.wait();

    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let document: serde_json::Value = serde_json::from_str(text.trim_start()).expect("it is whole");
    assert_eq!(document["output"].as_str().map(str::len), Some(300_000));
}

#[test]
fn a_standard_output_that_is_closed_does_not_cost_the_record() {
    let (reader, writer) = full_pipe();
    drop(reader);

    let ended =
        Run::of("try { cat(\"/denied\") } catch (e) {}").policy(ALL_BUT_DENIED).stdout(writer).finish();

    assert_eq!(ended.code(), Some(73), "{}", ended.stderr);
    let records = ended.records();
    assert!(records.iter().any(|record| record["resource"] == "/denied"));
    assert_eq!(records.last().expect("there are records")["event"], "end");
}
