//! What the fake broker knows, and which request is answered where.

use std::collections::BTreeMap;

use rex_ipc::batch::{Call, ReplyWriter};
use rex_ipc::bounded::{Bytes, Text};
use rex_ipc::failure::{ErrorKind, Failure, FailureClass};
use rex_ipc::file_system::*;
use rex_ipc::handle::AnyId;
use rex_ipc::interface::Request;
use rex_ipc::process_system::Sought;
use rex_ipc::runtime::{Alarm, Clocks, Log, Metric, Randomness};

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
    pub opened: BTreeMap<u32, Handle>,
    pub writers: BTreeMap<u32, Writing>,
    pub(super) traits: BTreeMap<String, Traits>,
    pub spent: u32,
    pub lines_left: Option<usize>,
    pub(super) random: u64,
    pub processes: super::processes::Known,
    pub units: super::units::Known,
    pub host: super::host::Known,
    pub network: super::network::Known,
}

/// A handle of the fake broker.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    /// The path that questions use.
    pub(super) path: String,
    /// The path it was opened by.
    pub(super) named: String,
    pub(super) readable: bool,
    pub(super) writable: bool,
    pub(super) listed: usize,
    pub(super) link: bool,
}

/// New content on its way to a file.
#[derive(Clone, Debug)]
pub(crate) struct Writing {
    pub(super) path: String,
    pub(super) how: Option<WriteHow>,
    pub(super) content: Vec<u8>,
}

/// What is known of a path beyond what it leads to; what nobody set is as the type of the node has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traits {
    pub mode: Option<u32>,
    pub owner: Option<String>,
    pub group: Option<String>,
    pub device: Option<u64>,
    pub inode: Option<u64>,
    pub links: Option<u64>,
    pub modified: Option<Instant>,
    pub label: Option<String>,
}

