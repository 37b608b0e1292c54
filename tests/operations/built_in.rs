//! What no policy can permit.

use std::process::{Child, Command};

use rex_broker::gate::forbidden;
use rex_ipc::file_system::{CreateDir, OpenDir, OpenFile, OpenLink, OpenListing, ReadLink, StatEntry};
use rex_ipc::handle::{DirId, FileId};
use rex_tests::session::{ALLOW_ALL, MAKE, Session, entry_text, name_text, open_mode, path_text};
use rex_tests::tree::{Tree, is_root, with_mounts};

/// Whether the last decision was a denial for a reason of the broker's own.
fn refused_by_built_in(session: &Session) -> bool {
    let decided = session.records.decided();
    decided.last().is_some_and(|last| {
        !last.permitted && last.policies.first().is_some_and(|policy| policy.starts_with("built-in: "))
    })
}

fn is_closed(session: &mut Session, path: &str) {
    let refused = match session.cat(path) {
        Ok(content) => panic!("{path} was read: {:?}", String::from_utf8_lossy(&content)),
        Err(refused) => refused,
    };
    assert!(refused.is_denial(), "{path}: {refused:?}");
    assert!(refused_by_built_in(session), "{path}: {:?}", session.records.decided().last());
}

#[test]
fn the_files_of_the_run_are_closed_under_every_name() {
    for reason in [forbidden::AUDIT_LOG, forbidden::POLICY] {
        let mut session = Session::with_policy(ALLOW_ALL);
        let own = session.tree.file("run/own", "what is not shown");
        session.tree.file("run/other", "what is");
        session.tree.link("run/own", "link");
        session.tree.link("run", "way");
        session.tree.hard_link("run/own", "hard");
        session.services.deciding.forbidden.add_file(&own, reason).unwrap();

        for name in ["run/own", "run/./own", "link", "way/own", "hard"] {
            let path = session.text(name);
            is_closed(&mut session, &path);
            assert_eq!(session.records.decided().last().unwrap().policies, [reason]);
        }
        let other = session.text("run/other");
        assert_eq!(session.cat(&other).unwrap(), b"what is");
    }
}

#[test]
fn the_files_of_the_run_cannot_be_opened_for_writing_or_made() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let own = session.tree.file("own", "kept");
    session.tree.hard_link("own", "hard");
    session.services.deciding.forbidden.add_file(&own, forbidden::AUDIT_LOG).unwrap();
    let root = session.root();

    for name in ["own", "hard"] {
        for (follow, create) in [(false, false), (true, false), (false, true), (true, true)] {
            let request =
                OpenFile { mode: open_mode(true, true, create), follow, ..session.opening_file(root, name) };
            assert!(session.send(request).unwrap_err().is_denial(), "{name}");
        }
    }
    // Its place stays closed when it is gone, so that nobody can put a log of their own there.
    std::fs::remove_file(&own).unwrap();
    let request = OpenFile { mode: MAKE, ..session.opening_file(root, "own") };
    assert!(session.send(request).unwrap_err().is_denial());
    assert!(!own.exists());
}

#[test]
fn a_file_that_was_opened_before_it_was_closed_to_scripts_is_closed() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let own = session.tree.file("own", "content");
    let root = session.root();
    let file = session.open_file(root, "own").unwrap();
    session
        .services
        .deciding
        .forbidden
        .add_open(std::fs::File::open(own).unwrap(), forbidden::AUDIT_LOG)
        .unwrap();

    assert!(session.read(file, 0, 10).unwrap_err().is_denial());
    assert!(
        session
            .send(rex_ipc::file_system::Stat { handle: rex_ipc::handle::AnyId::File(file) })
            .unwrap_err()
            .is_denial()
    );
}

#[test]
fn the_link_by_which_the_policy_was_given_is_closed() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("real/policy", "content");
    let given = session.tree.link("real/policy", "given");
    session.services.deciding.forbidden.add_file(&given, forbidden::POLICY).unwrap();

    for name in ["given", "real/policy"] {
        let path = session.text(name);
        is_closed(&mut session, &path);
    }
}

/// A process that stands for the jail, or for anybody else.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// B5: "broker's and jail's own proc entries are never reachable".
#[test]
fn broker_and_jail_are_not_shown_in_proc() {
    let (jail, other) = (Sleeper::new(), Sleeper::new());
    let mut session = Session::with_policy(ALLOW_ALL);
    session.services.hide_process(jail.pid());
    let broker = std::process::id();

    for entry in ["self".to_owned(), "thread-self".to_owned(), broker.to_string(), jail.pid().to_string()] {
        for file in ["environ", "maps", "cmdline", "status", "mem", "task"] {
            is_closed(&mut session, &format!("/proc/{entry}/{file}"));
        }
        is_closed(&mut session, &format!("/proc//./{entry}/environ"));
        is_closed(&mut session, &format!("/proc/{}/root/proc/{entry}/environ", other.pid()));
    }
    // The same of another process is a matter of the policy.
    let comm = session.cat(&format!("/proc/{}/comm", other.pid())).unwrap();
    assert_eq!(comm, b"sleep\n");
}

