//! Trees that somebody made to be in the way of changes: each ends with a clear error, and nothing has changed.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sys::stat::SFlag;
use rex_ipc::bounded::{Bytes, Text};
use rex_ipc::failure::{Failure, FailureClass};
use rex_ipc::file_system::*;
use rex_ipc::handle::{AnyId, DirId, FileId, WriterId};
use rex_ipc::interface::Request;
use rex_tests::session::{ALLOW_ALL, MAKE, READ_WRITE, Session, name_text, path_text};
use rex_tests::tree::{Tree, as_ordinary_user, is_root, with_mounts};

/// What can be done to something that has a name in a directory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    /// Makes it when it is missing, as `write` does.
    Write(WriteHow),
    CopyTo,
    CopyFrom,
    /// To the name `moved` beside it.
    MoveFrom,
    MoveOnto,
    Extract,
    ExtractBelow,
    MakePath,
    MakeDirBelow,
    Link,
    Mode,
    Owner,
    Times,
    Truncate,
    Allocate,
    Delete,
}

const APPEND: Act = Act::Write(WriteHow::Append);
const IN_PLACE: Act = Act::Write(WriteHow::InPlace);
const REPLACE: Act = Act::Write(WriteHow::Replace { keep_owner: true });

/// Those that have to open what has the name.
const OPENING: [Act; 11] = [
    APPEND,
    IN_PLACE,
    REPLACE,
    Act::CopyTo,
    Act::CopyFrom,
    Act::MoveFrom,
    Act::Mode,
    Act::Owner,
    Act::Times,
    Act::Truncate,
    Act::Allocate,
];

/// Those that put something new below the name.
const BELOW: [Act; 3] = [Act::ExtractBelow, Act::MakePath, Act::MakeDirBelow];

const CONTENT: &[u8] = &[b'n'; 20_000];

/// Attempts an act in one call, as a command does; `source` is a file of the tree with content.
fn attempt(session: &mut Session, act: Act, parent: &str, name: &str) -> Result<(), Failure> {
    let root = session.text("");
    let opening = [&root, parent].map(|path| session.opening_dir(path));
    let [from, dir] = [opening[0].id, opening[1].id];
    let mut requests: Vec<Request> = opening.into_iter().map(Request::from).collect();
    let named = name_text(name);
    let below = |more: &str| path_text(&format!("{name}/{more}"));
    match act {
        Act::Write(how) => {
            let (file, id) = (FileId(session.number()), WriterId(session.number()));
            requests.push(OpenTarget { id: file, dir, name: named, from: None }.into());
            requests.push(BeginWrite { id, file, how }.into());
            fill(&mut requests, id);
        }
        Act::CopyTo => {
            let source = open(session, &mut requests, from, "source");
            let to = FileId(session.number());
            requests.push(OpenTarget { id: to, dir, name: named, from: Some(source) }.into());
            requests.push(Copy { from: source, to, force: true, preserve: true }.into());
        }
        Act::CopyFrom => {
            let source = open(session, &mut requests, dir, name);
            let to = FileId(session.number());
            requests
                .push(OpenTarget { id: to, dir: from, name: name_text("copy"), from: Some(source) }.into());
            requests.push(Copy { from: source, to, force: true, preserve: true }.into());
        }
        Act::MoveFrom | Act::MoveOnto => {
            let (at, source) = if act == Act::MoveOnto { (from, "source") } else { (dir, name) };
            let file = open(session, &mut requests, at, source);
            let id = FileId(session.number());
            let name = if act == Act::MoveOnto { named } else { name_text("moved") };
            requests.push(MoveFile { file, to: dir, name, id, backup: false }.into());
        }
        Act::Extract | Act::ExtractBelow => {
            let id = WriterId(session.number());
            let path = if act == Act::Extract { path_text(name) } else { below("new/file") };
            requests.push(BeginFile { id, dir, path }.into());
            fill(&mut requests, id);
        }
        Act::MakePath => {
            requests.push(MakePath { path: path_text(&format!("{parent}/{name}/new/newer")) }.into());
        }
        Act::MakeDirBelow => {
            requests
                .push(MakeDir { dir, path: below("new/newer"), attributes: Attributes::default() }.into());
        }
        Act::Link => {
            requests.push(CreateLink { dir, name: named, target: path_text("nowhere"), force: true }.into());
        }
        Act::Delete => {
            requests
                .push(DeletePath { path: path_text(&format!("{parent}/{name}")), recursive: true }.into());
        }
        Act::Mode | Act::Owner | Act::Times | Act::Truncate | Act::Allocate => {
            let file = open(session, &mut requests, dir, name);
            let handle = AnyId::File(file);
            requests.push(match act {
                Act::Mode => SetMode { handle, permissions: Permissions::new(0o600).unwrap() }.into(),
                Act::Owner => {
                    SetOwner { handle, user: Some(Text::new("daemon").unwrap()), group: None }.into()
                }
                Act::Times => SetTimes { file, accessed: None, modified: Some(NewTime::Now) }.into(),
                Act::Truncate => Truncate { file, size_bytes: 1 }.into(),
                _ => Allocate { file, length_bytes: 1024 * 1024 }.into(),
            });
        }
    }
    call(session, requests)
}

