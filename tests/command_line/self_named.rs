//! Processes that call themselves anything: each is described as itself, in documents and records that stay what they are.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::unistd::{Uid, getpid};
use rex_tests::runs::{PERMIT_ALL, Run};
use rex_tests::scratch::Scratch;
use serde_json::Value;

/// Gives itself the name and the command line that it is told in hexadecimal digits, and waits. With `open` the command line
/// has no zero byte at its end, so that it goes on in what was the environment.
const PROGRAM: &str = r#"#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
static size_t decode(const char *digits, unsigned char *bytes) {
    size_t count = strlen(digits) / 2;
    for (size_t at = 0; at < count; at++) sscanf(digits + 2 * at, "%2hhx", &bytes[at]);
    return count;
}
int main(int count, char **words) {
    static unsigned char name[16], line[4096];
    if (count != 4) return 1;
    decode(words[1], name);
    size_t length = decode(words[2], line);
    char *first = words[0], *end = words[3] + strlen(words[3]) + 1;
    int is_open = strcmp(words[3], "open") == 0;
    if (length + 1 > (size_t)(end - first)) return 1;
    memset(first, is_open ? '#' : 0, end - first);
    memcpy(first, line, length);
    if (is_open) first[length] = 0;
    if (prctl(PR_SET_NAME, name) != 0) return 1;
    if (write(1, "go", 2) != 2) return 1;
    for (;;) pause();
}
"#;

/// A process that has given itself this name and command line; ended with this.
struct SelfNamed {
    child: Child,
    name: Vec<u8>,
    line: Vec<u8>,
}

impl SelfNamed {
    fn start(program: &Path, holding: &File, name: &[u8], line: &[u8], end: &str) -> Self {
        let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut command = Command::new(program);
        command.args([digits(name), digits(line), end.to_owned()]).stdout(Stdio::piped());
        command.stdin(holding.try_clone().expect("it can be held once more"));
        let mut child = command.spawn().expect("what was compiled can be run");
        let mut said = [0; 2];
        let read = child.stdout.as_mut().expect("it is piped").read_exact(&mut said);
        let named = Self { child, name: name.to_vec(), line: line.to_vec() };
        read.expect("it has its name");
        // A control: the kernel says what was chosen, to the byte.
        let told = |entry: &str| std::fs::read(format!("/proc/{}/{entry}", named.pid())).expect("it waits");
        assert_eq!(told("comm"), [name, b"\n"].concat());
        assert!(told("cmdline").starts_with(line), "{line:?}");
        named
    }

    fn pid(&self) -> u64 {
        self.child.id().into()
    }

    fn name_text(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    /// The specification: words joined with single spaces, the directory part of the first one removed.
    fn command_text(&self) -> String {
        let text = String::from_utf8_lossy(&self.line).replace('\0', " ");
        let first = text.find(' ').unwrap_or(text.len());
        let directory = text[..first].rfind('/').map_or(0, |slash| slash + 1);
        text[directory..].to_owned()
    }
}

impl Drop for SelfNamed {
    fn drop(&mut self) {
        let _over = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn compiled(scratch: &Scratch) -> PathBuf {
    scratch.file("self_named.c", PROGRAM);
    let program = scratch.path().join("self_named");
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-static", "-o"]).arg(&program).arg(scratch.path().join("self_named.c"));
    let compiled = compiler.output().expect("cc, from Debian's gcc, can be run");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    program
}

/// Every byte that a name can have, fifteen at a time, and names that would be something else to who reads them carelessly.
fn names() -> Vec<Vec<u8>> {
    let every: Vec<u8> = (1..=255).collect();
    let lies: [&[u8]; 12] = [
        b") R 1 1 1 1 0 (",
        b"a) Z 1 (b) T 2",
        b"\nUid:\t0\t0\t0\t0",
        b"\nTgid:\t1\nPid:1",
        b"\nNSpid:\t1",
        b"\",\"pid\":1,\"x\":\"",
        b"\\u0022}\n{\"a\":1",
        b"\x1b[2J\x1b[31m",
        b"rex-broker",
        b"",
        "fourteen bytes\u{e9}".as_bytes().split_at(15).0,
        "\u{202e}\u{10ff41}\u{feff}".as_bytes(),
    ];
    every.chunks(15).map(<[u8]>::to_vec).chain(lies.map(<[u8]>::to_vec)).collect()
}

/// A command line with every byte, which begins with another one for each process, or with a lie.
fn line(number: usize) -> Vec<u8> {
    let mut line: Vec<u8> = (1..=255).collect();
    line.rotate_left(number * 11 % 255);
    match number % 3 {
        0 => line,
        1 => [b"/sbin/init\0\0", &line[..]].concat(),
        _ => [b"\n/a \"},{\"pid\":1,\"command\":\"x\0", &line[..]].concat(),
    }
}

/// What a script has said of processes, by their numbers.
fn told(about: &Value, pid: u64) -> Vec<&Value> {
    about.as_array().expect("it is an array").iter().filter(|entry| entry["pid"] == pid).collect()
}

#[test]
fn whatever_processes_call_themselves_each_is_described_as_itself() {
    let scratch = Scratch::new();
    let program = compiled(&scratch);
    let held = scratch.path().join("held");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&held).expect("it is new");
    let all: Vec<SelfNamed> = names()
        .iter()
        .enumerate()
        .map(|(number, name)| {
            // Of an open line the kernel tells what comes up to the first zero byte.
            let end = if number % 6 == 3 { "open" } else { "closed" };
            SelfNamed::start(&program, &file, name, &line(number), end)
        })
        .collect();
    let pids: Vec<String> = all.iter().map(|process| process.pid().to_string()).collect();
    let script = format!(
        r#"
        let pm = ProcessManager();
        let maps = |found| found.map(|one| one.to_map());
        let lsof = [];
        for pid in [{}] {{
            lsof += maps.call(pm.list_open_files(LsofOptions().pid(pid).build()));
        }}
        #{{
            ps: maps.call(ps()),
            processes: maps.call(pm.processes(ProcessOptions().load_namespace_info(true).build())),
            fuser: maps.call(pm.processes_using_inode("{held}")),
            lsof: lsof,
            at_path: maps.call(pm.list_open_files(LsofOptions().path("{held}").build())),
        }}.to_json()"#,
        pids.join(", "),
        held = held.display(),
    );

