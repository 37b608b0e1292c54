//! Where the threads of a process are is told by gdb, which sees a copy of it and nothing else.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rex_tests::runs::{Ended, Run};
use rex_tests::skip::skipped;
use rex_tests::tree::is_root;

/// A process with two threads in functions of its own. It says when both are where they stay, and ends with its input.
const PROGRAM: &str = r#"
#include <pthread.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
static int pipes[2];
static volatile sig_atomic_t hits;
static void hit(int number) { hits++; }
__attribute__((noinline)) static int inner(int depth) {
    char byte;
    if (depth == 0) return (int)read(pipes[0], &byte, 1);
    return inner(depth - 1) + 1;
}
static void *second(void *unused) { return (void *)(long)inner(3); }
__attribute__((noinline)) static int outer(void) {
    char byte;
    puts("ready"); fflush(stdout);
    while (read(0, &byte, 1) > 0) { printf("%d\n", (int)hits); fflush(stdout); }
    return 0;
}
int main(void) {
    pthread_t thread;
    struct sigaction action = { .sa_handler = hit, .sa_flags = SA_RESTART };
    sigaction(SIGRTMIN + 3, &action, 0);
    if (pipe(pipes)) return 1;
    pthread_create(&thread, 0, second, 0);
    usleep(100000);
    return outer();
}
"#;

/// In place of the debugger: what it could do beside its work, told as the name of a function.
const STAND_IN: &str = r##"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
static int can_open(const char *path, int how) { int fd = open(path, how); if (fd >= 0) close(fd); return fd >= 0; }
int main(int count, char **words) {
    char path[64], byte;
    int status = 0, pid = PID;
    struct iovec here = { &byte, 1 }, there = { &byte, 1 };
    pid_t child = fork();
    if (child == 0) { execl("/bin/true", "true", (char *)0); _exit(9); }
    waitpid(child, &status, 0);
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    int seize = ptrace(PTRACE_SEIZE, pid, 0, 0) == 0;
    errno = 0;
    ssize_t peek = process_vm_readv(pid, &here, 1, &there, 1, 0);
    int vm = peek >= 0 || errno == EFAULT;
    int signal = kill(pid, 0) == 0;
    printf("rex-broker: 0\nThread 1 (LWP 1):\n#0  program=%d,core=%d,write=%d,other=%d,mem=%d,network=%d,execute=%d,seize=%d,vm=%d,signal=%d ()\n",
        can_open(words[count - 2], O_RDONLY), can_open(words[count - 1], O_RDONLY), can_open(words[count - 2], O_RDWR),
        can_open("OTHER", O_RDONLY), can_open(path, O_RDONLY), socket(AF_INET, SOCK_STREAM, 0) >= 0,
        WIFEXITED(status) && WEXITSTATUS(status) == 0, seize, vm, signal);
    return 0;
}
"##;

/// Builds a program beside the script of a run.
fn built(run: &Run, name: &str, source: &str) -> Option<String> {
    let source = run.scratch.file(&format!("{name}.c"), source);
    let program = run.scratch.path().join(name);
    let built =
        Command::new("cc").args(["-g", "-O0", "-o"]).arg(&program).arg(&source).arg("-lpthread").status();
    if !built.is_ok_and(|status| status.success()) {
        skipped("a C compiler is needed");
        return None;
    }
    Some(program.to_str().expect("it is text").to_owned())
}

/// A process that waits, and ends with the test.
struct Target(Child);