fn call(session: &mut Session, requests: Vec<Request>) -> Result<(), Failure> {
    session.records.clear();
    let answer = session.batch(requests).expect("the run goes on");
    answer.failure.map_or(Ok(()), Err)
}

fn open(session: &mut Session, requests: &mut Vec<Request>, dir: DirId, name: &str) -> FileId {
    let opening = OpenFile { mode: READ_WRITE, ..session.opening_file(dir, name) };
    let id = opening.id;
    requests.push(opening.into());
    id
}

fn fill(requests: &mut Vec<Request>, writer: WriterId) {
    requests.push(WriteChunk { writer, bytes: Bytes::new(CONTENT.to_vec()).unwrap() }.into());
    requests.push(FinishWrite { writer, reopen: None, attributes: Attributes::default() }.into());
}

fn errno(result: &Result<(), Failure>) -> Option<u16> {
    match result {
        Err(Failure { class: FailureClass::System { errno }, .. }) => Some(*errno),
        _ => None,
    }
}

/// Attempts the acts one by one: each fails with one of these error numbers, if any are given, and changes nothing.
fn all_fail(session: &mut Session, acts: &[Act], parent: &str, name: &str, errnos: &[u16]) {
    let before = session.tree.picture();
    for act in acts {
        let begun = Instant::now();

        let result = attempt(session, *act, parent, name);

        let failure = result.clone().expect_err(&format!("{act:?} of {name}"));
        assert!(!failure.message.as_str().is_empty());
        let expected = errnos.is_empty() || errno(&result).is_some_and(|errno| errnos.contains(&errno));
        assert!(expected, "{act:?} of {name}: {failure:?}");
        unchanged(&before, session, &format!("{act:?} of {name}: {failure:?}"));
        assert!(begun.elapsed() < PATIENCE, "{act:?} of {name} has waited for something");
    }
}

fn unchanged(before: &BTreeMap<PathBuf, String>, session: &Session, what: &str) {
    let now = session.tree.picture();
    let differs = |path: &&PathBuf| before.get(*path) != now.get(*path);
    let different: Vec<_> = before.keys().chain(now.keys()).filter(differs).collect();
    assert!(different.is_empty(), "{what} has changed {different:?}");
}

fn all_succeed(session: &mut Session, acts: &[Act], parent: &str, name: &str) {
    for act in acts {
        attempt(session, *act, parent, name).unwrap_or_else(|failure| panic!("{act:?}: {failure:?}"));
    }
}

// Opened by anybody, a FIFO waits and a device acts.
#[test]
fn what_is_no_regular_file_is_neither_opened_nor_changed() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("source", CONTENT);
    let fifo = session.tree.fifo("fifo");
    let socket = std::os::unix::net::UnixListener::bind(session.path("socket")).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut names = vec!["fifo", "socket"];
    if is_root() {
        // Nobody drives these: opened, they would answer with ENXIO.
        session.tree.device("character", SFlag::S_IFCHR, 240, 77);
        session.tree.device("block", SFlag::S_IFBLK, 240, 77);
        names.extend(["character", "block"]);
    }
    let root = session.text("");
    let mut reader =
        OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(&fifo).expect("it is ours");

    for name in &names {
        all_fail(&mut session, &OPENING, &root, name, &[]);
        all_fail(&mut session, &BELOW, &root, name, &[]);
        let failure = attempt(&mut session, APPEND, &root, name).unwrap_err();
        assert!(
            !matches!(failure.class, FailureClass::System { errno: 6 }),
            "{name} was opened: {failure:?}"
        );
    }

    assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0, "nobody has written to the FIFO");
    assert!(socket.accept().is_err(), "nobody has connected");
    // The name itself can be removed, and can be taken by a file from an archive, as by tar.
    for name in names {
        all_succeed(&mut session, &[Act::Extract], &root, name);
        assert_eq!(fs::read(session.path(name)).unwrap(), CONTENT);
    }
    session.tree.fifo("another");
    all_succeed(&mut session, &[Act::Delete], &root, "another");
    assert!(!session.path("another").exists());
    let mut rest = [0; 1];
    assert_eq!(reader.read(&mut rest).unwrap(), 0, "nobody has written to the FIFO");
}

