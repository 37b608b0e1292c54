//! What a new file of an archive replaces, and what a failed one leaves.

use std::fs;

use rex_tests::session::{ALLOW_ALL, Session};

use super::writing::{begin_file, finish, names, push};

// spec, 11: "a link in the way is replaced"; a directory is not.
#[test]
fn a_new_file_replaces_files_and_links_and_no_directory() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("file", "old");
    session.tree.file("target", "target");
    session.tree.link("target", "link");
    session.tree.dir("dir");
    session.tree.fifo("fifo");
    let root = session.root();
    let mut extract = |path: &str| {
        let writer = begin_file(&mut session, root, path).unwrap();
        push(&mut session, writer, b"new").unwrap();
        finish(&mut session, writer)
    };

    for path in ["file", "link", "fifo"] {
        extract(path).unwrap();
    }
    let refused = extract("dir").unwrap_err();

    assert_eq!(refused.errno(), Some(nix::libc::EISDIR as u16));
    for path in ["file", "link", "fifo"] {
        assert_eq!(fs::read(session.path(path)).unwrap(), b"new");
        assert!(fs::symlink_metadata(session.path(path)).unwrap().is_file());
    }
    assert_eq!(fs::read(session.path("target")).unwrap(), b"target");
    assert_eq!(names(&session, ""), ["dir", "fifo", "file", "link", "target"]);
}

// Nothing is asked for where nothing would be lost, and what is asked comes before anything goes.
#[test]
fn what_a_new_file_replaces_is_asked_for_as_a_deletion() {
    let policy = format!(
        r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"delete", resource)
           when {{ resource is file_system::File && resource.path like "*/kept" }};"#
    );
    let mut session = Session::with_policy(&policy);
    session.tree.file("old", "old");
    session.tree.file("kept", "kept");
    session.tree.link("old", "link");
    let root = session.root();
    let mut asked = |path: &str| {
        let writer = begin_file(&mut session, root, path).unwrap();
        push(&mut session, writer, b"new").unwrap();
        session.records.clear();
        let finished = finish(&mut session, writer);
        (finished.is_ok(), session.questions())
    };

    assert_eq!(asked("free"), (true, vec!["permit write File ~/free".to_owned()]));
    for path in ["old", "link"] {
        let expected = ["write", "delete"].map(|action| format!("permit {action} File ~/{path}"));
        assert_eq!(asked(path), (true, expected.to_vec()));
    }
    let expected = vec!["permit write File ~/kept".to_owned(), "deny delete File ~/kept".to_owned()];
    assert_eq!(asked("kept"), (false, expected));
    assert_eq!(fs::read(session.path("kept")).unwrap(), b"kept");
    assert_eq!(names(&session, ""), ["free", "kept", "link", "old"]);
}

// What a failed call has made goes again.
#[test]
fn directories_made_for_a_file_go_with_it() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let root = session.root();
    let writer = begin_file(&mut session, root, "d/e/f").unwrap();
    // Somebody makes a directory where the file is to be, and removes the others before the next try.
    session.tree.dir("d/e/f");
    let refused = finish(&mut session, writer).unwrap_err();
    assert_eq!(refused.errno(), Some(nix::libc::EISDIR as u16));
    assert_eq!(names(&session, "d/e"), ["f"]);

    let writer = begin_file(&mut session, root, "x/y/z").unwrap();
    session.tree.link("elsewhere", "x");
    let refused = finish(&mut session, writer).unwrap_err();
    assert_eq!(refused.errno(), Some(nix::libc::ELOOP as u16));
    assert_eq!(names(&session, ""), ["d", "x"]);
}
