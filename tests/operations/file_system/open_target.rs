//! Opening what is about to get content: everything is asked before anything is made.

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::OpenTarget;
use rex_ipc::handle::{DirId, FileId};
use rex_tests::session::{ALLOW_ALL, Refused, Session, name_text};

fn open(session: &mut Session, dir: DirId, name: &str, from: Option<FileId>) -> Result<FileId, Refused> {
    let id = FileId(session.number());
    session.send(OpenTarget { id, dir, name: name_text(name), from }).map(|_| id)
}

// spec, 7: "`open File`, `create File`, ... `write File`", for cp with `read File` of the source before the last.
#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("source", "text");
    let root = session.root();
    let source = session.open_file(root, "source").unwrap();
    session.records.clear();

    open(&mut session, root, "new", None).unwrap();

    assert_eq!(session.outcomes(), ["open_target done"]);
    assert_eq!(
        session.questions(),
        ["permit open File ~/new", "permit create File ~/new", "permit write File ~/new"]
    );
    assert_eq!(std::fs::read(session.path("new")).unwrap(), b"");
    session.records.clear();

    open(&mut session, root, "copy", Some(source)).unwrap();

    let asked = ["open File ~/copy", "create File ~/copy", "read File ~/source", "write File ~/copy"];
    assert_eq!(session.questions(), asked.map(|question| format!("permit {question}")));
}

#[test]
fn denied() {
    for (action, object) in [("open", "new"), ("create", "new"), ("read", "source"), ("write", "new")] {
        let mut session = Session::with_policy(&format!(
            r#"permit(principal, action, resource);
               forbid(principal, action == file_system::Action::"{action}", resource == file_system::File::"{{root}}/{object}");"#,
        ));
        session.tree.file("source", "text");
        let root = session.root();
        let source = session.open_file(root, "source").ok();
        session.records.clear();

        let refused = open(&mut session, root, "new", source).unwrap_err();

        assert_eq!(refused.kind(), Some(ErrorKind::PermissionDenied), "{action}");
        assert_eq!(session.outcomes(), ["open_target PermissionDenied"]);
        assert!(!session.path("new").exists(), "{action}");
    }
}

#[test]
fn an_existing_file_keeps_its_content_and_a_link_is_refused() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("old", "text");
    session.tree.link("old", "link");
    session.tree.link("nowhere", "dangling");
    session.tree.dir("dir");
    let root = session.root();

    open(&mut session, root, "old", None).unwrap();

    assert_eq!(std::fs::read(session.path("old")).unwrap(), b"text");
    for name in ["link", "dangling"] {
        assert_eq!(open(&mut session, root, name, None).unwrap_err().kind(), Some(ErrorKind::FileError));
    }
    assert_eq!(open(&mut session, root, "dir", None).unwrap_err().errno(), Some(21));
    assert!(!session.path("nowhere").exists());
}
