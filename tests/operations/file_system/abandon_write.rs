//! Dropping new content.

use std::fs;

use rex_broker::run::session::RunEnd;
use rex_ipc::file_system::{AbandonWrite, WriteHow};
use rex_ipc::handle::WriterId;
use rex_tests::session::{ALLOW_ALL, Session};

use super::writing::{REPLACE, begin, finish, open, push};

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    let before = session.tree.picture();
    let file = open(&mut session, "a");

    for how in [REPLACE, WriteHow::InPlace, WriteHow::Append] {
        let writer = begin(&mut session, file, how).unwrap();
        push(&mut session, writer, b"new").unwrap();
        session.records.clear();
        session.send(AbandonWrite { writer }).unwrap();
        assert_eq!(session.questions(), [""; 0]);
    }

    assert_eq!(session.tree.picture(), before);
    assert_eq!(fs::read(session.path("a")).unwrap(), b"old");
}

#[test]
fn refused() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    let file = open(&mut session, "a");

    // A file is no writer, and a writer is gone when it was abandoned or finished.
    let end = session.send(AbandonWrite { writer: WriterId(file.0) }).unwrap_err().end();
    assert!(matches!(end, RunEnd::Violation(_)));

    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    let file = open(&mut session, "a");
    let writer = begin(&mut session, file, REPLACE).unwrap();
    finish(&mut session, writer).unwrap();
    let end = session.send(AbandonWrite { writer }).unwrap_err().end();
    assert!(matches!(end, RunEnd::Violation(_)));
}
