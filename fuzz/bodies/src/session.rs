//! Sequences of requests against a temporary tree and a policy, with an oracle for what may happen and be seen.
//!
//! The bytes choose requests, paths, names and handles from an alphabet that is rich in aliases, links and forbidden
//! places. After every call the oracle demands: no reply holds a byte of what the policy closes; nothing outside the
//! permitted tree has changed; whatever was performed has a decision in the record that permitted it.

use std::cell::{Cell, RefCell};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use rex_broker::audit::{AuditError, Decision, Outcome, Record, Sink};
use rex_broker::gate::deciding::Deciding;
use rex_broker::gate::error::Error;
use rex_broker::gate::forbidden::Forbidden;
use rex_broker::gate::limits::Limits;
use rex_broker::host::Host;
use rex_broker::ops;
use rex_broker::policy::{Engine, Mode, Policies, PolicyText};
use rex_broker::result::{Recorder, Settings};
use rex_broker::run::services::Services;
use rex_broker::watch::wait::Waiter;
use rex_ipc::action::ResourceKind;
use rex_ipc::batch::ReplyWriter;
use rex_ipc::bounded::Text;
use rex_ipc::control::RequestNumber;
use rex_ipc::file_system::{
    ChunkLength, Close, CreateDir, DirPlace, IfMissing, ListEntries, OpenDir, OpenFile, OpenLink,
    OpenListing, OpenMode, PathText, Permissions, ReadChunk, ReadLink, Spelled, Stat, StatEntry,
};
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_ipc::interface::{ROWS, Request};
use rex_ipc::limits::MAX_FRAME_BYTES;
use rex_ipc::runtime::{LogLevel, Now, RandomBytes, RandomCount};

use crate::{changes, host};

/// Runs one sequence of requests.
pub fn session(bytes: &[u8]) {
    WORLD.with(|world| {
        let mut world = world.borrow_mut();
        let world = world.get_or_insert_with(World::make);
        world.reset();
        world.run(&mut Choices(bytes));
    });
}

thread_local! {
    /// One tree for all inputs of a process; what an input made is removed before the next.
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// The bytes as a source of choices; when they are used up, every choice is the first.
pub(crate) struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte().unwrap_or(0)) % count.max(1)
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.below(2) == 1
    }

    pub(crate) fn one<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list.get(self.below(list.len())).copied().unwrap_or("")
    }
}

struct World {
    root: PathBuf,
    policy: String,
    /// Whether an input has changed the tree since it was made.
    changed: Cell<bool>,
}

impl World {
    fn make() -> Self {
        let root = std::env::temp_dir().join(format!("rex-fuzz-session-{}", std::process::id()));
        let root_text = root.display();
        let policy = format!(
            r#"permit(principal, action, resource in file_system::Dir::"{root_text}/open");
               permit(principal, action == file_system::Action::"open", resource == file_system::Dir::"{root_text}");
               forbid(principal, action, resource in file_system::Dir::"{root_text}/open/closed");"#
        );
        let world = Self { policy, root, changed: Cell::new(true) };
        world.reset();
        world
    }

    /// Makes the tree anew, unless it is as it was made.
    fn reset(&self) {
        if !self.changed.replace(false) {
            return;
        }
        let root = &self.root;
        let _ = fs::remove_dir_all(root);
        let make = |path: &str| fs::create_dir_all(root.join(path)).expect("a directory can be made");
        ["open/sub/deep", "open/closed", "outside/sub"].iter().for_each(|path| make(path));
        let write = |path: &str, text: &str| fs::write(root.join(path), text).expect("a file can be written");
        write("open/file", "visible\n");
        write("open/sub/file", "visible too\n");
        write("open/closed/secret", SECRET);
        write("outside/secret", SECRET);
        let link = |target: &str, path: &str| symlink(target, root.join(path)).expect("a link can be made");
        link("../outside", "open/to_outside");
        link("closed", "open/to_closed");
        link("../outside/secret", "open/to_secret");
        link("sub", "open/to_sub");
        link("to_loop", "open/to_loop");
        link("../outside/new", "open/dangling");
        link(root.join("outside").to_str().unwrap_or("/"), "open/absolute");
    }

