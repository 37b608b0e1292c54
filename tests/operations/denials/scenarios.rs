//! What is tried: a request on a tree, and the policy that leads it one way or another.

use rex_ipc::bounded::{Bytes, Text};
use rex_ipc::file_system::{
    Allocate, Attributes, BeginFile, BeginWrite, ChunkLength, Copy, CreateDir, CreateLink, DeleteDir,
    DeleteFile, DeletePath, DirPlace, FinishWrite, ListDetails, ListEntries, MakeDir, MakePath, MoveDir,
    MoveFile, NameOrNumber, NewTime, OpenDir, OpenFile, OpenLink, OpenListing, OpenTarget, Permissions,
    ReadChunk, ReadEnd, ReadLink, SetMode, SetOwner, SetTimes, SetXAttr, Stat, StatEntry, Truncate,
    WriteChunk, WriteHow,
};
use rex_ipc::handle::{AnyId, DirId, FileId, WriterId};
use rex_ipc::interface::Request;
use rex_tests::session::{MAKE, READ_WRITE, Session, entry_text, name_text, path_text};
use rex_tests::tree::{Tree, is_root};

/// One request under one policy.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) needs: Needs,
    /// What is forbidden from the start, in Cedar; `{root}` is the tree.
    pub(crate) base: &'static str,
    /// Prepares, with everything permitted, and gives the request.
    pub(crate) act: fn(&mut Session) -> Request,
}

/// What a scenario needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    Root,
    /// Another file system in the tree, called `other`.
    Mounts,
}

impl Scenario {
    pub(crate) fn is_possible(&self) -> bool {
        self.needs == Needs::Nothing || is_root()
    }
}

/// The tree of every scenario. No directory that is walked has two entries: their order is the file system's.
pub(crate) fn tree() -> Tree {
    let tree = Tree::new();
    tree.file("f", "content");
    tree.file("d/x", "of x");
    tree.file("chain/in/leaf", "leaf");
    tree.dir("empty");
    tree.link("f", "link");
    tree.link("d", "way");
    tree.link("absent", "dangling");
    tree.fifo("fifo");
    tree.link("x", "holds link/it");
    tree.fifo("holds fifo/it");
    tree
}

const fn plain(name: &'static str, act: fn(&mut Session) -> Request) -> Scenario {
    Scenario { name, needs: Needs::Nothing, base: "", act }
}

const fn under(name: &'static str, base: &'static str, act: fn(&mut Session) -> Request) -> Scenario {
    Scenario { name, needs: Needs::Nothing, base, act }
}

const fn as_root(name: &'static str, act: fn(&mut Session) -> Request) -> Scenario {
    Scenario { name, needs: Needs::Root, base: "", act }
}

