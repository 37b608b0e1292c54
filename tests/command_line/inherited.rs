//! What a caller leaves to the program: limits, timers, signals and closed streams. None ends it without a word.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use nix::sys::signal::Signal;
use rex_tests::runs::{Ended, Run};

use crate::people::{USUAL, place, run, text};

/// Becomes the program behind it, after it has done this to itself.
fn python(done: &str) -> Vec<String> {
    let script = format!("import os, signal, sys, resource\n{done}\nos.execv(sys.argv[1], sys.argv[1:])");
    vec!["python3".to_owned(), "-c".to_owned(), script]
}

fn prlimit(limit: &str) -> Vec<String> {
    vec!["prlimit".to_owned(), format!("--{limit}"), "--".to_owned()]
}

fn shell(done: &str) -> Vec<String> {
    vec!["sh".to_owned(), "-c".to_owned(), format!("{done}; exec \"$@\""), "sh".to_owned()]
}

/// A script that does a little of everything: reads, writes, and gives something back.
const WORK: &str = "let text = cat(\"/proc/version\"); info(text); text.len() > 0";

#[track_caller]
fn assert_told(what: &str, ended: &Ended, codes: &[i32]) {
    assert_eq!(ended.signal(), None, "{what}: {}", ended.stderr);
    let document = ended.document();
    let code = ended.code().expect("no signal has ended it");
    assert!(codes.contains(&code), "{what}: {code}, {document}");
    match code {
        0 => assert_eq!(document["output"], "true", "{what}"),
        _ => assert!(!ended.message().is_empty(), "{what}"),
    }
}

#[test]
fn a_limit_that_can_be_raised_or_does_not_matter_changes_nothing() {
    for limit in [
        "nofile=4:4096",
        "stack=131072:unlimited",
        "stack=1048576:unlimited",
        "cpu=1:unlimited",
        "as=209715200:unlimited",
        "data=33554432:unlimited",
        "core=0",
        "memlock=0",
        "msgqueue=0",
        "sigpending=0",
        "nice=0",
        "rtprio=0",
        "locks=0",
    ] {
        let ended = Run::of(WORK).behind(prlimit(limit)).finish();

        assert_told(limit, &ended, &[0]);
    }
}

// The start has to say what is missing; a fault of memory or a signal would say nothing.
#[test]
fn a_limit_that_leaves_too_little_is_named_and_nothing_runs() {
    for (limit, name) in [
        // The loader of programs needs four.
        ("nofile=4", "RLIMIT_NOFILE"),
        ("nofile=5", "RLIMIT_NOFILE"),
        ("nofile=8", "RLIMIT_NOFILE"),
        ("nofile=20", "RLIMIT_NOFILE"),
        ("stack=131072", "RLIMIT_STACK"),
        ("stack=1048576", "RLIMIT_STACK"),
        ("stack=4194304", "RLIMIT_STACK"),
        ("cpu=1", "RLIMIT_CPU"),
        ("as=209715200", "RLIMIT_AS"),
        ("as=419430400", "RLIMIT_AS"),
        ("data=33554432", "RLIMIT_DATA"),
        ("data=209715200", "RLIMIT_DATA"),
    ] {
        let script = Run::of("mkdir(place)");
        let place = script.scratch.path().join("made");
        let argument =
            script.scratch.file("arguments.json", format!("{{\"place\": {{\"stringValue\": {place:?}}}}}"));

        let ended =
            script.options([std::ffi::OsString::from("-a"), argument.into()]).behind(prlimit(limit)).finish();

        assert_told(limit, &ended, &[71]);
        assert!(ended.message().contains(&format!("left it {name} of ")), "{limit}: {}", ended.message());
        assert!(!place.exists(), "{limit}");
    }
}

#[test]
fn a_limit_on_files_makes_a_write_fail_and_nothing_else() {
    let none = Run::of(WORK).behind(prlimit("fsize=0")).finish();
    let small = Run::of(WORK).behind(prlimit("fsize=1048576")).finish();
    let nowhere = Run::of(WORK).audit_log("none").behind(prlimit("fsize=16777216")).finish();

    assert_told("fsize=0", &none, &[71, 74]);
    assert_told("fsize=1048576", &small, &[0, 71, 74]);
    assert_told("fsize=16777216", &nowhere, &[0, 71]);
}

