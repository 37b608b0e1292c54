//! Beginning to write: what is asked, and that nothing is seen of it.

use rex_broker::run::session::RunEnd;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{BeginWrite, WriteHow};
use rex_ipc::handle::{FileId, WriterId};
use rex_tests::session::{ALLOW_ALL, Session};

use super::writing::{REPLACE, begin, names, open, open_as};

// spec, 10: "Check `write File(handle path)`".
#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    let before = session.tree.picture();
    let file = open(&mut session, "a");

    for how in [REPLACE, WriteHow::InPlace, WriteHow::Append] {
        session.records.clear();
        begin(&mut session, file, how).unwrap();
        assert_eq!(session.outcomes(), ["begin_write done"]);
        assert_eq!(session.questions(), ["permit write File ~/a"]);
    }

    assert_eq!(session.tree.picture(), before);
}

#[test]
fn denied() {
    let mut session =
        Session::with_policy(r#"permit(principal, action == file_system::Action::"open", resource);"#);
    session.tree.file("a", "old");
    let file = open(&mut session, "a");

    for how in [REPLACE, WriteHow::InPlace, WriteHow::Append] {
        session.records.clear();
        assert!(begin(&mut session, file, how).unwrap_err().is_denial());
        assert_eq!(session.questions(), ["deny write File ~/a"]);
    }
}

// spec, 10: "the handle must be writable".
#[test]
fn a_file_has_to_be_open_for_writing() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    let file = open_as(&mut session, "a", true, false);

    for how in [REPLACE, WriteHow::InPlace, WriteHow::Append] {
        let failure = begin(&mut session, file, how).unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::InvalidFileMode);
        let expected = format!(
            "Invalid file mode: Attempted to write a file without opening it with the write option.: {}",
            session.text("a")
        );
        assert_eq!(failure.message.as_str(), expected);
    }
}

#[test]
fn writers_have_numbers_of_the_one_sequence() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    let file = open(&mut session, "a");

    let again = BeginWrite { id: WriterId(file.0), file, how: REPLACE };
    assert!(matches!(session.send(again).unwrap_err().end(), RunEnd::Violation(_)));

    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    let file = open(&mut session, "a");
    let writer = begin(&mut session, file, REPLACE).unwrap();
    // A writer is no file.
    assert!(matches!(session.read(FileId(writer.0), 0, 1).unwrap_err().end(), RunEnd::Violation(_)));
}

#[test]
fn writers_count_as_open_handles() {
    let mut session = Session::with_limits(ALLOW_ALL, |limits| limits.max_open_handles = 3);
    session.tree.file("a", "old");
    let file = open(&mut session, "a");

    begin(&mut session, file, WriteHow::Append).unwrap();
    let end = begin(&mut session, file, REPLACE).unwrap_err().end();

    assert!(matches!(end, RunEnd::Limit(limit) if limit.name == "max-open-handles"));
}

// A run that ends, or is killed, leaves nothing of what was not finished.
#[test]
fn nothing_is_left_of_what_was_not_finished() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    let file = open(&mut session, "a");
    let writer = begin(&mut session, file, REPLACE).unwrap();
    super::writing::push(&mut session, writer, b"new").unwrap();

    assert_eq!(names(&session, ""), ["a"]);
    let Session { services, tree, .. } = session;
    drop(services);

    assert_eq!(std::fs::read(tree.path("a")).unwrap(), b"old");
}
