//! A local process exchanges directories, files and links while the broker writes, copies, moves, removes and relabels:
//! nothing outside changes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, Command, Stdio};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, mkdirat};
use rex_broker::gate::error::Error;
use rex_broker::ops::dispatch;
use rex_broker::run::services::Services;
use rex_ipc::batch::ReplyWriter;
use rex_ipc::bounded::{Bytes, Text};
use rex_ipc::file_system::*;
use rex_ipc::handle::{AnyId, DirId, FileId, WriterId};
use rex_ipc::interface::Request;
use rex_ipc::limits::MAX_FRAME_BYTES;
use rex_tests::bench;
use rex_tests::tree::Tree;

/// Requests in all; opens that lead to them are counted, closes are not; `.ci/full races` does ten million.
const OPERATIONS: u64 = 200_000;

/// How many requests lie between two looks at what must not change.
const LOOK_EVERY: u64 = 20_000;

#[test]
fn hundreds_of_thousands_of_changes_change_nothing_outside_the_policy() {
    let scene = Scene::new();
    let before = scene.outside();
    let exchanger = Exchanger::start(&scene.tree);
    let mut racer = Racer::new(&scene);

    let mut next_look = LOOK_EVERY;
    let operations = rex_tests::size::of("REX_TEST_RACE", OPERATIONS);
    while racer.performed < operations {
        racer.turn();
        if racer.performed >= next_look {
            next_look += LOOK_EVERY;
            assert_eq!(scene.outside(), before, "after {} requests: {:?}", racer.performed, racer.done);
        }
    }

    drop(exchanger);
    println!("{:?}, refused: {:?}", racer.done, racer.refused);
    assert_eq!(scene.outside(), before);
    // Every kind of change was carried out, and every kind was refused at times, or there was no race.
    for act in ACTS {
        let name = act.name();
        assert!(racer.done.get(name).is_some_and(|count| *count > 0), "{name} was never done");
        assert!(racer.refused.get(name).is_some_and(|count| *count > 0), "{name} was never refused");
    }
}

// The control: who changes modes by path while this goes on is led outside.
#[test]
fn who_changes_by_path_is_led_outside() {
    let scene = Scene::new();
    let before = scene.outside();
    let _exchanger = Exchanger::start(&scene.tree);
    let path = scene.tree.path("open/dir/file");

    let changed = (0..1_000_000_u32).any(|round| {
        let mode = fs::Permissions::from_mode(0o600 | (round % 2) << 3);
        drop(fs::set_permissions(&path, mode));
        round % 512 == 0 && scene.outside() != before
    });

    assert!(changed);
}

/// `open/` may be changed, `closed/` may not; links lead from one to the other.
struct Scene {
    tree: Tree,
    root: OwnedFd,
}

impl Scene {
    fn new() -> Self {
        let tree = Tree::new();
        for directory in ["closed", "closed/dir", "closed/dir/sub"] {
            tree.file(format!("{directory}/file"), SECRET);
            tree.file(format!("{directory}/other"), SECRET);
        }
        tree.dir("open");
        let closed = tree.text("closed");
        let root = fs::File::open(tree.root()).expect("the tree is ours").into();
        let scene = Self { tree, root };
        scene.restore();
        scene.tree.link(&closed, "open/link-to-directory");
        scene.tree.link("../closed", "open/relative-link");
        scene.tree.link(&format!("{closed}/file"), "open/files/link-to-file");
        scene.tree.link(&closed, "open/link-to-parent");
        // A directory in which others make names, with a second name for what is closed.
        scene.tree.dir("open/shared");
        fs::set_permissions(scene.tree.path("open/shared"), fs::Permissions::from_mode(0o777)).unwrap();
        scene.tree.hard_link("closed/other", "open/shared/hard");
        scene.tree.file("open/shared/file", PUBLIC);
        scene
    }

    fn policy(&self) -> String {
        let open = self.tree.text("open");
        format!("permit(principal, action, resource in file_system::Dir::\"{open}\");")
    }