    let ended = Run::of(&script).finish();

    assert_eq!(ended.code(), Some(0), "{} {}", ended.message(), ended.stderr);
    let output = ended.document()["output"].as_str().expect("it is text").to_owned();
    let output: Value = serde_json::from_str(&output).expect("it is one document");
    for process in &all {
        let (pid, name, command) = (process.pid(), process.name_text(), process.command_text());
        for list in ["ps", "processes"] {
            let [one] = &told(&output[list], pid)[..] else { panic!("{list}: {name:?}") };
            assert_eq!((&one["name"], &one["command"]), (&name.as_str().into(), &command.as_str().into()));
            assert_eq!(one["ppid"], i64::from(getpid().as_raw()), "{name:?}");
            assert_eq!(one["uid"], Uid::current().as_raw(), "{name:?}");
            assert_eq!(one["state"], "Sleep", "{name:?}");
        }
        let namespace = &told(&output["processes"], pid)[0]["pid_namespace"];
        assert_eq!(namespace["child_ns_pid"], pid, "{name:?}");
        let [user] = &told(&output["fuser"], pid)[..] else { panic!("fuser: {name:?}") };
        assert_eq!(user["command"], command.as_str());
        for list in ["lsof", "at_path"] {
            let entries = told(&output[list], pid);
            assert!(!entries.is_empty(), "{list}: {name:?}");
            for entry in entries {
                assert_eq!(entry["process_name"], name.as_str(), "{list}");
                assert_eq!(entry["command"], command.as_str(), "{list}");
            }
        }
    }
    assert_eq!(told(&output["at_path"], all[0].pid()).len(), 1);
    // Each line of the record is a document of its own, and each process is in it by its number.
    let records = ended.records();
    for pid in &pids {
        let about = records.iter().any(|record| {
            let resource = record["resource"].as_str().unwrap_or_default();
            record["action"].as_str().is_some_and(|action| action.contains("list_fds")) && resource == pid
        });
        assert!(about, "{pid} is in no record");
    }
}

// A name is text of the process's own: what a policy says of another name does not hold for it, however alike they look.
#[test]
fn a_policy_on_a_name_holds_for_that_name_alone() {
    let scratch = Scratch::new();
    let program = compiled(&scratch);
    let file = File::open("/dev/null").expect("it is there");
    let alike: [&[u8]; 8] =
        [b"good", b"good ", b"good\n", b"good\t", b"Good", b"good)", b"g\xffood", "g\u{fffd}ood".as_bytes()];
    let all: Vec<SelfNamed> =
        alike.iter().map(|name| SelfNamed::start(&program, &file, name, name, "closed")).collect();
    let seen = |condition: &str| -> Vec<u64> {
        let policy = PERMIT_ALL
            .replace(';', &format!(" when {{ !(resource is process_system::Process) || {condition} }};"));
        let script = "let pids = []; for p in ps() { pids.push(p.pid) } #{ pids: pids }.to_json()";
        let ended = Run::of(script).policy(&policy).finish();
        assert_eq!(ended.code(), Some(0), "{} {}", ended.message(), ended.stderr);
        let output = ended.document()["output"].as_str().expect("it is text").to_owned();
        let output: Value = serde_json::from_str(&output).expect("it is one document");
        let pids = output["pids"].as_array().expect("it is an array").iter();
        pids.filter_map(Value::as_u64).filter(|pid| all.iter().any(|process| process.pid() == *pid)).collect()
    };

    assert_eq!(seen(r#"resource.name == "good""#), [all[0].pid()]);
    assert_eq!(seen(r#"resource.command == "good""#), [all[0].pid()]);
    // What is no character is told as U+FFFD, and asked about as that: these two are one name to a policy.
    assert_eq!(seen("resource.name == \"g\u{fffd}ood\""), [all[6].pid(), all[7].pid()]);
}
