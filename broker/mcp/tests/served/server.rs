//! A server with a client that sends what a test tells it to.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use nix::unistd::Pid;
use rex_tests::program;
use rex_tests::runs::eventually;
use rex_tests::scratch::Scratch;
use serde_json::{Value, json};

/// A running server.
pub(crate) struct Server {
    pub(crate) scratch: Scratch,
    child: Child,
    stdin: Option<ChildStdin>,
    messages: Receiver<Value>,
    next: i64,
}

/// The program under test.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_rex-mcp"))
}

/// The command that serves under this policy, with its record beside it.
pub(crate) fn command(scratch: &Scratch, policy: &str, options: &[&str], further: &[&str]) -> Command {
    let policy = scratch.file("policy.cedar", policy);
    let mut command = Command::new(program());
    command.arg("--broker").arg(program::path()).arg("--policy").arg(policy).args(options);
    command.arg("--").arg("--audit-log").arg(scratch.path().join("audit.jsonl")).args(further);
    command
}

impl Server {
    /// A server under this policy.
    pub(crate) fn under(policy: &str) -> Self {
        Self::with(policy, &[], &[])
    }

    /// A server under this policy, with options of its own and of its runs.
    pub(crate) fn with(policy: &str, options: &[&str], further: &[&str]) -> Self {
        let scratch = Scratch::new();
        let mut command = command(&scratch, policy, options, further);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the server can be started");
        let stdout = child.stdout.take().expect("its output is a pipe");
        let (sender, messages) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let line = line.expect("what a server says is text");
                let message = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let stdin = child.stdin.take();
        Self { scratch, child, stdin, messages, next: 1 }
    }

    /// Sends bytes as they are.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("it was not closed yet");
        stdin.write_all(bytes).and_then(|()| stdin.flush()).expect("the server reads");
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, message: &Value) {
        self.send_bytes(format!("{message}\n").as_bytes());
    }

    /// Sends a request of 2026-07-28 and gives its name.
    pub(crate) fn ask(&mut self, method: &str, mut params: Value) -> i64 {
        let id = self.next;
        self.next += 1;
        let own = params["_meta"].take();
        params["_meta"] = meta();
        for (name, value) in own.as_object().into_iter().flatten() {
            params["_meta"][name] = value.clone();
        }
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// Sends a notification.
    pub(crate) fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Calls a tool and gives the name of the request.
    pub(crate) fn begin(&mut self, tool: &str, arguments: Value) -> i64 {
        self.ask("tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    /// Calls a tool and gives its result.
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let id = self.begin(tool, arguments);
        let mut answer = self.answer(id);
        assert!(answer["error"].is_null(), "{answer}");
        answer["result"].take()
    }

    /// The next message of the server.
    pub(crate) fn next(&mut self) -> Value {
        self.messages.recv_timeout(PATIENCE).expect("the server says something")
    }

    /// The answer to a request; what comes before it is passed over.
    pub(crate) fn answer(&mut self, id: i64) -> Value {
        loop {
            let message = self.next();
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Whether nothing is said for so long.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        matches!(self.messages.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }

    /// Says that a server is as good as new: it answers a question.
    pub(crate) fn assert_alive(&mut self) {
        let id = self.ask("tools/list", json!({}));
        assert!(self.answer(id)["result"]["tools"].as_array().is_some_and(|tools| tools.len() > 5));
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("it is one"))
    }

    /// The processes of a run that is in its record: broker and jail.
    pub(crate) fn processes_of_a_run(&self) -> Vec<Pid> {
        eventually("the begin of a record", || {
            std::fs::metadata(self.record()).ok().filter(|file| file.len() > 0)
        });
        eventually("a broker with its jail", || {
            let brokers = children(self.pid());
            let jails: Vec<i32> =
                brokers.iter().flat_map(|broker| children(Pid::from_raw(*broker))).collect();
            let all: Vec<Pid> = brokers.iter().chain(&jails).map(|pid| Pid::from_raw(*pid)).collect();
            (!jails.is_empty()).then_some(all)
        })
    }

    /// Where the record is.
    pub(crate) fn record(&self) -> PathBuf {
        self.scratch.path().join("audit.jsonl")
    }

    /// The client says no more.
    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    /// The client listens no more. What it has not read is lost.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        eventually("the end of the server", || self.child.try_wait().expect("it can be waited for"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whatever a test has done, nothing of it goes on.
        self.stdin = None;
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The children of all threads of a process.
pub(crate) fn children(process: Pid) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// What a request of 2026-07-28 says of itself.
pub(crate) fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// A server is as quick as the machine is; one that says nothing for so long is dead.
const PATIENCE: Duration = Duration::from_secs(60);
