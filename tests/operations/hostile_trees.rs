//! Trees that somebody made to be in the way.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{CreateDir, DirPlace, OpenDir, OpenFile, ReadLink, Stat};
use rex_ipc::handle::{AnyId, DirId};
use rex_tests::session::{ALLOW_ALL, MAKE, Session, descriptor, entry_text, path_text};
use rex_tests::tree::{Tree, as_ordinary_user, is_root, with_mounts};

#[test]
fn links_in_a_circle_end_with_an_error() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.link("b", "a");
    session.tree.link("c/x", "b");
    session.tree.link("a", "c");
    session.tree.link(".", "here");
    session.tree.file("file", "content");

    for path in ["a", "b/x", "c"] {
        let path = session.text(path);
        assert_eq!(session.cat(&path).unwrap_err().errno(), Some(40), "{path}");
    }
    // path_resolution(7): 40 links are followed, the next one is not.
    let path = session.text(&"here/".repeat(40)) + "/file";
    assert_eq!(session.cat(&path).unwrap(), b"content");
    let path = session.text(&"here/".repeat(41)) + "/file";
    assert_eq!(session.cat(&path).unwrap_err().errno(), Some(40));
}

#[test]
fn a_tree_deeper_than_the_longest_path_is_walked_by_handles() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let name = "d".repeat(200);
    let mut dir = session.root();

    for _ in 0..30 {
        let request = OpenDir { create: CreateDir::Leaf, ..session.opening_entry(dir, &name) };
        let next = request.id;
        session.send(request).unwrap();
        session.close(AnyId::Dir(dir));
        dir = next;
    }

    assert!(session.services.host.handles.dir(dir).unwrap().name.as_str().len() > 6_000);
    let request = OpenFile { mode: MAKE, ..session.opening_file(dir, "deep") };
    session.send(request).unwrap();
    assert_eq!(session.list(dir).unwrap().len(), 1);
    let target = format!("deep-{}", "t".repeat(100));
    let held = session.services.host.handles.dir(dir).unwrap();
    nix::unistd::symlinkat(target.as_str(), held.in_place().fd, "link").unwrap();
    nix::unistd::symlinkat("deep", held.in_place().fd, "to-deep").unwrap();
    drop(held);
    let read = session.send(ReadLink { dir, name: entry_text("link") }).unwrap();
    assert_eq!(read.target.as_str(), target);
    let request = OpenFile { follow: true, ..session.opening_file(dir, "to-deep") };
    session.send(request).unwrap();
    // By its path it is too long for the kernel, and that is all that happens.
    let path = session.services.host.handles.dir(dir).unwrap().name.as_str().to_owned();
    let request = OpenDir { id: DirId(session.number()), ..session.opening_dir(&path) };
    assert_eq!(session.send(request).unwrap_err().errno(), Some(36));
    remove_deep(&session, &name);
}

/// The standard library removes by path, which is too long here.
fn remove_deep(session: &Session, name: &str) {
    let status = std::process::Command::new("rm").arg("-rf").arg(session.path(name)).status().unwrap();
    assert!(status.success());
}

#[test]
fn what_the_broker_may_not_enter_is_an_error_of_the_system() {
    as_ordinary_user(|| {
        let mut session = Session::with_policy(ALLOW_ALL);
        session.tree.file("closed/file", "");
        session.tree.file("unreadable", "");
        let mode = |name: &str, bits| {
            std::fs::set_permissions(session.path(name), PermissionsExt::from_mode(bits)).unwrap();
        };
        mode("unreadable", 0o000);
        mode("closed", 0o000);

        for name in ["closed/file", "unreadable"] {
            let path = session.text(name);
            assert_eq!(session.cat(&path).unwrap_err().errno(), Some(13), "{name}");
        }
        let path = session.text("closed");
        let dir = session.open_dir(&path).unwrap();
        assert_eq!(session.list(dir).unwrap_err().errno(), Some(13));
        assert_eq!(session.open_file(dir, "file").unwrap_err().errno(), Some(13));
        let request = OpenDir { create: CreateDir::Leaf, ..session.opening_entry(dir, "new") };
        assert_eq!(session.send(request).unwrap_err().errno(), Some(13));
    });
}

#[test]
fn what_may_be_passed_but_not_read_is_passed() {
    as_ordinary_user(|| {
        let mut session = Session::with_policy(ALLOW_ALL);
        session.tree.file("passage/file", "content");
        std::fs::set_permissions(session.path("passage"), PermissionsExt::from_mode(0o100)).unwrap();
        let path = session.text("passage/file");

        assert_eq!(session.cat(&path).unwrap(), b"content");
    });
}