impl Target {
    fn start(mut command: Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it can be started");
        let mut target = Self(child);
        assert_eq!(target.line(), "ready");
        target
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn line(&mut self) -> String {
        let output = self.0.stdout.as_mut().expect("it is piped");
        let mut line = Vec::new();
        let mut byte = [0];
        while output.read(&mut byte).is_ok_and(|count| count == 1) && byte != *b"\n" {
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("it is text")
    }

    /// What it says when it is asked how many signals it has got.
    fn hits(&mut self) -> String {
        std::io::Write::write_all(self.0.stdin.as_mut().expect("it is piped"), b"?").expect("it reads");
        self.line()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// A run, and a process to be traced by it; nothing where that cannot be had.
fn traced() -> Option<(Run, Target)> {
    if !is_root() {
        return None;
    }
    if !Path::new(GDB).exists() {
        skipped("/usr/bin/gdb is needed: package gdb");
        return None;
    }
    let run = Run::of("");
    let program = built(&run, "target", PROGRAM)?;
    let target = Target::start(Command::new(program));
    Some((run, target))
}

fn policy(pid: u32, opened: &str) -> String {
    format!(
        "permit(principal, action == process_system::Action::\"trace\", resource == process_system::Process::\"{pid}\");\n\
         permit(principal, action == file_system::Action::\"open\", resource == file_system::Dir::\"/usr/bin\");\n\
         permit(principal, action == file_system::Action::\"open\", resource == file_system::File::\"{opened}\");\n"
    )
}

fn execute() -> String {
    format!(
        "permit(principal, action == file_system::Action::\"execute\", resource == file_system::File::\"{GDB}\");\n"
    )
}

fn finish(run: Run, policy: &str, options: &[&str], script: &str) -> Ended {
    run.scratch.file("script.rhai", script);
    run.policy(policy).options(options).finish()
}

const FUNCTIONS: &str = "let named = |t| t.frames.map(|f| f.function_name).filter(|n| n in [\"inner\", \"second\", \"outer\", \"main\"]);\n\
     let told = process.threads.map(|t| [t.id, t.frames[0].frame_number, named.call(t)]);\n\
     let line = process.threads[0].frames.filter(|f| f.function_name == \"main\")[0];\n\
     [process.pid, process.threads[0].tid, told, line.source.ends_with(\"target.c\"), line.line_number > 20]";

#[test]
fn every_thread_is_told_however_programs_are_confined_and_the_process_goes_on() {
    for how in ["confined", "approximate", "unconfined"] {
        let Some((run, mut target)) = traced() else { return };
        let pid = target.pid();
        let policy = format!("{}{}", policy(pid, GDB), execute());

        let script = format!("let process = ProcessManager().trace({pid});\n{FUNCTIONS}");
        let ended = finish(run, &policy, &["--children", how], &script);

        let inner = "\"inner\", \"inner\", \"inner\", \"inner\", \"second\"";
        let expected =
            format!("[{pid}, {pid}, [[1, 0, [\"outer\", \"main\"]], [2, 0, [{inner}]]], true, true]");
        assert_eq!(ended.document()["output"], expected, "{how}: {} {}", ended.message(), ended.stderr);
        assert_eq!(target.hits(), "0", "it goes on");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it is there");
        assert!(status.contains("\nTracerPid:\t0\n"), "{status}");
        let records = ended.records();
        let executed = records.iter().find(|record| record["context"].is_object()).expect("it is on record");
        assert_eq!(executed["act"]["children"], if how == "unconfined" { "host" } else { how });
        let line = executed["context"]["command_line"].as_str().expect("it has one").to_owned();
        assert!(line.starts_with("gdb -nx -batch ") && !line.contains(&pid.to_string()), "{line}");
    }
}

// ptrace(2): a signal that comes while a process is stopped is none that the tracer may lose.
#[test]
fn no_signal_is_lost_however_often_a_process_is_stopped() {
    let Some((run, mut target)) = traced() else { return };
    let pid = target.pid();
    let policy = format!("{}{}", policy(pid, GDB), execute());
    // A real-time signal is queued as often as it is sent.
    let sends = format!("for n in $(seq 2000); do kill -s RTMIN+3 {pid}; done");
    let sending = Command::new("/bin/bash").args(["-c", &sends]).spawn();
    let mut sending = sending.expect("bash can be started");

    let script = format!(
        "let m = ProcessManager(); let n = 0; for i in 0..4 {{ n += m.trace({pid}).threads.len(); }} n"
    );
    let ended = finish(run, &policy, &[], &script);

    assert!(sending.wait().expect("it ends").success());
    assert_eq!(ended.document()["output"], "8", "{} {}", ended.message(), ended.stderr);
    // The last ones may be on their way.
    let mut hits = target.hits();
    for _ in 0..50 {
        if hits == "2000" {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        hits = target.hits();
    }
    assert_eq!(hits, "2000");
}

#[test]
fn a_stopped_process_is_told_of_and_stays_stopped() {
    let Some((run, target)) = traced() else { return };
    let pid = target.pid();
    let stopped = Command::new("kill").args(["-STOP", &pid.to_string()]).status();
    assert!(stopped.is_ok_and(|status| status.success()));
    let policy = format!("{}{}", policy(pid, GDB), execute());

    let ended = finish(run, &policy, &[], &format!("ProcessManager().trace({pid}).threads.len()"));

    assert_eq!(ended.document()["output"], "2", "{} {}", ended.message(), ended.stderr);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it is there");
    assert!(status.contains("\nState:\tT (stopped)\n"), "{status}");
}

// A3 and W8: gstack was executed under a policy that says nothing of it, and one that forbids it.
#[test]
fn a_policy_that_forbids_to_execute_forbids_the_debugger() {
    let forbid = "forbid(principal, action == file_system::Action::\"execute\", resource);\n";
    for permits in [format!("{}{forbid}", execute()), String::new()] {
        let Some((run, target)) = traced() else { return };
        let pid = target.pid();

        let ended = finish(
            run,
            &format!("{}{permits}", policy(pid, GDB)),
            &[],
            &format!("ProcessManager().trace({pid})"),
        );

        assert!(ended.message().contains("execute"), "{}", ended.message());
    }
}

/// Has a program run where `/usr/bin` has a gstack, which would tell of itself if it were executed.
const WITH_GSTACK: &str = "set -e; work=$(mktemp -d); mount -t tmpfs none $work; mkdir $work/u $work/w\n\
     mount -t overlay -o lowerdir=/usr/bin,upperdir=$work/u,workdir=$work/w none /usr/bin\n\
     printf '#!/bin/sh\\necho executed >&2; exit 1\\n' > /usr/bin/gstack; chmod 755 /usr/bin/gstack; exec \"$@\"";

#[test]
fn a_script_of_rex_needs_gstack_and_its_permits_and_the_debugger_does_the_work() {
    let trace = |pid: u32| format!("ProcessManager().trace({pid}).threads.len()");
    let Some((run, target)) = traced() else { return };
    if Path::new(GSTACK).exists() {
        skipped("this host has a gstack of its own");
        return;
    }
    let pid = target.pid();
    let ended = finish(run, &policy(pid, GSTACK), &["--rex-compat"], &trace(pid));
    assert_eq!(
        ended.message().lines().next().unwrap_or_default().split(" (line").next().unwrap_or_default(),
        "ProcessErrorKind: Other: No such file or directory (os error 2)"
    );

    let within = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", WITH_GSTACK, "sh"];
    let overlaid = Command::new(within[0]).args(&within[1..]).args(["/usr/bin/test", "-x", GSTACK]).status();
    if !overlaid.is_ok_and(|status| status.success()) {
        skipped("an overlay on /usr/bin is needed");
        return;
    }
    let forbid = |path: &str| {
        format!(
            "forbid(principal, action == file_system::Action::\"execute\", resource == file_system::File::\"{path}\");\n"
        )
    };
    for (more, expected) in [(String::new(), Some("2")), (forbid(GSTACK), None), (forbid(GDB), None)] {
        let Some((run, target)) = traced() else { return };
        let pid = target.pid();
        let run = run.behind(within);

        let ended = finish(run, &format!("{}{more}", policy(pid, GSTACK)), &["--rex-compat"], &trace(pid));

        match expected {
            Some(output) => {
                assert_eq!(ended.document()["output"], output, "{} {}", ended.message(), ended.stderr);
            }
            None => assert!(ended.message().contains("execute"), "{more}: {}", ended.message()),
        }
    }
}

// Whoever is traced may have got hold of the debugger.
#[test]
fn a_debugger_that_the_traced_process_drives_reaches_neither_it_nor_anything_else() {
    for how in ["confined", "approximate", "unconfined"] {
        let Some((run, target)) = traced() else { return };
        let pid = target.pid();
        let other = run.scratch.file("other", "secret");
        let source =
            STAND_IN.replace("OTHER", other.to_str().expect("it is text")).replace("PID", &pid.to_string());
        let Some(stand_in) = built(&run, "stand_in", &source) else { return };
        let prepare = format!("set -e; mount --bind {stand_in} {GDB}; exec \"$@\"");
        let run = run.behind(["/usr/bin/unshare", "--mount", "/bin/sh", "-c", &prepare, "sh"]);

        let ended = finish(
            run,
            &format!("{}{}", policy(pid, GDB), execute()),
            &["--children", how],
            &format!("ProcessManager().trace({pid}).threads[0].frames[0].function_name"),
        );

        let told = ended.document()["output"].as_str().unwrap_or_default().to_owned();
        let told = told.rsplit_once(",signal=").unwrap_or_default();
        assert_eq!(
            told.0,
            "program=1,core=1,write=0,other=0,mem=0,network=0,execute=0,seize=0,vm=0",
            "{how}: {} {}",
            ended.message(),
            ended.stderr
        );
        // A control: by itself it can do all of it.
        let alone = Command::new(&stand_in).args([&stand_in, &stand_in]).output().expect("it runs");
        let alone = String::from_utf8_lossy(&alone.stdout).into_owned();
        assert!(alone.contains("other=1,mem=1,network=1,execute=1,seize=1,vm=1,signal=1"), "{alone}");
    }
}

// A service with mounts of its own has the libraries of the host.
#[test]
fn a_process_with_other_mounts_and_the_files_of_the_host_is_told_of_as_any() {
    if !is_root() || !Path::new(GDB).exists() {
        return;
    }
    let run = Run::of("");
    let Some(program) = built(&run, "target", PROGRAM) else { return };
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["--mount"]).arg(&program);
    let target = Target::start(command);
    let pid = target.pid();

    let script =
        format!("let process = ProcessManager().trace({pid}); process.threads.map(|t| t.frames.len() > 2)");
    let ended = finish(run, &format!("{}{}", policy(pid, GDB), execute()), &[], &script);

    assert_eq!(ended.document()["output"], "[true, true]", "{} {}", ended.message(), ended.stderr);
    let records = ended.records();
    let executed = records.iter().find(|record| record["context"].is_object()).expect("it is on record");
    assert!(executed["context"]["command_line"].as_str().is_some_and(|line| !line.contains("sysroot")));
}

/// A number within a pid namespace, as those have it who are in it.
#[test]
fn a_process_is_named_by_its_number_within_a_namespace() {
    if !is_root() || !Path::new(GDB).exists() {
        return;
    }
    let run = Run::of("");
    let Some(program) = built(&run, "target", PROGRAM) else { return };
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["--pid", "--fork", "--kill-child"]).arg(&program);
    let target = Target::start(command);
    let children = format!("/proc/{0}/task/{0}/children", target.pid());
    let inner: u32 = fs::read_to_string(children).expect("it has one").trim().parse().expect("a number");
    let policy = format!(
        "{}{}permit(principal, action == process_system::Action::\"list\", resource);\n\
         permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"read\"], resource in file_system::Dir::\"/proc\");\n",
        policy(inner, GDB),
        execute()
    );
    let mount = format!(
        "permit(principal, action == process_system::Action::\"mount_namespace\", resource == process_system::Process::\"{inner}\");\n"
    );
    let script = format!(
        "let m = ProcessManager(); m.processes(ProcessOptions().load_namespace_info(true).build());\n\
         let process = m.trace(1, TraceOptions().ns_pid({inner}).build()); [process.pid, process.threads.len()]"
    );

    let ended = finish(run, &format!("{policy}{mount}"), &[], &script);
    assert_eq!(ended.document()["output"], format!("[{inner}, 2]"), "{} {}", ended.message(), ended.stderr);
    let ended = finish(Run::of(""), &policy, &[], &script);
    assert!(ended.message().contains("mount_namespace"), "{}", ended.message());
}

const GDB: &str = "/usr/bin/gdb";
const GSTACK: &str = "/usr/bin/gstack";
