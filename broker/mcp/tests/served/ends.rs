//! However a call, a client or a server ends, the processes of its runs end with it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rex_tests::runs::{PERMIT_ALL, eventually, is_running, records, status_field};
use rex_tests::scratch::Scratch;
use serde_json::json;

use crate::server::{Server, children, command, meta};

/// What a program in the place of the broker says when it is asked before anything is run.
const LOOKED_AT: &str = r#"[ "$1" = policy ] && exit 0
case "$*" in *--dry-run*) echo '{"event":"result","exit":0}'; exit 0;; esac
"#;

/// Starts a program that finds SIGTERM ignored and blocked.
const DEAF_TO_SIGTERM: &str = "import os, signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); os.execv(sys.argv[1], sys.argv[1:])";

/// A server that a program in Python has prepared the signals of, which then becomes it.
fn started_by(preparing: &str, scratch: &Scratch) -> std::process::Child {
    let served = command(scratch, PERMIT_ALL, &[], &[]);
    std::process::Command::new("python3")
        .args(["-c", preparing])
        .arg(served.get_program())
        .args(served.get_args())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn is_ignored(process: Pid, signal: Signal) -> bool {
    let ignored = status_field(process, "SigIgn:").expect("the server runs");
    u64::from_str_radix(&ignored, 16).unwrap() >> (signal as i32 - 1) & 1 == 1
}

fn assert_gone(processes: &[Pid]) {
    assert!(processes.len() >= 2, "{processes:?}");
    eventually("the end of every process of the run", || {
        processes.iter().all(|process| !is_running(*process)).then_some(())
    });
}

#[test]
fn a_run_that_is_cancelled_is_gone_with_its_jail_and_has_no_answer() {
    let mut server = Server::under(PERMIT_ALL);
    let id = server.begin("run_script", json!({ "script": "sleep(60)" }));
    let processes = server.processes_of_a_run();

    server.tell("notifications/cancelled", json!({ "requestId": id, "reason": "enough" }));

    assert_gone(&processes);
    assert!(server.is_silent_for(Duration::from_millis(300)));
    // The broker had the time to say so in its record.
    let last = records(&server.record()).pop().unwrap();
    assert_eq!(last["event"], "end", "{last}");
    server.assert_alive();
    assert_eq!(server.call("run_status", json!({}))["structuredContent"]["runs"], json!([]));
}

#[test]
fn cancelling_before_during_and_after_never_leaves_a_run() {
    let mut server = Server::with(PERMIT_ALL, &["--max-runs", "64"], &[]);
    // Before: the name is not in use yet, so this cancels nothing.
    server.tell("notifications/cancelled", json!({ "requestId": 1 }));
    assert_eq!(server.call("run_script", json!({ "script": "1" }))["structuredContent"]["output"], "1");
    // After: the answer is there already.
    server.tell("notifications/cancelled", json!({ "requestId": 1 }));

    // At once, and at every moment of a start.
    for pause in (0..40).map(Duration::from_millis) {
        let id = server.begin("run_script", json!({ "script": "sleep(60)" }));
        std::thread::sleep(pause);
        server.tell("notifications/cancelled", json!({ "requestId": id }));
    }

    eventually("an end of all", || children(server.pid()).is_empty().then_some(()));
    assert!(server.is_silent_for(Duration::from_millis(100)));
    server.assert_alive();
    assert_eq!(server.call("run_script", json!({ "script": "2" }))["structuredContent"]["output"], "2");
}

#[test]
fn a_client_that_closes_its_end_takes_its_runs_with_it() {
    let mut server = Server::under(PERMIT_ALL);
    server.begin("run_script", json!({ "script": "sleep(60)" }));
    let processes = server.processes_of_a_run();

    server.close();

    assert_eq!(server.wait().code(), Some(0));
    assert_gone(&processes);
}

#[test]
fn a_server_that_is_killed_takes_its_runs_with_it() {
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let mut server = Server::under(PERMIT_ALL);
        server.begin("run_script", json!({ "script": "sleep(60)" }));
        let processes = server.processes_of_a_run();
        if is_ignored(server.pid(), signal) {
            // As a shell has it for what it starts in the background, and nohup(1).
            eprintln!("NOT TRIED: {signal} was ignored when the tests were started");
            continue;
        }

        kill(server.pid(), signal).unwrap();

        server.wait();
        assert_gone(&processes);
        let last = records(&server.record()).pop().unwrap();
        assert_eq!(last["event"], "end", "{signal}: {last}");
    }
}