    fn run(&self, choices: &mut Choices<'_>) {
        let decisions = Arc::new(Mutex::new(Vec::new()));
        let mut services = self.services(Arc::clone(&decisions));
        let before = self.outside();
        let mut space = vec![0; MAX_FRAME_BYTES];
        let mut next = 1;
        for step in 0..32 {
            let Some(kind) = choices.byte() else { break };
            let request = self.request(kind, &mut next, choices);
            services.kept.begin(RequestNumber { frame: step, index: 0 }, &request);
            services.host.handles.begin_batch();
            lock(&decisions).clear();
            let needs =
                ROWS.iter().find(|row| row.number == request.number()).map_or(0, |row| row.needs.len());
            // Of processes, each is asked for by itself, and whoever finds none has asked nothing.
            let is_walk = matches!(request, Request::ListProcesses(_));
            let mut replies = ReplyWriter::new(&mut space);
            let result = ops::dispatch(request.clone(), services.parts(), 1, &mut replies);
            let used = replies.used();
            let decisions = lock(&decisions);
            match result {
                Ok(()) => {
                    // Only what leaves the tree as it was may be done without making it anew.
                    if changes_host(&request) {
                        self.changed.set(true);
                    }
                    assert!(!contains(&space[..used], SECRET.as_bytes()), "{request:?} revealed a secret");
                    assert!(
                        needs == 0 || is_walk || decisions.iter().any(|(permitted, _)| *permitted),
                        "{request:?} was performed without a record that permits it"
                    );
                    let closed = format!("{}/open/closed/", self.root.display());
                    let outside = format!("{}/outside/", self.root.display());
                    for (_, resource) in decisions.iter().filter(|(permitted, _)| *permitted) {
                        assert!(
                            !resource.starts_with(&closed) && !resource.starts_with(&outside),
                            "{request:?}: {resource}"
                        );
                    }
                }
                Err(Error::Violation(_) | Error::Limit(_)) => break,
                Err(error) => {
                    if changes_host(&request) {
                        assert_eq!(self.outside(), before, "a failed {request:?} changed something outside");
                    }
                    let message =
                        error.to_failure().map(|failure| failure.message.into_string()).unwrap_or_default();
                    assert!(!message.contains(SECRET), "{request:?} revealed a secret in its failure");
                }
            }
        }
        assert_eq!(self.outside(), before, "something changed outside the permitted tree");
    }

    fn services(&self, decisions: Decisions) -> Services {
        let sources = [PolicyText { name: "fuzz.cedar", text: &self.policy }];
        let loaded = Policies::load(&sources, Mode::Rex).unwrap_or_else(|_| panic!("the policy is valid"));
        let limits = Limits { max_open_handles: 16, ..Limits::default() };
        let recorder = Recorder::new(Settings {
            compat: false,
            bare: false,
            started: Instant::now(),
            log_threshold: LogLevel::Info,
            max_log_lines: 10,
            max_signals: 10,
            max_signal_bytes: 1 << 20,
        });
        Services::new(
            Host::open(limits.max_open_handles).expect("/ and /proc can be opened"),
            Deciding::new(Engine::new(loaded.policies, "root"), Forbidden::new(), "root".to_owned()),
            limits,
            Waiter::new().expect("signals can be taken over"),
            Box::new(Memory(decisions)),
            recorder,
        )
    }