const fn mounted(name: &'static str, act: fn(&mut Session) -> Request) -> Scenario {
    Scenario { name, needs: Needs::Mounts, base: "", act }
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    // Opening directories.
    plain("open_dir", |s| path_dir(s, "d", false, CreateDir::No)),
    plain("open_dir, as if made", |s| path_dir(s, "new", false, CreateDir::AskOnly)),
    plain("open_dir, made", |s| path_dir(s, "new", false, CreateDir::Leaf)),
    plain("open_dir, made with all above it", |s| path_dir(s, "a/b/c", false, CreateDir::All)),
    plain("open_dir, through a link", |s| path_dir(s, "way", true, CreateDir::No)),
    plain("open_dir, by entry", |s| entry_dir(s, "d", false, CreateDir::No)),
    plain("open_dir, by entry, made", |s| entry_dir(s, "new", false, CreateDir::Leaf)),
    plain("open_dir, by entry, through a link", |s| entry_dir(s, "way", true, CreateDir::No)),
    plain("open_dir, by what is no entry", |s| entry_dir(s, "chain/in", false, CreateDir::No)),
    plain("open_dir, below", |s| {
        let root = s.root();
        let at = DirPlace::Below(root, path_text("chain/in"));
        OpenDir { id: DirId(s.number()), at, follow: false, create: CreateDir::No }.into()
    }),
    // Opening files.
    plain("open_file", |s| opening(s, "f", |_| {})),
    plain("open_file, made", |s| opening(s, "new", make)),
    plain("open_file, by what is no entry", |s| opening(s, "d/x", make)),
    plain("open_file, through a link", |s| opening(s, "link", |request| request.follow = true)),
    plain("open_file, made through a link", |s| {
        opening(s, "dangling", |request| {
            make(request);
            request.follow = true;
        })
    }),
    plain("open_target", |s| target(s, "f", None)),
    plain("open_target, made", |s| target(s, "new", None)),
    plain("open_target, for a copy", |s| {
        let from = file(s, "d", "x");
        target(s, "new", Some(from))
    }),
    plain("open_link", |s| link(s, "link")),
    plain("open_link, by what is no entry", |s| link(s, "holds link/it")),
    // Listing.
    plain("open_listing", |s| listing(s, "d")),
    plain("open_listing, of a link", |s| listing(s, "link")),
    plain("open_listing, with a slash", |s| listing(s, "d/")),
    plain("open_listing, through a link", |s| listing(s, "way/")),
    under("open_listing, not as a directory", FORBIDS_D, |s| listing(s, "d")),
    under("open_listing, not as a file", FORBIDS_F, |s| listing(s, "f")),
    under("open_listing, not with what it is in", FORBIDS_ROOT, |s| listing(s, "f")),
    plain("list_entries", |s| ListEntries { dir: dir(s, "d"), restart: true }.into()),
    plain("list_details, of a file", |s| details(s, "d")),
    plain("list_details, of a link", |s| details(s, "holds link")),
    plain("list_details, of a FIFO", |s| details(s, "holds fifo")),
    plain("read_link", |s| ReadLink { dir: s.root(), name: entry_text("link") }.into()),
    plain("stat, of a directory", |s| Stat { handle: AnyId::Dir(s.root()) }.into()),
    plain("stat, of a file", |s| Stat { handle: AnyId::File(file(s, "", "f")) }.into()),
    plain("stat_entry", |s| StatEntry { dir: s.root(), name: entry_text("fifo") }.into()),
    // Reading.
    plain("read_chunk", |s| chunk(s, false)),
    plain("read_end", |s| ReadEnd { file: file(s, "", "f"), length: ChunkLength::MAX }.into()),
    under("read_chunk, redacted", FORBIDS_READING, |s| chunk(s, true)),
    // Content.
    plain("begin_write", |s| {
        let file = writable(s, "f");
        BeginWrite { id: WriterId(s.number()), file, how: WriteHow::InPlace }.into()
    }),
    plain("begin_file", |s| begin(s, "a/b/new").1),
    plain("write_chunk", |s| {
        let writer = writer(s, WriteHow::InPlace);
        piece(writer)
    }),
    plain("finish_write, appended", |s| finish(s, WriteHow::Append)),
    plain("finish_write, in place", |s| finish(s, WriteHow::InPlace)),
    plain("finish_write, replaced", |s| finish(s, WriteHow::Replace { keep_owner: true })),
    plain("finish_write, a new file", |s| finish_new(s, "new", Attributes::default())),
    plain("finish_write, a new file with a mode", |s| finish_new(s, "new", mode())),
    plain("finish_write, a new file with a user", |s| {
        finish_new(s, "new", Attributes { group: None, ..owner() })
    }),
    plain("finish_write, a new file with a group", |s| {
        finish_new(s, "new", Attributes { user: None, ..owner() })
    }),
    plain("finish_write, a new file with what leads to it", |s| {
        finish_new(s, "a/b/new", Attributes { mode: mode().mode, ..owner() })
    }),
    plain("truncate", |s| Truncate { file: writable(s, "f"), size_bytes: 1 }.into()),
    plain("allocate", |s| Allocate { file: writable(s, "f"), length_bytes: 100_000 }.into()),
    plain("copy", |s| copy(s, false)),
    plain("copy, preserving", |s| copy(s, true)),
    // Marks.
    plain("set_mode, of a directory", |s| set_mode(AnyId::Dir(dir(s, "d")))),
    plain("set_mode, of a file", |s| set_mode(AnyId::File(file(s, "", "f")))),
    as_root("set_owner, of a directory", |s| set_owner(AnyId::Dir(dir(s, "d")))),
    as_root("set_owner, of a file", |s| set_owner(AnyId::File(file(s, "", "f")))),
    plain("set_times", |s| {
        SetTimes { file: writable(s, "f"), accessed: None, modified: Some(NewTime::Now) }.into()
    }),
    plain("set_x_attr", |s| {
        SetXAttr {
            file: writable(s, "f"),
            name: Text::cut("security.selinux"),
            selinux_user: None,
            selinux_role: None,
            selinux_type: Some(Text::cut("etc_t")),
            selinux_level: None,
        }
        .into()
    }),
    // Making.
    plain("make_dir", |s| make_dir(s, "a/b", Attributes::default())),
    plain("make_dir, with attributes", |s| make_dir(s, "a/b", Attributes { mode: mode().mode, ..owner() })),
    plain("make_path", |s| make_path(s, "a/b")),
    plain("make_path, through a link", |s| make_path(s, "way/new")),
    under("make_path, with a level that is not to be seen", FORBIDS_D, |s| make_path(s, "d/new")),
    under("make_path, with no level to be seen", FORBIDS_OPENING, |s| make_path(s, "d/new")),
    plain("create_link", |s| create_link(s, "new", false)),
    plain("create_link, in the place of a file", |s| create_link(s, "f", true)),
    plain("create_link, by what is no entry", |s| create_link(s, "d/new", false)),
    // Removing.
    plain("delete_file", |s| DeleteFile { file: file(s, "", "f"), force: false }.into()),
    plain("delete_dir", |s| delete_dir(s, "empty")),
    plain("delete_dir, with everything in it", |s| delete_dir(s, "chain")),
    plain("delete_path, of a file", |s| delete_path(s, "f")),
    plain("delete_path, of a file, through a link", |s| delete_path(s, "way/x")),
    plain("delete_path, of a directory", |s| delete_path(s, "empty")),
    plain("delete_path, of a directory with a slash", |s| delete_path(s, "chain/")),
    plain("delete_path, of a directory behind a link", |s| delete_path(s, "way/")),
    under("delete_path, not as a file", FORBIDS_F, |s| delete_path(s, "f")),
    under("delete_path, not as a file, through a link", FORBIDS_X, |s| delete_path(s, "way/x")),
    under("delete_path, not with what it is in", FORBIDS_ROOT, |s| delete_path(s, "f")),
    // Moving.
    plain("move_file", |s| move_file(s, "f", "", "moved")),
    plain("move_file, onto another", |s| move_file(s, "f", "d", "x")),
    plain("move_file, to what is no entry", |s| move_file(s, "f", "", "d/moved")),
    plain("move_file, of a link", |s| {
        let opening = OpenFile { follow: true, ..request(s, "", "link") };
        moved_file(s, opening, "", "moved")
    }),
    plain("move_file, opened to be made", |s| {
        let opening = OpenFile { mode: MAKE, ..request(s, "", "f") };
        moved_file(s, opening, "", "moved")
    }),
    mounted("move_file, to another file system", |s| {
        s.tree.mount_new("tmpfs", "other");
        move_file(s, "f", "other", "moved")
    }),
    mounted("move_file, onto another on another file system", |s| {
        s.tree.mount_new("tmpfs", "other");
        s.tree.file("other/there", "there");
        move_file(s, "f", "other", "there")
    }),
    plain("move_dir", |s| move_dir(s, "chain", "", "moved")),
    plain("move_dir, onto an empty one", |s| move_dir(s, "chain", "", "empty")),
    plain("move_dir, into one with entries", |s| move_dir(s, "chain", "", "d")),
    plain("move_dir, to what is no entry", |s| move_dir(s, "chain", "", "d/moved")),
    mounted("move_dir, to another file system", |s| {
        s.tree.mount_new("tmpfs", "other");
        move_dir(s, "chain", "other", "moved")
    }),
    mounted("move_dir, onto an empty one on another file system", |s| {
        s.tree.mount_new("tmpfs", "other");
        s.tree.dir("other/there");
        move_dir(s, "chain", "other", "there")
    }),
    mounted("move_dir, into one with entries on another file system", |s| {
        s.tree.mount_new("tmpfs", "other");
        s.tree.file("other/there/before", "there");
        move_dir(s, "chain", "other", "there")
    }),
    mounted("move_dir, with a link, to another file system", |s| {
        s.tree.mount_new("tmpfs", "other");
        move_dir(s, "holds link", "other", "moved")
    }),
    mounted("move_dir, with a socket, to another file system", |s| {
        s.tree.mount_new("tmpfs", "other");
        drop(std::os::unix::net::UnixListener::bind(s.tree.dir("holds socket").join("it")).unwrap());
        move_dir(s, "holds socket", "other", "moved")
    }),
    // What is closed whatever the policy says.
    plain("open_dir, closed", |s| {
        close(s, "d");
        path_dir(s, "d", false, CreateDir::No)
    }),
    plain("open_file, closed", |s| {
        close(s, "f");
        opening(s, "f", |_| {})
    }),
    plain("open_file, closed, through a link", |s| {
        close(s, "link");
        opening(s, "link", |request| request.follow = true)
    }),
    plain("open_link, closed", |s| {
        close(s, "link");
        link(s, "link")
    }),
    plain("open_listing, closed", |s| {
        close(s, "d");
        listing(s, "d/")
    }),
    plain("list_details, closed", |s| {
        let request = details(s, "d");
        close(s, "d/x");
        request
    }),
    // In a directory of /proc, a number is what shows a process.
    plain("list_details, closed, called like a process", |s| {
        s.tree.file("numbers/1", "");
        let request = details(s, "numbers");
        close(s, "numbers/1");
        request
    }),
    plain("make_dir, closed", |s| {
        close(s, "d");
        make_dir(s, "d/new", Attributes::default())
    }),
    plain("make_path, closed", |s| {
        close(s, "d");
        make_path(s, "d/new")
    }),
    plain("create_link, closed", |s| {
        close(s, "f");
        create_link(s, "f", true)
    }),
    plain("begin_file, closed", |s| {
        let (writer, begin) = begin(s, "f");
        s.batch(vec![begin]).unwrap();
        close(s, "f");
        FinishWrite { writer, reopen: None, attributes: Attributes::default() }.into()
    }),
    plain("delete_dir, with something closed", |s| {
        close(s, "chain/in/leaf");
        delete_dir(s, "chain")
    }),
    plain("delete_dir, with a directory that is closed", |s| {
        close(s, "chain/in");
        delete_dir(s, "chain")
    }),
    plain("delete_path, closed", |s| {
        close(s, "f");
        delete_path(s, "f")
    }),
    plain("delete_path, of a directory that is closed", |s| {
        close(s, "empty");
        delete_path(s, "empty/")
    }),
    plain("move_file, onto what is closed", |s| {
        close(s, "d/x");
        move_file(s, "f", "d", "x")
    }),
    plain("move_dir, into what is closed", |s| {
        close(s, "d");
        move_dir(s, "chain", "", "d")
    }),
    mounted("move_dir, onto what is closed on another file system", |s| {
        s.tree.mount_new("tmpfs", "other");
        s.tree.dir("other/there");
        close(s, "other/there");
        move_dir(s, "chain", "other", "there")
    }),
    mounted("move_dir, with a file that somebody else could have linked, to another file system", |s| {
        s.tree.mount_new("tmpfs", "other");
        s.tree.hard_link("f", "chain/in/leaf too");
        std::fs::remove_file(s.path("chain/in/leaf")).unwrap();
        nix::unistd::chown(&s.path("f"), Some(rex_tests::tree::ORDINARY_USER.into()), None).unwrap();
        move_dir(s, "chain", "other", "moved")
    }),
];