// getitimer(2): a timer survives execve(2), and SIGALRM, SIGVTALRM and SIGPROF end a process that does not heed them.
#[test]
fn a_timer_that_was_set_before_ends_a_run_as_a_signal_does() {
    let endless = "while true { cat(\"/proc/version\"); }";
    for (timer, signal, script) in [
        ("signal.setitimer(signal.ITIMER_REAL, 1)", Signal::SIGALRM, "sleep(30)"),
        ("signal.setitimer(signal.ITIMER_REAL, 1)", Signal::SIGALRM, endless),
        ("signal.setitimer(signal.ITIMER_VIRTUAL, 0.3)", Signal::SIGVTALRM, endless),
        ("signal.setitimer(signal.ITIMER_PROF, 0.3)", Signal::SIGPROF, endless),
        ("resource.setrlimit(resource.RLIMIT_CPU, (2, 3))", Signal::SIGXCPU, endless),
        ("resource.setrlimit(resource.RLIMIT_CPU, (2, 2))", Signal::SIGXCPU, endless),
    ] {
        let ended = Run::of(script).behind(python(timer)).finish();

        assert_eq!(ended.signal(), None, "{timer}: {}", ended.stderr);
        // A jail may use up its share first.
        let codes = [128 + signal as i32, 75];
        assert!(codes.contains(&ended.code().unwrap()), "{timer}: {:?} {}", ended.code(), ended.text());
        assert!(
            ended.message().contains(&format!("signal {}", signal as i32)) || ended.code() == Some(75),
            "{timer}"
        );
        assert_eq!(ended.records().last().expect("there are records")["event"], "end", "{timer}");
    }
}

// execve(2): a signal that waits goes on waiting, so this is a timer that has fired before the first instruction.
#[test]
fn a_timer_that_has_fired_before_the_run_begins_ends_it_with_a_document() {
    for (timer, signal) in [
        ("signal.ITIMER_REAL", Signal::SIGALRM),
        ("signal.ITIMER_VIRTUAL", Signal::SIGVTALRM),
        ("signal.ITIMER_PROF", Signal::SIGPROF),
    ] {
        let number = signal as i32;
        let fired = python(&format!(
            "signal.pthread_sigmask(signal.SIG_BLOCK, [{number}])\nsignal.setitimer({timer}, 0.001)\n\
             while {number} not in signal.sigpending(): pass"
        ));

        let ended = Run::of("mkdir(\"made\")").behind(fired).finish();

        // As any other signal before the script is sent.
        assert_told(timer, &ended, &[128 + number]);
        assert!(ended.message().contains(&format!("signal {number}")), "{timer}: {}", ended.message());
    }
}

// Where the signal did not wait, it comes at the one moment in which nothing of a run is there to heed it.
#[test]
fn a_timer_that_fires_while_the_configuration_is_read_ends_a_run_with_a_document() {
    for signal in [Signal::SIGALRM, Signal::SIGVTALRM, Signal::SIGPROF, Signal::SIGXCPU] {
        let script = Run::of("mkdir(\"made\")");
        let made = script.scratch.path().join("made");
        script.scratch.file("script.rhai", format!("mkdir({made:?})"));
        let traced = ["python3", "-c", AT_ITS_CONFIGURATION, &(signal as i32).to_string()].map(str::to_owned);

        let ended = script.behind(traced).finish();

        assert!(ended.stderr.contains("sent while it opened "), "{signal}: {}", ended.stderr);
        assert_told(signal.as_str(), &ended, &[128 + signal as i32]);
        assert!(ended.message().ends_with(&format!("signal {}", signal as i32)), "{}", ended.message());
        assert!(!made.exists(), "{signal}");
    }
}

// The control, and the other half of the promise: what is no run ends by the timer, as its caller has asked for.
#[test]
fn a_timer_that_fires_while_the_configuration_is_shown_ends_that() {
    let signal = Signal::SIGALRM as i32;

    let output = std::process::Command::new("python3")
        .args(["-c", AT_ITS_CONFIGURATION, &signal.to_string()])
        .arg(rex_tests::program::path())
        .args(["config", "show"])
        .output()
        .expect("python3 is there");

    assert!(text(&output.stderr).contains("sent while it opened "), "{output:?}");
    assert_eq!(output.status.signal(), Some(signal), "{output:?}");
}

// And a caller of Rex has always seen how its program ended.
#[test]
fn a_timer_that_fires_while_the_configuration_is_read_ends_rexs_program() {
    let signal = Signal::SIGALRM as i32;
    let traced = ["python3", "-c", AT_ITS_CONFIGURATION, &signal.to_string()].map(str::to_owned);

    let ended = Run::of("1").options(["--rex-compat"]).behind(traced).finish();

    assert!(ended.stderr.contains("sent while it opened "), "{}", ended.stderr);
    assert_eq!(ended.signal(), Some(signal), "{}", ended.text());
}

/// Starts the program behind it under ptrace(2), sends it a signal when it opens its configuration, and ends as it does.
///
/// # Source
/// ptrace(2); syscall(2): on x86-64 the number is `orig_rax`, the second argument of openat(2) and openat2(2) in `rsi`.
const AT_ITS_CONFIGURATION: &str = r#"
import ctypes, os, signal, sys
TRACEME, PEEKUSER, DETACH, SYSCALL = 0, 3, 17, 24
ORIG_RAX, RSI = 15 * 8, 13 * 8
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.restype = ctypes.c_long
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
number, program = int(sys.argv[1]), sys.argv[2:]
child = os.fork()
if child == 0:
    ptrace(TRACEME, 0, None, None)
    os.execv(program[0], program)