    /// Makes what the rounds have removed, beneath held directories and through no link.
    fn restore(&self) {
        for directory in DIRECTORIES {
            let Some((parent, name)) = directory.rsplit_once('/') else { continue };
            if let Some(parent) = self.beneath(parent) {
                let _ = mkdirat(parent.as_fd(), name, Mode::from_bits_truncate(0o755));
            }
            let Some(here) = self.beneath(directory) else { continue };
            let how = OpenHow::new()
                .flags(
                    OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
                )
                .mode(Mode::from_bits_truncate(0o644))
                .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
            if let Ok(made) = openat2(here.as_fd(), "file", how) {
                drop(fs::File::from(made).write_all(PUBLIC));
            }
        }
    }

    fn beneath(&self, path: &str) -> Option<OwnedFd> {
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        openat2(self.root.as_fd(), path, how).ok()
    }

    /// Everything about what is closed that a change would show in; not how often it was read, and not how many names
    /// it has elsewhere, because one in `open/` may be removed.
    fn outside(&self) -> BTreeMap<String, Shape> {
        let mut shapes = BTreeMap::new();
        let mut pending = vec![self.tree.path("closed")];
        while let Some(path) = pending.pop() {
            let metadata = fs::symlink_metadata(&path).expect("nothing of it is removed");
            let content = if metadata.is_file() { fs::read(&path).expect("it is ours") } else { Vec::new() };
            if metadata.is_dir() {
                pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
            let shape = Shape {
                inode: metadata.ino(),
                mode: metadata.mode(),
                owner: (metadata.uid(), metadata.gid()),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                content,
            };
            shapes.insert(path.display().to_string(), shape);
        }
        shapes
    }
}

#[derive(Debug, PartialEq)]
struct Shape {
    inode: u64,
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    content: Vec<u8>,
}

/// The directories of `open/` that hold a file each.
const DIRECTORIES: [&str; 6] =
    ["open/dir", "open/other", "open/deep", "open/deep/dir", "open/files", "open/spare"];

/// The pairs that are exchanged, one after the other, without end. None can move anything out of `closed/`.
const EXCHANGES: [(&str, &str); 6] = [
    ("open/dir", "open/link-to-directory"),
    ("open/files/file", "open/files/link-to-file"),
    ("open/deep", "open/link-to-parent"),
    ("open/other", "open/relative-link"),
    ("open/dir", "open/other"),
    ("open/shared/file", "open/shared/hard"),
];

/// Where changes are made; each of them is at times something else, or led to by something else.
const NAMES: [&str; 8] = [
    "open/dir",
    "open/other",
    "open/files",
    "open/deep/dir",
    "open/link-to-directory",
    "open/relative-link",
    "open/shared",
    "open/spare",
];

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

/// A change, as requests that follow the opening of a directory.
#[derive(Clone, Copy, Debug)]
enum Act {
    Create,
    Replace,
    InPlace,
    Append,
    Truncate,
    Allocate,
    Copy,
    MoveFile,
    MoveDir,
    DeleteFile,
    DeleteDir,
    DeletePath,
    MakeDir,
    MakePath,
    Archive,
    CreateLink,
    SetMode,
    SetDirMode,
    SetOwner,
    SetTimes,
    Details,
}

// The mode comes first: from then on `open/shared` looks like a directory in which nobody else ever made names.
const ACTS: [Act; 21] = [
    Act::SetDirMode,
    Act::Create,
    Act::Replace,
    Act::InPlace,
    Act::Append,
    Act::Truncate,
    Act::Allocate,
    Act::Copy,
    Act::MoveFile,
    Act::MoveDir,
    Act::DeleteFile,
    Act::DeleteDir,
    Act::DeletePath,
    Act::MakeDir,
    Act::MakePath,
    Act::Archive,
    Act::CreateLink,
    Act::SetMode,
    Act::SetOwner,
    Act::SetTimes,
    Act::Details,
];

impl Act {
    fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::InPlace => "in place",
            Self::Append => "append",
            Self::Truncate => "truncate",
            Self::Allocate => "allocate",
            Self::Copy => "copy",
            Self::MoveFile => "move a file",
            Self::MoveDir => "move a directory",
            Self::DeleteFile => "delete a file",
            Self::DeleteDir => "delete a directory",
            Self::DeletePath => "delete a path",
            Self::MakeDir => "make a directory",
            Self::MakePath => "make a path",
            Self::Archive => "extract",
            Self::CreateLink => "create a link",
            Self::SetMode => "set a mode",
            Self::SetDirMode => "set a directory's mode",
            Self::SetOwner => "set an owner",
            Self::SetTimes => "set times",
            Self::Details => "list with details",
        }
    }
}