#[test]
fn a_client_that_dies_in_the_middle_of_a_message_leaves_nothing() {
    let mut server = Server::under(PERMIT_ALL);
    server.begin("run_script", json!({ "script": "sleep(60)" }));
    let processes = server.processes_of_a_run();

    server.send_bytes(
        br#"{"jsonrpc":"2.0","id":99,"method":"tools/call","params":{"name":"run_script","argum"#,
    );
    server.close();

    assert_eq!(server.wait().code(), Some(0));
    assert_gone(&processes);
}

// Somebody else still holds the writing end, as a shell may that has started the client.
#[test]
fn a_client_that_reads_no_more_ends_the_server_with_the_next_answer() {
    let scratch = Scratch::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = command(&scratch, PERMIT_ALL, &[], &[]);
    let mut server = command.stdin(Stdio::piped()).stdout(writer).spawn().unwrap();
    drop(command);
    let pid = Pid::from_raw(server.id().try_into().unwrap());
    let mut stdin = server.stdin.take().unwrap();
    let mut send = |id: u32, script: &str| {
        let params = json!({ "name": "run_script", "arguments": { "script": script }, "_meta": meta() });
        let line = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    };
    send(1, "sleep(60)");
    let brokers = eventually("a broker", || Some(children(pid)).filter(|brokers| !brokers.is_empty()));

    drop(reader);
    send(2, "1");

    let status = eventually("the end of the server", || server.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    eventually("the end of the run", || {
        brokers.iter().all(|broker| !is_running(Pid::from_raw(*broker))).then_some(())
    });
}

// Its output is full, nobody reads it, and yet nobody has closed it: what the client closes or cancels is heard all the same.
#[test]
fn a_client_that_reads_nothing_is_heard_when_it_cancels_and_when_it_goes() {
    let scratch = Scratch::new();
    let (_reader, writer) = std::io::pipe().unwrap();
    let mut command = command(&scratch, PERMIT_ALL, &[], &[]);
    let mut server = command.stdin(Stdio::piped()).stdout(writer).spawn().unwrap();
    let pid = Pid::from_raw(server.id().try_into().unwrap());
    let mut stdin = server.stdin.take().unwrap();
    let mut send = |line: serde_json::Value| stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    let run = |id: u32| {
        let params = json!({ "name": "run_script", "arguments": { "script": "sleep(60)" }, "_meta": meta() });
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
    };
    let gone = |brokers: &[i32]| brokers.iter().all(|broker| !is_running(Pid::from_raw(*broker)));
    let started = || eventually("a broker", || Some(children(pid)).filter(|brokers| !brokers.is_empty()));
    send(run(1));
    let first = started();

    for id in 100..300 {
        send(json!({ "jsonrpc": "2.0", "id": id, "method": "tools/list", "params": { "_meta": meta() } }));
    }
    send(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } }));
    eventually("the end of the first run", || gone(&first).then_some(()));
    send(run(2));
    let second = started();
    drop(stdin);

    let status = eventually("the end of the server", || server.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    assert!(gone(&second));
}

#[test]
fn a_broker_that_is_killed_is_an_error_and_the_server_serves_on() {
    let mut server = Server::under(PERMIT_ALL);
    let id = server.begin("run_script", json!({ "script": "sleep(60)" }));
    let processes = server.processes_of_a_run();

    kill(processes[0], Signal::SIGKILL).unwrap();

    let answer = server.answer(id);
    assert_eq!(answer["result"]["isError"], true);
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("signal 9"), "{answer}");
    assert_gone(&processes);
    server.assert_alive();
}

