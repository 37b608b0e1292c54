//! Cutting and extending files.

use std::fs;
use std::os::unix::fs::MetadataExt;

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::Truncate;
use rex_tests::session::{ALLOW_ALL, Session};

use super::writing::{open, open_as};

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let file = open(&mut session, "a");

    session.send(Truncate { file, size_bytes: 3 }).unwrap();

    assert_eq!(session.questions(), ["permit write File ~/a"]);
    assert_eq!(fs::read(session.path("a")).unwrap(), b"con");
}

#[test]
fn denied() {
    let mut session =
        Session::with_policy(r#"permit(principal, action == file_system::Action::"open", resource);"#);
    session.tree.file("a", "content");
    let file = open(&mut session, "a");

    assert!(session.send(Truncate { file, size_bytes: 3 }).unwrap_err().is_denial());

    assert_eq!(session.questions(), ["deny write File ~/a"]);
    assert_eq!(fs::read(session.path("a")).unwrap(), b"content");
}

#[test]
fn what_is_added_takes_no_space() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "x");
    let file = open(&mut session, "a");

    session.send(Truncate { file, size_bytes: 1 << 32 }).unwrap();

    let metadata = session.path("a").metadata().unwrap();
    assert_eq!(metadata.size(), 1 << 32);
    assert!(metadata.blocks() < 1000);
}

// spec, 10: "A read-only handle → `RustixError` EINVAL."
#[test]
fn a_file_open_for_reading_is_not_cut() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let file = open_as(&mut session, "a", true, false);

    let refused = session.send(Truncate { file, size_bytes: 0 }).unwrap_err();

    assert_eq!(
        (refused.kind(), refused.errno()),
        (Some(ErrorKind::RustixError), Some(nix::libc::EINVAL as u16))
    );
    assert_eq!(fs::read(session.path("a")).unwrap(), b"content");
}

#[test]
fn sizes_that_no_file_can_have_are_refused() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let file = open(&mut session, "a");

    for size_bytes in [i64::MAX as u64 + 1, u64::MAX] {
        let refused = session.send(Truncate { file, size_bytes }).unwrap_err();
        assert_eq!(refused.errno(), Some(nix::libc::EFBIG as u16));
    }
    assert_eq!(fs::read(session.path("a")).unwrap(), b"content");
}
