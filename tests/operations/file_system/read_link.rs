//! Where links point.

use std::os::unix::ffi::OsStrExt;

use rex_broker::run::session::RunEnd;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::ReadLink;
use rex_ipc::handle::DirId;
use rex_ipc::name;
use rex_tests::session::{ALLOW_ALL, Refused, Session, entry_text};

use super::without_name;

fn read(session: &mut Session, dir: DirId, name: &str) -> Result<String, Refused> {
    session.send(ReadLink { dir, name: entry_text(name) }).map(|link| link.target.into_string())
}

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.link("../some/where", "link");
    let root = session.root();
    session.records.clear();

    let target = read(&mut session, root, "link").unwrap();

    assert_eq!(target, "../some/where");
    assert_eq!(session.outcomes(), ["read_link done"]);
    assert_eq!(session.questions(), ["permit read File ~/link"]);
}

#[test]
fn denied() {
    let mut session =
        Session::with_policy(r#"permit(principal, action == file_system::Action::"open", resource);"#);
    session.tree.link("nowhere", "link");
    let root = session.root();
    session.records.clear();

    let failure = read(&mut session, root, "link").unwrap_err().failure();
    let absent = read(&mut session, root, "absent").unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::PermissionDenied);
    assert_eq!(without_name(&failure, "link"), without_name(&absent, "absent"));
    assert_eq!(session.outcomes(), ["read_link PermissionDenied", "read_link PermissionDenied"]);
    assert_eq!(session.questions(), ["deny read File ~/link", "deny read File ~/absent"]);
}

#[test]
fn targets_of_any_bytes_are_told() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let mut targets: Vec<Vec<u8>> = vec![b"\xff/\n'\"".to_vec(), "\u{10FF41}".into()];
    // symlink(2): a target may be as long as PATH_MAX, its closing zero included.
    targets.push(vec![0xff; 4095]);

    for (number, target) in targets.iter().enumerate() {
        let name = number.to_string();
        std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(target), session.path(&name)).unwrap();
        let root = session.root();
        assert_eq!(read(&mut session, root, &name).unwrap(), name::to_text(target));
    }
}

#[test]
fn only_links_point_somewhere() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("file", "");
    session.tree.dir("dir");
    let root = session.root();

    assert_eq!(read(&mut session, root, "file").unwrap_err().errno(), Some(22));
    assert_eq!(read(&mut session, root, "dir").unwrap_err().errno(), Some(22));
    assert_eq!(read(&mut session, root, "absent").unwrap_err().errno(), Some(2));
}

#[test]
fn the_directory_has_to_be_open() {
    let mut session = Session::with_policy(ALLOW_ALL);

    let end = read(&mut session, DirId(7), "x").unwrap_err().end();

    assert!(matches!(end, RunEnd::Violation(_)), "{end:?}");
}
