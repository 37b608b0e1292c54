//! What the policy says of an object under its old name holds under the one that a move gives it.

use std::fs;

use rex_ipc::file_system::{MoveDir, MoveFile, WriteHow};
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_tests::session::{ALLOW_ALL, MAKE, READ_WRITE, Refused, Session, name_text};
use rex_tests::tree::{Tree, is_root, with_mounts};

use crate::file_system::writing::write;

fn open_dir(session: &mut Session, name: &str) -> Result<DirId, Refused> {
    let path = session.text(name);
    session.open_dir(&path)
}

fn move_file(session: &mut Session, from: &str, to: &str) -> Result<(), Refused> {
    let (from, name) = parts(from);
    let (to, new) = parts(to);
    let from = open_dir(session, from)?;
    let mut opening = session.opening_file(from, name);
    opening.mode = READ_WRITE;
    let file = opening.id;
    session.send(opening)?;
    let (to, id) = (open_dir(session, to)?, FileId(session.number()));
    session.send(MoveFile { file, to, name: name_text(new), id, backup: false })?;
    for file in [file, id] {
        session.close(AnyId::File(file));
    }
    Ok(())
}

fn move_dir(session: &mut Session, from: &str, to: &str) -> Result<(), Refused> {
    let dir = open_dir(session, from)?;
    let (from, _) = parts(from);
    let (to, new) = parts(to);
    let (from, to, id) = (open_dir(session, from)?, open_dir(session, to)?, DirId(session.number()));
    session.send(MoveDir { from, dir, to, name: name_text(new), id }).map(drop)
}

