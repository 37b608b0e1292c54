//! Describing what cannot be opened.

use std::os::unix::fs::MetadataExt;

use nix::sys::stat::SFlag;
use rex_broker::run::session::RunEnd;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{EntryType, Metadata, StatEntry};
use rex_ipc::handle::DirId;
use rex_tests::session::{ALLOW_ALL, Refused, Session, entry_text};
use rex_tests::tree::is_root;

use super::without_name;

fn stat(session: &mut Session, dir: DirId, name: &str) -> Result<Metadata, Refused> {
    session.send(StatEntry { dir, name: entry_text(name) })
}

// spec, 12: "other types: `stat File`, by name without following".
#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let expected = session.tree.fifo("fifo").metadata().unwrap();
    let root = session.root();
    session.records.clear();

    let metadata = stat(&mut session, root, "fifo").unwrap();

    assert_eq!((metadata.entry_type, metadata.inode), (EntryType::Fifo, expected.ino()));
    assert_eq!(session.outcomes(), ["stat_entry done"]);
    assert_eq!(session.questions(), ["permit stat File ~/fifo"]);
}

#[test]
fn denied() {
    let mut session =
        Session::with_policy(r#"permit(principal, action == file_system::Action::"open", resource);"#);
    session.tree.fifo("fifo");
    let root = session.root();
    session.records.clear();

    let failure = stat(&mut session, root, "fifo").unwrap_err().failure();
    let absent = stat(&mut session, root, "absent").unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::PermissionDenied);
    assert_eq!(without_name(&failure, "fifo"), without_name(&absent, "absent"));
    assert_eq!(session.outcomes(), ["stat_entry PermissionDenied", "stat_entry PermissionDenied"]);
    assert_eq!(session.questions(), ["deny stat File ~/fifo", "deny stat File ~/absent"]);
}

#[test]
fn devices_and_sockets_are_described_without_being_opened() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let _socket = std::os::unix::net::UnixListener::bind(session.path("socket")).unwrap();
    let mut expected = vec![("socket", EntryType::Socket)];
    if is_root() {
        session.tree.device("char", SFlag::S_IFCHR, 250, 77);
        session.tree.device("block", SFlag::S_IFBLK, 250, 77);
        expected.extend([("char", EntryType::CharDevice), ("block", EntryType::BlockDevice)]);
    }
    let root = session.root();

    for (name, entry_type) in expected {
        assert_eq!(stat(&mut session, root, name).unwrap().entry_type, entry_type);
    }
}

// A directory asked for as a file would slip past every rule about the directory; a file or link would spare the
// question `open`. They have operations of their own.
#[test]
fn what_can_be_opened_is_refused() {
    let policy =
        format!(r#"{ALLOW_ALL} forbid(principal, action, resource in file_system::Dir::"{{root}}/closed");"#);
    let mut session = Session::with_policy(&policy);
    session.tree.dir("closed");
    session.tree.file("file", "");
    session.tree.link("file", "link");
    let root = session.root();

    for name in ["closed", "file", "link"] {
        let failure = stat(&mut session, root, name).unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::ValidationError, "{name}");
    }
}

#[test]
fn the_directory_has_to_be_open() {
    let mut session = Session::with_policy(ALLOW_ALL);

    let end = stat(&mut session, DirId(7), "x").unwrap_err().end();

    assert!(matches!(end, RunEnd::Violation(_)), "{end:?}");
}
