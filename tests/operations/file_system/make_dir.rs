//! Making directories below an open one.

use std::os::unix::fs::MetadataExt;

use rex_ipc::bounded::Text;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{Attributes, Instant, MakeDir, NameOrNumber, Permissions};
use rex_tests::session::{ALLOW_ALL, Refused, Session, path_text};
use rex_tests::tree::is_root;

fn make(session: &mut Session, path: &str) -> Result<(), Refused> {
    make_with(session, path, Attributes::default())
}

fn make_with(session: &mut Session, path: &str, attributes: Attributes) -> Result<(), Refused> {
    let dir = session.root();
    session.records.clear();
    session.send(MakeDir { dir, path: path_text(path), attributes })
}

// spec, 7, mkdir: "`create Dir P'/name`".
#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);

    make(&mut session, "a").unwrap();
    assert_eq!(session.questions(), ["permit create Dir ~/a"]);
    make(&mut session, "a/b/c").unwrap();

    assert_eq!(
        session.questions(),
        ["permit create Dir ~/a", "permit create Dir ~/a/b", "permit create Dir ~/a/b/c"]
    );
    assert!(session.path("a/b/c").is_dir());
}

#[test]
fn denied() {
    let policy = format!(
        r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"create", resource == file_system::Dir::"{{root}}/a/b/c");"#
    );
    let mut session = Session::with_policy(&policy);

    assert!(make(&mut session, "a/b/c").unwrap_err().is_denial());

    assert!(session.tree.picture().is_empty());
}

// spec, 7, mkdir: "Succeeds if the directory already exists; an existing file or dangling link → `IoError` EEXIST".
#[test]
fn what_exists_is_fine_when_it_is_a_directory() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("d");
    session.tree.file("file", "");
    session.tree.link("d", "link");
    session.tree.link("nowhere", "dangling");

    make(&mut session, "d").unwrap();
    for name in ["file", "link", "dangling"] {
        let refused = make(&mut session, name).unwrap_err();
        assert_eq!((refused.kind(), refused.errno()), (Some(ErrorKind::IoError), Some(17)), "{name}");
        let refused = make(&mut session, &format!("{name}/below")).unwrap_err();
        assert_eq!(refused.errno(), Some(nix::libc::ENOTDIR as u16), "{name}");
    }

    assert!(!session.path("d/below").exists() && !session.path("nowhere").exists());
}

#[test]
fn no_path_leads_out_of_the_directory() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let before = session.tree.picture();

    for path in ["../x", "a/../../x", "/tmp/rex-outside", "", ".", "a\0b"] {
        let made = make(&mut session, path);
        assert_eq!(made.is_ok(), path.is_empty() || path == ".", "{path:?}");
    }

    assert_eq!(session.tree.picture(), before);
    assert!(!std::path::Path::new("/tmp/rex-outside").exists());
}

// spec, 11: "Directory entries …: `create Dir` per level, `open Dir`, `chmod Dir`, `chown Dir`, mtime."
#[test]
fn attributes_are_asked_for_before_anything_is_made() {
    let attributes = || Attributes {
        mode: Permissions::new(0o750),
        user: Some(NameOrNumber::Number(nix::unistd::geteuid().as_raw())),
        group: None,
        modified: Some(Instant { seconds: 1_000_000_000, nanoseconds: 5 }),
    };
    let mut session = Session::with_policy(ALLOW_ALL);

    make_with(&mut session, "a/b", attributes()).unwrap();

    assert_eq!(
        session.questions(),
        [
            "permit create Dir ~/a",
            "permit create Dir ~/a/b",
            "permit open Dir ~/a/b",
            "permit chmod Dir ~/a/b",
            "permit chown Dir ~/a/b"
        ]
    );
    let made = session.path("a/b").metadata().unwrap();
    assert_eq!((made.mode() & 0o7777, made.mtime(), made.mtime_nsec()), (0o750, 1_000_000_000, 5));
    for action in ["open", "chmod", "chown"] {
        let policy = format!(
            r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"{action}", resource == file_system::Dir::"{{root}}/a/b");"#
        );
        let mut session = Session::with_policy(&policy);
        assert!(make_with(&mut session, "a/b", attributes()).unwrap_err().is_denial(), "{action}");
        assert!(session.tree.picture().is_empty(), "{action}");
    }
}

#[test]
fn a_user_without_a_number_makes_nothing() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let user = Some(NameOrNumber::Name(Text::new("no-such-user-here").unwrap()));

    let failure = make_with(&mut session, "a", Attributes { user, ..Attributes::default() });

    assert_eq!(failure.unwrap_err().kind(), Some(ErrorKind::IdentityResolutionError));
    assert!(session.tree.picture().is_empty());
}

#[test]
fn the_mode_is_the_asked_one_also_with_another_owner() {
    if !is_root() {
        return;
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    let attributes = Attributes {
        mode: Permissions::new(0o711),
        user: Some(NameOrNumber::Number(4_000_001)),
        group: Some(NameOrNumber::Number(4_000_002)),
        modified: None,
    };

    make_with(&mut session, "a", attributes).unwrap();

    let made = session.path("a").metadata().unwrap();
    assert_eq!((made.mode() & 0o7777, made.uid(), made.gid()), (0o711, 4_000_001, 4_000_002));
}
