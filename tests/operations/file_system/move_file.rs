//! Moving files.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{MoveFile, OpenFile, OpenLink, Opened};
use rex_ipc::handle::{DirId, FileId};
use rex_tests::session::{ALLOW_ALL, MAKE, READ_WRITE, Refused, Session, name_text};
use rex_tests::tree::{Tree, is_root, with_mounts};

fn open(session: &mut Session, name: &str, change: impl FnOnce(&mut OpenFile)) -> FileId {
    let root = session.root();
    let mut request = session.opening_file(root, name);
    change(&mut request);
    let id = request.id;
    session.send(request).unwrap();
    session.records.clear();
    id
}

fn move_to(
    session: &mut Session,
    file: FileId,
    to: DirId,
    name: &str,
    backup: bool,
) -> Result<(FileId, Opened), Refused> {
    let id = FileId(session.number());
    session.records.clear();
    session.send(MoveFile { file, to, name: name_text(name), id, backup }).map(|opened| (id, opened))
}

fn content(session: &Session, name: &str) -> Vec<u8> {
    fs::read(session.path(name)).unwrap()
}

// spec, 10: "`move File(src)` …, `create File(dst)`; rename …; then … `open File(dst)`".
#[test]
fn permitted() {
    let mut session = Session::with_policy(
        r#"permit(principal, action, resource) unless { action == file_system::Action::"move" };
           permit(principal, action == file_system::Action::"move", resource == file_system::File::"{root}/a")
           when { context.destination.path == "{root}/d/b" && context.destination.name == "b"
               && context.destination.parent_path == "{root}/d" };"#,
    );
    session.tree.file("a", "content");
    session.tree.file("d/b", "old");
    let file = open(&mut session, "a", |_| {});
    let to = session.text("d");
    let to = session.open_dir(&to).unwrap();

    let (moved, _) = move_to(&mut session, file, to, "b", false).unwrap();

    assert_eq!(
        session.questions(),
        [
            "permit move File ~/a",
            "permit create File ~/d/b",
            "permit open File ~/d/b",
            "permit write File ~/d/b",
            "permit delete File ~/d/b"
        ]
    );
    assert!(!session.path("a").exists());
    assert_eq!(content(&session, "d/b"), b"content");
    assert_eq!(session.read(moved, 0, 10).unwrap().bytes.as_slice(), b"content");
    assert_eq!(session.questions(), ["permit read File ~/d/b"]);
}

#[test]
fn denied() {
    for action in ["move", "create", "open"] {
        let policy = format!(
            r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"{action}", resource)
               when {{ resource is file_system::File && (resource.path like "*/b" || action == file_system::Action::"move") }};"#
        );
        let mut session = Session::with_policy(&policy);
        session.tree.file("a", "content");
        let file = open(&mut session, "a", |_| {});
        let root = session.root();
        let before = session.tree.picture();

        assert!(move_to(&mut session, file, root, "b", false).unwrap_err().is_denial(), "{action}");

        assert_eq!(session.tree.picture(), before, "{action}");
    }
}

// spec, 16, Q25: "`move` validates the new file name only after the rename".
#[test]
fn a_wrong_name_moves_nothing() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    session.tree.dir("sub");
    let file = open(&mut session, "a", |_| {});
    let root = session.root();
    let before = session.tree.picture();

    for name in ["sub/x", "", ".", "..", "/tmp/rex-outside-file", "x/"] {
        assert!(!move_to(&mut session, file, root, name, false).unwrap_err().is_denial(), "{name:?}");
    }
    let refused = move_to(&mut session, file, root, "sub/x", false).unwrap_err();

    assert_eq!(refused.kind(), Some(ErrorKind::InvalidPath));
    assert_eq!(session.tree.picture(), before);
}

#[test]
fn a_file_opened_to_be_made_asks_for_that_again() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    let file = open(&mut session, "a", |request| {
        request.mode = MAKE;
    });
    let root = session.root();

    move_to(&mut session, file, root, "b", false).unwrap();

    assert_eq!(
        session.questions(),
        ["permit move File ~/a", "permit create File ~/b", "permit open File ~/b", "permit create File ~/b"]
    );
}

#[test]
fn a_directory_in_the_way_is_an_error_and_stays() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    session.tree.dir("d");
    let file = open(&mut session, "a", |_| {});
    let root = session.root();
    let before = session.tree.picture();

    let failure = move_to(&mut session, file, root, "d", false).unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::FileError);
    assert!(failure.message.as_str().contains("Error moving file a from"), "{failure:?}");
    assert_eq!(session.tree.picture(), before);
}

// spec, 10: "uses the path as named (link itself for followed handles)".
#[test]
fn of_a_followed_link_the_link_moves_and_the_file_stays_open() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("target", "content");
    session.tree.link("target", "link");
    session.tree.dir("d");
    let file = open(&mut session, "link", |request| request.follow = true);
    let to = session.text("d");
    let to = session.open_dir(&to).unwrap();

    let (moved, opened) = move_to(&mut session, file, to, "link", false).unwrap();

    assert_eq!(session.questions()[0], "permit move File ~/link");
    assert!(session.path("d/link").symlink_metadata().unwrap().is_symlink());
    assert!(session.path("target").exists());
    assert_eq!(opened.real_path.unwrap().as_str(), session.text("target"));
    assert_eq!(session.read(moved, 0, 10).unwrap().bytes.as_slice(), b"content");
}

