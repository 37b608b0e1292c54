//! Runs of the program under test, from its command line to its documents.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::contract;
use crate::program;
use crate::scratch::Scratch;

/// Permits everything.
pub const PERMIT_ALL: &str = "permit(principal, action, resource);\n";

/// A run that is being prepared.
#[derive(Debug)]
pub struct Run {
    /// Script, policy and record of the run; a place for what else it needs.
    pub scratch: Scratch,
    program: PathBuf,
    options: Vec<OsString>,
    audit: Option<OsString>,
    variables: Vec<(OsString, OsString)>,
    user: Option<u32>,
    prefix: Vec<OsString>,
    stdout: Option<Stdio>,
}

impl Run {
    /// A run of this script under a policy that permits everything, with the record in a file of its own.
    pub fn of(script: &str) -> Self {
        let scratch = Scratch::new();
        scratch.file("script.rhai", script);
        scratch.file("policy.cedar", PERMIT_ALL);
        let audit = scratch.path().join("audit.jsonl").into_os_string();
        Self {
            scratch,
            program: program::path().to_owned(),
            options: Vec::new(),
            audit: Some(audit),
            variables: Vec::new(),
            user: None,
            prefix: Vec::new(),
            stdout: None,
        }
    }

    /// Under another policy.
    pub fn policy(self, text: &str) -> Self {
        self.scratch.file("policy.cedar", text);
        self
    }

    /// With more words on the command line.
    pub fn options<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.options.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// With another place for the record.
    pub fn audit_log(mut self, target: impl Into<OsString>) -> Self {
        self.audit = Some(target.into());
        self
    }

    /// Without a word about the record.
    pub fn usual_audit_log(mut self) -> Self {
        self.audit = None;
        self
    }

    /// With a variable in the otherwise empty environment.
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// By another name or copy of the program.
    pub fn program(mut self, path: PathBuf) -> Self {
        self.program = path;
        self
    }

    /// As another user, whose group has the same number. Needs root.
    pub fn user(mut self, id: u32) -> Self {
        self.user = Some(id);
        self
    }

    /// Behind another command, which becomes the program by exec(2).
    pub fn behind<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.prefix = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// With its result written elsewhere.
    pub fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.stdout = Some(to.into());
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(mut self) -> Started {
        let mut command = self.command();
        match self.stdout.take() {
            Some(stdout) => command.stdout(stdout),
            None => command.stdout(Stdio::piped()),
        };
        let mut child = command.spawn().expect("the program can be started");
        let stdout = child.stdout.take().map(drain);
        let stderr = child.stderr.take().map(drain);
        Started { child, stdout, stderr, run: self }
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it does not end.
    pub fn finish(self) -> Ended {
        self.start().wait()
    }

    /// Runs it to its end, and looks at the memory that the broker had at most.
    ///
    /// Standard output is a pipe that is full, so that the broker has to wait with its result in its hands.
    ///
    /// # Panics
    /// When it does not end, or its memory cannot be seen.
    pub fn finish_and_measure(mut self) -> (Ended, u64) {
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("there can be one more pipe");
        let capacity = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).expect("a pipe can be small");
        let filling = vec![b' '; usize::try_from(capacity).expect("a capacity is positive")];
        let mut writer = File::from(writer);
        writer.write_all(&filling).expect("the pipe is empty");
        let mut command = self.command();
        command.stdout(OwnedFd::from(writer));
        let mut child = command.spawn().expect("the program can be started");
        drop(command);
        let stderr = child.stderr.take().map(drain);

        let peak = peak_when_waiting(&mut child);
        let mut reader = File::from(reader);
        let mut filled = vec![0; filling.len()];
        reader.read_exact(&mut filled).expect("the filling comes first");
        let stdout = Some(drain(reader));
        (Started { child, stdout, stderr, run: self }.wait(), peak)
    }

    fn command(&mut self) -> Command {
        let mut words = self.prefix.iter().map(OsString::as_os_str).chain([self.program.as_os_str()]);
        let mut command = Command::new(words.next().expect("the program is the last word, if not the first"));
        command.args(words);
        if self.program.file_name() != Some(OsStr::new("rex-runner")) {
            command.arg("--jail");
        }
        command
            .arg("-s")
            .arg(self.scratch.path().join("script.rhai"))
            .arg("-p")
            .arg(self.scratch.path().join("policy.cedar"));
        if let Some(audit) = &self.audit {
            command.arg("--audit-log").arg(audit);
        }
        command
            .args(&self.options)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.scratch.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }
}

/// A run that goes on.
#[derive(Debug)]
pub struct Started {
    child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    /// How it was prepared.
    pub run: Run,
}

impl Started {
    /// The broker's process.
    pub fn broker(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process number fits"))
    }

    /// The jail's process, once it is there.
    ///
    /// # Panics
    /// When it does not appear.
    pub fn jail(&self) -> Pid {
        let jail = eventually("the jail is started", || children(self.broker()).first().copied());
        Pid::from_raw(jail)
    }

    /// Waits until the record has this text: something that the script did is decided and written down.
    ///
    /// # Panics
    /// When it does not appear.
    pub fn wait_for_record(&self, text: &str) {
        self.wait_for_text(&self.record_path(), text);
    }

    /// The same for a record that several runs share.
    ///
    /// # Panics
    /// When it does not appear.
    pub fn wait_for_text(&self, path: &Path, text: &str) {
        let seen = || fs::read_to_string(path).is_ok_and(|record| record.contains(text)).then_some(());
        eventually("the record names it", seen);
    }

