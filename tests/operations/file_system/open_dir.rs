//! Opening and making directories.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use nix::errno::Errno;
use rex_broker::run::session::RunEnd;
use rex_ipc::action::ActionId;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{CreateDir, DirPlace, OpenDir};
use rex_ipc::handle::DirId;
use rex_tests::session::{ALLOW_ALL, Session, name_text};

use super::without_name;

// spec, 4.2: "entity of the path text -> check `open Dir` -> open".
#[test]
fn permitted() {
    let mut session = Session::with_policy(
        r#"permit(principal, action == file_system::Action::"open", resource == file_system::Dir::"{root}/a");"#,
    );
    session.tree.dir("a");
    let path = session.text("a");

    session.open_dir(&path).unwrap();

    assert_eq!(session.outcomes(), ["open_dir done"]);
    assert_eq!(session.questions(), ["permit open Dir ~/a"]);
}

#[test]
fn denied() {
    let mut session = Session::with_policy("");
    session.tree.dir("here");
    let (here, absent) = (session.text("here"), session.text("absent"));

    let failure = session.open_dir(&here).unwrap_err().failure();
    let other = session.open_dir(&absent).unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::PermissionDenied);
    assert_eq!(
        failure.message.as_str(),
        format!(
            r#"Permission denied: tester unauthorized to perform file_system::Action::"open" for file_system::Dir::{here}"#
        )
    );
    assert_eq!(without_name(&failure, "here"), without_name(&other, "absent"));
    assert_eq!(session.outcomes(), ["open_dir PermissionDenied", "open_dir PermissionDenied"]);
    assert_eq!(session.questions(), ["deny open Dir ~/here", "deny open Dir ~/absent"]);
    assert!(session.services.host.handles.is_empty());
}

#[test]
fn what_is_absent_is_told_to_whom_it_may_concern() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.text("absent");

    let refused = session.open_dir(&path).unwrap_err();

    assert_eq!((refused.kind(), refused.errno()), (Some(ErrorKind::IoError), Some(2)));
}

// spec, 4.2: "for symlinks anywhere in the path and for a path that is a regular file".
#[test]
fn links_and_files_are_refused_without_follow() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("real/sub");
    session.tree.file("file", "");
    session.tree.link("real", "link");

    for name in ["link", "link/sub", "file"] {
        let path = session.text(name);
        let failure = session.open_dir(&path).unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::DirectoryOpenError, "{name}");
        assert_eq!(
            failure.message.as_str(),
            format!(
                "Directory error: Not a directory, enable follow_symlinks to open the target directory: {path}"
            )
        );
    }
}

// spec, 4.2: "then check `open Dir(resolved)`"; an equal name makes one decision.
#[test]
fn a_followed_link_is_asked_for_where_it_leads() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("real/sub");
    session.tree.link("real", "link");
    session.tree.link("{root}/link", "chain");
    let (plain, chain) = (session.text("real/sub"), session.text("chain/sub"));
    let follow = |session: &mut Session, path: &str| {
        let request = OpenDir { follow: true, ..session.opening_dir(path) };
        session.send(request)
    };

    follow(&mut session, &plain).unwrap();
    assert_eq!(session.questions(), ["permit open Dir ~/real/sub"]);

    follow(&mut session, &chain).unwrap();
    assert_eq!(
        session.questions(),
        ["permit open Dir ~/chain/sub", "permit open Dir ~/link/sub", "permit open Dir ~/real/sub"]
    );
}

#[test]
fn a_link_that_leads_to_the_forbidden_is_not_entered() {
    let policy =
        format!(r#"{ALLOW_ALL} forbid(principal, action, resource in file_system::Dir::"{{root}}/secret");"#);
    let mut session = Session::with_policy(&policy);
    session.tree.dir("secret/sub");
    session.tree.link("secret/sub", "present");
    session.tree.link("secret/none", "dangling");

    let mut failures = Vec::new();
    for name in ["present", "dangling"] {
        let path = session.text(name);
        let request = OpenDir { follow: true, ..session.opening_dir(&path) };
        failures.push(session.send(request).unwrap_err().failure());
    }

    assert_eq!(failures[0].kind, ErrorKind::PermissionDenied);
    assert_eq!(without_name(&failures[0], "sub"), without_name(&failures[1], "none"));
}

#[test]
fn a_loop_of_links_ends() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.link("b", "a");
    session.tree.link("a", "b");
    session.tree.link("self/x", "self");

    for name in ["a", "self"] {
        let path = session.text(name);
        let request = OpenDir { follow: true, ..session.opening_dir(&path) };
        assert_eq!(session.send(request).unwrap_err().errno(), Some(40), "{name}");
    }
}