const FORBIDS_D: &str =
    r#"forbid(principal, action == file_system::Action::"open", resource == file_system::Dir::"{root}/d");"#;
const FORBIDS_F: &str =
    r#"forbid(principal, action == file_system::Action::"open", resource == file_system::File::"{root}/f");"#;
const FORBIDS_X: &str = r#"forbid(principal, action == file_system::Action::"open", resource == file_system::File::"{root}/way/x");"#;
const FORBIDS_ROOT: &str =
    r#"forbid(principal, action == file_system::Action::"open", resource == file_system::Dir::"{root}");"#;
const FORBIDS_OPENING: &str = r#"forbid(principal, action == file_system::Action::"open", resource);"#;
const FORBIDS_READING: &str = r#"forbid(principal, action in [file_system::Action::"read", file_system::Action::"redacted_read"], resource);"#;

/// Closes what has this name, as the broker closes the files of its own run.
fn close(session: &mut Session, name: &str) {
    let flags = nix::fcntl::OFlag::O_PATH | nix::fcntl::OFlag::O_NOFOLLOW;
    let held = nix::fcntl::open(&session.path(name), flags, nix::sys::stat::Mode::empty()).unwrap();
    session.services.deciding.forbidden.add_open(held, rex_broker::gate::forbidden::AUDIT_LOG).unwrap();
}

