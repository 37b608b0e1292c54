//! What a script is told of a failure: what went wrong, and with which object.

use std::fs;

use rex_ipc::file_system::{
    Copy, DeletePath, ListDetails, ListEntries, MakeDir, MoveFile, OpenFile, OpenLink, OpenListing,
    OpenTarget, Permissions, ReadLink, SetMode, StatEntry,
};
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_tests::session::{ALLOW_ALL, READ_WRITE, Refused, Session, entry_text, name_text, path_text};
use rex_tests::tree::is_root;

use crate::file_system::writing::open;

/// Failures of each kind of call, with the object that each is about and the system's words.
fn failures(session: &mut Session) -> Vec<(Refused, String, &'static str)> {
    let mut failures = Vec::new();
    let root = session.root();
    let mut failed = |refused: Refused, object: String, reason| failures.push((refused, object, reason));

    let missing = session.text("none/b");
    let parent = session.text("none");
    failed(session.open_dir(&parent).unwrap_err(), parent, "No such file or directory");
    let none = session.text("none");
    failed(session.open_file(root, "none").unwrap_err(), none, "No such file or directory");
    let delete = DeletePath { path: path_text(&missing), recursive: false };
    failed(session.send(delete).unwrap_err(), missing, "No such file or directory");

    let file = open(session, "a");
    let id = FileId(session.number());
    let onto = MoveFile { file, to: root, name: name_text("sub"), id, backup: false };
    let sub = session.text("sub");
    failed(session.send(onto).unwrap_err(), sub.clone(), "Is a directory");
    let to = FileId(session.number());
    let target = OpenTarget { id: to, dir: root, name: name_text("sub"), from: None };
    failed(session.send(target).unwrap_err(), sub.clone(), "Is a directory");
    let make = MakeDir { dir: root, path: path_text("a"), attributes: Default::default() };
    let a = session.text("a");
    failed(session.send(make).unwrap_err(), a.clone(), "File exists");
    let full = session.text("full");
    let delete = DeletePath { path: path_text(&full), recursive: false };
    failed(session.send(delete).unwrap_err(), full, "Directory not empty");
    let below = session.open_dir(&session.text("full")).unwrap();
    let opening = OpenFile { mode: READ_WRITE, ..session.opening_file(below, "x") };
    let to = opening.id;
    session.send(opening).unwrap();
    let copy = Copy { from: file, to, force: false, preserve: false };
    let x = session.text("full/x");
    failed(session.send(copy).unwrap_err(), x, "not empty");
    failures
}

fn session() -> Session {
    let session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "a");
    session.tree.dir("sub");
    session.tree.file("full/x", "x");
    session
}

#[test]
fn each_names_its_object_and_the_reason() {
    let mut session = session();

    for (refused, object, reason) in failures(&mut session) {
        let message = refused.failure().message.as_str().to_owned();
        assert!(message.contains(&object) && message.contains(reason), "{object}, {reason}: {message}");
    }
}

/// Failures of what only looks, with the object that each is about.
fn failures_of_looking(session: &mut Session) -> Vec<(&'static str, Refused, String)> {
    let mut failures = Vec::new();
    let none = session.text("none");
    let id = DirId(session.number());
    let listing = OpenListing { id, path: path_text(&none) };
    failures.push(("open_listing", session.send(listing).unwrap_err(), none.clone()));
    let root = session.root();
    let link = OpenLink { id: FileId(session.number()), dir: root, name: name_text("none") };
    failures.push(("open_link", session.send(link).unwrap_err(), none.clone()));
    let link = ReadLink { dir: root, name: entry_text("none") };
    failures.push(("read_link", session.send(link).unwrap_err(), none.clone()));
    let entry = StatEntry { dir: root, name: entry_text("none") };
    failures.push(("stat_entry", session.send(entry).unwrap_err(), none));
    // It is opened, and then it is gone.
    let sub = session.text("sub");
    let dir = session.open_dir(&sub).unwrap();
    fs::remove_dir(session.path("sub")).unwrap();
    failures.push((
        "list_entries",
        session.send(ListEntries { dir, restart: true }).unwrap_err(),
        sub.clone(),
    ));
    failures.push(("list_details", session.send(ListDetails { dir, restart: true }).unwrap_err(), sub));
    failures
}

#[test]
fn what_only_looks_names_its_object_too() {
    let mut session = session();

    for (operation, refused, object) in failures_of_looking(&mut session) {
        let message = refused.failure().message.as_str().to_owned();
        let times = message.matches(&object).count();
        assert!(times == 1 && message.contains("No such file or directory"), "{operation}: {message}");
    }
}

// Scripts of Rex compare its texts.
#[test]
fn for_rex_the_text_is_rexs() {
    let mut session = session();
    session.services.deciding.rex_compat = true;
    let root = session.root();

    let failure = session.open_file(root, "none").unwrap_err().failure();

    assert_eq!(failure.message.as_str(), "No such file or directory (os error 2)");
}

// chattr(1), i: "A file with the 'i' attribute cannot be modified".
#[test]
fn what_the_system_keeps_is_named() {
    if !is_root() {
        return;
    }
    rex_tests::tree::with_mounts(|| {
        let mut session = session();
        // What is mounted there can neither go nor be replaced.
        let fixed = session.tree.path("a");
        session.tree.mount_bind("/dev/null", "held");
        let held = session.text("held");
        let delete = DeletePath { path: path_text(&held), recursive: false };

        let failure = session.send(delete).unwrap_err().failure();

        let message = failure.message.as_str();
        assert!(message.contains(&held) && message.contains("busy"), "{message}");
        assert!(fs::metadata(fixed).is_ok());
    });
}

#[test]
fn a_mode_that_cannot_be_set_names_the_file() {
    if !is_root() {
        return;
    }
    rex_tests::tree::with_mounts(|| {
        let mut session = session();
        let status = "/proc/sys/kernel/ostype";
        let dir = session.open_dir("/proc/sys/kernel").unwrap();
        let file = session.open_file(dir, "ostype").unwrap();
        let mode = Permissions::new(0o600).unwrap();

        let failure =
            session.send(SetMode { handle: AnyId::File(file), permissions: mode }).unwrap_err().failure();

        assert!(failure.message.as_str().contains(status), "{failure:?}");
    });
}
