//! Removing open directories, with everything in them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::stat::SFlag;
use rex_broker::run::session::RunEnd;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::DeleteDir;
use rex_ipc::handle::DirId;
use rex_tests::session::{ALLOW_ALL, Refused, Session};
use rex_tests::tree::{Tree, is_root, with_mounts};

fn open(session: &mut Session, name: &str) -> DirId {
    let path = session.text(name);
    let id = session.open_dir(&path).unwrap();
    session.records.clear();
    id
}

fn delete(session: &mut Session, dir: DirId) -> Result<(), Refused> {
    session.send(DeleteDir { dir, force: false, recursive: false })
}

fn delete_all(session: &mut Session, dir: DirId) -> Result<(), Refused> {
    session.send(DeleteDir { dir, force: false, recursive: true })
}

// spec, 8: "delete(DirHandle, DeleteDirOptions) — one check: `delete Dir`."
#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("d");
    let dir = open(&mut session, "d");

    delete(&mut session, dir).unwrap();

    assert_eq!(session.questions(), ["permit delete Dir ~/d"]);
    assert!(!session.path("d").exists());
}

#[test]
fn denied() {
    let mut session = Session::with_policy(
        r#"permit(principal, action, resource) unless { action == file_system::Action::"delete" };"#,
    );
    session.tree.file("d/a", "");
    let dir = open(&mut session, "d");
    let before = session.tree.picture();

    assert!(delete(&mut session, dir).unwrap_err().is_denial());
    assert!(delete_all(&mut session, dir).unwrap_err().is_denial());

    assert_eq!(session.questions(), ["deny delete Dir ~/d", "deny delete Dir ~/d"]);
    assert_eq!(session.tree.picture(), before);
}

#[test]
fn everything_in_it_goes_and_is_asked_for() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("d/a", "");
    session.tree.file("d/sub/deeper/b", "");
    session.tree.dir("d/sub/empty");
    session.tree.fifo("d/sub/fifo");
    session.tree.link("nowhere", "d/dangling");
    let _socket = std::os::unix::net::UnixListener::bind(session.path("d/socket")).unwrap();
    let dir = open(&mut session, "d");

    delete_all(&mut session, dir).unwrap();

    assert!(!session.path("d").exists());
    let asked: BTreeSet<String> = session.questions().into_iter().collect();
    let expected = [
        "permit delete Dir ~/d",
        "permit delete Dir ~/d/sub",
        "permit delete Dir ~/d/sub/deeper",
        "permit delete Dir ~/d/sub/empty",
        "permit delete File ~/d/a",
        "permit delete File ~/d/dangling",
        "permit delete File ~/d/socket",
        "permit delete File ~/d/sub/deeper/b",
        "permit delete File ~/d/sub/fifo",
    ];
    assert_eq!(asked, expected.map(str::to_owned).into());
}

// spec, 16, Q10: "Recursive directory delete … check only one path".
#[test]
fn one_denial_anywhere_keeps_everything() {
    for kept in [r#"File::"{root}/d/sub/deeper/keep""#, r#"Dir::"{root}/d/sub/deeper""#] {
        let policy = format!(
            r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"delete", resource == file_system::{kept});"#
        );
        let mut session = Session::with_policy(&policy);
        for index in 0..50 {
            session.tree.file(format!("d/{index}"), "");
        }
        session.tree.file("d/sub/deeper/keep", "");
        let dir = open(&mut session, "d");
        let before = session.tree.picture();

        assert!(delete_all(&mut session, dir).unwrap_err().is_denial());

        assert_eq!(session.tree.picture(), before);
        let questions = session.questions();
        assert_eq!(questions.len(), 2, "{questions:?}");
        assert!(questions[1].starts_with("deny delete"), "{questions:?}");
    }
}

#[test]
fn links_are_removed_and_not_followed() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("outside/keep", "k");
    session.tree.link("../outside", "d/dir");
    session.tree.link("../outside/keep", "d/file");
    session.tree.link(".", "d/itself");
    let dir = open(&mut session, "d");

    delete_all(&mut session, dir).unwrap();

    assert!(!session.path("d").exists());
    assert_eq!(fs::read(session.path("outside/keep")).unwrap(), b"k");
}

// spec, 3.2: "DirectoryNotEmpty".
#[test]
fn a_directory_with_entries_stays_unless_all_is_to_go() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("d/a", "");
    let dir = open(&mut session, "d");

    let failure = delete(&mut session, dir).unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::DirectoryNotEmpty);
    assert_eq!(
        failure.message.as_str(),
        format!(
            "Directory not empty: A path led to a non-empty directory location. To include contents of this \
             directory, use the recursive flag: {}",
            session.text("d")
        )
    );
    assert!(session.path("d/a").exists());
}

