//! A broker made of memory, for the unit tests: a small file tree, a list of denials, and a record of every call.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rex_ipc::batch::{Call, ReplyWriter};
use rex_ipc::bounded::{Bytes, List, Text};
use rex_ipc::control::{Arguments, EngineLimits, RequestNumber, ScriptEnd};
use rex_ipc::failure::{ErrorKind, Failure, FailureClass};
use rex_ipc::file_system::*;
use rex_ipc::frame::{Header, Kind};
use rex_ipc::handle::AnyId;
use rex_ipc::interface::Request;
use rex_ipc::limits::{HEADER_BYTES, MAX_FRAME_BYTES};
use rex_ipc::runtime::{Alarm, Clocks, Log, LogLevel, Metric, Randomness};

use crate::engine;
use crate::link::{Frames, Link};
use crate::registry;
use crate::run::{self, Ended};
use crate::session::Session;

/// What a path leads to.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    File(Vec<u8>),
    Dir,
    Link(String),
    Fifo,
}

/// Everything the fake broker knows.
#[derive(Default)]
pub(crate) struct World {
    pub nodes: BTreeMap<String, Node>,
    pub denied: Vec<(&'static str, String)>,
    pub chunk_bytes: usize,
    pub page_entries: usize,
    pub calls: Vec<Call>,
    pub logs: Vec<Log>,
    pub alarms: Vec<Alarm>,
    pub metrics: Vec<Metric>,
    pub slept_ms: u64,
    pub opened: BTreeMap<u32, Opened>,
    pub spent: u32,
    pub lines_left: Option<usize>,
    random: u64,
}

/// A handle of the fake broker.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    path: String,
    readable: bool,
    listed: usize,
    link: bool,
}

/// A broker, a policy and a file tree, to run scripts against.
pub(crate) struct Bench {
    pub world: Rc<RefCell<World>>,
    pub limits: EngineLimits,
    pub log_threshold: LogLevel,
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

