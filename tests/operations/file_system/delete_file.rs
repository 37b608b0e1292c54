//! Removing the name by which a file was opened.

use std::fs;

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{DeleteFile, OpenFile};
use rex_ipc::handle::FileId;
use rex_tests::session::{ALLOW_ALL, Refused, Session};

fn delete(session: &mut Session, file: FileId, force: bool) -> Result<(), Refused> {
    session.send(DeleteFile { file, force })
}

fn open(session: &mut Session, name: &str, follow: bool) -> FileId {
    let root = session.root();
    let request = OpenFile { follow, ..session.opening_file(root, name) };
    let id = request.id;
    session.send(request).unwrap();
    session.records.clear();
    id
}

// spec, 10: "check `delete File(dir/name)` …; unlink by name. … The handle stays readable."
#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let file = open(&mut session, "a", false);

    delete(&mut session, file, false).unwrap();

    assert_eq!(session.questions(), ["permit delete File ~/a"]);
    assert!(!session.path("a").exists());
    assert_eq!(session.read(file, 0, 10).unwrap().bytes.as_slice(), b"content");
}

#[test]
fn denied() {
    let mut session = Session::with_policy(
        r#"permit(principal, action, resource) unless { action == file_system::Action::"delete" };"#,
    );
    session.tree.file("a", "content");
    let file = open(&mut session, "a", false);
    let before = session.tree.picture();

    for force in [false, true] {
        assert!(delete(&mut session, file, force).unwrap_err().is_denial());
        assert_eq!(session.questions(), ["deny delete File ~/a"]);
    }

    assert_eq!(session.tree.picture(), before);
}

// spec, 10: "(the link, for followed handles)".
#[test]
fn of_a_followed_link_the_link_goes() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("target", "content");
    session.tree.link("target", "link");
    let file = open(&mut session, "link", true);

    delete(&mut session, file, false).unwrap();

    assert_eq!(session.questions(), ["permit delete File ~/link"]);
    assert!(session.path("link").symlink_metadata().is_err());
    assert!(session.path("target").exists());
}

// spec, 10: "Missing: `NotFound` with the **directory's** path, success with force."
#[test]
fn a_name_that_is_gone_is_not_found() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    let file = open(&mut session, "a", false);
    fs::remove_file(session.path("a")).unwrap();

    let failure = delete(&mut session, file, false).unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::NotFound);
    let (directory, name) = (session.text(""), session.text("a"));
    assert_eq!(failure.message.as_str(), format!("No such file or directory found: {directory}: {name}"));
    delete(&mut session, file, true).unwrap();
}

#[test]
fn what_has_come_to_the_name_since_stays() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    session.tree.file("elsewhere", "");
    let file = open(&mut session, "a", false);

    for (what, make) in [
        ("file", Box::new(|s: &Session| drop(s.tree.file("a", "new"))) as Box<dyn Fn(&Session)>),
        ("link", Box::new(|s: &Session| drop(s.tree.link("elsewhere", "a")))),
        ("directory", Box::new(|s: &Session| drop(s.tree.dir("a")))),
    ] {
        // The inode is not given to the new one while the old one is open.
        let _ = fs::remove_file(session.path("a"));
        make(&session);
        let refused = delete(&mut session, file, false).unwrap_err();
        assert_eq!(refused.kind(), Some(ErrorKind::NotFound), "{what}");
        delete(&mut session, file, true).unwrap();
        assert!(session.path("a").symlink_metadata().is_ok(), "{what}");
    }
}

#[test]
fn the_built_in_forbids_hold() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.tree.file("policy", "");
    let file = open(&mut session, "policy", false);
    session.services.deciding.forbidden.add_file(&path, "built-in: test").unwrap();

    assert!(delete(&mut session, file, true).unwrap_err().is_denial());
    assert!(path.exists());
}