impl World {
    pub(super) fn answer(&mut self, call: &Call, space: &mut [u8]) -> usize {
        self.calls.push(call.clone());
        let before: Vec<u32> = self.opened.keys().copied().collect();
        let writers: Vec<u32> = self.writers.keys().copied().collect();
        let mut writer = ReplyWriter::new(space);
        let mut failure = None;
        for request in &call.requests {
            if let Err(reason) = self.perform(request, &mut writer) {
                failure = Some(reason);
                self.opened.retain(|number, _| before.contains(number));
                self.writers.retain(|number, _| writers.contains(number));
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
                writer.push(&self.opened_at(open.id.0)).unwrap();
            }
            Request::OpenFile(open) => {
                self.open_file(open)?;
                writer.push(&self.opened_at(open.id.0)).unwrap();
            }
            Request::ReadChunk(read) => writer.push(&self.read_chunk(read)?).unwrap(),
            Request::ReadEnd(read) => writer.push(&self.read_end(read)?).unwrap(),
            Request::OpenListing(open) => writer.push(&self.open_listing(open)?).unwrap(),
            Request::ListEntries(list) => writer.push(&self.list_entries(list)?).unwrap(),
            Request::OpenLink(open) => {
                let path = self.in_dir(open.dir.0, open.name.as_str());
                self.check("open", "File", &path)?;
                match self.nodes.get(&path) {
                    Some(Node::Link(_)) => self.opens(open.id.0, Handle { link: true, ..handle(path) }),
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
                match self.nodes.get(&path) {
                    Some(Node::File(_) | Node::Dir | Node::Link(_)) => {
                        return Err(invalid(
                            ErrorKind::ValidationError,
                            "Validation error: argument is a file, a directory or a symlink",
                        ));
                    }
                    Some(Node::Fifo) => writer.push(&self.metadata(&path)).unwrap(),
                    None => return Err(missing()),
                }
            }
            Request::ListDetails(list) => writer.push(&self.list_details(list)?).unwrap(),
            Request::OpenTarget(open) => {
                self.open_target(open)?;
                writer.push(&self.opened_at(open.id.0)).unwrap();
            }
            Request::BeginWrite(begin) => writer.push(&self.begin_write(begin)?).unwrap(),
            Request::BeginFile(begin) => writer.push(&self.begin_file(begin)?).unwrap(),
            Request::WriteChunk(chunk) => writer.push(&self.write_chunk(chunk)?).unwrap(),
            Request::FinishWrite(finish) => writer.push(&self.finish_write(finish)?).unwrap(),
            Request::AbandonWrite(abandon) => {
                assert!(self.writers.remove(&abandon.writer.0).is_some(), "{abandon:?}");
                writer.push(&()).unwrap();
            }
            Request::Truncate(truncate) => writer.push(&self.truncate(truncate)?).unwrap(),
            Request::Allocate(allocate) => writer.push(&self.allocate(allocate)?).unwrap(),
            Request::Copy(copy) => writer.push(&self.copy(copy)?).unwrap(),
            Request::SetTimes(set) => writer.push(&self.set_times(set)?).unwrap(),
            Request::MoveFile(moving) => writer.push(&self.move_file(moving)?).unwrap(),
            Request::MoveDir(moving) => writer.push(&self.move_dir(moving)?).unwrap(),
            Request::DeleteFile(delete) => writer.push(&self.delete_file(delete)?).unwrap(),
            Request::DeleteDir(delete) => writer.push(&self.delete_dir(delete)?).unwrap(),
            Request::DeletePath(delete) => writer.push(&self.delete_path(delete)?).unwrap(),
            Request::MakeDir(make) => writer.push(&self.make_dir(make)?).unwrap(),
            Request::MakePath(make) => writer.push(&self.make_path(make)?).unwrap(),
            Request::CreateLink(create) => writer.push(&self.create_link(create)?).unwrap(),
            Request::SetMode(set) => writer.push(&self.set_mode(set)?).unwrap(),
            Request::SetOwner(set) => writer.push(&self.set_owner(set)?).unwrap(),
            Request::SetXAttr(set) => writer.push(&self.set_x_attr(set)?).unwrap(),
            Request::ListOpenFiles(list) if list.sought == Sought::Sockets => {
                self.answer_about_host(request, writer)?;
            }
            Request::ListOpenFiles(list) if list.sought == Sought::Sockets => {
                self.answer_about_host(request, writer)?;
            }
            Request::ListProcesses(_)
            | Request::SignalProcess(_)
            | Request::BeginTrace(_)
            | Request::EnterNamespaces(_)
            | Request::LeaveNamespaces(_)
            | Request::ListOpenFiles(_)
            | Request::FindRealPath(_) => self.answer_about_processes(request, writer)?,
            Request::ActOnUnit(_) | Request::UnitStatus(_) | Request::ReloadManager(_) => {
                self.answer_about_units(request, writer)?;
            }
            // Programs are executed by the real broker's tests alone.
            Request::BeginProgram(_)
            | Request::ReadProgram(_)
            | Request::BeginAnalysis(_)
            | Request::LoadParameters(_) => {
                return Err(invalid(ErrorKind::IoError, "no program is running"));
            }
            Request::BeginGet(_)
            | Request::ReadResponse(_)
            | Request::Connect(_)
            | Request::KnownAddresses(_)
            | Request::QueryName(_) => self.answer_about_network(request, writer)?,
            Request::StatFileSystem(_)
            | Request::Unmount(_)
            | Request::Uname(_)
            | Request::HostName(_)
            | Request::CountProcessors(_)
            | Request::ListInterfaces(_)
            | Request::ReadSource(_)
            | Request::ReadKernelLog(_)
            | Request::WriteParameter(_) => self.answer_about_host(request, writer)?,
        }
        Ok(())
    }

    /// The broker says nothing of a path that the jail knows; this one always says it.
    pub(super) fn opened_at(&self, id: u32) -> Opened {
        let real_path = self.opened.get(&id).and_then(|opened| Text::new(opened.path.as_str()));
        Opened { real_path }
    }

    pub(super) fn check(&self, action: &'static str, kind: &str, path: &str) -> Result<(), Failure> {
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

    pub(super) fn opens(&mut self, number: u32, handle: Handle) {
        self.spend(number);
        self.opened.insert(number, handle);
    }

    pub(super) fn spend(&mut self, number: u32) {
        assert!(number > self.spent, "handle numbers ascend");
        self.spent = number;
    }

    pub(super) fn in_dir(&self, dir: u32, name: &str) -> String {
        normal(&format!("{}/{name}", self.opened[&dir].path))
    }

    pub(super) fn follow(&self, path: &str) -> String {
        let mut walked = String::from("/");
        for part in path.split('/').filter(|part| !part.is_empty()) {
            walked = normal(&format!("{walked}/{part}"));
            while let Some(Node::Link(target)) = self.nodes.get(&walked) {
                walked = if target.starts_with('/') {
                    normal(target)
                } else {
                    let above = target.matches("../").count();
                    let from = (0..above).fold(parent(&walked), |place, _| parent(&place));
                    normal(&format!("{from}/{}", target.trim_start_matches("../")))
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

pub(super) fn normal(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", parts.join("/"))
}

pub(super) fn parent(path: &str) -> String {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/".into(),
        Some((above, _)) => above.into(),
    }
}

pub(super) fn entry(path: &str, node: &Node) -> Entry {
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

pub(super) fn missing() -> Failure {
    system(2, "No such file or directory (os error 2)")
}

pub(super) fn system(errno: u16, message: &str) -> Failure {
    Failure { class: FailureClass::System { errno }, kind: ErrorKind::IoError, message: Text::cut(message) }
}

pub(super) fn invalid(kind: ErrorKind, message: &str) -> Failure {
    Failure { class: FailureClass::Invalid, kind, message: Text::cut(message) }
}

/// A handle that can do nothing yet.
pub(super) fn handle(path: impl Into<String>) -> Handle {
    let path = path.into();
    Handle { named: path.clone(), path, readable: false, writable: false, listed: 0, link: false }
}
