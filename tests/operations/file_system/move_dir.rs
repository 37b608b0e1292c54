//! Moving directories.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rex_broker::host::file_system::temporaries::Temporaries;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{MoveDir, Opened};
use rex_ipc::handle::DirId;
use rex_tests::session::{ALLOW_ALL, Refused, Session, held_directory, name_text};
use rex_tests::tree::{Tree, is_root, with_mounts};

/// Moves a directory of the tree to a name in another one.
fn move_to(session: &mut Session, source: &str, to: &str, name: &str) -> Result<(DirId, Opened), Refused> {
    let open = |session: &mut Session, name: &str| {
        let path = session.text(name);
        session.open_dir(&path).unwrap()
    };
    let parent = source.rsplit_once('/').map_or("", |(parent, _)| parent);
    let (from, dir, to) = (open(session, parent), open(session, source), open(session, to));
    session.records.clear();
    let id = DirId(session.number());
    session.send(MoveDir { from, dir, to, name: name_text(name), id }).map(|opened| (id, opened))
}

// spec, 8: "`move Dir(src_parent/base)` …, `create Dir(dst_parent/dst_name)`. … Success: `open Dir(dst)`".
#[test]
fn permitted() {
    let mut session = Session::with_policy(
        r#"permit(principal, action, resource) unless { action == file_system::Action::"move" };
           permit(principal, action == file_system::Action::"move", resource == file_system::Dir::"{root}/s")
           when { context.destination.path == "{root}/d/t" && context.destination.name == "t"
               && context.destination.parent_path == "{root}/d" };"#,
    );
    session.tree.file("s/x", "1");
    session.tree.dir("d");

    let (moved, _) = move_to(&mut session, "s", "d", "t").unwrap();

    assert_eq!(
        session.questions(),
        ["permit move Dir ~/s", "permit create Dir ~/d/t", "permit open Dir ~/d/t"]
    );
    assert!(!session.path("s").exists());
    assert_eq!(fs::read(session.path("d/t/x")).unwrap(), b"1");
    session.open_file(moved, "x").unwrap();
    assert_eq!(session.questions(), ["permit open File ~/d/t/x"]);
}

#[test]
fn denied() {
    for action in ["move", "create", "open"] {
        let policy = format!(
            r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"{action}", resource)
               when {{ resource is file_system::Dir && (resource.path like "*/t" || action == file_system::Action::"move") }};"#
        );
        let mut session = Session::with_policy(&policy);
        session.tree.file("s/x", "");
        let before = session.tree.picture();

        assert!(move_to(&mut session, "s", "", "t").unwrap_err().is_denial(), "{action}");

        assert_eq!(session.tree.picture(), before, "{action}");
    }
}

#[test]
fn an_empty_directory_is_replaced_and_one_with_entries_is_entered() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("s/x", "1");
    session.tree.dir("empty");
    session.tree.file("full/y", "2");

    move_to(&mut session, "s", "", "empty").unwrap();
    assert!(session.path("empty/x").exists());
    let (moved, opened) = move_to(&mut session, "empty", "", "full").unwrap();

    assert_eq!(
        session.questions(),
        [
            "permit move Dir ~/empty",
            "permit create Dir ~/full",
            "permit open Dir ~/full",
            "permit move Dir ~/empty",
            "permit create Dir ~/full/empty",
            "permit open Dir ~/full/empty"
        ]
    );
    assert_eq!(opened.real_path.unwrap().as_str(), session.text("full/empty"));
    assert!(session.path("full/empty/x").exists() && session.path("full/y").exists());
    assert_eq!(session.list(moved).unwrap().len(), 1);
}

// spec, 8: "no further `move`/`create` check **[bug]**".
#[test]
fn the_place_inside_is_asked_for() {
    let policy = format!(
        r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"create", resource == file_system::Dir::"{{root}}/full/s");"#
    );
    let mut session = Session::with_policy(&policy);
    session.tree.file("s/x", "1");
    session.tree.file("full/y", "2");
    let before = session.tree.picture();

    assert!(move_to(&mut session, "s", "", "full").unwrap_err().is_denial());

    assert_eq!(session.tree.picture(), before);
}

