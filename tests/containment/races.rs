//! A local process exchanges directories, files and links while the broker opens, lists and stats: nothing outside shows.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};

use rex_broker::gate::error::Error;
use rex_broker::ops::dispatch;
use rex_broker::run::services::Services;
use rex_ipc::batch::{ReplyReader, ReplyWriter};
use rex_ipc::bounded::Text;
use rex_ipc::file_system::{
    Chunk, ChunkLength, Close, CreateDir, DirPlace, EntryPage, ListEntries, Metadata, OpenDir, OpenFile,
    OpenMode, Opened, ReadChunk, Spelled, Stat,
};
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_ipc::interface::Request;
use rex_ipc::limits::MAX_FRAME_BYTES;
use rex_tests::bench;
use rex_tests::tree::Tree;

/// Opens, lists and stats in all; `.ci/full races` does ten million.
const OPERATIONS: u64 = 400_000;

#[test]
fn hundreds_of_thousands_of_opens_lists_and_stats_show_nothing_outside_the_policy() {
    let scene = Scene::new();
    let exchanger = Exchanger::start(&scene.tree);
    let mut racer = Racer::new(&scene);

    let operations = rex_tests::size::of("REX_TEST_RACE", OPERATIONS);
    while racer.performed < operations {
        racer.turn();
    }

    drop(exchanger);
    println!("{:?}", racer.seen);
    assert_eq!(racer.seen.outside, 0);
    // Both sides of each exchange were met, or there was no race.
    assert!(racer.seen.contents > 1000, "{:?}", racer.seen);
    assert!(racer.seen.refusals > 1000, "{:?}", racer.seen);
}

// The control: who opens by path while this goes on is led outside.
#[test]
fn who_opens_by_path_is_led_outside() {
    let scene = Scene::new();
    let _exchanger = Exchanger::start(&scene.tree);
    let path = scene.tree.path("open/dir/file");

    let led_outside = (0..1_000_000).any(|_| fs::read(&path).is_ok_and(|content| content == SECRET));

    assert!(led_outside);
}

/// `open/` may be read, `closed/` may not; links lead from one to the other.
struct Scene {
    tree: Tree,
    closed_inodes: Vec<u64>,
}

impl Scene {
    fn new() -> Self {
        let tree = Tree::new();
        for directory in ["open/dir", "open/other", "open/deep/dir", "open/files"] {
            tree.file(format!("{directory}/file"), PUBLIC);
        }
        for directory in ["closed", "closed/dir"] {
            tree.file(format!("{directory}/file"), SECRET);
            tree.file(format!("{directory}/{MARK}"), SECRET);
        }
        let closed = tree.text("closed");
        tree.link(&closed, "open/link-to-directory");
        tree.link("../closed", "open/relative-link");
        tree.link(&format!("{closed}/file"), "open/files/link-to-file");
        tree.link(&closed, "open/link-to-parent");
        let inode = |name: &str| fs::metadata(tree.path(name)).unwrap().ino();
        let closed_inodes = ["closed", "closed/file", "closed/dir", "closed/dir/file"]
            .iter()
            .map(|name| inode(name))
            .collect();
        Self { tree, closed_inodes }
    }

    fn policy(&self) -> String {
        let open = self.tree.text("open");
        format!(
            "permit(principal, action in [file_system::Action::\"open\", file_system::Action::\"read\", \
             file_system::Action::\"stat\"], resource in file_system::Dir::\"{open}\");"
        )
    }
}

/// The pairs that are exchanged, one after the other, without end. None can move anything out of `closed/`.
const EXCHANGES: [(&str, &str); 5] = [
    ("open/dir", "open/link-to-directory"),
    ("open/files/file", "open/files/link-to-file"),
    ("open/deep", "open/link-to-parent"),
    ("open/other", "open/relative-link"),
    ("open/dir", "open/other"),
];

/// What is looked at; each of them is at times something else, or led to by something else.
const NAMES: [&str; 6] =
    ["open/dir", "open/other", "open/files", "open/deep/dir", "open/link-to-directory", "open/relative-link"];

/// A local process.
struct Exchanger(Child);