#[test]
fn details_of_what_is_in_the_way_are_told_without_opening_it() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.fifo("d/fifo");
    session.tree.link("loop", "d/loop");
    drop(std::os::unix::net::UnixListener::bind(session.path("d/socket")).unwrap());
    session.tree.file(format!("d/{}", "n".repeat(255)), "");
    let odd: &[u8] = b"d/\xff\xfe";
    session.tree.file(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(odd), "");
    let path = session.text("d");
    let dir = session.open_dir(&path).unwrap();

    let page = session.send(ListDetails { dir, restart: true }).unwrap();

    assert!(page.end);
    assert_eq!(page.entries.as_slice().len(), 5);
}

#[test]
fn what_the_broker_may_not_write_to_stays_as_it_is() {
    as_ordinary_user(|| {
        let mut session = Session::with_policy(ALLOW_ALL);
        session.tree.file("source", CONTENT);
        session.tree.file("closed/file", "old");
        session.tree.dir("closed/dir/sub");
        session.tree.file("unwritable", "old");
        let mode = |name: &str, bits| {
            fs::set_permissions(session.path(name), PermissionsExt::from_mode(bits)).unwrap();
        };
        mode("unwritable", 0o000);
        mode("closed/dir", 0o555);
        mode("closed", 0o555);
        let (root, closed) = (session.text(""), session.text("closed"));

        let acts = [&OPENING[..], &[Act::MoveFrom]].concat();
        all_fail(&mut session, &acts, &root, "unwritable", &[13]);
        let acts = [REPLACE, Act::MoveFrom, Act::MoveOnto, Act::Extract, Act::Link, Act::Delete];
        all_fail(&mut session, &acts, &closed, "file", &[13]);
        let acts = [APPEND, IN_PLACE, REPLACE, Act::CopyTo, Act::Extract, Act::MoveOnto, Act::MakePath];
        all_fail(&mut session, &acts, &closed, "new", &[13]);
        all_fail(&mut session, &BELOW, &closed, "dir", &[13]);
        all_fail(&mut session, &[Act::Delete], &root, "closed", &[13]);
    });
}

#[test]
fn what_is_immutable_stays_as_it_is() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("source", CONTENT);
    let fixed = [session.tree.file("file", "old"), session.tree.dir("d")];
    session.tree.file("d/file", "old");
    let change = |flag: &str| Command::new("chattr").arg(flag).args(&fixed).output();
    let changed = change("+i").expect("this test needs chattr, which e2fsprogs has");
    if !changed.status.success() {
        rex_tests::skip::skipped("nothing can be made immutable here");
        return;
    }
    let (root, dir) = (session.text(""), session.text("d"));

    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let acts = [&OPENING[..], &[Act::MoveOnto, Act::Extract, Act::Link, Act::Delete]].concat();
        all_fail(&mut session, &acts, &root, "file", &[1]);
        let acts = [REPLACE, Act::MoveFrom, Act::MoveOnto, Act::Extract, Act::Link, Act::Delete];
        all_fail(&mut session, &acts, &dir, "file", &[1]);
        let acts = [APPEND, IN_PLACE, REPLACE, Act::CopyTo, Act::Extract, Act::MakePath, Act::Link];
        all_fail(&mut session, &acts, &dir, "new", &[1]);
        all_fail(&mut session, &[Act::Delete], &root, "d", &[1]);
    }));
    assert!(change("-i").unwrap().status.success());
    checked.unwrap();
}