// spec, 8: "If that is also non-empty: `DirectoryNotEmpty` for dst/base."
#[test]
fn nothing_with_entries_is_replaced() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("s/x", "1");
    session.tree.file("full/s/y", "2");
    session.tree.file("plain", "");
    session.tree.link("full", "link");
    let before = session.tree.picture();

    let failure = move_to(&mut session, "s", "", "full").unwrap_err().failure();
    assert_eq!(failure.kind, ErrorKind::DirectoryNotEmpty);
    assert!(failure.message.as_str().ends_with(&session.text("full/s")), "{failure:?}");
    for name in ["plain", "link"] {
        let failure = move_to(&mut session, "s", "", name).unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::DirectoryError, "{name}");
        assert!(failure.message.as_str().contains("Error moving dir s from"), "{failure:?}");
    }
    assert!(!move_to(&mut session, "s", "s", "s").unwrap_err().is_denial());
    for name in ["a/b", "", ".", "..", "/tmp/rex-outside-dir"] {
        assert!(!move_to(&mut session, "s", "", name).unwrap_err().is_denial(), "{name:?}");
    }

    assert_eq!(session.tree.picture(), before);
}

#[test]
fn what_has_come_to_the_name_since_does_not_move() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("s/x", "old");
    let root = session.root();
    let path = session.text("s");
    let dir = session.open_dir(&path).unwrap();
    fs::rename(session.path("s"), session.path("moved")).unwrap();
    session.tree.file("s/x", "new");
    let before = session.tree.picture();

    let id = DirId(session.number());
    let request = MoveDir { from: root, dir, to: root, name: name_text("t"), id };
    let refused = session.send(request).unwrap_err();

    assert_eq!((refused.kind(), refused.errno()), (Some(ErrorKind::DirectoryError), Some(2)));
    assert_eq!(session.tree.picture(), before);
}

/// A session in whose tree `other` is another file system, and `s` a directory with one of each.
fn across<T: Send>(policy: &str, test: impl FnOnce(&mut Session) -> T + Send) {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let tree = Tree::new();
        tree.mount_new("tmpfs", "other");
        let file = tree.file("s/sub/deep/file", "content");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o4751)).unwrap();
        tree.file("s/a", "1");
        tree.link("../outside", "s/link");
        tree.file("outside/keep", "");
        let socket = std::os::unix::net::UnixListener::bind(tree.path("s/socket")).unwrap();
        drop(socket);
        for name in ["s/sub", "s/sub/deep/file", "s/link"] {
            std::os::unix::fs::lchown(tree.path(name), Some(4_000_001), Some(4_000_002)).unwrap();
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o4751)).unwrap();
        fs::set_permissions(tree.path("s/sub"), fs::Permissions::from_mode(0o2750)).unwrap();
        let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        for name in ["s/sub/deep/file", "s/sub"] {
            fs::File::open(tree.path(name)).unwrap().set_modified(old).unwrap();
        }
        test(&mut Session::on_tree(tree, policy, |_| {}));
    });
}

#[test]
fn another_file_system_gets_the_whole_tree_as_it_is() {
    across(ALLOW_ALL, |session| {
        let (moved, _) = move_to(session, "s", "other", "t").unwrap();

        assert!(!session.path("s").exists());
        let status = |name: &str| {
            let metadata = session.path(name).symlink_metadata().unwrap();
            (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777, metadata.mtime())
        };
        assert_eq!(status("other/t/sub/deep/file"), (4_000_001, 4_000_002, 0o4751, 1_000_000_000));
        assert_eq!(status("other/t/sub"), (4_000_001, 4_000_002, 0o2750, 1_000_000_000));
        assert_eq!(status("other/t/link").0, 4_000_001);
        assert_eq!(fs::read_link(session.path("other/t/link")).unwrap().to_str(), Some("../outside"));
        assert_eq!(fs::read(session.path("other/t/sub/deep/file")).unwrap(), b"content");
        assert!(session.path("outside/keep").exists());
        assert_eq!(fs::read_dir(session.path("other")).unwrap().count(), 1);
        assert_eq!(session.list(moved).unwrap().len(), 4);
    });
}