// spec, 8: "Already gone: `NotFound`, or success with `force`."
#[test]
fn a_directory_that_is_gone_is_not_found() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("d");
    let dir = open(&mut session, "d");
    fs::remove_dir(session.path("d")).unwrap();

    let failure = delete_all(&mut session, dir).unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::NotFound);
    assert_eq!(failure.message.as_str(), format!("No such file or directory found: {}", session.text("d")));
    session.send(DeleteDir { dir, force: true, recursive: true }).unwrap();
}

#[test]
fn a_directory_that_was_moved_is_not_emptied_and_what_took_its_name_stays() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("d/a", "");
    let dir = open(&mut session, "d");
    fs::rename(session.path("d"), session.path("moved")).unwrap();
    session.tree.file("d/new", "");
    let before = session.tree.picture();

    assert_eq!(delete_all(&mut session, dir).unwrap_err().kind(), Some(ErrorKind::NotFound));
    session.send(DeleteDir { dir, force: true, recursive: true }).unwrap();

    assert_eq!(session.tree.picture(), before);
}

#[test]
fn a_directory_whose_way_became_a_link_is_not_found() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("way/d/a", "");
    let dir = open(&mut session, "way/d");
    fs::rename(session.path("way"), session.path("real")).unwrap();
    session.tree.link("real", "way");

    assert_eq!(delete_all(&mut session, dir).unwrap_err().kind(), Some(ErrorKind::NotFound));

    assert!(session.path("real/d/a").exists());
}

#[test]
fn names_of_all_bytes_go() {
    let mut session = Session::with_policy(ALLOW_ALL);
    for byte in (1..=255_u8).filter(|byte| *byte != b'/') {
        let name = [b"d/", &[byte, b'x'][..]].concat();
        session.tree.file(std::ffi::OsStr::from_bytes(&name), "");
    }
    session.tree.dir(format!("d/{}", "n".repeat(255)));
    let dir = open(&mut session, "d");

    delete_all(&mut session, dir).unwrap();

    assert!(!session.path("d").exists());
}

/// Makes directories below each other, deeper than a path can say.
fn make_deep(top: &Path, name: &str, count: usize) {
    fs::create_dir_all(top).unwrap();
    let mut here = fs::File::open(top).unwrap();
    for _ in 0..count {
        nix::sys::stat::mkdirat(&here, name, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let flags = nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_DIRECTORY;
        here = nix::fcntl::openat(&here, name, flags, nix::sys::stat::Mode::empty()).unwrap().into();
    }
    nix::fcntl::openat(
        &here,
        "bottom",
        nix::fcntl::OFlag::O_CREAT | nix::fcntl::OFlag::O_WRONLY,
        nix::sys::stat::Mode::S_IRWXU,
    )
    .unwrap();
}

#[test]
fn a_tree_deeper_than_any_path_goes_and_needs_few_descriptors() {
    let mut session = Session::with_policy(ALLOW_ALL);
    make_deep(&session.path("d"), &"n".repeat(200), 600);
    let dir = open(&mut session, "d");

    delete_all(&mut session, dir).unwrap();

    assert!(!session.path("d").exists());
}

#[test]
fn the_limits_hold_before_anything_is_removed() {
    for (name, change) in [
        ("max-entries", (|limits| limits.max_entries = 5) as fn(&mut rex_broker::gate::limits::Limits)),
        ("max-depth", |limits| limits.max_depth = 3),
    ] {
        let mut session = Session::with_limits(ALLOW_ALL, change);
        session.tree.file("d/1/2/3/4", "");
        for index in 0..5 {
            session.tree.file(format!("d/a{index}"), "");
        }
        let dir = open(&mut session, "d");
        let before = session.tree.picture();

        let end = delete_all(&mut session, dir).unwrap_err().end();

        assert!(matches!(&end, RunEnd::Limit(limit) if limit.name == name), "{end:?}");
        assert_eq!(session.tree.picture(), before);
    }
}

#[test]
fn the_built_in_forbids_hold_below() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("d/a", "");
    let policy = session.tree.file("policy", "");
    session.tree.hard_link("policy", "d/sub/other-name");
    session.services.deciding.forbidden.add_file(&policy, "built-in: test").unwrap();
    let dir = open(&mut session, "d");
    let before = session.tree.picture();

    assert!(delete_all(&mut session, dir).unwrap_err().is_denial());

    assert_eq!(session.tree.picture(), before);
}