#[test]
fn a_file_is_no_directory_when_links_are_followed() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("file", "");
    session.tree.link("file", "link");

    for name in ["file", "link", "file/x"] {
        let path = session.text(name);
        let request = OpenDir { follow: true, ..session.opening_dir(&path) };
        let failure = session.send(request).unwrap_err();
        assert_eq!((failure.kind(), failure.errno()), (Some(ErrorKind::IoError), Some(20)), "{name}");
    }
}

#[test]
fn the_root_can_be_opened() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.link("/", "root");

    session.open_dir("/").unwrap();
    let path = session.text("root");
    let request = OpenDir { follow: true, ..session.opening_dir(&path) };
    session.send(request).unwrap();

    assert_eq!(session.questions(), ["permit open Dir /", "permit open Dir ~/root", "permit open Dir /"]);
}

#[test]
fn spellings_that_are_no_path_are_refused_before_anything_is_asked() {
    let mut session = Session::with_policy(ALLOW_ALL);

    for (path, message) in [
        ("", "Path is not absolute "),
        ("a/b", "Path is not absolute a/b"),
        ("/a/../b", "Path traversal detected /a/../b"),
        ("/a\0b", "Path contains invalid characters /a\0b"),
    ] {
        let failure = session.open_dir(path).unwrap_err().failure();
        assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::Other, message));
    }
    assert!(session.questions().is_empty());
}

// spec, 2.4: "parent's path joined with the entry name (resolved path if the entry is a symlink)".
#[test]
fn an_entry_is_asked_for_under_the_name_of_its_parent() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("a/b");
    session.tree.link("b", "a/link");
    let path = session.text("a");
    let parent = session.open_dir(&path).unwrap();
    session.records.clear();

    let plain = session.opening_entry(parent, "b");
    session.send(plain).unwrap();
    assert_eq!(session.questions(), ["permit open Dir ~/a/b"]);

    let link = session.opening_entry(parent, "link");
    let failure = session.send(link.clone()).unwrap_err().failure();
    assert_eq!(failure.kind, ErrorKind::DirectoryOpenError);
    session.records.clear();

    let followed = OpenDir { id: DirId(session.number()), follow: true, ..link };
    session.send(followed).unwrap();
    assert_eq!(session.questions(), ["permit open Dir ~/a/link", "permit open Dir ~/a/b"]);
}

#[test]
fn an_entry_is_a_single_component() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("a/b");
    let root = session.root();

    for name in ["", ".", "..", "a/b", "/", "/etc", "a/", "a\0"] {
        let request = session.opening_entry(root, name);
        let refused = session.send(request).unwrap_err();
        assert!(!refused.is_denial(), "{name:?}: {refused:?}");
    }
    assert_eq!(session.services.host.handles.len(), 1);
}

// What is wrong with the name is said only to who may know of the place.
#[test]
fn an_absolute_name_is_asked_for_as_what_it_spells() {
    let mut session =
        Session::with_policy(r#"permit(principal, action, resource in file_system::Dir::"{root}");"#);
    let root = session.root();
    session.records.clear();

    let request = session.opening_entry(root, "/etc");
    let refused = session.send(request).unwrap_err();

    assert!(refused.is_denial());
    assert_eq!(session.questions(), ["deny open Dir /etc"]);
}

// spec, 4.2: "check `open Dir` -> if `create`: check `create Dir` -> open".
#[test]
fn a_new_directory_is_asked_for_once_and_before_it_is_made() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.text("new");
    session.records.watch(session.path("new"));

    let request = OpenDir { create: CreateDir::Leaf, ..session.opening_dir(&path) };
    session.send(request).unwrap();

    let decided = session.records.decided();
    assert!(decided.iter().all(|decided| !decided.watched_existed));
    assert_eq!(decided.iter().filter(|decided| decided.effect).count(), 1);
    assert_eq!(session.questions(), ["permit open Dir ~/new", "permit create Dir ~/new"]);
    let made = session.path("new").metadata().unwrap();
    assert_eq!(made.permissions().mode() & 0o777, 0o777 & !umask());
}