#[test]
fn no_operation_reaches_the_broker_through_a_handle_on_proc() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let proc = session.open_dir("/proc").unwrap();
    let broker = std::process::id().to_string();

    for name in ["self", "thread-self", &broker] {
        for follow in [false, true] {
            let request = OpenDir { follow, ..session.opening_entry(proc, name) };
            assert!(session.send(request).unwrap_err().is_denial(), "{name}");
            let request = OpenFile { follow, ..session.opening_file(proc, name) };
            assert!(session.send(request).unwrap_err().is_denial(), "{name}");
        }
        let id = FileId(session.number());
        let request = OpenLink { id, dir: proc, name: name_text(name) };
        assert!(session.send(request).unwrap_err().is_denial(), "{name}");
        let request = ReadLink { dir: proc, name: entry_text(name) };
        assert!(session.send(request).unwrap_err().is_denial(), "{name}");
        let request = StatEntry { dir: proc, name: entry_text(name) };
        assert!(session.send(request).unwrap_err().is_denial(), "{name}");
    }
    for path in [
        format!("/proc/{broker}"),
        format!("/proc/{broker}/fd"),
        format!("/proc/{broker}/exe"),
        "/proc/self".to_owned(),
    ] {
        let id = DirId(session.number());
        assert!(session.send(OpenListing { id, path: path_text(&path) }).unwrap_err().is_denial(), "{path}");
        let request = OpenDir { create: CreateDir::All, ..session.opening_dir(&path) };
        assert!(session.send(request).unwrap_err().is_denial(), "{path}");
    }
}

#[test]
fn no_operation_reaches_the_broker_through_another_proc() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let (jail, other) = (Sleeper::new(), Sleeper::new());
        let tree = Tree::new();
        tree.mount_new("proc", "new");
        tree.mount_bind("/proc", "bound");
        tree.mount_bind(format!("/proc/{}", std::process::id()), "entry");
        let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
        session.services.hide_process(jail.pid());
        let broker = std::process::id();

        for place in ["new", "bound"] {
            for entry in
                ["self".to_owned(), "thread-self".to_owned(), broker.to_string(), jail.pid().to_string()]
            {
                let entry = session.text(&format!("{place}/{entry}"));
                through_another_proc(&mut session, &entry);
            }
            let path = session.text(&format!("{place}/{}/comm", other.pid()));
            assert_eq!(session.cat(&path).unwrap(), b"sleep\n");
        }
        let entry = session.text("entry");
        assert!(session.cat(&format!("{entry}/environ")).is_err());
        assert!(session.open_dir(&entry).is_err());
    });
}

fn through_another_proc(session: &mut Session, entry: &str) {
    let refused = |result: Result<(), rex_tests::session::Refused>, what: &str| {
        assert!(result.is_err(), "{what} of {entry}");
    };
    refused(session.cat(&format!("{entry}/environ")).map(drop), "cat");
    refused(
        session.cat(&format!("{entry}/task/{}/environ", std::process::id())).map(drop),
        "cat of a thread",
    );
    for follow in [false, true] {
        for create in [CreateDir::No, CreateDir::AskOnly, CreateDir::Leaf, CreateDir::All] {
            for path in [entry.to_owned(), format!("{entry}/fd")] {
                let request = OpenDir { follow, create, ..session.opening_dir(&path) };
                refused(session.send(request).map(drop), "open_dir");
            }
        }
    }
    for ending in ["/fd", "/exe", "/cwd/", "/environ"] {
        let id = DirId(session.number());
        let request = OpenListing { id, path: path_text(&format!("{entry}{ending}")) };
        refused(session.send(request).map(drop), "open_listing");
    }
    let (parent, name) = entry.rsplit_once('/').unwrap();
    let parent = session.open_dir(parent).unwrap();
    for follow in [false, true] {
        let request = OpenDir { follow, ..session.opening_entry(parent, name) };
        refused(session.send(request).map(drop), "open_dir of an entry");
    }
}

#[test]
fn a_bind_mount_of_a_file_of_the_run_is_closed() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        let tree = Tree::new();
        let own = tree.file("own/log", "what is not shown");
        tree.mount_bind(&own, "file");
        tree.mount_bind(tree.path("own"), "dir");
        let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
        session.services.deciding.forbidden.add_file(&own, forbidden::AUDIT_LOG).unwrap();

        for name in ["file", "dir/log"] {
            let path = session.text(name);
            is_closed(&mut session, &path);
        }
    });
}
