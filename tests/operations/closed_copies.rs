//! A copy is never readable by more people than what it was copied from, unless the script says so.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use rex_ipc::file_system::{Copy, MoveFile, OpenTarget};
use rex_ipc::handle::{DirId, FileId};
use rex_outside::kernel::{fgetxattr, fsetxattr};
use rex_tests::session::{ALLOW_ALL, Session, name_text};
use rex_tests::tree::{Tree, is_root, with_mounts};

use crate::file_system::writing::{looks, open};

const MINE: u32 = 4_000_001;

/// Copies as `cp` does, to a name in the tree.
fn cp(session: &mut Session, from: &str, name: &str, force: bool, preserve: bool) {
    let from = open(session, from);
    let dir = session.root();
    let to = FileId(session.number());
    session.send(OpenTarget { id: to, dir, name: name_text(name), from: Some(from) }).unwrap();
    session.send(Copy { from, to, force, preserve }).unwrap();
}

fn give(path: &Path, mode: u32, owner: Option<(u32, u32)>) {
    if let Some((user, group)) = owner {
        chown(path, Some(user), Some(group)).unwrap();
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A list of owner, one user, group, mask and everybody, as it stands in the attribute.
fn list(bits: [u8; 5]) -> Vec<u8> {
    let mut list = vec![2, 0, 0, 0];
    for ((tag, id), bits) in
        [(1, u32::MAX), (2, 12_345), (4, u32::MAX), (16, u32::MAX), (32, u32::MAX)].iter().zip(bits)
    {
        list.extend([*tag, 0, bits, 0]);
        list.extend(id.to_le_bytes());
    }
    list
}

fn set_list(path: &Path, attribute: &std::ffi::CStr, bits: [u8; 5]) {
    use std::os::fd::AsFd;
    let file = fs::File::open(path).unwrap();
    fsetxattr(file.as_fd(), attribute, &list(bits), 0).expect("the file system has access lists");
}

fn list_of(path: &Path) -> Option<Vec<u8>> {
    use std::os::fd::AsFd;
    let file = fs::File::open(path).unwrap();
    let mut value = vec![0; 1024];
    let length = fgetxattr(file.as_fd(), ACCESS, &mut value).ok()?;
    Some(value[..length].to_vec())
}

const ACCESS: &std::ffi::CStr = c"system.posix_acl_access";
const DEFAULT: &std::ffi::CStr = c"system.posix_acl_default";

// cp(1): the mode of the source without the bits of the umask; the owner is whoever copies.
#[test]
fn a_new_copy_is_as_closed_as_its_source() {
    let others = [None, Some((MINE, MINE))];
    for (mode, own, foreign) in [
        (0o600, 0o600, 0o600),
        (0o400, 0o400, 0o400),
        (0o640, 0o640, 0o600),
        (0o644, 0o644, 0o644),
        (0o604, 0o604, 0o600),
        (0o666, 0o644, 0o644),
        (0o4755, 0o755, 0o755),
        (0o2770, 0o750, 0o700),
        (0o711, 0o711, 0o711),
    ] {
        for owner in others.iter().filter(|owner| owner.is_none() || is_root()) {
            for preserve in [false, true] {
                let mut session = Session::with_policy(ALLOW_ALL);
                session.services.host.umask = 0o022;
                let a = session.tree.file("a", "secret");
                if mode & 0o200 == 0 && !is_root() {
                    continue;
                }
                give(&a, mode, *owner);

                cp(&mut session, "a", "b", false, preserve);

                let expected = match (owner.is_some(), preserve) {
                    (true, _) => foreign,
                    (false, false) => own,
                    (false, true) => mode & 0o1777,
                };
                let expected = if preserve && owner.is_some() && mode == 0o666 { 0o666 } else { expected };
                let got = looks(&session.path("b")).0;
                assert_eq!(got, expected, "{mode:o} {owner:?} {preserve}: {got:o}");
            }
        }
    }
}

// cp(1): "the existing file's mode" is that of the destination.
#[test]
fn a_copy_onto_a_file_that_is_there_keeps_its_mode() {
    let mut session = Session::with_policy(ALLOW_ALL);
    give(&session.tree.file("a", "secret"), 0o600, None);
    give(&session.tree.file("b", "old"), 0o644, None);
    give(&session.tree.file("c", ""), 0o604, None);

    cp(&mut session, "a", "b", true, false);
    cp(&mut session, "a", "c", false, false);

    assert_eq!(looks(&session.path("b")).0, 0o644);
    assert_eq!(looks(&session.path("c")).0, 0o604);
}

#[test]
fn an_access_list_keeps_out_of_the_copy_whom_it_kept_out_of_the_source() {
    // Owner, one user, group, mask, everybody; then what a mode can say of it.
    for (bits, expected) in [
        ([6, 4, 0, 4, 0], 0o600),
        ([6, 0, 4, 4, 4], 0o600),
        ([6, 6, 4, 6, 4], 0o644),
        ([6, 4, 4, 0, 0], 0o600),
    ] {
        for preserve in [false, true] {
            let mut session = Session::with_policy(ALLOW_ALL);
            session.services.host.umask = 0o022;
            let a = session.tree.file("a", "secret");
            set_list(&a, ACCESS, bits);
            // A default list gives every new file entries of its own.
            set_list(session.tree.root(), DEFAULT, [7, 7, 7, 7, 7]);

            cp(&mut session, "a", "b", false, preserve);

            assert_eq!(looks(&session.path("b")).0, expected, "{bits:?} {preserve}");
            assert_eq!(list_of(&session.path("b")), None);
        }
    }
}

// mv(1): what arrives is what went.
#[test]
fn a_file_that_moves_to_another_file_system_is_the_same_there() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        for (mode, owner) in [(0o600, (0, 0)), (0o640, (MINE, MINE)), (0o4755, (MINE, 0)), (0o444, (0, MINE))]
        {
            for with_list in [false, true] {
                let tree = Tree::new();
                tree.mount_new("tmpfs", "other");
                let a = tree.file("a", "secret");
                give(&a, mode, Some(owner));
                let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
                if with_list {
                    set_list(&a, ACCESS, [6, 4, 0, 4, 0]);
                }
                let old = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 7);
                let times = fs::FileTimes::new().set_modified(old).set_accessed(old);
                fs::File::options().write(true).open(&a).unwrap().set_times(times).unwrap();
                let before = (looks(&a), list_of(&a), a.metadata().unwrap().mtime_nsec());

                move_across(&mut session, "b");

                let b = session.path("other/b");
                let after = b.metadata().unwrap();
                assert_eq!((looks(&b), list_of(&b), after.mtime_nsec()), before, "{mode:o}");
                assert_eq!(after.mtime(), 1_000_000_000);
                assert_eq!(fs::read(&b).unwrap(), b"secret");
            }
        }
    });
}

