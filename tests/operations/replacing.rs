//! Replacing something is deleting and writing it, whatever replaces it.

use std::fs;

use rex_ipc::file_system::{MoveDir, MoveFile};
use rex_ipc::handle::{DirId, FileId};
use rex_tests::session::{ALLOW_ALL, READ_WRITE, Refused, Session, name_text};
use rex_tests::tree::{Tree, is_root, with_mounts};

use crate::file_system::writing;

/// What replaces `old`, or the empty directory `empty`, by `new` or `full`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    File,
    Directory,
    /// A new file as archives have it.
    Archive,
}

fn replace(session: &mut Session, way: Way, to: &str) -> Result<(), Refused> {
    let root = session.root();
    let place = session.text(to);
    let to = session.open_dir(&place)?;
    match way {
        Way::Archive => {
            let writer = writing::begin_file(session, to, "old")?;
            writing::push(session, writer, b"new")?;
            session.send(writing::finishing(writer))
        }
        Way::File => {
            let mut opening = session.opening_file(root, "new");
            opening.mode = READ_WRITE;
            let file = opening.id;
            session.send(opening)?;
            let id = FileId(session.number());
            session.send(MoveFile { file, to, name: name_text("old"), id, backup: false }).map(drop)
        }
        Way::Directory => {
            let full = session.text("full");
            let dir = session.open_dir(&full)?;
            let id = DirId(session.number());
            session.send(MoveDir { from: root, dir, to, name: name_text("empty"), id }).map(drop)
        }
    }
}

fn fill(tree: &Tree, to: &str) {
    tree.file(format!("{to}/old"), "old");
    tree.dir(format!("{to}/empty"));
    tree.file("new", "new");
    tree.file("full/x", "new");
}

/// Which actions a way asks for on what it replaces, and which objects a policy names for it.
fn asked(way: Way) -> (&'static [&'static str], &'static str) {
    match way {
        Way::File | Way::Archive => (&["write", "delete"], r#"file_system::File::"{root}/to/old""#),
        Way::Directory => (&["delete"], r#"file_system::Dir::"{root}/to/empty""#),
    }
}

fn check(session: &mut Session, way: Way, is_denied: bool, case: &str) {
    let before = session.tree.picture();

    let replaced = replace(session, way, "to");

    assert_eq!(replaced.as_ref().is_err_and(Refused::is_denial), is_denied, "{case}: {replaced:?}");
    if is_denied {
        assert_eq!(session.tree.picture(), before, "{case}");
    } else {
        replaced.unwrap();
        let path = if way == Way::Directory { "to/empty/x" } else { "to/old" };
        assert_eq!(fs::read(session.path(path)).unwrap(), b"new", "{case}");
    }
}

fn each_case(mount: bool) {
    for way in [Way::File, Way::Directory, Way::Archive] {
        let (actions, what) = asked(way);
        let session = |policy: &str, rex_compat: bool| {
            let tree = Tree::new();
            if mount {
                tree.mount_new("tmpfs", "to");
            }
            fill(&tree, "to");
            let mut session = Session::on_tree(tree, policy, |_| {});
            session.services.deciding.rex_compat = rex_compat;
            session
        };
        for rex_compat in [false, true] {
            check(&mut session(ALLOW_ALL, rex_compat), way, false, "the control");
            for action in actions {
                let is_it = format!(r#"action == file_system::Action::"{action}" && resource == {what}"#);
                let case = format!("{way:?} {action} {rex_compat} {mount}");
                let forbidden =
                    format!("{ALLOW_ALL} forbid(principal, action, resource) when {{ {is_it} }};");
                check(&mut session(&forbidden, rex_compat), way, true, &format!("forbid {case}"));
                let not_permitted = format!("permit(principal, action, resource) unless {{ {is_it} }};");
                // What Rex asks by itself needs a permit as ever.
                let asked_by_rex = *action == "write" && (way == Way::File && mount || way == Way::Archive);
                let is_denied = !rex_compat || asked_by_rex;
                check(&mut session(&not_permitted, rex_compat), way, is_denied, &format!("no permit {case}"));
            }
        }
    }
}

#[test]
fn what_may_not_be_written_or_deleted_is_not_replaced() {
    each_case(false);
}

#[test]
fn nor_from_another_file_system() {
    if is_root() {
        with_mounts(|| each_case(true));
    }
}

#[test]
fn a_free_name_and_the_file_itself_need_neither() {
    let policy = r#"permit(principal, action, resource) unless {
        action == file_system::Action::"write" || action == file_system::Action::"delete" };"#;
    let mut session = Session::with_policy(policy);
    session.tree.file("new", "new");
    session.tree.file("full/x", "new");
    session.tree.dir("to");

    replace(&mut session, Way::File, "to").unwrap();
    replace(&mut session, Way::Directory, "to").unwrap();
    let to = session.text("to");
    let to = session.open_dir(&to).unwrap();
    let mut opening = session.opening_file(to, "old");
    opening.mode = READ_WRITE;
    let file = opening.id;
    session.send(opening).unwrap();
    let id = FileId(session.number());
    session.send(MoveFile { file, to, name: name_text("old"), id, backup: false }).unwrap();

    assert_eq!(fs::read(session.path("to/old")).unwrap(), b"new");
    assert_eq!(fs::read(session.path("to/empty/x")).unwrap(), b"new");
}

// A name that was free when it was looked at was not asked about: whatever comes to it stays.
#[test]
fn what_comes_to_a_free_name_is_never_replaced_unasked() {
    let policy = format!(
        r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"delete", resource)
           when {{ resource is file_system::File && resource.path like "*/old" }};"#
    );
    for round in 0..200 {
        let way = if round % 2 == 0 { Way::File } else { Way::Archive };
        let mut session = Session::with_policy(&policy);
        session.tree.file("new", "new");
        session.tree.dir("to");
        let place = session.path("to/old");

        let mine = std::thread::scope(|scope| {
            let other = scope.spawn(|| fs::File::create_new(&place).is_ok());
            drop(replace(&mut session, way, "to"));
            other.join().unwrap()
        });

        let content = fs::read(&place).unwrap();
        assert_eq!(content.is_empty(), mine);
    }
}
