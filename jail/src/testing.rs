//! A broker made of memory, for the unit tests: a small file tree, a list of denials, and a record of every call.

mod host;
mod listing;
mod naming;
pub(crate) mod network;
mod opening;
mod processes;
mod units;
mod world;
mod writing;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rex_ipc::batch::Call;
use rex_ipc::control::{Arguments, EngineLimits, Hello, RequestNumber, ScriptEnd};
use rex_ipc::frame::{Header, Kind};
use rex_ipc::interface::Request;
use rex_ipc::limits::{HEADER_BYTES, MAX_FRAME_BYTES};
use rex_ipc::runtime::LogLevel;
use rex_ipc::sysinfo::Source;

use crate::engine;
use crate::link::{Frames, Link};
use crate::registry;
use crate::run::{self, Ended};
use crate::session::Session;

pub(crate) use host::Known;
pub(crate) use processes::{held, process, task};
pub(crate) use world::{Node, Traits, World};

/// A broker, a policy and a file tree, to run scripts against.
pub(crate) struct Bench {
    pub world: Rc<RefCell<World>>,
    pub limits: EngineLimits,
    pub log_threshold: LogLevel,
    pub rex_compat: bool,
    pub arguments: Arguments,
}

pub(crate) const LIMITS: EngineLimits = EngineLimits {
    operations: 300_000,
    call_levels: 64,
    expression_depth: 64,
    function_expression_depth: 32,
    string_bytes: 1 << 20,
    array_elements: 100_000,
    map_entries: 10_000,
    variables: 1_000,
    functions: 1_000,
};