fn dir(session: &mut Session, name: &str) -> DirId {
    let path = session.text(name);
    session.open_dir(&path).unwrap()
}

fn request(session: &mut Session, parent: &str, name: &str) -> OpenFile {
    let parent = dir(session, parent);
    session.opening_file(parent, name)
}

/// A file that is open for reading.
fn file(session: &mut Session, parent: &str, name: &str) -> FileId {
    let parent = dir(session, parent);
    session.open_file(parent, name).unwrap()
}

/// A file at the top that is open for writing.
fn writable(session: &mut Session, name: &str) -> FileId {
    let opening = OpenFile { mode: READ_WRITE, ..request(session, "", name) };
    let id = opening.id;
    session.send(opening).unwrap();
    id
}

fn path_dir(session: &mut Session, name: &str, follow: bool, create: CreateDir) -> Request {
    let path = session.text(name);
    OpenDir { follow, create, ..session.opening_dir(&path) }.into()
}

fn entry_dir(session: &mut Session, name: &str, follow: bool, create: CreateDir) -> Request {
    let root = session.root();
    OpenDir { follow, create, ..session.opening_entry(root, name) }.into()
}

fn opening(session: &mut Session, name: &str, change: fn(&mut OpenFile)) -> Request {
    let mut request = request(session, "", name);
    change(&mut request);
    request.into()
}

