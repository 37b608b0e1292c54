//! Making symbolic links.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::CreateLink;
use rex_ipc::name;
use rex_tests::session::{ALLOW_ALL, Refused, Session, name_text, path_text};

fn create(session: &mut Session, name: &str, target: &str, force: bool) -> Result<(), Refused> {
    let dir = session.root();
    session.records.clear();
    session.send(CreateLink { dir, name: name_text(name), target: path_text(target), force })
}

fn target(session: &Session, name: &str) -> OsString {
    fs::read_link(session.path(name)).unwrap().into_os_string()
}

// spec, 8: "checks `create File(dir/name)`, then base-name validation, then with `force` also `delete File(dir/name)`."
#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);

    create(&mut session, "link", "../some/where", false).unwrap();
    assert_eq!(session.questions(), ["permit create File ~/link"]);
    create(&mut session, "link", "/else where/..", true).unwrap();

    assert_eq!(session.questions(), ["permit create File ~/link", "permit delete File ~/link"]);
    assert_eq!(target(&session, "link"), "/else where/..");
    assert_eq!(session.tree.picture().len(), 1);
}

#[test]
fn denied() {
    for action in ["create", "delete"] {
        let policy =
            format!(r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"{action}", resource);"#);
        let mut session = Session::with_policy(&policy);
        session.tree.file("a", "content");
        let before = session.tree.picture();

        assert!(create(&mut session, "a", "x", true).unwrap_err().is_denial());
        assert!(create(&mut session, "new", "x", true).unwrap_err().is_denial());

        assert_eq!(session.tree.picture(), before);
    }
}

// spec, 8: "Without force an existing name → `IoError` EEXIST. … a directory in the way → EISDIR."
#[test]
fn what_is_in_the_way_is_replaced_only_by_force_and_a_directory_never() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("file", "");
    session.tree.link("old", "link");
    session.tree.dir("dir");
    session.tree.fifo("fifo");

    for name in ["file", "link", "dir", "fifo"] {
        let refused = create(&mut session, name, "t", false).unwrap_err();
        assert_eq!((refused.kind(), refused.errno()), (Some(ErrorKind::IoError), Some(17)), "{name}");
        let forced = create(&mut session, name, "t", true);
        if name == "dir" {
            assert_eq!(forced.unwrap_err().errno(), Some(nix::libc::EISDIR as u16));
        } else {
            forced.unwrap();
            assert_eq!(target(&session, name), "t");
        }
    }

    assert_eq!(session.tree.picture().len(), 4);
}

#[test]
fn any_target_is_stored_as_it_is() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let bytes = b"/\xff\xfe*?\"<>|\n\x01..//".to_vec();

    create(&mut session, "link", &name::to_text(&bytes), false).unwrap();

    assert_eq!(target(&session, "link").into_vec(), bytes);
    assert_eq!(create(&mut session, "empty", "", false).unwrap_err().errno(), Some(2));
    assert_eq!(create(&mut session, "zero", "a\0b", true).unwrap_err().errno(), Some(22));
    let long = "x".repeat(5000);
    assert_eq!(
        create(&mut session, "long", &long, true).unwrap_err().errno(),
        Some(nix::libc::ENAMETOOLONG as u16)
    );
    assert_eq!(session.tree.picture().len(), 1);
}

#[test]
fn a_name_is_a_single_component_and_may_have_any_byte() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("dir");

    for name in ["", ".", "..", "dir/x", "/tmp/rex-outside-link", "x/"] {
        assert!(!create(&mut session, name, "t", true).unwrap_err().is_denial(), "{name:?}");
    }
    create(&mut session, &name::to_text(b"\xff"), "t", false).unwrap();

    assert!(session.tree.path(std::ffi::OsStr::from_bytes(b"\xff")).symlink_metadata().is_ok());
    assert_eq!(session.tree.picture().len(), 2);
}

#[test]
fn the_built_in_forbids_hold() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.tree.file("policy", "content");
    session.tree.hard_link("policy", "other-name");
    session.services.deciding.forbidden.add_file(&path, "built-in: test").unwrap();
    let before = session.tree.picture();

    for name in ["policy", "other-name"] {
        assert!(create(&mut session, name, "t", true).unwrap_err().is_denial(), "{name}");
    }

    assert_eq!(session.tree.picture(), before);
}