/// Makes changes, and counts what became of them.
struct Racer<'a> {
    scene: &'a Scene,
    services: Services,
    space: Vec<u8>,
    next_number: u32,
    performed: u64,
    done: BTreeMap<&'static str, u64>,
    refused: BTreeMap<&'static str, u64>,
}

impl<'a> Racer<'a> {
    fn new(scene: &'a Scene) -> Self {
        let services = bench::services(&scene.policy());
        let space = vec![0; MAX_FRAME_BYTES];
        let (done, refused) = Default::default();
        Self { scene, services, space, next_number: 1, performed: 0, done, refused }
    }

    /// Each change in each directory, once with links followed and once without.
    fn turn(&mut self) {
        for act in ACTS {
            for name in NAMES {
                for follow in [false, true] {
                    self.services.host.handles.begin_batch();
                    let counts = if self.change(act, name, follow).is_ok() {
                        &mut self.done
                    } else {
                        &mut self.refused
                    };
                    *counts.entry(act.name()).or_default() += 1;
                    // As for a batch that failed: what was opened is closed.
                    self.services.host.handles.close_batch();
                    self.scene.restore();
                }
            }
        }
    }

    fn change(&mut self, act: Act, name: &str, follow: bool) -> Result<(), Error> {
        let path = self.scene.tree.text(name);
        match act {
            Act::DeletePath => {
                let path = text(&format!("{path}/file"));
                return self.perform(DeletePath { path, recursive: false });
            }
            Act::MakePath => return self.perform(MakePath { path: text(&format!("{path}/new/newer")) }),
            _ => {}
        }
        let dir = self.open_dir(&path, follow)?;
        match act {
            Act::Create => drop(self.open_file(dir, "made", follow, true)?),
            Act::Replace => self.write(dir, follow, WriteHow::Replace { keep_owner: true })?,
            Act::InPlace => self.write(dir, follow, WriteHow::InPlace)?,
            Act::Append => self.write(dir, follow, WriteHow::Append)?,
            Act::Truncate => {
                let file = self.open_file(dir, "file", follow, false)?;
                self.perform(Truncate { file, size_bytes: 3 })?;
            }
            Act::Allocate => {
                let file = self.open_file(dir, "file", follow, false)?;
                self.perform(Allocate { file, length_bytes: 100 })?;
            }
            Act::Copy => {
                let from = self.open_file(dir, "file", follow, false)?;
                let to = self.open_file(dir, "made", follow, true)?;
                self.perform(Copy { from, to, force: true, preserve: true })?;
            }
            Act::MoveFile => {
                let file = self.open_file(dir, "file", follow, false)?;
                let to = self.open_dir(&self.scene.tree.text("open/spare"), false)?;
                let id = FileId(self.number());
                self.perform(MoveFile { file, to, name: Spelled::from(text("moved")), id, backup: false })?;
            }
            Act::MoveDir => {
                let open = self.open_dir(&self.scene.tree.text("open"), false)?;
                let id = DirId(self.number());
                self.perform(MoveDir {
                    from: open,
                    dir,
                    to: open,
                    name: Spelled::from(text("moved-directory")),
                    id,
                })?;
                // Back again, so that the next round finds it.
                let back = DirId(self.number());
                let name = Spelled::from(text(name.rsplit('/').next().unwrap_or_default()));
                self.perform(MoveDir { from: open, dir: id, to: open, name, id: back })?;
            }
            Act::DeleteFile => {
                let file = self.open_file(dir, "file", follow, false)?;
                self.perform(DeleteFile { file, force: false })?;
            }
            Act::DeleteDir => self.perform(DeleteDir { dir, force: false, recursive: true })?,
            Act::MakeDir => {
                self.perform(MakeDir { dir, path: text("new/newer"), attributes: Attributes::default() })?;
            }
            Act::Archive => {
                let writer = WriterId(self.number());
                self.perform(BeginFile { id: writer, dir, path: text("sub/file") })?;
                self.finish(writer)?;
            }
            Act::CreateLink => {
                let target = text(&self.scene.tree.text("closed/file"));
                self.perform(CreateLink {
                    dir,
                    name: Spelled::from(text("made-link")),
                    target,
                    force: true,
                })?;
            }
            Act::SetMode => {
                let handle = AnyId::File(self.open_file(dir, "file", follow, false)?);
                self.perform(SetMode { handle, permissions: mode(0o604) })?;
            }
            Act::SetDirMode => self.perform(SetMode { handle: AnyId::Dir(dir), permissions: mode(0o755) })?,
            Act::SetOwner => {
                let handle = AnyId::File(self.open_file(dir, "file", follow, false)?);
                // To whom it belongs already: only root can give a file away, and this is no test of that.
                let (user, group) = own_names();
                self.perform(SetOwner { handle, user: Some(text(&user)), group: Some(text(&group)) })?;
            }
            Act::SetTimes => {
                let file = self.open_file(dir, "file", follow, false)?;
                self.perform(SetTimes { file, accessed: None, modified: Some(NewTime::Now) })?;
            }
            Act::Details => drop(self.perform::<ListDetails>(ListDetails { dir, restart: true })?),
            Act::DeletePath | Act::MakePath => {}
        }
        Ok(())
    }