fn move_across(session: &mut Session, name: &str) {
    let file = open(session, "a");
    let other = session.text("other");
    let to: DirId = session.open_dir(&other).unwrap();
    let id = FileId(session.number());
    session.send(MoveFile { file, to, name: name_text(name), id, backup: false }).unwrap();
}

// mv(1) leaves out what the other file system does not have; what the list kept closed stays closed.
#[test]
fn a_file_system_without_lists_gets_the_narrower_mode() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let tree = Tree::new();
        if !mount_without_lists(&tree) {
            rex_tests::skip::skipped("there is no file system without access lists");
            return;
        }
        let a = tree.file("a", "secret");
        set_list(&a, ACCESS, [6, 4, 0, 4, 0]);
        let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});

        move_across(&mut session, "b");

        assert_eq!(looks(&session.path("other/b")).0, 0o600);
    });
}

/// A ramfs has no extended attributes at all.
fn mount_without_lists(tree: &Tree) -> bool {
    tree.mount_new("ramfs", "other");
    let probe = tree.file("other/probe", "");
    let without = list_of(&probe).is_none() && {
        use std::os::fd::AsFd;
        fsetxattr(fs::File::open(&probe).unwrap().as_fd(), ACCESS, &list([6, 4, 0, 4, 0]), 0).is_err()
    };
    fs::remove_file(probe).unwrap();
    without
}

