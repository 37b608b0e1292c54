//! Every row that opens, looks at or replaces what has a name, on everything that is no ordinary file: what becomes of it
//! with everything permitted stands in one table.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag};
use rex_ipc::failure::FailureClass;
use rex_ipc::file_system::{
    Attributes, BeginFile, ChunkLength, CreateDir, CreateLink, DeletePath, DirPlace, FinishWrite,
    ListDetails, MakeDir, MakePath, MoveDir, MoveFile, OpenDir, OpenFile, OpenLink, OpenListing, OpenTarget,
    ReadChunk, ReadLink, StatEntry,
};
use rex_ipc::handle::{DirId, FileId, WriterId};
use rex_ipc::interface::Request;
use rex_tests::session::{ALLOW_ALL, MAKE, Session, entry_text, name_text, path_text};
use rex_tests::tree::{Tree, is_root, with_mounts};

use crate::denials::fingerprint;

#[test]
fn what_is_no_ordinary_file_is_refused_as_the_table_says_and_nothing_has_changed() {
    let mut found = BTreeMap::new();
    let mut failures = Vec::new();
    for object in OBJECTS.iter().filter(|object| object.needs == Needs::Nothing || is_root()) {
        for row in ROWS {
            let mut attempt = || attempt(row, object, &mut failures);
            let outcome = if object.needs == Needs::Mounts { with_mounts(&mut attempt) } else { attempt() };
            found.insert(format!("{}: {}", object.name, row.name), outcome);
        }
    }

    assert!(failures.is_empty(), "{failures:#?}");
    compare(&found);
}

/// Tries one row on one object, and says what came of it.
fn attempt(row: &Row, object: &Object, failures: &mut Vec<String>) -> String {
    let tree = Tree::new();
    tree.dir("place");
    tree.file("secret", "a secret");
    tree.file("mine", "mine");
    tree.dir("my directory");
    let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
    (object.put)(&mut session);
    let requests = (row.act)(&mut session);
    let before = fingerprint(session.tree.root());

    let answer = session.batch(requests);

    let answer = match answer {
        Ok(answer) => answer,
        Err(end) => {
            failures.push(format!("{}: {}: the run was ended: {end:?}", object.name, row.name));
            return "ended".to_owned();
        }
    };
    let Some(failure) = answer.failure else { return "done".to_owned() };
    if fingerprint(session.tree.root()) != before {
        failures.push(format!("{}: {}: something has changed: {failure:?}", object.name, row.name));
    }
    let is_denial = failure.class == FailureClass::Denied;
    let recorded = session.records.decided().iter().any(|decided| !decided.permitted);
    if is_denial != recorded {
        failures
            .push(format!("{}: {}: a denial is recorded, or none was: {failure:?}", object.name, row.name));
    }
    if is_denial { "denied".to_owned() } else { failure.kind.name().to_owned() }
}

/// What stands at `place/thing`.
///
/// Two lines of the table say `done` about a closed directory: it is not looked at on the way of `begin_file`, nor on that
/// of `open_dir` which makes what is missing. Only entries of `/proc` are closed as directories, and there nothing can be
/// made.
struct Object {
    name: &'static str,
    needs: Needs,
    put: fn(&mut Session),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Root,
    Mounts,
}

const OBJECTS: &[Object] = &[
    // The controls.
    plain("a file", |session| drop(session.tree.file(THING, "ordinary"))),
    plain("a directory", |session| drop(session.tree.dir(THING))),
    plain("a FIFO", |session| drop(session.tree.fifo(THING))),
    plain("a socket", |session| {
        drop(std::os::unix::net::UnixListener::bind(session.path(THING)).unwrap());
    }),
    plain("a link", |session| drop(session.tree.link("../secret", THING))),
    plain("a link to itself", |session| drop(session.tree.link("thing", THING))),
    plain("a closed file", |session| {
        session.tree.hard_link("secret", THING);
        close(session);
    }),
    plain("a closed directory", |session| {
        session.tree.dir(THING);
        close(session);
    }),
    plain("a closed link", |session| {
        session.tree.link("../secret", THING);
        close(session);
    }),
    plain("a file that somebody else could have linked", |session| {
        fs::set_permissions(session.path("place"), fs::Permissions::from_mode(0o777)).unwrap();
        session.tree.hard_link("secret", THING);
    }),
    Object {
        name: "a device",
        needs: Needs::Root,
        put: |session| drop(session.tree.device(THING, SFlag::S_IFCHR, 1, 3)),
    },
    Object {
        name: "the broker's entry of /proc",
        needs: Needs::Mounts,
        put: |session| session.tree.mount_bind(format!("/proc/{}", std::process::id()), THING),
    },
];

const fn plain(name: &'static str, put: fn(&mut Session)) -> Object {
    Object { name, needs: Needs::Nothing, put }
}

/// Closes the thing, as the broker closes the files of its own run.
fn close(session: &mut Session) {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
    let held = nix::fcntl::open(&session.path(THING), flags, Mode::empty()).unwrap();
    session.services.deciding.forbidden.add_open(held, rex_broker::gate::forbidden::AUDIT_LOG).unwrap();
}

/// What is tried on `place/thing`.
struct Row {
    name: &'static str,
    act: fn(&mut Session) -> Vec<Request>,
}

