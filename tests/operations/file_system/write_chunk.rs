//! Adding to new content.

use std::fs;

use rex_broker::run::session::RunEnd;
use rex_ipc::file_system::WriteHow;
use rex_ipc::handle::WriterId;
use rex_ipc::interface::Request;
use rex_tests::session::{ALLOW_ALL, Session};

use super::writing::{REPLACE, begin, chunk, finish, open, push, write};

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    let file = open(&mut session, "a");
    let writer = begin(&mut session, file, REPLACE).unwrap();
    session.records.clear();

    push(&mut session, writer, b"new").unwrap();

    let done = session.records.done();
    assert_eq!((done[0].chunk_of, done[0].bytes), (Some(writer.0.into()), 3));
    assert_eq!(session.questions(), ["permit write File ~/a"]);
    assert_eq!(fs::read(session.path("a")).unwrap(), b"old");
}

// What was permitted at the beginning is asked again: each piece is an act of its own.
#[test]
fn denied() {
    let mut session = Session::with_policy(
        r#"permit(principal, action, resource);
        forbid(principal, action == file_system::Action::"write", resource == file_system::File::"{root}/a");"#,
    );
    session.tree.file("a", "old");
    let file = open(&mut session, "a");

    let writer = WriterId(session.number());
    let begin = rex_ipc::file_system::BeginWrite { id: writer, file, how: REPLACE };
    let answer = session.batch(vec![begin.into(), chunk(writer, b"new").into()]).unwrap();

    assert_eq!(answer.replies.len(), 0);
    assert_eq!(session.questions(), ["deny write File ~/a"]);
    // What the failed call had begun is gone, so its number names nothing.
    let end = session.send(chunk(writer, b"new")).unwrap_err().end();
    assert!(matches!(end, RunEnd::Violation(_)), "{end:?}");
}

#[test]
fn pieces_of_any_length_come_together() {
    let content: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    for how in [REPLACE, WriteHow::InPlace, WriteHow::Append] {
        let mut session = Session::with_policy(ALLOW_ALL);
        session.tree.file("a", "");
        let file = open(&mut session, "a");
        let writer = begin(&mut session, file, how).unwrap();

        let mut rest = content.as_slice();
        for length in [1, 4096, 0, 61_440, 17].into_iter().cycle() {
            let (piece, left) = rest.split_at(rest.len().min(length));
            session.send(chunk(writer, piece)).unwrap();
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        finish(&mut session, writer).unwrap();

        assert!(fs::read(session.path("a")).unwrap() == content, "{how:?}");
    }
}

#[test]
fn written_bytes_have_a_limit() {
    let mut session = Session::with_limits(ALLOW_ALL, |limits| limits.max_write_bytes = 1000);
    session.tree.file("a", "old");
    let file = open(&mut session, "a");

    write(&mut session, file, REPLACE, &[b'x'; 1000]).unwrap();
    let end = write(&mut session, file, REPLACE, b"y").unwrap_err().end();

    assert!(matches!(&end, RunEnd::Limit(limit) if limit.name == "max-write-bytes"), "{end:?}");
    assert_eq!(fs::read(session.path("a")).unwrap(), [b'x'; 1000]);
}

#[test]
fn a_whole_file_is_written_in_one_call() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    let file = open(&mut session, "a");
    let writer = WriterId(session.number());
    let begin = rex_ipc::file_system::BeginWrite { id: writer, file, how: REPLACE };
    let requests: Vec<Request> =
        vec![begin.into(), chunk(writer, b"new").into(), super::writing::finishing(writer).into()];

    let answer = session.batch(requests).unwrap();

    assert!(answer.failure.is_none(), "{:?}", answer.failure);
    assert_eq!(fs::read(session.path("a")).unwrap(), b"new");
}