fn parts(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn cat(session: &mut Session, name: &str) -> Result<Vec<u8>, Refused> {
    let path = session.text(name);
    session.cat(&path)
}

fn forbidding(action: &str, what: &str) -> String {
    format!(r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"{action}", resource {what});"#)
}

#[test]
fn a_file_that_may_not_be_read_is_not_read_under_another_name() {
    for (forbidden, is_denied) in [("secret/key", true), ("secret/other", false)] {
        let policy = forbidding("read", &format!(r#"== file_system::File::"{{root}}/{forbidden}""#));
        let mut session = Session::with_policy(&policy);
        session.tree.file("secret/key", "content");
        session.tree.dir("out");

        move_file(&mut session, "secret/key", "out/a").unwrap();
        let first = cat(&mut session, "out/a");
        move_file(&mut session, "out/a", "out/b").unwrap();
        session.records.clear();
        let second = cat(&mut session, "out/b");

        for read in [first, second] {
            assert_eq!(read.is_err_and(|refused| refused.is_denial()), is_denied, "{forbidden}");
        }
        let told = session.questions().contains(&"deny read File ~/secret/key".to_owned());
        assert_eq!(told, is_denied);
    }
}

#[test]
fn everything_in_a_directory_keeps_what_was_said_of_it() {
    let within = r#"in file_system::Dir::"{root}/secret/deep""#;
    for action in ["open", "read", "write", "stat", "delete", "create", "chmod"] {
        for tracked in [true, false] {
            let within = if tracked { within.to_owned() } else { within.replace("deep", "other") };
            let mut session = Session::with_policy(&forbidding(action, &within));
            session.tree.file("secret/deep/sub/key", "content");
            session.tree.dir("out");
            move_dir(&mut session, "secret", "out/moved").unwrap();
            move_dir(&mut session, "out", "last").unwrap();

            let attempts = attempts(&mut session, "last/moved/deep/sub");

            let denied = |name: &str| {
                attempts.iter().any(|(own, refused)| {
                    *own == name && refused.as_ref().is_some_and(|refused| refused.is_denial())
                })
            };
            if action == "open" {
                assert_eq!(denied("open"), tracked, "{action} {attempts:?}");
            } else {
                assert_eq!(denied(action), tracked, "{action} {attempts:?}");
                assert!(!denied("open"));
            }
        }
    }
}

/// Everything that can be done with the file `key` in a directory; each with its refusal.
fn attempts(session: &mut Session, directory: &str) -> Vec<(&'static str, Option<Refused>)> {
    let mut attempts = Vec::new();
    let dir = match open_dir(session, directory) {
        Ok(dir) => dir,
        Err(refused) => return vec![("open", Some(refused))],
    };
    let mut opening = session.opening_file(dir, "key");
    opening.mode = READ_WRITE;
    let file = opening.id;
    if let Err(refused) = session.send(opening) {
        return vec![("open", Some(refused))];
    }
    attempts.push(("read", session.read(file, 0, 9).err()));
    attempts.push(("write", write(session, file, WriteHow::Append, b"x").err()));
    attempts.push(("stat", session.send(rex_ipc::file_system::Stat { handle: AnyId::File(file) }).err()));
    let bits = rex_ipc::file_system::Permissions::new(0o600).unwrap();
    let chmod = rex_ipc::file_system::SetMode { handle: AnyId::File(file), permissions: bits };
    attempts.push(("chmod", session.send(chmod).err()));
    let mut new = session.opening_file(dir, "new");
    new.mode = MAKE;
    attempts.push(("create", session.send(new).err()));
    attempts.push(("delete", session.send(rex_ipc::file_system::DeleteFile { file, force: false }).err()));
    attempts
}

#[test]
fn another_file_of_the_name_is_another_file() {
    let policy = forbidding("read", r#"in file_system::Dir::"{root}/secret""#);
    let mut session = Session::with_policy(&policy);
    session.tree.file("secret/key", "content");
    session.tree.file("secret/sub/key", "content");
    session.tree.dir("out");
    move_file(&mut session, "secret/key", "out/a").unwrap();
    move_dir(&mut session, "secret/sub", "out/sub").unwrap();
    assert!(cat(&mut session, "out/a").unwrap_err().is_denial());
    assert!(cat(&mut session, "out/sub/key").unwrap_err().is_denial());

    let path = session.text("out/a");
    let delete = |path: &str| rex_ipc::file_system::DeletePath {
        path: rex_tests::session::path_text(path),
        recursive: true,
    };
    session.send(delete(&path)).unwrap();
    let path = session.text("out/sub");
    session.send(delete(&path)).unwrap();
    session.tree.file("out/a", "mine");
    session.tree.file("out/sub/key", "mine");

    assert_eq!(cat(&mut session, "out/a").unwrap(), b"mine");
    assert_eq!(cat(&mut session, "out/sub/key").unwrap(), b"mine");
}

#[test]
fn what_is_moved_to_another_file_system_keeps_it_too() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let policy = forbidding("stat", r#"in file_system::Dir::"{root}/secret""#);
        let tree = Tree::new();
        tree.mount_new("tmpfs", "other");
        tree.mount_bind(tree.path("other"), "again");
        tree.file("secret/key", "content");
        tree.file("secret/sub/key", "content");
        let mut session = Session::on_tree(tree, &policy, |_| {});
        move_file(&mut session, "secret/key", "other/a").unwrap();
        move_dir(&mut session, "secret/sub", "other/sub").unwrap();

        // The other mount shows the same objects under names that nothing was said of.
        for (directory, name) in [("other", "a"), ("other/sub", "key"), ("again", "a"), ("again/sub", "key")]
        {
            let dir = open_dir(&mut session, directory).unwrap();
            let file = session.open_file(dir, name).unwrap();

            let refused = session.send(rex_ipc::file_system::Stat { handle: AnyId::File(file) });

            assert!(refused.unwrap_err().is_denial(), "{directory}/{name}");
            assert_eq!(cat(&mut session, &format!("{directory}/{name}")).unwrap(), b"content");
        }
    });
}

#[test]
fn for_scripts_of_rex_a_forbid_counts_and_a_missing_permit_does_not() {
    let reading_out = r#"permit(principal, action, resource) unless { action == file_system::Action::"read" };
        permit(principal, action == file_system::Action::"read", resource in file_system::Dir::"{root}/out");"#;
    for (rex_compat, forbids, is_denied) in
        [(false, false, true), (true, false, false), (false, true, true), (true, true, true)]
    {
        let forbid = if forbids {
            r#"forbid(principal, action == file_system::Action::"read", resource == file_system::File::"{root}/in/a");"#
        } else {
            ""
        };
        let mut session = Session::with_policy(&format!("{reading_out}{forbid}"));
        session.services.deciding.rex_compat = rex_compat;
        session.tree.file("in/a", "content");
        session.tree.dir("out");
        move_file(&mut session, "in/a", "out/a").unwrap();

        let read = cat(&mut session, "out/a");

        assert_eq!(read.is_err(), is_denied, "{rex_compat} {forbids}");
    }
}

// The names of what was moved must not fill the broker's memory, and none may be forgotten.
#[test]
fn a_run_that_moves_one_file_too_often_ends() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("0", "");
    let moved =
        (0..100).map(|number| move_file(&mut session, &format!("{number}"), &format!("{}", number + 1)));

    let refused = moved.filter_map(Result::err).next().unwrap();

    let end = format!("{:?}", refused.end());
    assert!(end.contains("names-of-a-moved-object"), "{end}");
    assert_eq!(fs::read_dir(session.tree.root()).unwrap().count(), 1);
}