    /// Stops the broker until it gets SIGCONT.
    ///
    /// # Panics
    /// When it does not stop.
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
        let stopped = || status_field(self.broker(), "State:").filter(|state| state.starts_with('T'));
        eventually("the broker has stopped", stopped);
    }

    /// Sends a signal to the broker.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: Signal) {
        kill(self.broker(), signal).expect("the broker runs");
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait(mut self) -> Ended {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if begun.elapsed() > RUN_TIME {
                drop(self.child.kill());
                panic!("the run does not end");
            }
            thread::sleep(LOOK_AGAIN);
        };
        let collect = |thread: Option<JoinHandle<Vec<u8>>>| {
            thread.map(|thread| thread.join().expect("a pipe can be read")).unwrap_or_default()
        };
        Ended {
            status,
            stdout: collect(self.stdout.take()),
            stderr: String::from_utf8(collect(self.stderr.take())).expect("diagnostics are text"),
            run: self.run,
        }
    }

    fn record_path(&self) -> PathBuf {
        PathBuf::from(self.run.audit.clone().expect("the run has a record"))
    }
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ended {
    status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: String,
    /// How it was prepared.
    pub run: Run,
}

impl Ended {
    /// The exit status; nothing when a signal ended the broker.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended the broker.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Standard output as text.
    ///
    /// # Panics
    /// When it is not text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("the result is text")
    }

    /// The result document.
    ///
    /// # Panics
    /// When there is none, or it breaks the contract.
    pub fn document(&self) -> Value {
        let document: Value = serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("no document: {error}; {:?}; {}", self.status, self.stderr));
        let succeeded = match document["status"].as_str() {
            Some("SUCCESS") => true,
            Some("ERROR") => false,
            _ => panic!("the document has no status: {document}"),
        };
        contract::assert_document(&document);
        assert_eq!(document["error"].is_object(), !succeeded, "{document}");
        document
    }

    /// How the jail ended, as the document says.
    ///
    /// # Panics
    /// When there is no document.
    pub fn jail_end(&self) -> String {
        self.document()["jail"]["end"].as_str().unwrap_or_default().to_owned()
    }

    /// The error's message; empty when there is none.
    ///
    /// # Panics
    /// When there is no document.
    pub fn message(&self) -> String {
        self.document()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }

    /// The records of the run.
    ///
    /// # Panics
    /// When there are none, or a line is not a record.
    pub fn records(&self) -> Vec<Value> {
        records(Path::new(self.run.audit.as_ref().expect("the run has a record")))
    }
}

/// The records in a file, each a line of its own.
///
/// # Panics
/// When the file cannot be read, or a line is not JSON.
pub fn records(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the record can be read");
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is not complete");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is a record")).collect()
}

/// What `look` finds, as soon as it finds it.
///
/// # Panics
/// When it finds nothing for [`EVENT_TIME`].
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < EVENT_TIME, "not true after {} s: {what}", EVENT_TIME.as_secs());
        thread::sleep(LOOK_AGAIN);
    }
}

/// Whether the process exists and is not merely waiting to be collected.
pub fn is_running(process: Pid) -> bool {
    let state = status_field(process, "State:");
    state.is_some_and(|state| !state.starts_with(['Z', 'X']))
}

/// A field of /proc/PID/status.
pub fn status_field(process: Pid, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().to_owned())
}

/// The children of a process that has one thread.
pub fn children(process: Pid) -> Vec<i32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Waits until the broker has neither a jail nor anything to do: it waits for its result to be taken. Gives the most
/// memory that it had resident, in KiB.
fn peak_when_waiting(child: &mut Child) -> u64 {
    let broker = Pid::from_raw(i32::try_from(child.id()).expect("a process number fits"));
    let begun = Instant::now();
    let mut had_jail = false;
    let mut quiet_since: Option<(String, u32)> = None;
    loop {
        assert!(begun.elapsed() < RUN_TIME, "the run does not end");
        assert!(
            child.try_wait().expect("a child can be waited for").is_none(),
            "the run ended without its result"
        );
        let jailed = !children(broker).is_empty();
        had_jail |= jailed;
        let switches = status_field(broker, "voluntary_ctxt_switches:").unwrap_or_default();
        let sleeps = status_field(broker, "State:").is_some_and(|state| state.starts_with('S'));
        let ready = sleeps && !jailed && (had_jail || begun.elapsed() > Duration::from_secs(1));
        quiet_since = match quiet_since {
            Some((since, looks)) if ready && since == switches => Some((since, looks + 1)),
            _ if ready => Some((switches, 0)),
            _ => None,
        };
        if quiet_since.as_ref().is_some_and(|(_, looks)| *looks >= QUIET_LOOKS) {
            let peak = status_field(broker, "VmHWM:").expect("the kernel counts resident memory");
            return peak.trim_end_matches(" kB").trim().parse().expect("it is a number");
        }
        thread::sleep(LOOK_AGAIN);
    }
}

fn drain(mut from: impl Read + AsFd + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

/// How long an event may take before a test gives up on it.
pub const EVENT_TIME: Duration = Duration::from_secs(30);
/// How long a whole run may take, on a busy machine, before a test gives up on it.
const RUN_TIME: Duration = Duration::from_secs(300);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const QUIET_LOOKS: u32 = 20;