os.waitpid(child, 0)
while True:
    ptrace(SYSCALL, child, None, None)
    _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        break
    if ptrace(PEEKUSER, child, ORIG_RAX, None) not in (257, 437):
        continue
    with open(f"/proc/{child}/mem", "rb", 0) as memory:
        memory.seek(ptrace(PEEKUSER, child, RSI, None))
        path = memory.read(64).split(b"\0")[0]
    if b"rex-broker" in path and not path.startswith(b"/proc/"):
        os.kill(child, number)
        os.write(2, b"sent while it opened " + path + b"\n")
        ptrace(DETACH, child, None, None)
        _, status = os.waitpid(child, 0)
        break
if os.WIFSIGNALED(status):
    signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
    os.kill(os.getpid(), os.WTERMSIG(status))
os._exit(os.WEXITSTATUS(status))
"#;

// A caller of Rex sees the status of a program that the timer has ended.
#[test]
fn rexs_caller_sees_the_status_that_the_timer_would_have_given() {
    let timer = python("signal.setitimer(signal.ITIMER_REAL, 1)");

    let ended = Run::of("sleep(30)").options(["--rex-compat"]).behind(timer).finish();

    assert_eq!(ended.code(), Some(142), "{}", ended.text());
}

#[test]
fn signals_that_are_ignored_or_blocked_change_nothing() {
    for done in [
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
        "signal.signal(signal.SIGPIPE, signal.SIG_DFL)",
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
        "[signal.signal(n, signal.SIG_IGN) for n in range(1, 65) if n not in (9, 19, 32, 33)]",
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)",
    ] {
        let ended = Run::of(WORK).behind(python(done)).finish();

        assert_told(done, &ended, &[0]);
    }
}

// exit(3) of a child that nobody waits for: with SIGCHLD ignored, the kernel forgets how the jail has ended.
#[test]
fn the_end_of_a_jail_is_known_although_the_caller_ignores_children() {
    let ignoring = python("signal.signal(signal.SIGCHLD, signal.SIG_IGN)");
    let options = ["--max-jail-cpu", "1"];

    let ended = Run::of("while true {}").options(options).behind(ignoring).finish();

    assert_eq!(ended.code(), Some(75), "{}", ended.text());
}

#[test]
fn a_closed_standard_output_is_told_before_anything_is_done() {
    for closed in ["exec >&-", "exec >&- <&-", "exec 1>&- 2>&- 0>&-"] {
        let script = Run::of("mkdir(\"made\")");
        let made = script.scratch.path().join("made");
        script.scratch.file("script.rhai", format!("mkdir({made:?})"));

        let ended = script.behind(shell(closed)).finish();

        assert_eq!(ended.code(), Some(73), "{closed}: {}", ended.stderr);
        assert!(!made.exists(), "{closed}");
        assert!(
            closed.contains("2>&-") || ended.stderr.contains("standard output: it is closed"),
            "{}",
            ended.stderr
        );
    }
}

// Rex's program runs, as its runtime opens /dev/null in the place of what is closed.
#[test]
fn rexs_caller_may_close_standard_output() {
    let ended = Run::of(WORK).options(["--rex-compat"]).behind(shell("exec >&-")).finish();

    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
}

#[test]
fn other_closed_streams_and_a_discarded_output_change_nothing() {
    for closed in ["exec <&-", "exec 2>&-", "exec <&- 2>&-"] {
        let ended = Run::of(WORK).behind(shell(closed)).finish();

        assert_told(closed, &ended, &[0]);
    }
    for discarded in ["exec >/dev/null", "exec 1<>/dev/null"] {
        let ended = Run::of(WORK).behind(shell(discarded)).finish();

        assert_eq!(ended.code(), Some(0), "{discarded}: {}", ended.stderr);
    }
}

#[test]
fn a_script_from_a_closed_standard_input_is_missing() {
    let scratch = place("1");
    let command = run(&scratch, &["-", "--policy", "policy.cedar", "--json"]);
    let program = command.get_program().to_owned();
    let mut closed = std::process::Command::new("sh");
    closed
        .args(["-c", "exec \"$@\" <&-", "sh"])
        .arg(program)
        .args(command.get_args())
        .current_dir(scratch.path());

    let output = closed.output().expect("there is a shell");

    assert_eq!(output.status.code(), Some(66), "{}{}", text(&output.stdout), text(&output.stderr));
}