const ROWS: &[Row] = &[
    row("open_dir", |s| {
        let path = s.text(THING);
        vec![s.opening_dir(&path).into()]
    }),
    row("open_dir, following", |s| {
        let path = s.text(THING);
        vec![OpenDir { follow: true, ..s.opening_dir(&path) }.into()]
    }),
    row("open_dir, through a link", |s| {
        s.tree.link(THING, "way");
        let path = s.text("way");
        vec![OpenDir { follow: true, ..s.opening_dir(&path) }.into()]
    }),
    row("open_dir, made", |s| {
        let path = s.text(THING);
        vec![OpenDir { create: CreateDir::Leaf, ..s.opening_dir(&path) }.into()]
    }),
    row("open_dir, made with all above it", |s| {
        let path = s.text("place/thing/a/b");
        vec![OpenDir { create: CreateDir::All, ..s.opening_dir(&path) }.into()]
    }),
    row("open_dir, by entry", |s| {
        let place = place(s);
        vec![s.opening_entry(place, "thing").into()]
    }),
    row("open_dir, below", |s| {
        let at = DirPlace::Below(s.root(), path_text(THING));
        vec![OpenDir { id: DirId(s.number()), at, follow: false, create: CreateDir::No }.into()]
    }),
    row("open_file, read", |s| reading(s, false)),
    row("open_file, following, read", |s| reading(s, true)),
    row("open_file, through a link, read", |s| {
        s.tree.link(THING, "way");
        let root = s.root();
        let opening = OpenFile { follow: true, ..s.opening_file(root, "way") };
        let file = opening.id;
        vec![opening.into(), read(file)]
    }),
    row("open_file, to be written", |s| {
        let place = place(s);
        vec![OpenFile { mode: MAKE, ..s.opening_file(place, "thing") }.into()]
    }),
    row("open_target", |s| {
        let dir = place(s);
        vec![OpenTarget { id: FileId(s.number()), dir, name: name_text("thing"), from: None }.into()]
    }),
    row("open_link", |s| {
        let dir = place(s);
        vec![OpenLink { id: FileId(s.number()), dir, name: name_text("thing") }.into()]
    }),
    row("open_listing", |s| listing(s, THING)),
    row("open_listing, with a slash", |s| listing(s, "place/thing/")),
    row("read_link", |s| vec![ReadLink { dir: place(s), name: entry_text("thing") }.into()]),
    row("stat_entry", |s| vec![StatEntry { dir: place(s), name: entry_text("thing") }.into()]),
    row("list_details", |s| vec![ListDetails { dir: place(s), restart: true }.into()]),
    row("make_dir, below it", |s| {
        vec![
            MakeDir { dir: s.root(), path: path_text("place/thing/new"), attributes: Attributes::default() }
                .into(),
        ]
    }),
    row("make_path, below it", |s| vec![MakePath { path: path_text(&s.text("place/thing/new")) }.into()]),
    row("begin_file, below it", |s| new_file(s, "place/thing/new")),
    row("begin_file, in its place", |s| new_file(s, THING)),
    row("create_link, in its place", |s| {
        vec![
            CreateLink { dir: place(s), name: name_text("thing"), target: path_text("x"), force: true }
                .into(),
        ]
    }),
    row("move_file, in its place", |s| {
        let root = s.root();
        let file = s.open_file(root, "mine").unwrap();
        let to = place(s);
        vec![MoveFile { file, to, name: name_text("thing"), id: FileId(s.number()), backup: true }.into()]
    }),
    row("move_dir, in its place", |s| {
        let path = s.text("my directory");
        let (from, dir, to) = (s.root(), s.open_dir(&path).unwrap(), place(s));
        vec![MoveDir { from, dir, to, name: name_text("thing"), id: DirId(s.number()) }.into()]
    }),
    row("delete_path", |s| vec![DeletePath { path: path_text(&s.text(THING)), recursive: false }.into()]),
];

const fn row(name: &'static str, act: fn(&mut Session) -> Vec<Request>) -> Row {
    Row { name, act }
}

fn place(session: &mut Session) -> DirId {
    let path = session.text("place");
    session.open_dir(&path).unwrap()
}

fn reading(session: &mut Session, follow: bool) -> Vec<Request> {
    let place = place(session);
    let opening = OpenFile { follow, ..session.opening_file(place, "thing") };
    let file = opening.id;
    vec![opening.into(), read(file)]
}

fn read(file: FileId) -> Request {
    ReadChunk { file, offset_bytes: 0, length: ChunkLength::MAX, redacted: false }.into()
}

fn listing(session: &mut Session, name: &str) -> Vec<Request> {
    let path = path_text(&session.text(name));
    vec![OpenListing { id: DirId(session.number()), path }.into()]
}

fn new_file(session: &mut Session, path: &str) -> Vec<Request> {
    let (dir, id) = (session.root(), WriterId(session.number()));
    vec![
        BeginFile { id, dir, path: path_text(path) }.into(),
        FinishWrite { writer: id, reopen: None, attributes: Attributes::default() }.into(),
    ]
}

/// Compares with the golden file what could be tried here, or writes it.
fn compare(found: &BTreeMap<String, String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("operations/refusals.golden");
    if std::env::var_os("REX_GOLDEN").is_some_and(|value| value == "write") {
        let lines: String = found.iter().map(|(what, outcome)| format!("{what}: {outcome}\n")).collect();
        fs::write(path, lines).unwrap();
        return;
    }
    let kept = fs::read_to_string(path).unwrap();
    let kept: BTreeMap<&str, &str> = kept.lines().filter_map(|line| line.rsplit_once(": ")).collect();
    let different: Vec<_> = found
        .iter()
        .filter(|(what, outcome)| kept.get(what.as_str()) != Some(&outcome.as_str()))
        .map(|(what, outcome)| format!("{what}: {outcome} and not {:?}", kept.get(what.as_str())))
        .collect();
    assert!(different.is_empty(), "{different:#?}; REX_GOLDEN=write, as root, writes the file anew");
}

const THING: &str = "place/thing";
