//! No `/proc`, under no number and in no place, shows a process of the run; what it shows of others is the policy's affair.

use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;

use nix::unistd::gettid;
use rex_ipc::file_system::Details;
use rex_ipc::file_system::{CreateDir, DirPlace, ListDetails, OpenDir, OpenFile, OpenListing, ReadLink};
use rex_ipc::handle::DirId;
use rex_tests::session::{ALLOW_ALL, Session, entry_text, path_text};
use rex_tests::tree::{Tree, is_root, mount_new, with_mounts};

/// A process that is not of the run.
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

/// Runs `test` with the number of a further thread of the broker, as the watchdog is one.
fn with_thread<T>(test: impl FnOnce(i32) -> T) -> T {
    let (tell, told) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        tell.send(gettid().as_raw()).unwrap();
        let _ = ended.recv();
    });
    let result = test(told.recv().unwrap());
    drop(end);
    thread.join().unwrap();
    result
}

const FILES: &[&str] =
    &["environ", "maps", "cmdline", "status", "mem", "oom_score_adj", "stat", "mountinfo", "comm"];
const DIRECTORIES: &[&str] = &["", "/fd", "/ns", "/fdinfo", "/net"];

/// Asserts that nothing of the entry at this path can be had, by no row.
fn is_closed(session: &mut Session, entry: &str) {
    for file in FILES {
        let refused = session.cat(&format!("{entry}/{file}")).expect_err(entry);
        assert!(refused.is_denial(), "{entry}/{file}: {refused:?}");
    }
    for directory in DIRECTORIES {
        let path = format!("{entry}{directory}");
        for follow in [false, true] {
            for create in [CreateDir::No, CreateDir::AskOnly, CreateDir::All] {
                let request = OpenDir { follow, create, ..session.opening_dir(&path) };
                assert!(session.send(request).expect_err(&path).is_denial(), "{path}");
            }
        }
        let id = DirId(session.number());
        let refused = session.send(OpenListing { id, path: path_text(&path) }).expect_err(&path);
        assert!(refused.is_denial(), "{path}: {refused:?}");
    }
    for link in ["exe", "cwd", "root", "fd/0", "ns/pid"] {
        assert!(session.cat(&format!("{entry}/{link}")).expect_err(link).is_denial(), "{entry}/{link}");
    }
    let (parent, name) = entry.rsplit_once('/').unwrap();
    // The directory that it is in may be closed itself.
    if let Ok(parent) = session.open_dir(parent) {
        for follow in [false, true] {
            let request = OpenDir { follow, ..session.opening_entry(parent, name) };
            assert!(session.send(request).unwrap_err().is_denial(), "{entry}");
            let at = DirPlace::Below(parent, path_text(&format!("{name}/fd")));
            let request = OpenDir { at, follow, ..session.opening_entry(parent, name) };
            assert!(session.send(request).is_err(), "{entry}");
            let request = OpenFile { follow, ..session.opening_file(parent, name) };
            assert!(session.send(request).is_err(), "{entry}");
        }
    }
}

/// Asserts that another process is shown, as a control.
fn shows_others(session: &mut Session, proc: &str, pid: u32) {
    for entry in [format!("{proc}/{pid}"), format!("{proc}/{pid}/task/{pid}")] {
        assert_eq!(session.cat(&format!("{entry}/comm")).unwrap(), b"sleep\n", "{entry}");
        for directory in ["", "/fd", "/ns"] {
            session.open_dir(&format!("{entry}{directory}")).unwrap();
        }
    }
    for file in ["meminfo", "sys/kernel/ostype", "uptime"] {
        assert!(!session.cat(&format!("{proc}/{file}")).unwrap().is_empty(), "{file}");
    }
    session.open_dir(proc).unwrap();
}

// The name alone is enough, so that nobody learns whether the process is still there: no process has such a number.
#[test]
fn a_process_of_the_run_is_closed_by_its_name_before_it_is_looked_for() {
    const NOBODY: u32 = u32::MAX - 1;
    let mut session = Session::with_policy(ALLOW_ALL);
    let closed = format!("/proc/{NOBODY}/environ");

    let control = session.cat(&closed).unwrap_err();
    session.services.hide_process(NOBODY);
    let hidden = session.cat(&closed).unwrap_err();

    assert!(!control.is_denial(), "{control:?}");
    assert!(hidden.is_denial(), "{hidden:?}");
}

#[test]
fn the_threads_of_the_broker_are_not_shown_under_their_own_numbers() {
    let other = Sleeper::new();
    with_thread(|early| {
        let mut session = Session::with_policy(ALLOW_ALL);
        with_thread(|late| {
            for thread in [early, late, gettid().as_raw()] {
                let broker = std::process::id();
                for entry in [
                    format!("/proc/{thread}"),
                    format!("/proc/{thread}/task/{thread}"),
                    format!("/proc/{thread}/task/{broker}"),
                    format!("/proc/{broker}/task/{thread}"),
                ] {
                    is_closed(&mut session, &entry);
                }
                let through_link = format!("/proc/{}/root/proc/{thread}/environ", other.pid());
                assert!(session.cat(&through_link).unwrap_err().is_denial(), "{through_link}");
            }
        });
        shows_others(&mut session, "/proc", other.pid());
    });
}