// signal(7): an ignored signal stays so over execve(2), and then the kernel keeps no status of a child.
#[test]
fn a_client_that_ignores_its_children_is_served_and_leaves_nothing() {
    const IGNORING: &str = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])";
    let scratch = Scratch::new();
    let mut server = started_by(IGNORING, &scratch);
    let pid = Pid::from_raw(server.id().try_into().unwrap());
    let mut stdin = server.stdin.take().unwrap();
    let mut stdout = BufReader::new(server.stdout.take().unwrap());
    let mut send = |id: u32, script: &str| {
        let params = json!({ "name": "run_script", "arguments": { "script": script }, "_meta": meta() });
        let line = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    };
    send(1, "40 + 2");
    let mut answer = String::new();
    stdout.read_line(&mut answer).unwrap();
    assert!(answer.contains(r#""output":"42""#), "{answer}");
    send(2, "sleep(60)");
    let brokers = eventually("a broker", || Some(children(pid)).filter(|brokers| !brokers.is_empty()));
    let line = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 2 } });
    stdin.write_all(format!("{line}\n").as_bytes()).unwrap();

    eventually("the end of the run", || {
        brokers.iter().all(|broker| !is_running(Pid::from_raw(*broker))).then_some(())
    });
    drop(stdin);
    let status = eventually("the end of the server", || server.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

// A broker that does not heed SIGTERM, such as one that somebody else has put in its place.
#[test]
fn a_broker_that_does_not_end_is_killed() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = Scratch::new();
    let deaf = format!("#!/bin/sh\n{LOOKED_AT}trap '' TERM\nwhile :; do sleep 0.1; done\n");
    let deaf = scratch.file("deaf", deaf);
    fs::set_permissions(&deaf, fs::Permissions::from_mode(0o755)).unwrap();
    let policy = scratch.file("policy.cedar", PERMIT_ALL);
    let mut server = std::process::Command::new(crate::server::program())
        .arg("--broker")
        .arg(&deaf)
        .arg("--policy")
        .arg(policy)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(server.id().try_into().unwrap());
    let mut stdin = server.stdin.take().unwrap();
    let params = json!({ "name": "run_script", "arguments": { "script": "1" }, "_meta": meta() });
    let line = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    let brokers = eventually("a broker that is deaf", || {
        Some(children(pid))
            .filter(|brokers| brokers.iter().any(|broker| !children(Pid::from_raw(*broker)).is_empty()))
    });

    drop(stdin);

    let status = eventually("the end of the server", || server.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    assert!(brokers.iter().all(|broker| !is_running(Pid::from_raw(*broker))));
}

// Whoever writes the script is killed in the middle of it, and the signal that the kernel sends then is one that whoever started the
// server has had ignored.
#[test]
fn a_server_that_is_killed_while_it_hands_a_script_over_has_no_part_of_it_run() {
    use std::os::unix::fs::PermissionsExt;

    const SHORT: Duration = Duration::from_secs(5);
    let scratch = Scratch::new();
    let counted = scratch.path().join("counted");
    let counting = format!(
        "#!/bin/sh\n{LOOKED_AT}wc -c > {0}.part && mv {0}.part {0}\nexec sleep 60\n",
        counted.display()
    );
    let counting = scratch.file("counting", counting);
    fs::set_permissions(&counting, fs::Permissions::from_mode(0o755)).unwrap();
    let policy = scratch.file("policy.cedar", PERMIT_ALL);
    let params =
        json!({ "name": "run_script", "arguments": { "script": " ".repeat(30_000_000) }, "_meta": meta() });
    let line = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let is_on_its_way = |child: Pid| {
        fs::read(format!("/proc/{child}/cmdline"))
            .is_ok_and(|words| words.windows(19).any(|word| word == b"--become-the-broker"))
    };
    let takes = |child: &Pid| {
        fs::read_dir(format!("/proc/{child}/fd")).into_iter().flatten().flatten().any(|file| {
            fs::read_link(file.path()).is_ok_and(|link| link.to_string_lossy().contains("memfd:script"))
        })
    };

    // It may be quicker than this test; then it is tried again.
    let child = (0..50).find_map(|_| {
        let _ = fs::remove_file(&counted);
        let mut server = std::process::Command::new("python3")
            .args(["-c", DEAF_TO_SIGTERM])
            .arg(crate::server::program())
            .arg("--broker")
            .arg(&counting)
            .arg("--policy")
            .arg(&policy)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(server.id().try_into().unwrap());
        server.stdin.take().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
        // The check of the policy at the start was another child, and is over.
        let begun = Instant::now();
        let child = loop {
            assert!(begun.elapsed() < 12 * SHORT, "no child was made");
            let child = children(pid).pop().map(Pid::from_raw);
            if let Some(child) = child.filter(|child| takes(child) || begun.elapsed() > SHORT) {
                break child;
            }
        };
        let _ = kill(child, Signal::SIGSTOP);
        let was_caught = is_on_its_way(child);
        server.kill().unwrap();
        server.wait().unwrap();
        let _ = kill(child, Signal::SIGCONT);
        if !was_caught {
            let _ = kill(child, Signal::SIGKILL);
            eventually("the end of the child", || (!is_running(child)).then_some(()));
        }
        was_caught.then_some(child)
    });

    let child = child.expect("a child was caught before it was the broker");
    eventually("the end of the child", || (!is_running(child)).then_some(()));
    assert!(!counted.exists(), "a part was run: {} bytes", fs::read_to_string(&counted).unwrap());
}

// setrlimit(2): RLIMIT_NPROC counts the threads of a user, and root has no such bound.
#[test]
fn a_call_for_which_there_is_no_thread_leaves_no_process() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    const NOBODY_ELSE: u32 = 1_999_999_937;
    if !nix::unistd::geteuid().is_root() {
        return rex_tests::skip::skipped("only root can become a user who has no other process");
    }
    let scratch = Scratch::new();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = scratch.path().join("rex-mcp");
    fs::copy(crate::server::program(), &program).unwrap();
    let lasting = scratch.file("lasting", format!("#!/bin/sh\n{LOOKED_AT}exec sleep 60\n"));
    fs::set_permissions(&lasting, fs::Permissions::from_mode(0o755)).unwrap();
    let policy = scratch.file("policy.cedar", PERMIT_ALL);
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o644)).unwrap();
    // One that serves, one that writes, one for the call, and the broker: none is left for what the broker says.
    let mut server = std::process::Command::new("bash")
        .args(["-c", "ulimit -u 4; exec \"$@\"", "bash"])
        .arg(&program)
        .arg("--broker")
        .arg(&lasting)
        .arg("--policy")
        .arg(&policy)
        .uid(NOBODY_ELSE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(server.id().try_into().unwrap());
    let mut stdin = server.stdin.take().unwrap();
    let mut stdout = BufReader::new(server.stdout.take().unwrap());

    for (id, tool, arguments) in
        [(1, "run_script", json!({ "script": "1" })), (2, "show_sdk", json!({ "name": "cat" }))]
    {
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta() });
        let line = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert!(answer.contains("there is no thread for another call"), "{tool}: {answer}");
        assert_eq!(children(pid), [0_i32; 0], "{tool}");
    }
    drop(stdin);
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn a_server_that_was_started_deaf_to_sigterm_takes_its_runs_with_it() {
    let scratch = Scratch::new();
    let mut server = started_by(DEAF_TO_SIGTERM, &scratch);
    let pid = Pid::from_raw(server.id().try_into().unwrap());
    let params = json!({ "name": "run_script", "arguments": { "script": "sleep(60)" }, "_meta": meta() });
    let line = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let mut stdin = server.stdin.take().unwrap();
    stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    eventually("the begin of a record", || {
        fs::metadata(scratch.path().join("audit.jsonl")).ok().filter(|file| file.len() > 0)
    });
    let processes: Vec<Pid> = eventually("a broker with its jail", || {
        let brokers = children(pid);
        let jails: Vec<i32> = brokers.iter().flat_map(|broker| children(Pid::from_raw(*broker))).collect();
        (!jails.is_empty()).then(|| brokers.iter().chain(&jails).map(|pid| Pid::from_raw(*pid)).collect())
    });

    server.kill().unwrap();

    server.wait().unwrap();
    assert_gone(&processes);
}