#[test]
fn what_has_come_to_the_name_since_does_not_move() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "old");
    let file = open(&mut session, "a", |_| {});
    fs::remove_file(session.path("a")).unwrap();
    session.tree.file("a", "new");
    let root = session.root();
    let before = session.tree.picture();

    let refused = move_to(&mut session, file, root, "b", false).unwrap_err();

    assert_eq!((refused.kind(), refused.errno()), (Some(ErrorKind::FileError), Some(2)));
    assert_eq!(session.tree.picture(), before);
}

#[test]
fn the_built_in_forbids_hold() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    let path = session.tree.file("policy", "content");
    session.tree.hard_link("policy", "other-name");
    let file = open(&mut session, "a", |_| {});
    let policy = open(&mut session, "policy", |_| {});
    session.services.deciding.forbidden.add_file(&path, "built-in: test").unwrap();
    let root = session.root();
    let before = session.tree.picture();

    for name in ["policy", "other-name"] {
        assert!(move_to(&mut session, file, root, name, false).unwrap_err().is_denial(), "{name}");
    }
    assert!(move_to(&mut session, policy, root, "b", false).unwrap_err().is_denial());

    assert_eq!(session.tree.picture(), before);
}

#[test]
fn a_link_opened_as_itself_does_not_move() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.link("nowhere", "link");
    let root = session.root();
    let id = FileId(session.number());
    session.send(OpenLink { id, dir: root, name: name_text("link") }).unwrap();

    let refused = move_to(&mut session, id, root, "b", false).unwrap_err();

    assert_eq!(refused.kind(), Some(ErrorKind::ValidationError));
    assert!(session.path("link").symlink_metadata().is_ok());
}

/// A session in whose tree `other` is another file system, with `a` open for both.
fn across<T: Send>(policy: &str, test: impl FnOnce(&mut Session, FileId, DirId) -> T + Send) -> Option<T> {
    if !is_root() {
        return None;
    }
    Some(with_mounts(|| {
        let tree = Tree::new();
        tree.mount_new("tmpfs", "other");
        let path = tree.file("a", "content");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::chown(&path, Some(4_000_001), Some(4_000_002)).unwrap();
        let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let times =
            fs::FileTimes::new().set_modified(old).set_accessed(old + std::time::Duration::from_secs(9));
        fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        let mut session = Session::on_tree(tree, policy, |_| {});
        let file = open(&mut session, "a", |request| request.mode = READ_WRITE);
        let to = session.text("other");
        let to = session.open_dir(&to).unwrap();
        test(&mut session, file, to)
    }))
}

// spec, 10: "Different file system, no backup: `open File(dst)`, `create File(dst)`, `read File(src)`, `write File(dst)`
// (…; new default mode, owner, times), `delete File(src)`, then open as above." Mode, owner and times stay, as for mv(1).
#[test]
fn another_file_system_gets_a_copy_before_the_source_goes() {
    across(ALLOW_ALL, |session, file, to| {
        let (moved, _) = move_to(session, file, to, "b", false).unwrap();

        assert_eq!(
            session.questions(),
            [
                "permit move File ~/a",
                "permit create File ~/other/b",
                "permit open File ~/other/b",
                "permit read File ~/a",
                "permit write File ~/other/b",
                "permit delete File ~/a"
            ]
        );
        let metadata = session.path("other/b").metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o7777), (4_000_001, 0o640));
        assert_eq!(metadata.mtime(), 1_000_000_000);
        assert!(!session.path("a").exists());
        assert_eq!(fs::read_dir(session.path("other")).unwrap().count(), 1);
        assert_eq!(session.read(moved, 0, 10).unwrap().bytes.as_slice(), b"content");
    });
}

// spec, 16, Q19: "access/modification time swapped by … cross-device `mv` backup".
#[test]
fn with_backup_the_copy_is_like_the_source() {
    across(ALLOW_ALL, |session, file, to| {
        move_to(session, file, to, "b", true).unwrap();

        assert!(session.questions().contains(&"permit stat File ~/a".to_owned()));
        let metadata = session.path("other/b").metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (4_000_001, 4_000_002, 0o640));
        assert_eq!((metadata.atime(), metadata.mtime()), (1_000_000_009, 1_000_000_000));
        assert_eq!(content(session, "other/b"), b"content");
    });
}

#[test]
fn a_denial_or_a_directory_in_the_way_leaves_both_sides_as_they_were() {
    for action in ["read", "write", "delete"] {
        let policy =
            format!(r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"{action}", resource);"#);
        across(&policy, |session, file, to| {
            session.tree.file("other/b", "old");
            session.tree.dir("other/d");
            let before = session.tree.picture();

            assert!(move_to(session, file, to, "b", false).unwrap_err().is_denial(), "{action}");

            assert_eq!(session.tree.picture(), before, "{action}");
        });
    }
    across(ALLOW_ALL, |session, file, to| {
        session.tree.dir("other/d");
        let before = session.tree.picture();

        let refused = move_to(session, file, to, "d", false).unwrap_err();

        assert_eq!(refused.kind(), Some(ErrorKind::FileError));
        assert_eq!(session.tree.picture(), before);
    });
}