impl Bench {
    pub(crate) fn new() -> Self {
        let world = World {
            nodes: BTreeMap::from([("/".into(), Node::Dir)]),
            chunk_bytes: 60 * 1024,
            page_entries: 100,
            ..World::default()
        };
        Self {
            world: Rc::new(RefCell::new(world)),
            limits: LIMITS,
            log_threshold: LogLevel::Trace,
            rex_compat: false,
            arguments: Arguments::default(),
        }
    }

    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.node(path, Node::File(content.as_ref().to_vec()))
    }

    pub(crate) fn dir(self, path: &str) -> Self {
        self.node(path, Node::Dir)
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        self.node(path, Node::Link(target.into()))
    }

    pub(crate) fn fifo(self, path: &str) -> Self {
        self.node(path, Node::Fifo)
    }

    pub(crate) fn denying(self, action: &'static str, path: &str) -> Self {
        self.world.borrow_mut().denied.push((action, path.into()));
        self
    }

    /// As a run with `--rex-compat`.
    pub(crate) fn like_rex(self) -> Self {
        Self { rex_compat: true, ..self }
    }

    /// One of the kernel's tables.
    pub(crate) fn table(self, source: Source, content: impl AsRef<[u8]>) -> Self {
        self.world.borrow_mut().host.tables.insert(Known::name(source), content.as_ref().to_vec());
        self
    }

    pub(crate) fn chunks_of(self, bytes: usize) -> Self {
        self.world.borrow_mut().chunk_bytes = bytes;
        self
    }

    /// Says more of a path than what it leads to.
    pub(crate) fn with(self, path: &str, set: impl FnOnce(&mut Traits)) -> Self {
        set(self.world.borrow_mut().traits.entry(path.into()).or_default());
        self
    }

    /// What is in a file, as text.
    pub(crate) fn content(&self, path: &str) -> String {
        match self.world.borrow().nodes.get(path) {
            Some(Node::File(content)) => String::from_utf8_lossy(content).into_owned(),
            other => format!("{other:?}"),
        }
    }

    /// What is in a file.
    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        match self.world.borrow().nodes.get(path) {
            Some(Node::File(content)) => content.clone(),
            other => panic!("{path} is {other:?}"),
        }
    }

    /// Whether there is something at a path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.world.borrow().nodes.contains_key(path)
    }

    /// What was said of a path, beyond what it leads to.
    pub(crate) fn traits(&self, path: &str) -> Traits {
        self.world.borrow().traits.get(path).cloned().unwrap_or_default()
    }

    /// The lines of the log.
    pub(crate) fn log(&self) -> Vec<String> {
        let world = self.world.borrow();
        world.logs.iter().map(|log| format!("{:?} {}", log.level, log.message)).collect()
    }

    fn node(self, path: &str, node: Node) -> Self {
        let mut parent = path;
        while let Some((above, _)) = parent.rsplit_once('/') {
            let above = if above.is_empty() { "/" } else { above };
            self.world.borrow_mut().nodes.entry(above.into()).or_insert(Node::Dir);
            if above == "/" {
                break;
            }
            parent = above;
        }
        self.world.borrow_mut().nodes.insert(path.into(), node);
        self
    }

    /// Runs a script to its end.
    pub(crate) fn run(&self, script: &str) -> Ended {
        let session = self.session();
        let ready = engine::build(&session);
        run::run(&ready.engine, &session, script, self.arguments.clone())
    }

    /// Compiles a script and executes nothing.
    pub(crate) fn check(&self, script: &str) -> Ended {
        let session = self.session();
        let mut ready = engine::build(&session);
        run::check(&mut ready, &session, script, self.arguments.clone())
    }

    /// What scripts can call.
    pub(crate) fn entries(&self) -> Vec<registry::Entry> {
        engine::build(&self.session()).entries
    }

    /// A session of a new jail, whose handles are numbered from the start.
    pub(crate) fn session(&self) -> Session {
        self.world.borrow_mut().opened.clear();
        self.world.borrow_mut().writers.clear();
        self.world.borrow_mut().spent = 0;
        let link =
            FakeLink { world: Rc::clone(&self.world), out: vec![0; MAX_FRAME_BYTES], reply: Vec::new() };
        let hello = Hello {
            fingerprint: 0,
            lockdown_bits: 0,
            arena_bytes: 0,
            log_threshold: self.log_threshold,
            limits: self.limits,
            rex_compat: self.rex_compat,
        };
        Session::new(Frames::new(Box::new(link)), &hello)
    }

    /// The output of a script that must end with a value.
    pub(crate) fn output(&self, script: &str) -> String {
        let ended = self.run(script);
        assert_eq!(ended.outcome.end, ScriptEnd::Value, "{}", ended.text);
        ended.text
    }

    /// The message of a script that must fail.
    pub(crate) fn failure(&self, script: &str) -> String {
        let ended = self.run(script);
        assert_eq!(ended.outcome.end, ScriptEnd::Error, "{}", ended.text);
        ended.text
    }

    /// The names of the operations asked for, frame by frame.
    pub(crate) fn asked(&self) -> Vec<Vec<&'static str>> {
        let world = self.world.borrow();
        world.calls.iter().map(|call| call.requests.iter().map(Request::name).collect()).collect()
    }
}

struct FakeLink {
    world: Rc<RefCell<World>>,
    out: Vec<u8>,
    reply: Vec<u8>,
}

impl Link for FakeLink {
    fn out(&mut self) -> &mut [u8] {
        &mut self.out
    }

    fn send(&mut self, frame_bytes: usize) {
        let (header, body) = Header::split(&self.out[..frame_bytes]).unwrap();
        assert_eq!(header.kind, Kind::Call);
        let call = Call::decode(body).unwrap();
        let mut reply = vec![0; MAX_FRAME_BYTES];
        let length = self.world.borrow_mut().answer(&call, &mut reply[HEADER_BYTES..]);
        let total = Header::finish(Kind::Reply, header.sequence, length, &mut reply).unwrap();
        reply.truncate(total);
        self.reply = reply;
    }

    fn receive(&mut self) -> &[u8] {
        &self.reply
    }
}

/// Runs a script under a broker that ends the run at the log line after so many.
pub(crate) fn stop_after(bench: &Bench, lines: usize, script: &str) -> Ended {
    bench.world.borrow_mut().lines_left = Some(lines);
    bench.run(script)
}

/// Runs a test with the stack that a deep script needs in a build without optimization.
pub(crate) fn with_deep_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(64 * 1024 * 1024).spawn(test).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// The number that the broker gives the first request of the first frame.
pub(crate) const FIRST: RequestNumber = RequestNumber { frame: 0, index: 0 };