impl Exchanger {
    fn start(tree: &Tree) -> Self {
        let pairs = EXCHANGES.iter().flat_map(|(left, right)| [tree.path(left), tree.path(right)]);
        let mut child = Command::new(env!("CARGO_BIN_EXE_rex-understudy"))
            .arg("exchange")
            .args(pairs)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It says a word when it has begun.
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self(child)
    }
}

impl Drop for Exchanger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Debug, Default)]
struct Seen {
    contents: u64,
    lists: u64,
    stats: u64,
    refusals: u64,
    outside: u64,
}

/// Opens, lists and stats, and looks at everything that comes back.
struct Racer<'a> {
    scene: &'a Scene,
    services: Services,
    space: Vec<u8>,
    next_number: u32,
    performed: u64,
    seen: Seen,
}

impl<'a> Racer<'a> {
    fn new(scene: &'a Scene) -> Self {
        let services = bench::services(&scene.policy());
        let space = vec![0; MAX_FRAME_BYTES];
        Self { scene, services, space, next_number: 1, performed: 0, seen: Seen::default() }
    }

    /// One directory by each of its names, with what is in it.
    fn turn(&mut self) {
        for name in NAMES {
            for follow in [false, true] {
                self.services.host.handles.begin_batch();
                if self.look_at(name, follow).is_err() {
                    self.seen.refusals += 1;
                }
                // As for a batch that failed: what was opened is closed.
                self.services.host.handles.close_batch();
            }
        }
    }

    fn look_at(&mut self, name: &str, follow: bool) -> Result<(), Error> {
        let (dir, file) = (DirId(self.next_number), FileId(self.next_number + 1));
        self.next_number += 2;
        let path = Text::new(self.scene.tree.text(name)).unwrap();
        self.perform::<Opened>(Request::OpenDir(OpenDir {
            id: dir,
            at: DirPlace::Path(path),
            follow,
            create: CreateDir::No,
        }))?;
        let page: EntryPage = self.perform(Request::ListEntries(ListEntries { dir, restart: true }))?;
        self.seen.lists += 1;
        self.check(page.entries.as_slice().iter().all(|entry| entry.name.as_str() != MARK));
        let metadata: Metadata = self.perform(Request::Stat(Stat { handle: AnyId::Dir(dir) }))?;
        self.check_inode(&metadata);
        self.perform::<Opened>(Request::OpenFile(OpenFile {
            id: file,
            dir,
            name: Spelled::from(Text::new("file").unwrap()),
            mode: OpenMode::Read,
            follow,
        }))?;
        let metadata: Metadata = self.perform(Request::Stat(Stat { handle: AnyId::File(file) }))?;
        self.check_inode(&metadata);
        let length = ChunkLength::new(64).unwrap();
        let chunk: Chunk =
            self.perform(Request::ReadChunk(ReadChunk { file, offset_bytes: 0, length, redacted: false }))?;
        self.seen.contents += 1;
        self.check(chunk.bytes.as_slice() == PUBLIC);
        for handle in [AnyId::File(file), AnyId::Dir(dir)] {
            self.perform::<()>(Request::Close(Close { handle }))?;
        }
        Ok(())
    }

    fn perform<T>(&mut self, request: Request) -> Result<T, Error>
    where
        T: serde::Serialize + serde::de::DeserializeOwned,
    {
        self.performed += u64::from(!matches!(request, Request::Close(_)));
        let mut replies = ReplyWriter::new(&mut self.space);
        dispatch(request, self.services.parts(), 0, &mut replies)?;
        let used = replies.finish(None).unwrap();
        let mut reader = ReplyReader::new(&self.space[..used]).unwrap();
        Ok(reader.take().unwrap())
    }

    fn check_inode(&mut self, metadata: &Metadata) {
        self.seen.stats += 1;
        self.check(!self.scene.closed_inodes.contains(&metadata.inode));
    }

    fn check(&mut self, is_inside: bool) {
        self.seen.outside += u64::from(!is_inside);
    }
}

const PUBLIC: &[u8] = b"public";
const SECRET: &[u8] = b"secret";
/// A name that only the closed directories contain.
const MARK: &str = "mark-of-the-closed";