fn make(request: &mut OpenFile) {
    request.mode = MAKE;
}

fn target(session: &mut Session, name: &str, from: Option<FileId>) -> Request {
    let dir = session.root();
    OpenTarget { id: FileId(session.number()), dir, name: name_text(name), from }.into()
}

fn link(session: &mut Session, name: &str) -> Request {
    let dir = session.root();
    OpenLink { id: FileId(session.number()), dir, name: name_text(name) }.into()
}

fn listing(session: &mut Session, name: &str) -> Request {
    let path = path_text(&session.text(name));
    OpenListing { id: DirId(session.number()), path }.into()
}

fn details(session: &mut Session, name: &str) -> Request {
    ListDetails { dir: dir(session, name), restart: true }.into()
}

fn chunk(session: &mut Session, redacted: bool) -> Request {
    ReadChunk { file: file(session, "", "f"), offset_bytes: 0, length: ChunkLength::MAX, redacted }.into()
}

fn piece(writer: WriterId) -> Request {
    WriteChunk { writer, bytes: Bytes::new(b"new content".to_vec()).unwrap() }.into()
}

/// A writer for the file `f`.
fn writer(session: &mut Session, how: WriteHow) -> WriterId {
    let file = writable(session, "f");
    let id = WriterId(session.number());
    session.send(BeginWrite { id, file, how }).unwrap();
    id
}

