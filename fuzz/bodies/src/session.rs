//! Sequences of requests against a temporary tree and a policy, with an oracle for what may happen and be seen.
//!
//! The bytes choose requests, paths, names and handles from an alphabet that is rich in aliases, links and forbidden
//! places. After every call the oracle demands: no reply holds a byte of what the policy closes; nothing outside the
//! permitted tree has changed; whatever was performed has a decision in the record that permitted it.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use rex_broker::audit::{AuditError, Decision, Outcome, Record, Sink};
use rex_broker::cli::Limits;
use rex_broker::error::Error;
use rex_broker::forbidden::Forbidden;
use rex_broker::ops;
use rex_broker::policy::{Engine, Mode, Policies, PolicyText};
use rex_broker::result::{Recorder, Settings};
use rex_broker::services::{Places, Services};
use rex_broker::wait::Waiter;
use rex_ipc::batch::ReplyWriter;
use rex_ipc::bounded::Text;
use rex_ipc::control::RequestNumber;
use rex_ipc::file_system::{
    ChunkLength, Close, CreateDir, DirPlace, ListEntries, OpenDir, OpenFile, OpenLink, OpenListing,
    Permissions, ReadChunk, ReadLink, Stat, StatEntry,
};
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_ipc::interface::{ROWS, Request};
use rex_ipc::limits::MAX_FRAME_BYTES;
use rex_ipc::runtime::{LogLevel, Now, RandomBytes, RandomCount};

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
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte().unwrap_or(0)) % count.max(1)
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 1
    }

    fn one<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list.get(self.below(list.len())).copied().unwrap_or("")
    }
}

struct World {
    root: PathBuf,
    policy: String,
}

impl World {
    fn make() -> Self {
        let root = std::env::temp_dir().join(format!("rex-fuzz-session-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
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
        let root_text = root.display();
        let policy = format!(
            r#"permit(principal, action, resource in file_system::Dir::"{root_text}/open");
               permit(principal, action == file_system::Action::"open", resource == file_system::Dir::"{root_text}");
               forbid(principal, action, resource in file_system::Dir::"{root_text}/open/closed");"#
        );
        Self { root, policy }
    }

    /// Removes what the last input made where it was permitted to.
    fn reset(&self) {
        for folder in ["open", "open/sub"] {
            for name in ["made", "made2"] {
                let path = self.root.join(folder).join(name);
                let _ = fs::remove_file(&path);
                let _ = fs::remove_dir_all(&path);
            }
        }
    }

    fn run(&self, choices: &mut Choices<'_>) {
        let decisions = Rc::new(RefCell::new(Vec::new()));
        let mut services = self.services(Rc::clone(&decisions));
        let before = self.outside();
        let mut space = vec![0; MAX_FRAME_BYTES];
        let mut next = 1;
        for step in 0..32 {
            let Some(kind) = choices.byte() else { break };
            let request = self.request(kind, &mut next, choices);
            services.current = RequestNumber { frame: step, index: 0 };
            services.operation = request.name();
            services.handles.begin_batch();
            decisions.borrow_mut().clear();
            let needs =
                ROWS.iter().find(|row| row.number == request.number()).map_or(0, |row| row.needs.len());
            let mut replies = ReplyWriter::new(&mut space);
            let result = ops::dispatch(request.clone(), &mut services, 1, &mut replies);
            let used = replies.used();
            let decisions = decisions.borrow();
            match result {
                Ok(()) => {
                    assert!(!contains(&space[..used], SECRET.as_bytes()), "{request:?} revealed a secret");
                    assert!(
                        needs == 0 || decisions.iter().any(|(permitted, _)| *permitted),
                        "{request:?} was performed without a record that permits it"
                    );
                    let closed = format!("{}/open/closed", self.root.display());
                    let outside = format!("{}/outside", self.root.display());
                    for (_, resource) in decisions.iter().filter(|(permitted, _)| *permitted) {
                        assert!(
                            !resource.starts_with(&closed) && !resource.starts_with(&outside),
                            "{resource}"
                        );
                    }
                }
                Err(Error::Violation(_) | Error::Limit(_)) => break,
                Err(error) => {
                    let message =
                        error.to_failure().map(|failure| failure.message.into_string()).unwrap_or_default();
                    assert!(!message.contains(SECRET), "{request:?} revealed a secret in its failure");
                }
            }
        }
        assert_eq!(self.outside(), before, "something changed outside the permitted tree");
    }

    fn services(&self, decisions: Rc<RefCell<Vec<(bool, String)>>>) -> Services {
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
        });
        Services::new(
            Places::open().expect("/ and /proc can be opened"),
            Engine::new(loaded.policies, "root"),
            "root".to_owned(),
            Forbidden::new(),
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
        let name = |choices: &mut Choices<'_>| Text::cut(choices.one(NAMES));
        match kind % 12 {
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
                read: choices.coin(),
                write: choices.coin(),
                create: choices.coin(),
                permissions: choices.coin().then_some(Permissions::new(0o600)).flatten(),
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
            9 => ReadLink { dir: dir(choices, *next), name: name(choices) }.into(),
            10 => match choices.below(3) {
                0 => Stat { handle: AnyId::Dir(dir(choices, *next)) }.into(),
                1 => Stat { handle: AnyId::File(file(choices, *next)) }.into(),
                _ => StatEntry { dir: dir(choices, *next), name: name(choices) }.into(),
            },
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

/// Keeps each decision: permitted or not, and on what.
struct Memory(Rc<RefCell<Vec<(bool, String)>>>);

impl Sink for Memory {
    fn request(&mut self, _request: RequestNumber) {}

    fn before(&mut self, decision: &Decision<'_>) -> Result<(), AuditError> {
        self.0.borrow_mut().push((decision.permitted, decision.resource.to_owned()));
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

const NAMES: &[&str] = &[
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
