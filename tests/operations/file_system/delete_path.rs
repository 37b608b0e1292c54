//! Removing what stands at a path, as `rm` does.

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::DeletePath;
use rex_tests::session::{ALLOW_ALL, Refused, Session, path_text};
use rex_tests::tree::is_root;

use super::without_name;

fn delete(session: &mut Session, name: &str, recursive: bool) -> Result<(), Refused> {
    let path = session.text("") + "/" + name;
    session.send(DeletePath { path: path_text(&path), recursive })
}

// spec, 7, rm: "`open Dir P`, `open Dir P'`, `open File F`, `delete File F`".
#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    session.tree.dir("d");

    delete(&mut session, "a", false).unwrap();
    assert_eq!(session.questions(), ["permit open Dir ~", "permit open File ~/a", "permit delete File ~/a"]);
    delete(&mut session, "d", false).unwrap();

    assert_eq!(
        session.questions(),
        [
            "permit open Dir ~",
            "permit open File ~/d",
            "permit open Dir ~/d",
            "permit open Dir ~/d",
            "permit delete Dir ~/d"
        ]
    );
    assert!(session.tree.picture().is_empty());
}

#[test]
fn denied() {
    let mut session = Session::with_policy("");
    session.tree.file("plain", "");
    session.tree.dir("dir");
    session.tree.link("dir", "link");
    let before = session.tree.picture();

    let mut failures = Vec::new();
    for name in ["plain", "dir", "link", "absent"] {
        let failure = delete(&mut session, name, true).unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::PermissionDenied);
        failures.push(without_name(&failure, name));
    }

    failures.dedup();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(session.tree.picture(), before);
}

// The directory may be opened, so its type is known; what is missing is the permission for the file.
#[test]
fn a_file_whose_own_permission_is_missing_is_denied() {
    let mut session = Session::with_policy(
        r#"permit(principal, action == file_system::Action::"open", resource is file_system::Dir);"#,
    );
    session.tree.file("plain", "");

    let failure = delete(&mut session, "plain", false).unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::PermissionDenied);
    assert_eq!(session.questions().last().unwrap(), "deny open File ~/plain");
}

#[test]
fn a_file_needs_no_right_to_read_it() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.tree.file("a", "");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o0)).unwrap();

    delete(&mut session, "a", false).unwrap();

    assert!(!path.exists());
}

// A directory alone may be permitted, and so may a file with its directory.
#[test]
fn only_what_stands_there_has_to_be_permitted() {
    let mut session =
        Session::with_policy(r#"permit(principal, action, resource in file_system::Dir::"{root}/d");"#);
    session.tree.file("d/sub/a", "");
    session.tree.file("other", "");

    delete(&mut session, "d/sub", true).unwrap();
    assert!(!session.path("d/sub").exists());
    delete(&mut session, "d", true).unwrap();

    assert!(!session.path("d").exists());
    assert!(delete(&mut session, "other", true).unwrap_err().is_denial());
}

// spec, 16, Q14: "`rm` on a link to a directory deletes the target".
#[test]
fn a_link_is_refused_whatever_it_leads_to() {
    let policies = [ALLOW_ALL, r#"permit(principal, action, resource is file_system::Dir);"#];
    for policy in policies {
        let mut session = Session::with_policy(policy);
        session.tree.file("dir/a", "");
        session.tree.file("plain", "");
        session.tree.link("dir", "to-dir");
        session.tree.link("plain", "to-file");
        session.tree.link("nowhere", "dangling");
        session.tree.link("to-dir", "to-link");
        let before = session.tree.picture();

        for name in ["to-dir", "to-file", "dangling", "to-link"] {
            let failure = delete(&mut session, name, true).unwrap_err().failure();
            assert_eq!(failure.kind, ErrorKind::FileError, "{name} {policy}");
            let text = "File error: file is a symbolic link but follow_symlinks is not enabled: ";
            assert_eq!(failure.message.as_str(), format!("{text}{}", session.text(name)));
        }

        assert_eq!(session.tree.picture(), before);
    }
}

#[test]
fn a_slash_at_the_end_means_the_directory() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("dir/a", "");
    session.tree.file("plain", "");
    session.tree.link("dir", "link");

    let refused = delete(&mut session, "plain/", true).unwrap_err();
    assert_eq!(refused.errno(), Some(nix::libc::ENOTDIR as u16));
    session.records.clear();
    delete(&mut session, "link/", true).unwrap();

    assert!(!session.path("dir").exists());
    assert_eq!(session.questions()[..2], ["permit open Dir ~/link", "permit open Dir ~/dir"]);
}

#[test]
fn links_on_the_way_are_followed_and_asked_for() {
    let policy = r#"permit(principal, action, resource in file_system::Dir::"{root}");
        forbid(principal, action, resource in file_system::Dir::"{root}/closed");"#;
    let mut session = Session::with_policy(policy);
    session.tree.file("real/a", "");
    session.tree.dir("real/d");
    session.tree.file("closed/a", "");
    session.tree.dir("closed/d");
    session.tree.link("real", "way");
    session.tree.link("closed", "trap");

    delete(&mut session, "way/a", false).unwrap();
    delete(&mut session, "way/d", false).unwrap();
    for name in ["trap/a", "trap/d", "trap/absent"] {
        assert!(delete(&mut session, name, true).unwrap_err().is_denial(), "{name}");
    }

    assert!(!session.path("real/a").exists() && !session.path("real/d").exists());
    assert!(session.path("closed/a").exists() && session.path("closed/d").exists());
}

// The directory alone is permitted: what is on the way is asked about as the directory it leads to.
#[test]
fn a_directory_behind_a_link_needs_no_right_on_its_parent() {
    let mut session = Session::with_policy(
        r#"permit(principal, action, resource in file_system::Dir::"{root}/real/d");
           permit(principal, action, resource in file_system::Dir::"{root}/way/d");"#,
    );
    session.tree.file("real/d/a", "");
    session.tree.link("real", "way");

    delete(&mut session, "way/d", true).unwrap();

    assert!(!session.path("real/d").exists());
}

#[test]
fn what_is_missing_is_said_to_who_may_know() {
    let mut session = Session::with_policy(ALLOW_ALL);

    let refused = delete(&mut session, "absent", true).unwrap_err();

    assert_eq!((refused.kind(), refused.errno()), (Some(ErrorKind::IoError), Some(2)));
}

// Rex blocks on a FIFO and refuses devices.
#[test]
fn what_cannot_be_opened_goes_without_being_opened() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.fifo("fifo");
    let _socket = std::os::unix::net::UnixListener::bind(session.path("socket")).unwrap();

    delete(&mut session, "fifo", false).unwrap();
    delete(&mut session, "socket", false).unwrap();

    assert!(session.tree.picture().is_empty());
}

#[test]
fn a_denial_below_keeps_everything() {
    let policy = format!(
        r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"delete", resource == file_system::File::"{{root}}/d/s/keep");"#
    );
    let mut session = Session::with_policy(&policy);
    session.tree.file("d/a", "");
    session.tree.file("d/s/keep", "");
    let before = session.tree.picture();

    assert!(delete(&mut session, "d", true).unwrap_err().is_denial());

    assert_eq!(session.tree.picture(), before);
}

#[test]
fn a_hard_link_that_somebody_else_could_have_made_stays() {
    if !is_root() {
        return;
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    let name = session.tree.hard_link("a", "shared/name");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(session.path("shared"), open).unwrap();

    assert!(delete(&mut session, "shared/name", false).unwrap_err().is_denial());

    assert!(name.exists());
}