fn finish(session: &mut Session, how: WriteHow) -> Request {
    let writer = writer(session, how);
    session.batch(vec![piece(writer)]).unwrap();
    FinishWrite { writer, reopen: None, attributes: Attributes::default() }.into()
}

fn begin(session: &mut Session, path: &str) -> (WriterId, Request) {
    let dir = session.root();
    let id = WriterId(session.number());
    (id, BeginFile { id, dir, path: path_text(path) }.into())
}

fn finish_new(session: &mut Session, path: &str, attributes: Attributes) -> Request {
    let (writer, begin) = begin(session, path);
    session.batch(vec![begin, piece(writer)]).unwrap();
    FinishWrite { writer, reopen: None, attributes }.into()
}

fn mode() -> Attributes {
    Attributes { mode: Permissions::new(0o640), ..Attributes::default() }
}

fn owner() -> Attributes {
    let user = NameOrNumber::Number(nix::unistd::geteuid().as_raw());
    let group = NameOrNumber::Number(nix::unistd::getegid().as_raw());
    Attributes { user: Some(user), group: Some(group), ..Attributes::default() }
}

fn copy(session: &mut Session, preserve: bool) -> Request {
    let from = file(session, "d", "x");
    let to = writable(session, "f");
    Copy { from, to, force: true, preserve }.into()
}

fn set_mode(handle: AnyId) -> Request {
    SetMode { handle, permissions: Permissions::new(0o600).unwrap() }.into()
}

fn set_owner(handle: AnyId) -> Request {
    SetOwner { handle, user: Some(Text::cut("root")), group: Some(Text::cut("root")) }.into()
}

fn make_dir(session: &mut Session, path: &str, attributes: Attributes) -> Request {
    MakeDir { dir: session.root(), path: path_text(path), attributes }.into()
}

fn make_path(session: &mut Session, path: &str) -> Request {
    MakePath { path: path_text(&session.text(path)) }.into()
}

fn create_link(session: &mut Session, name: &str, force: bool) -> Request {
    CreateLink { dir: session.root(), name: name_text(name), target: path_text("anywhere"), force }.into()
}

fn delete_dir(session: &mut Session, name: &str) -> Request {
    DeleteDir { dir: dir(session, name), force: false, recursive: true }.into()
}

fn delete_path(session: &mut Session, path: &str) -> Request {
    DeletePath { path: path_text(&session.text(path)), recursive: true }.into()
}

fn move_file(session: &mut Session, source: &str, to: &str, name: &str) -> Request {
    let opening = request(session, "", source);
    moved_file(session, opening, to, name)
}

fn moved_file(session: &mut Session, opening: OpenFile, to: &str, name: &str) -> Request {
    let file = opening.id;
    session.send(opening).unwrap();
    let to = dir(session, to);
    MoveFile { file, to, name: name_text(name), id: FileId(session.number()), backup: true }.into()
}

fn move_dir(session: &mut Session, source: &str, to: &str, name: &str) -> Request {
    let (from, dir, to) = (session.root(), dir(session, source), dir(session, to));
    MoveDir { from, dir, to, name: name_text(name), id: DirId(session.number()) }.into()
}
