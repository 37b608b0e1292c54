//! Taking space for files.

use std::fs;
use std::os::unix::fs::MetadataExt;

use rex_broker::run::session::RunEnd;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::Allocate;
use rex_tests::session::{ALLOW_ALL, Session};

use super::writing::{open, open_as};

// spec, 10: "allocates 0..length, file grows if shorter, never shrinks".
#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let file = open(&mut session, "a");

    session.send(Allocate { file, length_bytes: 100_000 }).unwrap();
    assert_eq!(session.questions(), ["permit write File ~/a"]);
    let metadata = session.path("a").metadata().unwrap();
    assert_eq!(metadata.size(), 100_000);
    assert!(metadata.blocks() * 512 >= 100_000);

    session.send(Allocate { file, length_bytes: 10 }).unwrap();
    assert_eq!(session.path("a").metadata().unwrap().size(), 100_000);
    assert!(fs::read(session.path("a")).unwrap().starts_with(b"content\0"));
}

#[test]
fn denied() {
    let mut session =
        Session::with_policy(r#"permit(principal, action == file_system::Action::"open", resource);"#);
    session.tree.file("a", "content");
    let file = open(&mut session, "a");

    assert!(session.send(Allocate { file, length_bytes: 100_000 }).unwrap_err().is_denial());

    assert_eq!(session.questions(), ["deny write File ~/a"]);
    assert_eq!(session.path("a").metadata().unwrap().size(), 7);
}

// spec, 10: "handle writable".
#[test]
fn a_file_open_for_reading_gets_no_space() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let file = open_as(&mut session, "a", true, false);

    let refused = session.send(Allocate { file, length_bytes: 10 }).unwrap_err();

    assert_eq!(refused.kind(), Some(ErrorKind::InvalidFileMode));
}

#[test]
fn lengths_that_make_no_sense_are_refused_and_change_nothing() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let file = open(&mut session, "a");

    for length_bytes in [0, i64::MAX as u64 + 1, u64::MAX] {
        let refused = session.send(Allocate { file, length_bytes }).unwrap_err();
        assert_eq!(refused.kind(), Some(ErrorKind::RustixError), "{length_bytes}");
    }
    let metadata = session.path("a").metadata().unwrap();
    assert_eq!(metadata.size(), 7);
    assert!(metadata.blocks() <= 16, "{}", metadata.blocks());
}

#[test]
fn allocated_bytes_count_as_written() {
    let mut session = Session::with_limits(ALLOW_ALL, |limits| limits.max_write_bytes = 1000);
    session.tree.file("a", "content");
    let file = open(&mut session, "a");

    session.send(Allocate { file, length_bytes: 1007 }).unwrap();
    let end = session.send(Allocate { file, length_bytes: 1008 }).unwrap_err().end();

    assert!(matches!(end, RunEnd::Limit(limit) if limit.name == "max-write-bytes"));
    assert_eq!(session.path("a").metadata().unwrap().size(), 1007);
}