    fn write(&mut self, dir: DirId, follow: bool, how: WriteHow) -> Result<(), Error> {
        let file = self.open_file(dir, "file", follow, false)?;
        let writer = WriterId(self.number());
        self.perform(BeginWrite { id: writer, file, how })?;
        self.finish(writer)
    }

    fn finish(&mut self, writer: WriterId) -> Result<(), Error> {
        self.perform(WriteChunk { writer, bytes: Bytes::new(b"changed".to_vec()).unwrap() })?;
        self.perform(FinishWrite { writer, reopen: None, attributes: Attributes::default() })
    }

    fn open_dir(&mut self, path: &str, follow: bool) -> Result<DirId, Error> {
        let id = DirId(self.number());
        self.perform(OpenDir { id, at: DirPlace::Path(text(path)), follow, create: CreateDir::No })?;
        Ok(id)
    }

    fn open_file(&mut self, dir: DirId, name: &str, follow: bool, create: bool) -> Result<FileId, Error> {
        let id = FileId(self.number());
        let mode = OpenMode::ReadWrite(if create { IfMissing::Make(None) } else { IfMissing::Fail });
        self.perform(OpenFile { id, dir, name: Spelled::from(text(name)), mode, follow })?;
        Ok(id)
    }

    fn number(&mut self) -> u32 {
        self.next_number += 1;
        self.next_number
    }

    fn perform<O>(&mut self, request: O) -> Result<O::Reply, Error>
    where
        O: rex_ipc::interface::Operation,
        Request: From<O>,
    {
        self.performed += 1;
        let mut replies = ReplyWriter::new(&mut self.space);
        dispatch(request.into(), self.services.parts(), 0, &mut replies)?;
        let used = replies.finish(None).unwrap();
        let mut reader = rex_ipc::batch::ReplyReader::new(&self.space[..used]).unwrap();
        Ok(reader.take().unwrap())
    }
}

fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new(text).unwrap()
}

fn mode(bits: u16) -> Permissions {
    Permissions::new(bits).unwrap()
}

const PUBLIC: &[u8] = b"public";
const SECRET: &[u8] = b"secret";

/// The names of the user and the group that the tests run as.
fn own_names() -> (String, String) {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
    let group = nix::unistd::Group::from_gid(nix::unistd::getegid()).ok().flatten();
    (user.expect("who tests has a name").name, group.expect("and a group with one").name)
}