#[test]
fn links_in_a_circle_lead_nowhere() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("source", CONTENT);
    session.tree.link("b", "a");
    session.tree.link("a", "b");
    session.tree.link("c", "c");
    let root = session.text("");

    for name in ["a", "c"] {
        all_fail(&mut session, &OPENING, &root, name, &[]);
        all_fail(&mut session, &BELOW, &root, name, &[]);
    }
    let before = session.tree.picture();
    let path = session.text("a");
    let mut opening = session.opening_dir(&path);
    opening.follow = true;
    assert_eq!(session.send(opening).unwrap_err().errno(), Some(40));
    assert_eq!(session.tree.picture(), before);
}

#[test]
fn every_name_that_linux_allows_can_be_changed() {
    let odd: Vec<u8> = (1..=255).filter(|byte| *byte != b'/').collect();
    let longest = "n".repeat(255);
    for name in [longest.as_bytes(), &odd, b"\xff\xfe", b"-rf", b"\n", b" ", b"\xe2\x80\xae"] {
        let name = rex_ipc::name::to_text(name);
        let mut session = Session::with_policy(ALLOW_ALL);
        session.tree.file("source", CONTENT);
        let root = session.text("");
        let acts =
            [APPEND, IN_PLACE, REPLACE, Act::CopyTo, Act::CopyFrom, Act::Extract, Act::Mode, Act::Times];

        all_succeed(&mut session, &acts, &root, &name);
        all_succeed(&mut session, &[Act::Delete, Act::Link, Act::Extract, Act::MoveOnto], &root, &name);
        all_succeed(&mut session, &[Act::MoveFrom, Act::MakePath, Act::ExtractBelow], &root, &name);
        all_succeed(&mut session, &[Act::Delete], &root, &name);

        let mut left: Vec<_> =
            fs::read_dir(session.tree.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["copy", "moved"], "{name}");
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("source", CONTENT);
    let root = session.text("");
    let acts = [APPEND, REPLACE, Act::CopyTo, Act::MoveOnto, Act::MakePath, Act::Link, Act::Delete];
    all_fail(&mut session, &acts, &root, &"n".repeat(256), &[36]);
}

// Longer than PATH_MAX: by its whole path the kernel would not find it.
#[test]
fn a_tree_deeper_than_the_longest_path_is_moved_and_removed() {
    let there = |session: &mut Session, to: &str| {
        let (root, to) = (session.root(), session.text(to));
        let to = session.open_dir(&to).unwrap();
        let opening = session.opening_entry(root, "top");
        let dir = opening.id;
        session.send(opening).unwrap();
        let name = name_text("arrived");
        let id = DirId(session.number());
        session.send(MoveDir { from: root, dir, to, name, id }).unwrap();
        session.send(DeleteDir { dir: id, force: false, recursive: true }).unwrap();
    };
    let mut session = Session::with_policy(ALLOW_ALL);
    deep(&mut session);
    session.tree.dir("to");
    there(&mut session, "to");
    assert!(!session.path("top").exists() && !session.path("to/arrived").exists());

    if !is_root() {
        return;
    }
    with_mounts(|| {
        let tree = Tree::new();
        tree.mount_new("tmpfs", "far");
        let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
        deep(&mut session);
        there(&mut session, "far");
        assert!(!session.path("top").exists());
        assert_eq!(fs::read_dir(session.path("far")).unwrap().count(), 0);
    });
}

/// Makes a tree of 6,000 bytes' depth at `top`, with a file at its end.
fn deep(session: &mut Session) {
    let mut dir = session.root();
    for name in std::iter::once("top".to_owned()).chain((0..30).map(|_| "d".repeat(200))) {
        let opening = OpenDir { create: CreateDir::Leaf, ..session.opening_entry(dir, &name) };
        let next = opening.id;
        session.send(opening).unwrap();
        session.close(AnyId::Dir(dir));
        dir = next;
    }
    let opening = OpenFile { mode: MAKE, ..session.opening_file(dir, "file") };
    session.send(opening).unwrap();
}

#[test]
fn what_is_mounted_inside_stays_as_it_is() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let tree = Tree::new();
        tree.file("source", CONTENT);
        tree.file("outside/keep", "kept");
        tree.file("d/first", "1");
        tree.file("d/z/last", "2");
        tree.mount_new("tmpfs", "d/mounted");
        tree.file("d/mounted/keep", "kept");
        let keep = tree.path("outside/keep");
        tree.mount_bind(keep, "d/file");
        let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
        let (root, dir) = (session.text(""), session.text("d"));

        all_fail(&mut session, &[Act::MoveFrom, Act::Delete, Act::Extract, Act::MoveOnto], &dir, "file", &[]);
        all_fail(&mut session, &[Act::Delete], &dir, "mounted", &[16]);
        // What is removed before the mount is met is gone; what is mounted, and what it is mounted on, stays.
        attempt(&mut session, Act::Delete, &root, "d").unwrap_err();
        assert_eq!(fs::read(session.path("d/mounted/keep")).unwrap(), b"kept");
        assert_eq!(fs::read(session.path("outside/keep")).unwrap(), b"kept");
    });
}