#[test]
fn nothing_is_made_when_the_question_cannot_be_recorded() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.records.fail_at(ActionId::FileSystemCreate);
    let before = session.tree.picture();

    for create in [CreateDir::Leaf, CreateDir::All] {
        let path = session.text("new");
        let request = OpenDir { create, ..session.opening_dir(&path) };
        let end = session.send(request).unwrap_err().end();
        assert!(matches!(end, RunEnd::Audit(_)), "{end:?}");
    }

    assert_eq!(session.tree.picture(), before);
}

#[test]
fn a_directory_is_not_made_without_create() {
    let mut session =
        Session::with_policy(r#"permit(principal, action == file_system::Action::"open", resource);"#);
    session.tree.dir("parent");
    let before = session.tree.picture();
    let path = session.text("parent/new");

    for create in [CreateDir::Leaf, CreateDir::All, CreateDir::AskOnly] {
        let request = OpenDir { create, ..session.opening_dir(&path) };
        assert!(session.send(request).unwrap_err().is_denial(), "{create:?}");
        let follow = OpenDir { follow: true, create, ..session.opening_dir(&path) };
        assert!(session.send(follow).unwrap_err().is_denial(), "{create:?}");
    }
    let parent = session.path("parent");
    let parent = session.open_dir(&rex_tests::tree::text_of(&parent)).unwrap();
    for create in [CreateDir::Leaf, CreateDir::All, CreateDir::AskOnly] {
        let request = OpenDir { create, ..session.opening_entry(parent, "new") };
        assert!(session.send(request).unwrap_err().is_denial(), "{create:?}");
    }

    assert_eq!(session.tree.picture(), before);
}

// spec, 4.2: "The leaf must not exist. Reasons: `failed to open parent`, `failed to create directory`".
#[test]
fn the_leaf_must_not_exist_and_its_parent_must() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("real");
    session.tree.file("file", "");
    session.tree.link("real", "link");
    session.tree.link("{root}/far", "dangling");
    let before = session.tree.picture();

    let (exists, missing, not_a_directory) = (Errno::EEXIST, Errno::ENOENT, Errno::ENOTDIR);
    for (name, what, why) in [
        ("real", "failed to create directory", exists),
        ("file", "failed to create directory", exists),
        ("link", "failed to create directory", exists),
        ("dangling", "failed to create directory", exists),
        ("absent/new", "failed to open parent", missing),
        ("link/new", "failed to open parent", Errno::ELOOP),
        ("file/new", "failed to open parent", not_a_directory),
    ] {
        let path = session.text(name);
        let request = OpenDir { create: CreateDir::Leaf, ..session.opening_dir(&path) };
        let failure = session.send(request).unwrap_err().failure();
        let why = std::io::Error::from(why);
        assert_eq!(failure.kind, ErrorKind::DirectoryOpenError, "{name}");
        assert_eq!(failure.message.as_str(), format!("Directory error: {what}: {why}: {path}"), "{name}");
    }

    assert_eq!(session.tree.picture(), before);
}

// W3 (c): "`recursive(true)` asks `create` only for the leaf"; here each level is asked for before the first is made.
#[test]
fn each_missing_level_is_asked_for_before_the_first_is_made() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("there");
    session.records.watch(session.path("there/a"));
    let path = session.text("there/a/b/c");

    let request = OpenDir { create: CreateDir::All, ..session.opening_dir(&path) };
    session.send(request).unwrap();

    assert!(session.records.decided().iter().all(|decided| !decided.watched_existed));
    assert_eq!(
        session.questions(),
        [
            "permit open Dir ~/there/a/b/c",
            "permit create Dir ~/there/a/b/c",
            "permit create Dir ~/there/a",
            "permit create Dir ~/there/a/b",
        ]
    );
    assert!(session.path("there/a/b/c").is_dir());
}