#[test]
fn whatever_works_for_the_broker_is_not_shown_either() {
    let (worker, other) = (Sleeper::new(), Sleeper::new());
    let mut session = Session::with_policy(ALLOW_ALL);
    shows_others(&mut session, "/proc", worker.pid());

    session.services.hide_process(worker.pid());

    is_closed(&mut session, &format!("/proc/{}", worker.pid()));
    is_closed(&mut session, &format!("/proc/{0}/task/{0}", worker.pid()));
    shows_others(&mut session, "/proc", other.pid());
}

#[test]
fn a_handle_that_was_open_before_a_process_came_to_work_leads_nowhere_new() {
    let worker = Sleeper::new();
    let mut session = Session::with_policy(ALLOW_ALL);
    let entry = session.open_dir(&format!("/proc/{}", worker.pid())).unwrap();

    session.services.hide_process(worker.pid());

    assert!(session.open_file(entry, "environ").unwrap_err().is_denial());
    let request = session.opening_entry(entry, "fd");
    assert!(session.send(request).unwrap_err().is_denial());
}

#[test]
fn the_memory_of_the_host_is_that_of_the_broker() {
    if !is_root() {
        return;
    }
    if !std::path::Path::new("/proc/kcore").exists() {
        rex_tests::skip::skipped("this kernel does not show its memory");
        return;
    }
    let mut session = Session::with_policy(ALLOW_ALL);
    assert!(session.cat("/proc/kcore").unwrap_err().is_denial());
}

#[test]
fn no_other_place_of_a_proc_shows_a_process_of_the_run() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        with_thread(|thread| {
            let (jail, other) = (Sleeper::new(), Sleeper::new());
            let tree = Tree::new();
            let broker = std::process::id();
            tree.mount_new("proc", "new");
            tree.mount_bind("/proc", "bound");
            tree.mount_bind(tree.path("new"), "new-bound");
            tree.mount_bind(tree.path("new"), "with space\n");
            let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});
            session.services.hide_process(jail.pid());

            for place in ["new", "bound", "new-bound", "with space\n"] {
                let place = session.text(place);
                for number in [broker, thread.unsigned_abs(), gettid().as_raw().unsigned_abs(), jail.pid()] {
                    is_closed(&mut session, &format!("{place}/{number}"));
                }
                is_closed(&mut session, &format!("{place}/{broker}/task/{thread}"));
                let proc = session.open_dir(&place).unwrap();
                for name in ["self", "thread-self"] {
                    let refused = session.cat(&format!("{place}/{name}/environ")).unwrap_err();
                    assert!(refused.is_denial(), "{place}/{name}");
                    let refused = session.send(ReadLink { dir: proc, name: entry_text(name) }).unwrap_err();
                    assert!(refused.is_denial(), "{place}/{name}");
                }
                shows_others(&mut session, &place, other.pid());
            }
        });
    });
}

// A mount of a part has no root to which one could go up.
#[test]
fn no_part_of_a_proc_that_is_mounted_alone_shows_a_process_of_the_run() {
    if !is_root() {
        return;
    }
    with_mounts(|| {
        with_thread(|thread| {
            let other = Sleeper::new();
            let (broker, known) = (std::process::id(), other.pid());
            let tree = Tree::new();
            mount_new("proc", &tree.dir("new"));
            for (place, proc) in [("own", "/proc".to_owned()), ("foreign", tree.text("new"))] {
                for (name, number) in
                    [("broker", broker), ("thread", thread.unsigned_abs()), ("other", known)]
                {
                    tree.mount_bind(format!("{proc}/{number}"), &format!("{place}-{name}"));
                    tree.mount_bind(format!("{proc}/{number}/task"), &format!("{place}-{name}-task"));
                    tree.mount_bind(format!("{proc}/{number}/comm"), &format!("{place}-{name}-comm"));
                }
            }
            let mut session = Session::on_tree(tree, ALLOW_ALL, |_| {});

            for round in 0..2 {
                for place in ["own", "foreign"] {
                    for name in ["broker", "thread"] {
                        let entry = session.text(&format!("{place}-{name}"));
                        is_closed(&mut session, &entry);
                        assert!(session.open_dir(&format!("{entry}-task")).unwrap_err().is_denial());
                        assert!(session.cat(&format!("{entry}-task/{broker}/comm")).unwrap_err().is_denial());
                        assert!(session.cat(&format!("{entry}-comm")).unwrap_err().is_denial());
                    }
                    let entry = session.text(&format!("{place}-other"));
                    assert_eq!(session.cat(&format!("{entry}/comm")).unwrap(), b"sleep\n", "{round} {entry}");
                    assert_eq!(session.cat(&format!("{entry}-comm")).unwrap(), b"sleep\n");
                    assert_eq!(session.cat(&format!("{entry}-task/{known}/comm")).unwrap(), b"sleep\n");
                }
                // In the second round, the whole of it is mounted nowhere any more.
                if round == 0 {
                    let new = session.path("new");
                    nix::mount::umount2(&new, nix::mount::MntFlags::MNT_DETACH).unwrap();
                }
            }
        });
    });
}

// list_details looks at links and files without opening them.
#[test]
fn the_entries_of_a_listing_say_nothing_about_the_broker() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let proc = session.open_dir("/proc").unwrap();
    let page = session.send(ListDetails { dir: proc, restart: true }).unwrap();

    for entry in page.entries.into_vec() {
        if matches!(entry.entry.name.as_str(), "self" | "thread-self") {
            assert!(matches!(entry.details, Details::Withheld), "{:?}", entry.entry.name);
        }
    }
}