#[test]
fn a_read_only_file_system_stays_as_it_is() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let tree = Tree::new();
        tree.file("source", CONTENT);
        tree.mount_new("tmpfs", "fixed");
        tree.file("fixed/file", "old");
        tree.dir("fixed/dir");
        remount(&tree, "fixed", MsFlags::MS_RDONLY, "");
        let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
        let fixed = session.text("fixed");

        let acts = [&OPENING[..], &[Act::MoveOnto, Act::Extract, Act::Link, Act::Delete]].concat();
        all_fail(&mut session, &acts, &fixed, "file", &[30]);
        let acts = [APPEND, IN_PLACE, REPLACE, Act::CopyTo, Act::MoveOnto, Act::Extract, Act::MakePath];
        all_fail(&mut session, &acts, &fixed, "new", &[30]);
        all_fail(&mut session, &[Act::ExtractBelow, Act::MakePath, Act::Delete], &fixed, "dir", &[30]);
    });
}

fn remount(tree: &Tree, name: &str, flags: MsFlags, options: &str) {
    let at = tree.path(name);
    mount(None::<&str>, &at, None::<&str>, MsFlags::MS_REMOUNT | flags, Some(options)).unwrap();
}

#[test]
fn a_full_disk_stays_as_it_is() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let tree = Tree::new();
        tree.file("source", CONTENT);
        tree.mount_new("tmpfs", "full");
        remount(&tree, "full", MsFlags::empty(), "size=64k");
        tree.file("full/file", "old");
        tree.file("full/ballast", vec![b'b'; 56 * 1024]);
        let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
        let full = session.text("full");

        let acts = [APPEND, IN_PLACE, REPLACE, Act::CopyTo, Act::MoveOnto, Act::Extract, Act::Allocate];
        all_fail(&mut session, &acts, &full, "file", &[28]);
        let acts = [APPEND, IN_PLACE, REPLACE, Act::CopyTo, Act::MoveOnto, Act::Extract, Act::ExtractBelow];
        all_fail(&mut session, &acts, &full, "new", &[28]);
        // No room for one more name, where the directories on the way still fit.
        let used = nix::sys::statvfs::statvfs(&session.path("full")).unwrap();
        let used = used.files() - used.files_free();
        remount(&session.tree, "full", MsFlags::empty(), &format!("size=1m,nr_inodes={}", used + 1));
        all_fail(&mut session, &BELOW, &full, "new", &[28]);
    });
}

// What is behind the point that the copy has reached is taken as it is then; what grows for ever is not followed.
#[test]
fn a_file_that_grows_while_it_is_copied_ends_the_copy_all_the_same() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("source", CONTENT);
    let path = session.tree.file("growing", vec![b'g'; 4 * 1024 * 1024]);
    let root = session.text("");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = OpenOptions::new().append(true).open(&path).unwrap();
            while !stop.load(Ordering::Relaxed) && file.metadata().unwrap().len() < 1 << 30 {
                file.write_all(&[b'g'; 256 * 1024]).unwrap();
            }
        });
        let begun = Instant::now();
        let result = attempt(&mut session, Act::CopyFrom, &root, "growing");
        stop.store(true, Ordering::Relaxed);
        result.unwrap();
        assert!(begun.elapsed() < 4 * PATIENCE);
    });
    let (copied, source) = (session.path("copy").metadata().unwrap(), path.metadata().unwrap());
    assert!(copied.len() >= 4 * 1024 * 1024 && copied.len() <= source.len());
}

/// What takes this long waits for something.
const PATIENCE: Duration = Duration::from_secs(5);