// What was opened is acted on, whatever has its name now.
#[test]
fn a_directory_that_was_renamed_stays_the_same_directory() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("held/file", "held");
    session.tree.file("other/file", "other");
    session.tree.link("file", "held/link");
    session.tree.link("file", "other/link");
    let path = session.text("held");
    let dir = session.open_dir(&path).unwrap();
    std::fs::rename(session.path("held"), session.path("moved")).unwrap();
    std::fs::rename(session.path("other"), session.path("held")).unwrap();

    let file = session.open_file(dir, "file").unwrap();
    assert_eq!(session.read(file, 0, 10).unwrap().bytes.as_slice(), b"held");
    assert_eq!(session.list(dir).unwrap().len(), 2);
    let request = OpenFile { mode: MAKE, ..session.opening_file(dir, "new") };
    session.send(request).unwrap();
    assert!(session.path("moved/new").exists());
    let request = OpenDir { create: CreateDir::Leaf, ..session.opening_entry(dir, "made") };
    session.send(request).unwrap();
    assert!(session.path("moved/made").exists());
    // A link is followed by its path, and there it is not where it was.
    let request = OpenFile { follow: true, ..session.opening_file(dir, "link") };
    assert_eq!(session.send(request).unwrap_err().errno(), Some(2));
}

#[test]
fn a_held_directory_that_was_replaced_by_a_link_is_missed() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("real/held/file", "held");
    session.tree.link("file", "real/held/link");
    session.tree.file("trap/file", "trap");
    session.tree.link("file", "trap/link");
    session.tree.file("trap/held/file", "trap");
    session.tree.link("file", "trap/held/link");
    for (moved, target) in [("real/held", "../trap"), ("real", "trap")] {
        let path = session.text("real/held");
        let dir = session.open_dir(&path).unwrap();
        let (from, to) = (session.path(moved), session.path("away"));
        std::fs::rename(&from, &to).unwrap();
        symlink(target, &from).unwrap();

        let request = OpenFile { follow: true, ..session.opening_file(dir, "link") };
        assert_eq!(session.send(request).unwrap_err().errno(), Some(2), "{moved}");
        let file = session.open_file(dir, "file").unwrap();
        assert_eq!(session.read(file, 0, 10).unwrap().bytes.as_slice(), b"held");

        std::fs::remove_file(&from).unwrap();
        std::fs::rename(&to, &from).unwrap();
    }
}

#[test]
fn a_directory_replaced_by_a_link_between_two_calls_is_not_entered() {
    let forbid = r#"forbid(principal, action, resource in file_system::Dir::"{root}/secret");"#;
    let mut session = Session::with_policy(&format!("{ALLOW_ALL} {forbid}"));
    session.tree.file("secret/file", "secret");
    session.tree.file("flip/file", "plain");
    let path = session.text("flip/file");
    assert_eq!(session.cat(&path).unwrap(), b"plain");
    let root = session.root();

    std::fs::rename(session.path("flip"), session.path("away")).unwrap();
    symlink("secret", session.path("flip")).unwrap();

    assert!(session.cat(&path).unwrap_err().is_denial());
    let flip = session.text("flip");
    assert_eq!(session.open_dir(&flip).unwrap_err().kind(), Some(ErrorKind::DirectoryOpenError));
    let request = OpenDir { follow: true, ..session.opening_entry(root, "flip") };
    assert!(session.send(request).unwrap_err().is_denial());
}

/// Ends the attacker's loop with the test, also when the test fails.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

// W1: "the same exchange attacker, with an oracle file outside; zero wins".
#[test]
fn an_exchange_in_a_loop_wins_nothing() {
    let forbid = r#"forbid(principal, action, resource in file_system::Dir::"{root}/secret");"#;
    let mut session = Session::with_policy(&format!("{ALLOW_ALL} {forbid}"));
    session.tree.file("secret/sub/file", "secret");
    session.tree.file("flip/sub/file", "plain");
    session.tree.link("secret", "flop");
    let (flip, flop) = (session.path("flip"), session.path("flop"));
    let path = session.text("flip/sub/file");
    let made = session.path("secret/sub/new");
    let stop = AtomicBool::new(false);
    let mut plain = 0;

    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let exchange = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
                nix::fcntl::renameat2(nix::fcntl::AT_FDCWD, &flip, nix::fcntl::AT_FDCWD, &flop, exchange)
                    .unwrap();
                std::thread::yield_now();
            }
        });
        for _ in 0..1_500 {
            match session.cat(&path) {
                Ok(content) => {
                    assert_eq!(content, b"plain");
                    plain += 1;
                }
                Err(refused) => assert!(refused.is_denial() || refused.errno().is_some(), "{refused:?}"),
            }
            let parent = path.trim_end_matches("/file");
            for follow in [false, true] {
                let request = OpenDir { follow, ..session.opening_dir(parent) };
                let dir = request.id;
                if session.send(request).is_ok() {
                    let request = OpenFile { mode: MAKE, follow, ..session.opening_file(dir, "new") };
                    let file = request.id;
                    if session.send(request).is_ok() {
                        session.close(AnyId::File(file));
                    }
                    session.close(AnyId::Dir(dir));
                }
            }
            session.records.clear();
        }
    });

    assert!(plain > 0);
    assert!(!made.exists());
}