// What somebody adds while it is copied would be lost with the source.
#[test]
fn a_source_that_grows_while_it_is_copied_stays() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let tree = Tree::new();
        tree.mount_new("tmpfs", "other");
        let a = tree.file("a", vec![7; 64 << 20]);
        let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
        let file = open(&mut session, "a");
        let other = session.text("other");
        let to = session.open_dir(&other).unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);

        let refused = std::thread::scope(|scope| {
            scope.spawn(|| {
                use std::io::Write;
                let mut file = fs::File::options().append(true).open(&a).unwrap();
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    file.write_all(b"x").unwrap();
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            });
            let id = FileId(session.number());
            let moved = session.send(MoveFile { file, to, name: name_text("b"), id, backup: false });
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            moved.unwrap_err()
        });

        assert_eq!(refused.errno(), Some(nix::libc::ESTALE as u16));
        assert!(a.exists());
        assert_eq!(fs::read_dir(session.path("other")).unwrap().count(), 0);
    });
}

// What the place leads to is looked at again when the copy takes its name: a closed file that has come there stays.
#[test]
fn a_closed_file_that_comes_to_the_place_of_a_copy_stays() {
    if !is_root() {
        return;
    }
    for (comes, expected) in [("closed", false), ("another", true)] {
        // It has to come between the first look at the place and the last; a busy machine may have it come later.
        let in_time = (0..50).any(|_| comes_while_copied(comes, expected));
        assert!(in_time, "{comes} has never come in time");
    }
}

/// Moves a file to a name of another file system, to which another file comes when the copy has begun. Says whether that
/// was before the copy had its name.
fn comes_while_copied(comes: &str, expected: bool) -> bool {
    with_mounts(|| {
        let tree = Tree::new();
        tree.mount_new("tmpfs", "other");
        tree.file("a", vec![7; 64 << 20]);
        tree.file("other/b", "old");
        let closed = tree.file("other/closed", "closed");
        tree.file("other/another", "another");
        let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
        let file = open(&mut session, "a");
        let other = session.text("other");
        let to = session.open_dir(&other).unwrap();
        session.services.deciding.forbidden.add_file(&closed, "built-in: test").unwrap();
        let (from, place) = (session.path("other").join(comes), session.path("other/b"));
        let is_over = std::sync::atomic::AtomicBool::new(false);

        let moved = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) && !is_copied_into(&other) {
                    std::hint::spin_loop();
                }
                fs::rename(&from, &place).unwrap();
            });
            let id = FileId(session.number());
            let moved = session.send(MoveFile { file, to, name: name_text("b"), id, backup: false });
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            moved
        });

        let found = fs::read(&place).unwrap();
        if moved.is_ok() && found == comes.as_bytes() {
            return false;
        }
        assert_eq!(moved.is_ok(), expected, "{comes}: {moved:?}");
        let stays: &[u8] = if expected { &[7] } else { b"closed" };
        assert!(found.starts_with(stays), "{comes}: {} bytes", found.len());
        assert_eq!(session.path("a").exists(), !expected);
        true
    })
}

/// Whether a file without a name is open in this directory.
fn is_copied_into(directory: &str) -> bool {
    let nameless = format!("{directory}/#");
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let mut open = open.filter_map(|fd| fs::read_link(fd.path()).ok());
    open.any(|target| target.to_str().is_some_and(|target| target.starts_with(&nameless)))
}
