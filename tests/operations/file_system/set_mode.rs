//! Permission bits of open objects.

use std::os::unix::fs::MetadataExt;

use rex_ipc::file_system::{OpenLink, Permissions, SetMode};
use rex_ipc::handle::{AnyId, FileId};
use rex_tests::session::{ALLOW_ALL, Refused, Session, name_text};

fn set_mode(session: &mut Session, handle: AnyId, bits: u16) -> Result<(), Refused> {
    session.send(SetMode { handle, permissions: Permissions::new(bits).unwrap() })
}

fn mode(session: &Session, name: &str) -> u32 {
    session.path(name).symlink_metadata().unwrap().mode() & 0o7777
}

// spec, 10: "chmod(FileHandle, permissions) — check `chmod File`"; spec, 8: "check `chmod Dir`".
#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("dir/a", "");
    let root = session.root();
    let directory = session.text("dir");
    let directory = session.open_dir(&directory).unwrap();
    let file = session.open_file(directory, "a").unwrap();
    session.records.clear();

    set_mode(&mut session, AnyId::File(file), 0o604).unwrap();
    set_mode(&mut session, AnyId::Dir(directory), 0o750).unwrap();

    assert_eq!((mode(&session, "dir/a"), mode(&session, "dir")), (0o604, 0o750));
    assert_eq!(session.questions(), ["permit chmod File ~/dir/a", "permit chmod Dir ~/dir"]);
    session.close(AnyId::Dir(root));
}

#[test]
fn denied() {
    let mut session = Session::with_policy(
        r#"permit(principal, action, resource) unless { action == file_system::Action::"chmod" };"#,
    );
    session.tree.file("a", "");
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();
    let before = session.tree.picture();
    session.records.clear();

    assert!(set_mode(&mut session, AnyId::File(file), 0o600).unwrap_err().is_denial());
    assert!(set_mode(&mut session, AnyId::Dir(root), 0o700).unwrap_err().is_denial());

    assert_eq!(session.questions(), ["deny chmod File ~/a", "deny chmod Dir ~"]);
    assert_eq!(session.tree.picture(), before);
}

#[test]
fn the_object_changes_that_was_opened_whatever_has_its_name() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();
    std::fs::rename(session.path("a"), session.path("b")).unwrap();
    session.tree.file("a", "");

    set_mode(&mut session, AnyId::File(file), 0o600).unwrap();

    assert_eq!((mode(&session, "a"), mode(&session, "b")), (0o644, 0o600));
}

#[test]
fn set_user_id_is_cleared_with_the_rest() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.tree.file("a", "");
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();

    set_mode(&mut session, AnyId::File(file), 0o755).unwrap();

    assert_eq!(mode(&session, "a"), 0o755);
}

#[test]
fn a_link_has_no_mode_and_its_target_keeps_its_own() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    session.tree.link("a", "link");
    let root = session.root();
    let id = FileId(session.number());
    session.send(OpenLink { id, dir: root, name: name_text("link") }).unwrap();

    let refused = set_mode(&mut session, AnyId::File(id), 0o600).unwrap_err();

    assert_eq!(refused.errno(), Some(nix::libc::EOPNOTSUPP as u16));
    assert_eq!(mode(&session, "a"), 0o644);
}
