//! Describing what is open.

use std::os::unix::fs::MetadataExt;

use rex_broker::run::session::RunEnd;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{EntryType, Stat};
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_tests::session::{ALLOW_ALL, Session};
use rex_tests::tree::is_root;

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let expected = session.tree.file("a", "content").metadata().unwrap();
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();
    session.records.clear();

    let metadata = session.send(Stat { handle: AnyId::File(file) }).unwrap();

    assert_eq!(metadata.entry_type, EntryType::File);
    assert_eq!(
        (metadata.mode, metadata.size_bytes, metadata.blocks),
        (expected.mode(), 7, expected.blocks())
    );
    assert_eq!((metadata.links, metadata.device, metadata.inode), (1, expected.dev(), expected.ino()));
    assert_eq!((metadata.owner.number, metadata.group.number), (expected.uid(), expected.gid()));
    assert_eq!(metadata.modified.seconds, expected.mtime());
    assert_eq!(i64::from(metadata.modified.nanoseconds), expected.mtime_nsec());
    assert_eq!(metadata.changed.seconds, expected.ctime());
    assert_eq!(session.outcomes(), ["stat done"]);
    assert_eq!(session.questions(), ["permit stat File ~/a"]);
}

#[test]
fn denied() {
    let mut session =
        Session::with_policy(r#"permit(principal, action == file_system::Action::"open", resource);"#);
    session.tree.file("a", "content");
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();
    session.records.clear();

    for handle in [AnyId::File(file), AnyId::Dir(root)] {
        let failure = session.send(Stat { handle }).unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::PermissionDenied);
    }

    assert_eq!(session.outcomes(), ["stat PermissionDenied", "stat PermissionDenied"]);
    assert_eq!(session.questions(), ["deny stat File ~/a", "deny stat Dir ~"]);
}

#[test]
fn a_directory_is_described() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let root = session.root();

    let metadata = session.send(Stat { handle: AnyId::Dir(root) }).unwrap();

    let expected = session.tree.root().metadata().unwrap();
    assert_eq!(metadata.entry_type, EntryType::Dir);
    assert_eq!((metadata.inode, metadata.links), (expected.ino(), expected.nlink()));
}

// Q18: "uid/gid without a name make metadata fail"; here the number stands for itself.
#[test]
fn an_owner_without_a_name_is_a_number() {
    if !is_root() {
        return;
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.tree.file("a", "");
    std::os::unix::fs::chown(&path, Some(3_000_111), Some(3_000_222)).unwrap();
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();

    let metadata = session.send(Stat { handle: AnyId::File(file) }).unwrap();

    assert_eq!((metadata.owner.number, metadata.owner.name), (3_000_111, None));
    assert_eq!((metadata.group.number, metadata.group.name), (3_000_222, None));
}

#[test]
fn root_has_a_name() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let root = session.open_dir("/").unwrap();

    let metadata = session.send(Stat { handle: AnyId::Dir(root) }).unwrap();

    assert_eq!(metadata.owner.name.as_deref(), Some("root"));
}

#[test]
fn times_before_the_epoch_are_negative() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.tree.file("a", "");
    let before = std::time::UNIX_EPOCH - std::time::Duration::from_millis(1_500);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(before).unwrap();
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();

    let metadata = session.send(Stat { handle: AnyId::File(file) }).unwrap();

    assert_eq!((metadata.modified.seconds, metadata.modified.nanoseconds), (-2, 500_000_000));
}

#[test]
fn only_what_is_open_is_described() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let root = session.root();

    for handle in [AnyId::File(FileId(root.0)), AnyId::Dir(DirId(99)), AnyId::File(FileId(99))] {
        let end = session.send(Stat { handle }).unwrap_err().end();
        assert!(matches!(end, RunEnd::Violation(_)), "{end:?}");
    }
}
