//! Users and groups of open objects.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{OpenLink, SetOwner};
use rex_ipc::handle::{AnyId, FileId};
use rex_tests::session::{ALLOW_ALL, Refused, Session, name_text};
use rex_tests::tree::{as_ordinary_user, is_root};

fn set_owner(
    session: &mut Session,
    handle: AnyId,
    user: Option<&str>,
    group: Option<&str>,
) -> Result<(), Refused> {
    let text = |name: &str| rex_ipc::bounded::Text::new(name).unwrap();
    session.send(SetOwner { handle, user: user.map(text), group: group.map(text) })
}

fn owner(session: &Session, name: &str) -> (u32, u32) {
    let metadata = session.path(name).symlink_metadata().unwrap();
    (metadata.uid(), metadata.gid())
}

// spec, 10: "set_ownership(FileHandle, SetOwnershipOptions) — check `chown File`".
#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    let own = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap();
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();
    session.records.clear();

    set_owner(&mut session, AnyId::File(file), Some(&own.name), None).unwrap();
    set_owner(&mut session, AnyId::Dir(root), Some(&own.name), None).unwrap();

    assert_eq!(owner(&session, "a").0, own.uid.as_raw());
    assert_eq!(session.questions(), ["permit chown File ~/a", "permit chown Dir ~"]);
}

#[test]
fn denied() {
    let mut session = Session::with_policy(
        r#"permit(principal, action, resource) unless { action == file_system::Action::"chown" };"#,
    );
    session.tree.file("a", "");
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();
    session.records.clear();

    // Whether there is such a user is not told.
    for name in ["root", "no-such-user-here"] {
        let failure = set_owner(&mut session, AnyId::File(file), Some(name), None).unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::PermissionDenied);
    }

    assert_eq!(session.questions(), ["deny chown File ~/a", "deny chown File ~/a"]);
}

// spec, 8: "user/group are **names** (numeric ids are not accepted); neither given = no change".
#[test]
fn owners_are_given_by_names() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    let before = owner(&session, "a");
    let root = session.root();
    let file = AnyId::File(session.open_file(root, "a").unwrap());

    set_owner(&mut session, file, None, None).unwrap();
    for (user, group, text) in [
        (Some("no-such-user-here"), None, "No user mapping found for uid: no-such-user-here"),
        (Some("0"), None, "No user mapping found for uid: 0"),
        (Some("a\0b"), None, "No user mapping found for uid: a\0b"),
        (None, Some("0"), "No group mapping found for gid: 0"),
    ] {
        let failure = set_owner(&mut session, file, user, group).unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::IdentityResolutionError);
        assert_eq!(
            failure.message.as_str(),
            format!("Identity resolution error: {text}: {}", session.text("a"))
        );
    }

    assert_eq!(owner(&session, "a"), before);
}

// spec, 16, Q18: owners without a name make this fail in Rex.
#[test]
fn the_present_owner_needs_no_name() {
    if !is_root() {
        return;
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.tree.file("a", "");
    std::os::unix::fs::chown(&path, Some(4_000_001), Some(4_000_002)).unwrap();
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();

    set_owner(&mut session, AnyId::File(file), Some("root"), None).unwrap();

    assert_eq!(owner(&session, "a"), (0, 4_000_002));
}

#[test]
fn what_runs_as_its_owner_does_not_run_as_the_new_one() {
    if !is_root() {
        return;
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    let root = session.root();
    // chown(2) itself leaves the last one.
    for bits in [0o6755, 0o4755, 0o2755, 0o2745] {
        let path = session.tree.file("a", "");
        std::os::unix::fs::chown(&path, Some(4_000_001), Some(4_000_002)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(bits)).unwrap();
        let file = session.open_file(root, "a").unwrap();

        set_owner(&mut session, AnyId::File(file), Some("root"), Some("root")).unwrap();

        let mode = path.metadata().unwrap().mode() & 0o7777;
        assert_eq!(mode, bits & 0o777, "{bits:o}");
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn the_owner_of_a_link_is_the_links_own() {
    if !is_root() {
        return;
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    let link = session.tree.link("a", "link");
    std::os::unix::fs::lchown(&link, Some(4_000_001), Some(4_000_001)).unwrap();
    std::os::unix::fs::chown(session.path("a"), Some(4_000_002), Some(4_000_002)).unwrap();
    let root = session.root();
    let id = FileId(session.number());
    session.send(OpenLink { id, dir: root, name: name_text("link") }).unwrap();

    set_owner(&mut session, AnyId::File(id), Some("root"), None).unwrap();

    assert_eq!((owner(&session, "link").0, owner(&session, "a").0), (0, 4_000_002));
}

// spec, 8: "EPERM → `IoError` `Failed to change ownership. CAP_CHOWN capability is required …`".
#[test]
fn who_may_not_give_files_away_is_told_what_is_missing() {
    as_ordinary_user(|| {
        let mut session = Session::with_policy(ALLOW_ALL);
        session.tree.file("a", "");
        let before = owner(&session, "a");
        let root = session.root();
        let file = AnyId::File(session.open_file(root, "a").unwrap());

        let failure = set_owner(&mut session, file, Some("root"), None).unwrap_err().failure();

        assert_eq!(failure.kind, ErrorKind::IoError);
        let told = "Failed to change ownership. CAP_CHOWN capability is required when changing ownership to a \
                    different user.";
        assert!(failure.message.as_str().starts_with(told), "{failure:?}");
        assert_eq!(owner(&session, "a"), before);
    });
}
