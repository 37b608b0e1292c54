//! SIGTERM and SIGINT end a run whatever its script does; under `--rex-compat` SIGTERM leaves it ten seconds.

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
            // Far below what Rex would wait; how far, is for the benchmarks to say.
            assert!(took < Duration::from_secs(9), "{body}: {took:?}");
        }
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

#[test]
fn a_signal_ends_a_run_whose_result_nobody_reads() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("there can be one more pipe");
        let room = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).expect("a pipe can be small");
        let filling = vec![b' '; usize::try_from(room).expect("it has room")];
        nix::unistd::write(&writer, &filling).expect("the pipe is empty");
        let started = Run::of("1").stdout(writer).start();
        started.wait_for_record("\"event\":\"end\"");

        started.signal(signal);
        let ended = started.wait();

        assert_eq!(ended.code(), Some(code), "{}", ended.stderr);
        drop(reader);
    }
}