#[test]
fn what_is_mounted_in_the_tree_keeps_everything() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        for file in [false, true] {
            let tree = Tree::new();
            tree.file("d/a", "");
            tree.file("outside/keep", "");
            match file {
                true => tree.mount_bind(tree.path("outside/keep"), "d/sub/mounted"),
                false => tree.mount_bind(tree.path("outside"), "d/sub/mounted"),
            }
            let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
            let dir = open(&mut session, "d");
            let before = session.tree.picture();

            let failure = delete_all(&mut session, dir).unwrap_err().failure();

            assert_eq!(failure.kind, ErrorKind::DirectoryError);
            assert!(failure.message.as_str().contains("d/sub/mounted"), "{failure:?}");
            assert_eq!(session.tree.picture(), before);
        }
    });
}

#[test]
fn a_mount_point_and_the_root_directory_stay_whole() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let tree = Tree::new();
        tree.mount_new("tmpfs", "mounted");
        tree.file("mounted/a", "");
        let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
        let dir = open(&mut session, "mounted");

        let failure = delete_all(&mut session, dir).unwrap_err().failure();

        assert_eq!(failure.kind, ErrorKind::DirectoryError);
        assert!(session.path("mounted/a").exists());
    });
    // Only the directory itself is permitted: if it were emptied first, the first entry would be denied.
    let mut session =
        Session::with_policy(r#"permit(principal, action, resource == file_system::Dir::"/");"#);
    let dir = session.open_dir("/").unwrap();
    let failure = delete_all(&mut session, dir).unwrap_err().failure();
    assert_eq!(failure.kind, ErrorKind::DirectoryError);
}

#[test]
fn devices_are_removed_and_not_opened() {
    if !is_root() {
        return;
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.device("d/char", SFlag::S_IFCHR, 250, 77);
    session.tree.device("d/block", SFlag::S_IFBLK, 250, 77);
    let dir = open(&mut session, "d");

    delete_all(&mut session, dir).unwrap();

    assert!(!session.path("d").exists());
}

// What appeared after everything was asked for was not asked for.
#[test]
fn what_comes_meanwhile_is_never_removed_unasked() {
    let policy = format!(
        r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"delete", resource)
           when {{ resource is file_system::File && resource.path like "*keep*" }};"#
    );
    for _ in 0..5 {
        let mut session = Session::with_policy(&policy);
        for index in 0..500 {
            session.tree.file(format!("d/s{}/f{index}", index % 20), "");
        }
        let dir = open(&mut session, "d");
        let place = session.path("d/s7");
        let kept = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut kept = Vec::new();
                for index in 0..2000 {
                    let path = place.join(format!("keep{index}"));
                    match fs::write(&path, "") {
                        Ok(()) => kept.push(path),
                        Err(_) => break,
                    }
                }
                kept
            });
            let _ = delete_all(&mut session, dir);
            writer.join().unwrap()
        });

        for path in &kept {
            assert!(path.exists(), "{}", path.display());
        }
    }
}

// The same where the policy would permit it: what was not part of what was asked stays.
#[test]
fn what_comes_meanwhile_stays_although_it_may_go() {
    let mut came = 0;
    for _ in 0..10 {
        let mut session = Session::with_policy(ALLOW_ALL);
        for index in 0..2000 {
            session.tree.file(format!("d/s{:02}/f{index}", index % 20), "");
        }
        let dir = open(&mut session, "d");
        let gone = session.path("d");
        let count = || {
            fs::read_dir(&gone)
                .into_iter()
                .flatten()
                .flatten()
                .flat_map(|sub| fs::read_dir(sub.path()).into_iter().flatten())
                .count()
        };
        let stop = std::sync::atomic::AtomicBool::new(false);
        let kept = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                // Only once something has gone is everything asked for.
                while count() == 2000 && !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
                let mut kept = Vec::new();
                for sub in 0..20 {
                    let path = gone.join(format!("s{sub:02}/new"));
                    if fs::write(&path, "").is_ok() {
                        kept.push(path);
                    }
                }
                kept
            });
            let _ = delete_all(&mut session, dir);
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            writer.join().unwrap()
        });

        came += kept.len();
        for path in &kept {
            assert!(path.exists(), "{}", path.display());
        }
    }
    assert!(came > 0, "nothing came in time");
}

// A removal of a million entries takes a while; the run must end all the same when it is to end.
#[test]
fn the_deadline_ends_a_long_removal_at_once() {
    let mut session = Session::with_policy(ALLOW_ALL);
    for index in 0..40_000 {
        session.tree.file(format!("d/{}/{index}", index % 100), "");
    }
    let dir = open(&mut session, "d");
    let begun = std::time::Instant::now();

    let (end, _) = session.serve_until(std::time::Duration::from_millis(30), |peer| {
        peer.call(vec![DeleteDir { dir, force: false, recursive: true }.into()])
    });

    assert!(matches!(end, RunEnd::Deadline), "{end:?}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(2));
    assert!(session.path("d").exists());
}