    fn request(&self, kind: u8, next: &mut u32, choices: &mut Choices<'_>) -> Request {
        let new = |next: &mut u32| {
            *next += 1;
            *next
        };
        // Handles that were opened before, and now and then one that never was.
        let old = |choices: &mut Choices<'_>, next: u32| 1 + choices.below(next as usize + 1) as u32;
        let dir = |choices: &mut Choices<'_>, next: u32| DirId(old(choices, next));
        let file = |choices: &mut Choices<'_>, next: u32| FileId(old(choices, next));
        let mode = |choices: &mut Choices<'_>| {
            let permissions = choices.coin().then_some(Permissions::new(0o600)).flatten();
            let if_missing = if choices.coin() { IfMissing::Make(permissions) } else { IfMissing::Fail };
            match choices.below(4) {
                0 => OpenMode::Read,
                1 => OpenMode::Write(if_missing),
                2 => OpenMode::ReadWrite(if_missing),
                _ => OpenMode::AskOnly,
            }
        };
        let name = |choices: &mut Choices<'_>| Spelled::from(PathText::cut(choices.one(NAMES)));
        match kind % 26 {
            0 | 1 => OpenDir {
                at: DirPlace::Path(Text::cut(&self.path(choices))),
                id: DirId(new(next)),
                follow: choices.coin(),
                create: create(choices),
            }
            .into(),
            2 => OpenDir {
                at: DirPlace::Entry(dir(choices, *next), name(choices)),
                id: DirId(new(next)),
                follow: choices.coin(),
                create: create(choices),
            }
            .into(),
            3 | 4 => OpenFile {
                dir: dir(choices, *next),
                id: FileId(new(next)),
                name: name(choices),
                mode: mode(choices),
                follow: choices.coin(),
            }
            .into(),
            5 => ReadChunk {
                file: file(choices, *next),
                offset_bytes: choices.below(8) as u64,
                length: ChunkLength::new(1 + choices.below(200) as u32).unwrap_or(ChunkLength::MAX),
                redacted: choices.coin(),
            }
            .into(),
            6 => OpenListing { path: Text::cut(&self.path(choices)), id: DirId(new(next)) }.into(),
            7 => ListEntries { dir: dir(choices, *next), restart: choices.coin() }.into(),
            8 => OpenLink { dir: dir(choices, *next), id: FileId(new(next)), name: name(choices) }.into(),
            9 => match name(choices) {
                Spelled::Entry(name) => ReadLink { dir: dir(choices, *next), name }.into(),
                Spelled::Refused(_) => Now {}.into(),
            },
            10 => match choices.below(3) {
                0 => Stat { handle: AnyId::Dir(dir(choices, *next)) }.into(),
                1 => Stat { handle: AnyId::File(file(choices, *next)) }.into(),
                _ => match name(choices) {
                    Spelled::Entry(name) => StatEntry { dir: dir(choices, *next), name }.into(),
                    Spelled::Refused(_) => Now {}.into(),
                },
            },
            24.. => host::request(choices, |choices| self.path(choices)),
            12.. => {
                let mut ids = Ids { next, choices };
                changes::request(kind % 26 - 12, &mut ids, |choices| self.path(choices))
            }
            _ => match choices.below(4) {
                0 => Close { handle: AnyId::Dir(dir(choices, *next)) }.into(),
                1 => Close { handle: AnyId::File(file(choices, *next)) }.into(),
                2 => RandomBytes { count: RandomCount::new(8).unwrap_or_else(|| unreachable!()) }.into(),
                _ => Now {}.into(),
            },
        }
    }

    fn path(&self, choices: &mut Choices<'_>) -> String {
        let mut path = self.root.display().to_string();
        for _ in 0..=choices.below(4) {
            path.push_str(choices.one(&["/", "//", "/./"]));
            path.push_str(choices.one(NAMES));
        }
        path
    }

    /// Names and contents outside of the permitted tree, and of what is forbidden in it.
    fn outside(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut seen = Vec::new();
        ["outside", "open/closed"].iter().for_each(|path| list(&self.root.join(path), &mut seen));
        seen.sort();
        seen
    }
}

