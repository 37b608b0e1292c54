//! Opening links as themselves.

use rex_broker::run::session::RunEnd;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{EntryType, OpenLink, Stat};
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_tests::session::{ALLOW_ALL, Refused, Session, name_text};

use super::without_name;

fn open(session: &mut Session, dir: DirId, name: &str) -> Result<FileId, Refused> {
    let id = FileId(session.number());
    session.send(OpenLink { id, dir, name: name_text(name) }).map(|()| id)
}

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("real", "content");
    session.tree.link("real", "link");
    session.tree.link("nowhere", "dangling");
    let root = session.root();
    session.records.clear();

    let link = open(&mut session, root, "link").unwrap();
    open(&mut session, root, "dangling").unwrap();

    assert_eq!(session.outcomes(), ["open_link done", "open_link done"]);
    assert_eq!(session.questions(), ["permit open File ~/link", "permit open File ~/dangling"]);
    let metadata = session.send(Stat { handle: AnyId::File(link) }).unwrap();
    assert_eq!((metadata.entry_type, metadata.size_bytes), (EntryType::Symlink, 4));
}

#[test]
fn denied() {
    let mut session =
        Session::with_policy(r#"permit(principal, action, resource == file_system::Dir::"{root}");"#);
    session.tree.link("nowhere", "link");
    session.tree.file("plain", "");
    let root = session.root();
    session.records.clear();

    let mut failures = Vec::new();
    for name in ["link", "plain", "absent"] {
        let failure = open(&mut session, root, name).unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::PermissionDenied);
        failures.push(without_name(&failure, name));
    }

    failures.dedup();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(session.outcomes().iter().all(|outcome| outcome == "open_link PermissionDenied"));
    assert_eq!(session.questions()[0], "deny open File ~/link");
}

#[test]
fn only_links_are_opened() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("file", "");
    session.tree.dir("dir");
    session.tree.fifo("fifo");
    let root = session.root();

    for name in ["file", "dir", "fifo"] {
        let failure = open(&mut session, root, name).unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::ValidationError);
        let expected = format!("Validation error: argument is not a symlink: {}", session.text(name));
        assert_eq!(failure.message.as_str(), expected);
    }
    assert_eq!(open(&mut session, root, "absent").unwrap_err().errno(), Some(2));
    for name in ["", ".", "..", "a/b", "/etc", "link/"] {
        assert!(!open(&mut session, root, name).unwrap_err().is_denial(), "{name:?}");
    }
}

#[test]
fn the_directory_has_to_be_open() {
    let mut session = Session::with_policy(ALLOW_ALL);

    let end = open(&mut session, DirId(7), "x").unwrap_err().end();

    assert!(matches!(end, RunEnd::Violation(_)), "{end:?}");
}