// full(4): writing gives ENOSPC.
#[test]
fn a_full_standard_output_is_never_a_success() {
    let scratch = place("info(\"seen\"); 1 + 1");
    for form in [&[] as &[&str], &["--json"], &["--pretty-json"], &["--ndjson"], &["--json", "--dry-run"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("there is one");
        let output =
            run(&scratch, &[&USUAL, form].concat()).stdout(full).output().expect("it can be started");

        assert_eq!(output.status.code(), Some(73), "{form:?}: {}", text(&output.stderr));
        assert!(!output.stderr.is_empty(), "{form:?}");
    }
    for words in [
        &["--help"] as &[&str],
        &["--version"],
        &["run", "--help"],
        &["protocol", "--json"],
        &["sdk", "list"],
        &["sdk", "show", "cat"],
        &["sdk", "search", "file"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["completions", "bash"],
        &["policy", "schema"],
        &["doctor"],
        &["doctor", "--json"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("there is one");
        let mut command = std::process::Command::new(rex_tests::program::path());
        let output =
            command.args(words).stdin(Stdio::null()).stdout(full).output().expect("it can be started");

        assert_eq!(output.status.code(), Some(73), "{words:?}: {}", text(&output.stderr));
        assert!(
            text(&output.stderr).starts_with("error: cannot write"),
            "{words:?}: {}",
            text(&output.stderr)
        );
    }
}

// As behind `| head -1`: whoever has seen enough is told nothing, and the status says that not all was read.
#[test]
fn a_reader_that_has_gone_is_told_nothing() {
    let scratch = place("let text = \"\"; text.pad(500000, 'x'); text");
    let gone = || {
        let (reader, writer) =
            nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).expect("there can be one more pipe");
        drop(reader);
        writer
    };
    for form in [&[] as &[&str], &["--json"], &["--pretty-json"], &["--ndjson"], &["--json", "--dry-run"]] {
        let output =
            run(&scratch, &[&USUAL, form].concat()).stdout(gone()).output().expect("it can be started");

        assert_eq!((output.status.code(), text(&output.stderr)), (Some(73), ""), "{form:?}");
    }
    for words in [
        &["--help"] as &[&str],
        &["--version"],
        &["manual"],
        &["protocol"],
        &["sdk", "list"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["completions", "bash"],
        &["policy", "schema"],
        &["doctor"],
        &["doctor", "--json"],
    ] {
        let mut command = std::process::Command::new(rex_tests::program::path());
        let output =
            command.args(words).stdin(Stdio::null()).stdout(gone()).output().expect("it can be started");

        assert_eq!((output.status.code(), text(&output.stderr)), (Some(73), ""), "{words:?}");
    }
}

#[test]
fn a_closed_standard_output_is_never_a_success_of_any_command() {
    let program = rex_tests::program::path();
    for words in
        [&["--help"] as &[&str], &["protocol", "--json"], &["sdk", "list"], &["config", "show"], &["doctor"]]
    {
        let mut command = std::process::Command::new("sh");
        let output = command.args(["-c", "exec \"$@\" >&-", "sh"]).arg(program).args(words).output();

        let output = output.expect("there is a shell");
        assert_eq!(output.status.code(), Some(73), "{words:?}: {}", text(&output.stderr));
    }
}

/// Documents of several runs in one file, each on a line.
#[test]
fn documents_of_run_can_stand_below_each_other() {
    let scratch = place("info(\"x\"); 1 + 1");
    let long = place("let text = \"\"; text.pad(500000, 'x'); text");
    let all = scratch.path().join("all.jsonl");
    let append = || fs::OpenOptions::new().create(true).append(true).open(&all).expect("it can be made");

    for _ in 0..2 {
        run(&scratch, &[&USUAL as &[&str], &["--json"]].concat()).stdout(append()).status().expect("it runs");
    }
    let mut together: Vec<_> = (0..6)
        .map(|_| {
            run(&long, &[&USUAL as &[&str], &["--json"]].concat()).stdout(append()).spawn().expect("it runs")
        })
        .collect();
    together.iter_mut().for_each(|run| drop(run.wait()));

    let written = fs::read_to_string(&all).expect("it is text");
    assert!(written.ends_with('\n'));
    assert_eq!(written.lines().count(), 8);
    for line in written.lines() {
        let document: serde_json::Value = serde_json::from_str(line).expect("each line is a document");
        assert_eq!(document["status"], "SUCCESS");
    }
}

#[test]
fn every_form_of_run_ends_its_last_line_and_rexs_does_not() {
    let scratch = place("1 + 1");
    for form in [&[] as &[&str], &["--json"], &["--pretty-json"], &["--ndjson"]] {
        let output = run(&scratch, &[&USUAL, form].concat()).output().expect("it runs");

        assert!(output.stdout.ends_with(b"\n") && !output.stdout.ends_with(b"\n\n"), "{form:?}");
    }
    assert!(Run::of("1 + 1").finish().stdout.ends_with(b"}"));
}