    pub(crate) fn chunks_of(self, bytes: usize) -> Self {
        self.world.borrow_mut().chunk_bytes = bytes;
        self
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

    /// What scripts can call.
    pub(crate) fn entries(&self) -> Vec<registry::Entry> {
        engine::build(&self.session()).entries
    }

    /// A session of a new jail, whose handles are numbered from the start.
    fn session(&self) -> Session {
        self.world.borrow_mut().opened.clear();
        self.world.borrow_mut().spent = 0;
        let link =
            FakeLink { world: Rc::clone(&self.world), out: vec![0; MAX_FRAME_BYTES], reply: Vec::new() };
        Session::new(Frames::new(Box::new(link)), self.limits, self.log_threshold)
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

impl World {
    fn answer(&mut self, call: &Call, space: &mut [u8]) -> usize {
        self.calls.push(call.clone());
        let before: Vec<u32> = self.opened.keys().copied().collect();
        let mut writer = ReplyWriter::new(space);
        let mut failure = None;
        for request in &call.requests {
            if let Err(reason) = self.perform(request, &mut writer) {
                failure = Some(reason);
                self.opened.retain(|number, _| before.contains(number));
                break;
            }
        }
        writer.finish(failure.as_ref()).unwrap()
    }

    fn perform(&mut self, request: &Request, writer: &mut ReplyWriter<'_>) -> Result<(), Failure> {
        match request {
            Request::Now(_) => writer
                .push(&Clocks {
                    realtime: Instant { seconds: 1_761_057_000, nanoseconds: 250_000_000 },
                    monotonic_ns: 5_000_000_000 + self.slept_ms * 1_000_000,
                })
                .unwrap(),
            Request::Sleep(sleep) => {
                self.slept_ms += u64::from(sleep.duration.milliseconds());
                writer.push(&()).unwrap();
            }
            Request::RandomBytes(wanted) => {
                let bytes = (0..wanted.count.get()).map(|_| self.random_byte()).collect();
                writer.push(&Randomness { bytes: Bytes::new(bytes).unwrap() }).unwrap();
            }
            Request::Log(log) => {
                if let Some(left) = self.lines_left {
                    self.lines_left = Some(left.checked_sub(1).ok_or_else(|| Failure {
                        class: FailureClass::Limit,
                        kind: ErrorKind::Other,
                        message: Text::cut("too many lines"),
                    })?);
                }
                self.logs.push(log.clone());
                writer.push(&()).unwrap();
            }
            Request::Alarm(alarm) => {
                self.alarms.push(alarm.clone());
                writer.push(&()).unwrap();
            }
            Request::Metric(metric) => {
                self.metrics.push(metric.clone());
                writer.push(&()).unwrap();
            }
            Request::Close(close) => {
                assert!(self.opened.remove(&close.handle.number()).is_some(), "close of {:?}", close.handle);
                writer.push(&()).unwrap();
            }
            Request::OpenDir(open) => {
                self.open_dir(open)?;
                writer.push(&()).unwrap();
            }
            Request::OpenFile(open) => {
                self.open_file(open)?;
                writer.push(&()).unwrap();
            }
            Request::ReadChunk(read) => writer.push(&self.read_chunk(read)?).unwrap(),
            Request::OpenListing(open) => writer.push(&self.open_listing(open)?).unwrap(),
            Request::ListEntries(list) => writer.push(&self.list_entries(list)?).unwrap(),
            Request::OpenLink(open) => {
                let path = self.in_dir(open.dir.0, open.name.as_str());
                self.check("open", "File", &path)?;
                match self.nodes.get(&path) {
                    Some(Node::Link(_)) => self.opens(open.id.0, path, false, true),
                    Some(_) => {
                        return Err(invalid(
                            ErrorKind::ValidationError,
                            "Validation error: argument is not a symlink",
                        ));
                    }
                    None => return Err(missing()),
                }
                writer.push(&()).unwrap();
            }
            Request::ReadLink(read) => {
                let path = self.in_dir(read.dir.0, read.name.as_str());
                self.check("read", "File", &path)?;
                match self.nodes.get(&path) {
                    Some(Node::Link(target)) => {
                        writer.push(&LinkTarget { target: Text::new(target.as_str()).unwrap() }).unwrap();
                    }
                    Some(_) => return Err(system(22, "Invalid argument (os error 22)")),
                    None => return Err(missing()),
                }
            }
            Request::Stat(stat) => {
                let opened = self.opened[&stat.handle.number()].clone();
                let kind = if matches!(stat.handle, AnyId::Dir(_)) { "Dir" } else { "File" };
                self.check("stat", kind, &opened.path)?;
                writer.push(&self.metadata(&opened.path)).unwrap();
            }
            Request::StatEntry(stat) => {
                let path = self.in_dir(stat.dir.0, stat.name.as_str());
                self.check("stat", "File", &path)?;
                writer.push(&self.metadata(&path)).unwrap();
            }
        }
        Ok(())
    }

    fn open_dir(&mut self, open: &OpenDir) -> Result<(), Failure> {
        let path = match &open.at {
            DirPlace::Path(path) if !path.as_str().starts_with('/') => {
                return Err(invalid(ErrorKind::Other, &format!("Path is not absolute {path}")));
            }
            DirPlace::Path(path) => normal(path.as_str()),
            DirPlace::Entry(dir, name) => self.in_dir(dir.0, name.as_str()),
        };
        self.check("open", "Dir", &path)?;
        let real = if open.follow { self.follow(&path) } else { path.clone() };
        if real != path {
            self.check("open", "Dir", &real)?;
        }
        match self.nodes.get(&real) {
            Some(Node::Dir) => self.opens(open.id.0, real, false, false),
            Some(_) if open.follow => return Err(system(20, "Not a directory (os error 20)")),
            Some(_) => {
                return Err(invalid(
                    ErrorKind::DirectoryOpenError,
                    &format!(
                        "Directory error: Not a directory, enable follow_symlinks to open the target directory: {path}"
                    ),
                ));
            }
            None => return Err(missing()),
        }
        Ok(())
    }

    fn open_file(&mut self, open: &OpenFile) -> Result<(), Failure> {
        let path = self.in_dir(open.dir.0, open.name.as_str());
        self.check("open", "File", &path)?;
        let real = if open.follow { self.follow(&path) } else { path.clone() };
        if real != path {
            self.check("open", "File", &real)?;
        }
        match self.nodes.get(&real) {
            Some(Node::File(_)) => self.opens(open.id.0, real, open.read, false),
            Some(Node::Link(_)) => {
                return Err(invalid(
                    ErrorKind::FileError,
                    &format!(
                        "File error: file is a symbolic link but follow_symlinks is not enabled: {path}"
                    ),
                ));
            }
            Some(_) => {
                return Err(invalid(ErrorKind::ValidationError, "Validation error: argument is not a file"));
            }
            None => return Err(missing()),
        }
        Ok(())
    }

    fn read_chunk(&mut self, read: &ReadChunk) -> Result<Chunk, Failure> {
        let opened = self.opened[&read.file.0].clone();
        self.check("read", "File", &opened.path)?;
        if !opened.readable {
            return Err(invalid(
                ErrorKind::InvalidFileMode,
                &format!(
                    "Invalid file mode: Attempted to read a file without opening it with the read option.: {}",
                    opened.path
                ),
            ));
        }
        let Some(Node::File(content)) = self.nodes.get(&opened.path) else { panic!("not a file") };
        let from = usize::try_from(read.offset_bytes).unwrap().min(content.len());
        let to = (from + read.length.bytes().min(self.chunk_bytes)).min(content.len());
        Ok(Chunk { bytes: Bytes::new(content[from..to].to_vec()).unwrap(), end: to == content.len() })
    }

    fn open_listing(&mut self, open: &OpenListing) -> Result<Listing, Failure> {
        let text = open.path.as_str();
        let path = normal(text);
        if let (Some(Node::Link(_)), false) = (self.nodes.get(&path), text.ends_with('/')) {
            let parent = parent(&path);
            self.check("open", "Dir", &parent)?;
            self.check("open", "File", &path)?;
            self.opens(open.id.0, parent, false, true);
            return Ok(Listing::Link(entry(&path, &self.nodes[&path])));
        }
        self.check("open", "Dir", &path)?;
        let real = self.follow(&path);
        match self.nodes.get(&real) {
            Some(Node::Dir) => self.opens(open.id.0, real, false, false),
            Some(_) => {
                return Err(invalid(
                    ErrorKind::InvalidArguments,
                    &format!("Invalid arguments: ls: {path}: Not a directory or symlink"),
                ));
            }
            None => return Err(missing()),
        }
        Ok(Listing::Directory)
    }

    fn list_entries(&mut self, list: &ListEntries) -> Result<EntryPage, Failure> {
        let opened = self.opened[&list.dir.0].clone();
        // A handle that stands for a link has nothing to list, and nothing is asked.
        if opened.link {
            return Ok(EntryPage { entries: List::default(), end: true });
        }
        self.check("read", "Dir", &opened.path)?;
        let all: Vec<Entry> = self
            .nodes
            .iter()
            .filter(|(path, _)| *path != "/" && parent(path) == opened.path)
            .map(|(path, node)| entry(path, node))
            .collect();
        let from = if list.restart { 0 } else { opened.listed };
        let to = (from + self.page_entries).min(all.len());
        self.opened.get_mut(&list.dir.0).unwrap().listed = to;
        Ok(EntryPage { entries: List::new(all[from..to].to_vec()).unwrap(), end: to == all.len() })
    }

    fn metadata(&self, path: &str) -> Metadata {
        let node = &self.nodes[path];
        let (mode, size_bytes) = match node {
            Node::File(content) => (0o100_644, content.len() as u64),
            Node::Dir => (0o040_755, 4096),
            Node::Link(target) => (0o120_777, target.len() as u64),
            Node::Fifo => (0o010_644, 0),
        };
        let time = Instant { seconds: 1_234_567_890, nanoseconds: 5 };
        let nobody = Identity { number: 4242, name: None };
        let root = Identity { number: 0, name: Some("root".into()) };
        Metadata {
            entry_type: entry(path, node).entry_type,
            mode,
            size_bytes,
            blocks: 8,
            links: 1,
            device: 1,
            inode: entry(path, node).inode,
            modified: time,
            changed: time,
            owner: if path.contains("nameless") { nobody } else { root.clone() },
            group: root,
        }
    }

    fn check(&self, action: &'static str, kind: &str, path: &str) -> Result<(), Failure> {
        if self.denied.iter().any(|(verb, place)| *verb == action && place == path) {
            return Err(Failure {
                class: FailureClass::Denied,
                kind: ErrorKind::PermissionDenied,
                message: Text::cut(&format!(
                    "Permission denied: tester unauthorized to perform file_system::Action::\"{action}\" for file_system::{kind}::{path}"
                )),
            });
        }
        Ok(())
    }

    fn opens(&mut self, number: u32, path: String, readable: bool, link: bool) {
        assert!(number > self.spent, "handle numbers ascend");
        self.spent = number;
        self.opened.insert(number, Opened { path, readable, listed: 0, link });
    }

    fn in_dir(&self, dir: u32, name: &str) -> String {
        normal(&format!("{}/{name}", self.opened[&dir].path))
    }

    fn follow(&self, path: &str) -> String {
        let mut walked = String::from("/");
        for part in path.split('/').filter(|part| !part.is_empty()) {
            walked = normal(&format!("{walked}/{part}"));
            while let Some(Node::Link(target)) = self.nodes.get(&walked) {
                walked = if target.starts_with('/') {
                    normal(target)
                } else {
                    normal(&format!("{}/{target}", parent(&walked)))
                };
            }
        }
        walked
    }

    fn random_byte(&mut self) -> u8 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 56) as u8
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

fn normal(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", parts.join("/"))
}

fn parent(path: &str) -> String {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/".into(),
        Some((above, _)) => above.into(),
    }
}

fn entry(path: &str, node: &Node) -> Entry {
    let entry_type = match node {
        Node::File(_) => EntryType::File,
        Node::Dir => EntryType::Dir,
        Node::Link(_) => EntryType::Symlink,
        Node::Fifo => EntryType::Fifo,
    };
    let name = path.rsplit('/').next().unwrap_or_default();
    Entry { name: Text::new(name).unwrap(), entry_type, inode: inode(path) }
}

/// Some number that differs for each path.
fn inode(path: &str) -> u64 {
    path.bytes().fold(7, |number, byte| number * 31 % 1_000_000_007 + u64::from(byte))
}

fn missing() -> Failure {
    system(2, "No such file or directory (os error 2)")
}

fn system(errno: u16, message: &str) -> Failure {
    Failure { class: FailureClass::System { errno }, kind: ErrorKind::IoError, message: Text::cut(message) }
}

fn invalid(kind: ErrorKind, message: &str) -> Failure {
    Failure { class: FailureClass::Invalid, kind, message: Text::cut(message) }
}
