//! The end of an open file.

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{ChunkLength, EndChunk, OpenFile, ReadEnd};
use rex_ipc::handle::FileId;
use rex_tests::session::{ALLOW_ALL, Refused, Session, WRITE};

fn end(session: &mut Session, file: FileId, bytes: u32) -> Result<EndChunk, Refused> {
    session.send(ReadEnd { file, length: ChunkLength::new(bytes).unwrap() })
}

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("f", "first\nlast\n");
    let root = session.root();
    let file = session.open_file(root, "f").unwrap();
    session.questions();

    let chunk = end(&mut session, file, 5).unwrap();

    assert_eq!((chunk.offset_bytes, chunk.bytes.as_slice()), (Some(6), b"last\n".as_slice()));
    assert_eq!(session.questions(), ["permit read File ~/f"]);
}

#[test]
fn denied() {
    let mut session = Session::with_policy(
        r#"permit(principal, action == file_system::Action::"open", resource);
           permit(principal, action == file_system::Action::"redacted_read", resource);"#,
    );
    session.tree.file("f", "secret\n");
    let root = session.root();
    let file = session.open_file(root, "f").unwrap();
    session.questions();

    // Redacted content will not do: lines are counted from the end of the whole file.
    assert!(end(&mut session, file, 5).unwrap_err().is_denial());
    assert_eq!(session.questions(), ["deny read File ~/f"]);
}

#[test]
fn a_short_file_is_given_whole() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("f", "all");
    let root = session.root();
    let file = session.open_file(root, "f").unwrap();

    let chunk = end(&mut session, file, 4096).unwrap();

    assert_eq!((chunk.offset_bytes, chunk.bytes.as_slice()), (Some(0), b"all".as_slice()));
}

// proc(5): most files say that they have no bytes, whatever they contain.
#[test]
fn a_file_without_a_size_has_no_end() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("empty", "");
    let root = session.root();
    let empty = session.open_file(root, "empty").unwrap();
    let proc = session.open_dir("/proc").unwrap();
    let uptime = session.open_file(proc, "uptime").unwrap();

    for file in [empty, uptime] {
        let chunk = end(&mut session, file, 10).unwrap();
        assert_eq!((chunk.offset_bytes, chunk.bytes.as_slice()), (None, b"".as_slice()));
    }
}

#[test]
fn a_handle_that_was_not_opened_for_reading_gives_nothing() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("f", "x");
    let root = session.root();
    let opening = OpenFile { mode: WRITE, ..session.opening_file(root, "f") };
    let file = opening.id;
    session.send(opening).unwrap();

    let refused = end(&mut session, file, 10).unwrap_err();

    assert_eq!(refused.kind(), Some(ErrorKind::InvalidFileMode));
}