#[test]
fn one_level_that_may_not_be_made_keeps_all_from_being_made() {
    let mut session = Session::with_policy(&format!(
        r#"{ALLOW_ALL}
        forbid(principal, action == file_system::Action::"create", resource == file_system::Dir::"{{root}}/a/b");"#
    ));
    let before = session.tree.picture();
    let path = session.text("a/b/c");

    let request = OpenDir { create: CreateDir::All, ..session.opening_dir(&path) };
    let failure = session.send(request).unwrap_err().failure();

    assert!(failure.message.as_str().ends_with("/a/b"), "{failure:?}");
    assert_eq!(session.tree.picture(), before);
}

#[test]
fn what_exists_is_opened_when_all_may_be_made() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let there = session.tree.dir("there").metadata().unwrap().ino();
    let path = session.text("there");

    let request = OpenDir { create: CreateDir::All, ..session.opening_dir(&path) };
    let id = request.id;
    session.send(request).unwrap();

    assert_eq!(session.services.host.handles.dir(id).unwrap().inode.number, there);
    assert_eq!(session.questions(), ["permit open Dir ~/there", "permit create Dir ~/there"]);
}

// W3 (b): "`create_leaf_dir` creates, then checks canonicity".
#[test]
fn nothing_is_made_beyond_a_link() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("outside/sub");
    session.tree.link("../outside", "inside/link");
    let before = session.tree.picture();

    for name in ["inside/link/new", "inside/link/sub/new", "inside/link/sub/new/deep"] {
        for create in [CreateDir::Leaf, CreateDir::All] {
            let path = session.text(name);
            let request = OpenDir { create, ..session.opening_dir(&path) };
            let failure = session.send(request).unwrap_err().failure();
            assert_eq!(failure.kind, ErrorKind::DirectoryOpenError, "{name} {create:?}");
        }
    }

    assert_eq!(session.tree.picture(), before);
}

#[test]
fn an_entry_is_made_beneath_the_held_directory() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let root = session.root();
    session.records.clear();

    let request = OpenDir { create: CreateDir::Leaf, ..session.opening_entry(root, "new") };
    session.send(request).unwrap();
    assert_eq!(session.questions(), ["permit open Dir ~/new", "permit create Dir ~/new"]);

    let again = OpenDir { create: CreateDir::Leaf, ..session.opening_entry(root, "new") };
    assert_eq!(session.send(again).unwrap_err().errno(), Some(17));
    let all = OpenDir { create: CreateDir::All, ..session.opening_entry(root, "new") };
    session.send(all).unwrap();
}

// spec, 4.2: with `follow_symlinks`, "`create`/`recursive` do not create anything, but `create` still requires `create Dir(text)`".
#[test]
fn asking_only_makes_nothing() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("there");
    let before = session.tree.picture();

    let path = session.text("there");
    let request = OpenDir { follow: true, create: CreateDir::AskOnly, ..session.opening_dir(&path) };
    session.send(request).unwrap();
    assert_eq!(session.questions(), ["permit open Dir ~/there", "permit create Dir ~/there"]);

    let path = session.text("absent");
    let request = OpenDir { follow: true, create: CreateDir::AskOnly, ..session.opening_dir(&path) };
    assert_eq!(session.send(request).unwrap_err().errno(), Some(2));
    assert_eq!(session.tree.picture(), before);
}

#[test]
fn handle_numbers_only_grow() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let root = session.root();
    let path = session.text("");

    for id in [root, DirId(0)] {
        let request = OpenDir { id, ..session.opening_dir(&path) };
        let end = session.send(request).unwrap_err().end();
        assert!(matches!(end, RunEnd::Violation(_)), "{end:?}");
    }
}

#[test]
fn a_number_is_spent_even_when_nothing_was_opened() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.text("absent");
    let request = session.opening_dir(&path);
    session.send(request.clone()).unwrap_err().failure();

    let end = session.send(request).unwrap_err().end();

    assert!(matches!(end, RunEnd::Violation(_)), "{end:?}");
}

#[test]
fn a_parent_has_to_be_an_open_directory() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("file", "");
    let root = session.root();
    let file = session.open_file(root, "file").unwrap();

    for parent in [DirId(file.0), DirId(77)] {
        let request =
            OpenDir { at: DirPlace::Entry(parent, name_text("x")), ..session.opening_entry(root, "x") };
        let end = session.send(request).unwrap_err().end();
        assert!(matches!(end, RunEnd::Violation(_)), "{end:?}");
    }
}

fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap();
    u32::from_str_radix(line.trim(), 8).unwrap()
}