/// Whether a request that was carried out may have left the tree other than it was.
fn changes_host(request: &Request) -> bool {
    let opens_without_making = match request {
        Request::OpenDir(open) => open.create == CreateDir::No,
        Request::OpenFile(open) => !matches!(
            open.mode,
            OpenMode::Write(IfMissing::Make(_)) | OpenMode::ReadWrite(IfMissing::Make(_))
        ),
        _ => false,
    };
    let reads = matches!(
        request,
        Request::ReadChunk(_)
            | Request::ReadEnd(_)
            | Request::OpenListing(_)
            | Request::ListEntries(_)
            | Request::ListDetails(_)
            | Request::OpenLink(_)
            | Request::ReadLink(_)
            | Request::Stat(_)
            | Request::StatEntry(_)
            | Request::Close(_)
            | Request::RandomBytes(_)
            | Request::Now(_)
            | Request::FindRealPath(_)
            | Request::BeginTrace(_)
            | Request::EnterNamespaces(_)
            | Request::LeaveNamespaces(_)
            | Request::StatFileSystem(_)
    );
    !opens_without_making && !reads
}

/// Numbers of handles: new ones, and those that may have been given before.
pub(crate) struct Ids<'c, 'b> {
    next: &'c mut u32,
    /// Where the choices come from.
    pub(crate) choices: &'c mut Choices<'b>,
}

impl Ids<'_, '_> {
    /// A number that was never used.
    pub(crate) fn fresh(&mut self) -> u32 {
        *self.next += 1;
        *self.next
    }

    /// A number that was used before, and now and then one that never was.
    pub(crate) fn old(&mut self) -> u32 {
        1 + self.choices.below(*self.next as usize + 1) as u32
    }
}

fn create(choices: &mut Choices<'_>) -> CreateDir {
    match choices.below(6) {
        0 => CreateDir::Leaf,
        1 => CreateDir::All,
        2 => CreateDir::AskOnly,
        _ => CreateDir::No,
    }
}

fn list(folder: &Path, seen: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let content = fs::read(&path).unwrap_or_default();
        seen.push((path.clone(), content));
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list(&path, seen);
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

type Decisions = Arc<Mutex<Vec<(bool, String)>>>;

fn lock(decisions: &Decisions) -> MutexGuard<'_, Vec<(bool, String)>> {
    decisions.lock().expect("nobody panics while holding it")
}

/// Keeps each decision: permitted or not, and on what.
struct Memory(Decisions);

impl Sink for Memory {
    fn request(&mut self, _request: RequestNumber) {}

    fn before(&mut self, decision: &Decision<'_>) -> Result<(), AuditError> {
        // A file of the name of a closed directory is not in it: only what is below a `Dir` is.
        let is_file = decision.resource_kind == ResourceKind::File;
        let slash = if is_file { "" } else { "/" };
        lock(&self.0).push((decision.permitted, format!("{}{slash}", decision.resource)));
        Ok(())
    }

    fn after(&mut self, _outcome: &Outcome<'_>) -> Result<(), AuditError> {
        Ok(())
    }

    fn note(&mut self, _record: &Record<'_>) -> Result<(), AuditError> {
        Ok(())
    }

    fn commit(&mut self) -> Result<(), AuditError> {
        Ok(())
    }
}

/// Stands in every file that the policy closes, and nowhere else.
const SECRET: &str = "the-secret-that-nobody-may-see";

pub(crate) const NAMES: &[&str] = &[
    "open",
    "file",
    "sub",
    "closed",
    "secret",
    "to_outside",
    "to_closed",
    "to_secret",
    "to_sub",
    "to_loop",
    "dangling",
    "absolute",
    "outside",
    "made",
    "made2",
    "made/made2",
    "deep",
    ".",
    "..",
    "",
    "file/",
    "/etc",
    "sub/file",
    "../outside/secret",
    "\u{10FF66}ile",
    "a\u{10FF2F}b",
];