// O_EXCL: what appears at the last moment is looked at like anything else.
#[test]
fn what_appears_where_a_file_is_made_is_not_opened_unseen() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let root = session.root();
    let place = session.path("new");
    let stop = AtomicBool::new(false);

    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = nix::unistd::mkfifo(&place, nix::sys::stat::Mode::S_IRWXU);
                let _ = std::fs::remove_file(&place);
            }
        });
        for _ in 0..1_500 {
            let request = OpenFile { mode: MAKE, ..session.opening_file(root, "new") };
            let file = request.id;
            if session.send(request).is_ok() {
                let opened =
                    nix::sys::stat::fstat(descriptor(&session.services.host.handles.file(file).unwrap()))
                        .unwrap();
                assert_eq!(opened.st_mode & nix::libc::S_IFMT, nix::libc::S_IFREG);
                session.close(AnyId::File(file));
            }
            session.records.clear();
        }
    });
}

#[test]
fn a_mount_point_is_a_directory_like_any_other() {
    let mut session = Session::with_policy(ALLOW_ALL);

    let root = session.open_dir("/").unwrap();
    let request = session.opening_entry(root, "proc");
    let proc = request.id;
    session.send(request).unwrap();

    let outside = session.send(Stat { handle: AnyId::Dir(root) }).unwrap();
    let inside = session.send(Stat { handle: AnyId::Dir(proc) }).unwrap();
    assert_ne!(outside.device, inside.device);
    assert!(session.list(proc).unwrap().iter().any(|entry| entry.name.as_str() == "uptime"));
}

// What is mounted over a held directory is another directory under its name.
#[test]
fn a_directory_that_was_mounted_over_stays_the_same_directory() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let tree = Tree::new();
        tree.file("held/file", "held");
        tree.link("file", "held/link");
        let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
        let path = session.text("held");
        let dir = session.open_dir(&path).unwrap();
        session.tree.mount_new("tmpfs", "held");
        session.tree.file("held/file", "mounted");
        session.tree.link("file", "held/link");

        let file = session.open_file(dir, "file").unwrap();
        assert_eq!(session.read(file, 0, 10).unwrap().bytes.as_slice(), b"held");
        let request = OpenFile { follow: true, ..session.opening_file(dir, "link") };
        assert_eq!(session.send(request).unwrap_err().errno(), Some(2));
        let path = session.text("held/file");
        assert_eq!(session.cat(&path).unwrap(), b"mounted");
    });
}

// A link's target is judged with every directory that it only passes: whether it exists would show.
#[test]
fn a_detour_through_the_forbidden_shows_nothing() {
    let forbid = r#"forbid(principal, action, resource in file_system::Dir::"{root}/secret");"#;
    let mut session = Session::with_policy(&format!("{ALLOW_ALL} {forbid}"));
    session.tree.dir("secret/there");
    session.tree.file("plain", "plain");
    session.tree.link("secret/there/../../plain", "through");
    session.tree.link("secret/none/../../plain", "nowhere");

    for name in ["through", "nowhere"] {
        let path = session.text(name);
        assert!(session.cat(&path).unwrap_err().is_denial(), "{name}");
    }
}

#[test]
fn a_thing_that_vanishes_while_it_is_held_does_no_harm() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("dir/file", "content");
    let path = session.text("dir");
    let dir = session.open_dir(&path).unwrap();
    let file = session.open_file(dir, "file").unwrap();
    std::fs::remove_dir_all(session.path("dir")).unwrap();

    assert_eq!(session.read(file, 0, 10).unwrap().bytes.as_slice(), b"content");
    assert_eq!(session.send(Stat { handle: AnyId::File(file) }).unwrap().links, 0);
    assert!(session.list(dir).is_ok_and(|entries| entries.is_empty()) || session.list(dir).is_err());
    assert_eq!(session.open_file(dir, "file").unwrap_err().errno(), Some(2));
    let request = OpenFile { mode: MAKE, ..session.opening_file(dir, "new") };
    assert_eq!(session.send(request).unwrap_err().errno(), Some(2));
}

// A path may have as many components as fit on the wire, and each of them is a parent in the question.
#[test]
fn a_path_of_many_components_is_judged_in_time() {
    let forbid = r#"forbid(principal, action, resource in file_system::Dir::"/a/a/a/b");
        forbid(principal, action, resource) when { resource in file_system::Dir::"/c" };"#;
    let mut session = Session::with_policy(&format!("{ALLOW_ALL} {forbid}"));
    let path = "/a".repeat(8_000);
    let begun = std::time::Instant::now();

    for follow in [false, true] {
        for create in [CreateDir::No, CreateDir::Leaf, CreateDir::All] {
            let at = DirPlace::Path(path_text(&path));
            let request = OpenDir { at, follow, create, ..session.opening_dir("/") };
            let refused = session.send(request).unwrap_err();
            assert!(!refused.is_denial(), "{refused:?}");
        }
    }

    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_tree_of_many_levels_is_walked_in_time() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let mut path = session.text("");
    path.push_str(&"/d".repeat(400));
    let request = OpenDir { create: CreateDir::All, ..session.opening_dir(&path) };
    session.send(request).unwrap();
    session.tree.link(&path, "link");
    let link = session.text("link");
    let begun = std::time::Instant::now();

    for _ in 0..10 {
        let request = OpenDir { follow: true, ..session.opening_dir(&link) };
        session.send(request).unwrap();
    }

    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
}
