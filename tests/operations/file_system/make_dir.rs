//! Making directories below an open one.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

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
    }
    let refused = make(&mut session, "file/below").unwrap_err();
    assert_eq!(refused.errno(), Some(nix::libc::ENOTDIR as u16));

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
    for action in ["open", "chown"] {
        let policy = format!(
            r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"{action}", resource == file_system::Dir::"{{root}}/a/b");"#
        );
        let mut session = Session::with_policy(&policy);
        assert!(make_with(&mut session, "a/b", attributes()).unwrap_err().is_denial(), "{action}");
        assert!(session.tree.picture().is_empty(), "{action}");
    }
}

// spec, 11: "Every entry is best effort": a directory whose mode may not be set is a directory all the same.
#[test]
fn where_the_mode_may_not_be_set_the_directory_is_made_and_no_more_open_than_was_said() {
    for (said, most) in [(0o700, 0o700), (0o000, 0o700), (0o755, 0o755), (0o555, 0o755), (0o777, 0o777)] {
        let policy =
            format!(r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"chmod", resource);"#);
        let mut session = Session::with_policy(&policy);
        let mode = Permissions::new(said);

        make_with(&mut session, "a/b", Attributes { mode, ..Attributes::default() }).unwrap();

        let found = session.path("a/b").metadata().unwrap().mode() & 0o7777;
        assert_eq!(found & !most, 0, "{said:o} gave {found:o}");
        assert!(session.questions().contains(&"deny chmod Dir ~/a/b".into()));
        // What was there before keeps the mode that it had.
        fs::set_permissions(session.path("a"), fs::Permissions::from_mode(0o711)).unwrap();
        make_with(&mut session, "a", Attributes { mode, ..Attributes::default() }).unwrap();
        assert_eq!(session.path("a").metadata().unwrap().mode() & 0o7777, 0o711);
    }
}

// spec, 11: "directory links are followed only if they stay beneath dst".
#[test]
fn a_link_that_stays_below_is_followed_to_a_directory_and_asked_for() {
    let attributes = || Attributes { mode: Permissions::new(0o750), ..Attributes::default() };
    let linked = |policy: &str| {
        let session = Session::with_policy(policy);
        session.tree.dir("usr/lib");
        session.tree.link("usr/lib", "lib");
        session.tree.link("/tmp", "out");
        session
    };
    let mut session = linked(ALLOW_ALL);

    make_with(&mut session, "lib", attributes()).unwrap();
    assert!(session.questions().contains(&"permit chmod Dir ~/usr/lib".into()));
    make_with(&mut session, "lib/new", attributes()).unwrap();

    assert_eq!(session.path("usr/lib").metadata().unwrap().mode() & 0o7777, 0o750);
    assert!(session.path("usr/lib/new").is_dir() && session.path("lib").is_symlink());
    let refused = make_with(&mut session, "out/x", attributes()).unwrap_err();
    assert_eq!(refused.errno(), Some(nix::libc::ELOOP as u16));
    for (action, place) in [("create", "usr/lib"), ("chmod", "usr/lib/none"), ("create", "usr/lib/new")] {
        let mut session = linked(&format!(
            r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"{action}",
                resource == file_system::Dir::"{{root}}/{place}");"#
        ));
        let outcome = make_with(&mut session, "lib/new", attributes());
        assert_eq!(outcome.is_err(), action == "create", "{action} {place}");
        assert_eq!(session.path("usr/lib/new").exists(), action != "create");
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

// chown(2): -1 means no change, and an archive that says so must not have the directory be somebody else's.
#[test]
fn the_number_that_means_no_change_is_no_owner() {
    for (user, group) in [(Some(u32::MAX), None), (None, Some(u32::MAX)), (Some(u32::MAX), Some(u32::MAX))] {
        let mut session = Session::with_policy(ALLOW_ALL);
        let attributes = Attributes {
            user: user.map(NameOrNumber::Number),
            group: group.map(NameOrNumber::Number),
            ..Attributes::default()
        };

        let refused = make_with(&mut session, "a", attributes).unwrap_err();

        assert_eq!(refused.errno(), Some(nix::libc::EINVAL as u16), "{user:?} {group:?}");
        assert!(!session.path("a").exists());
    }
}