// spec, 16, Q4: "Cross-device directory move deletes the source even if copying failed or entries were silently
// skipped".
#[test]
fn one_denial_leaves_both_sides_as_they_were() {
    for (action, path) in [
        ("read", "s/sub/deep"),
        ("open", "s/sub/deep/file"),
        ("read", "s/sub/deep/file"),
        ("create", "other/t/sub"),
        ("create", "other/t/sub/deep/file"),
        ("write", "other/t/sub/deep/file"),
        ("chown", "other/t/link"),
        ("read", "s/link"),
        ("delete", "s/a"),
        ("delete", "s/sub/deep"),
        ("delete", "s"),
        ("read", "other"),
    ] {
        let is_file = ["file", "link", "a"].iter().any(|end| path.rsplit('/').next() == Some(*end));
        let kind = if is_file { "File" } else { "Dir" };
        let policy = format!(
            r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"{action}", resource == file_system::{kind}::"{{root}}/{path}");"#
        );
        across(&policy, |session| {
            let before = session.tree.picture();

            let refused = move_to(session, "s", "other", "t").unwrap_err();

            assert!(refused.is_denial(), "{action} {path}: {refused:?}");
            assert_eq!(session.tree.picture(), before, "{action} {path}");
        });
    }
}

#[test]
fn what_cannot_be_copied_leaves_both_sides_as_they_were() {
    across(ALLOW_ALL, |session| {
        session.tree.fifo("s/sub/fifo");
        let before = session.tree.picture();

        let failure = move_to(session, "s", "other", "t").unwrap_err().failure();

        assert_eq!(failure.kind, ErrorKind::UnsupportedOperationError);
        assert_eq!(
            failure.message.as_str(),
            format!(
                "Unsupported Operation error: Fifo directory entry is not supported: {}",
                session.text("other/t")
            )
        );
        assert_eq!(session.tree.picture(), before);
    });
    across(ALLOW_ALL, |session| {
        // Found out only when the file is about to be copied.
        session.tree.hard_link("s/sub/deep/file", "s/sub/second");
        let before = session.tree.picture();

        let refused = move_to(session, "s", "other", "t").unwrap_err();

        assert!(refused.is_denial());
        assert_eq!(session.tree.picture(), before);
    });
}

#[test]
fn directories_there_are_replaced_when_empty_and_entered_when_not() {
    across(ALLOW_ALL, |session| {
        session.tree.dir("other/empty");
        session.tree.file("other/full/y", "");
        session.tree.file("other/plain", "");
        session.tree.file("other/twice/empty/y", "");

        let failure = move_to(session, "s", "other", "plain").unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::InvalidPath);
        let expected = "Invalid path: Cannot create directory 'plain': file exists";
        assert!(failure.message.as_str().starts_with(expected), "{failure:?}");
        move_to(session, "s", "other", "full").unwrap();
        assert!(session.path("other/full/s/sub/deep/file").exists() && session.path("other/full/y").exists());
        session.tree.file("s/again", "");
        move_to(session, "s", "other", "empty").unwrap();
        assert!(session.path("other/empty/again").exists());
        session.tree.file("empty/again", "");
        let failure = move_to(session, "empty", "other", "twice").unwrap_err().failure();

        assert_eq!(failure.kind, ErrorKind::DirectoryNotEmpty);
        assert!(session.path("empty/again").exists());
    });
}

#[test]
fn an_incomplete_copy_of_a_dead_run_is_removed_by_the_next_one() {
    let tree = Tree::new();
    let parent = held_directory(&tree.dir("to"));
    let place = tree.dir("journals");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).unwrap();
    let mut dead = Temporaries::noted_in(Some(place.clone()));
    let name = dead.name_in(&parent).unwrap();
    let name_in_tree = format!("to/{}", str::from_utf8(name.entry().as_bytes()).unwrap());
    tree.file("outside/keep", "");
    tree.file(format!("{name_in_tree}/sub/deep/file"), "");
    tree.link("{root}/outside", format!("{name_in_tree}/sub/link"));
    // It cannot be removed as a file, so the journal stays, as after a kill.
    drop(name);
    drop(dead);
    assert!(tree.path(&name_in_tree).exists());

    Temporaries::noted_in(Some(place.clone())).clean_up();

    assert!(!tree.path(&name_in_tree).exists() && tree.path("outside/keep").exists());
    assert_eq!(fs::read_dir(place).unwrap().count(), 0);
}
