//! Limits on depth are met before the work: what is too deep is asked about by nobody, however deep it is.

use std::fs;
use std::path::Path;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use rex_broker::policy::name::MAX_COMPONENTS;
use rex_broker::run::session::RunEnd;
use rex_ipc::file_system::{DeleteDir, DirPlace, OpenDir};
use rex_ipc::handle::DirId;
use rex_tests::session::{ALLOW_ALL, Refused, Session, path_text};

/// Directories `n` below each other.
fn make_deep(top: &Path, count: usize) {
    fs::create_dir_all(top).unwrap();
    let mut here = fs::File::open(top).unwrap();
    for _ in 0..count {
        mkdirat(&here, "n", Mode::S_IRWXU).unwrap();
        here = openat(&here, "n", OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty()).unwrap().into();
    }
}

/// Opens what lies so many levels below an open directory.
fn descend(session: &mut Session, from: DirId, levels: usize) -> Result<DirId, Refused> {
    let at = DirPlace::Below(from, path_text(&vec!["n"; levels].join("/")));
    let request = OpenDir { at, ..session.opening_dir("/") };
    let id = request.id;
    session.send(request).map(|_| id)
}

/// Opens the next level below an open directory.
fn enter(session: &mut Session, from: DirId) -> Result<DirId, Refused> {
    let request = session.opening_entry(from, "n");
    let id = request.id;
    session.send(request).map(|_| id)
}

// path_resolution(7) takes no path of PATH_MAX; the policy is not asked about what nobody could open.
#[test]
fn a_path_of_too_many_components_asks_nothing() {
    let mut session = Session::with_policy(ALLOW_ALL);

    let control = session.open_dir(&"/a".repeat(MAX_COMPONENTS - 1)).unwrap_err();
    let asked = session.questions();
    let refused = session.open_dir(&"/a".repeat(MAX_COMPONENTS + 1)).unwrap_err();

    assert!(matches!(control, Refused::Failure(_)), "{control:?}");
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(matches!(refused, Refused::Failure(_)) && !refused.is_denial(), "{refused:?}");
    assert_eq!(session.questions(), [] as [&str; 0]);
}

// No single path says how deep this is: it is reached from directory to directory.
#[test]
fn a_directory_that_is_too_deep_asks_nothing() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let top = session.text("d");
    let left = MAX_COMPONENTS - Path::new(&top).components().skip(1).count();
    make_deep(&session.path("d"), left + 1);
    let dir = session.open_dir(&top).unwrap();
    // As far as one path goes, and then level by level.
    let far = left - 200;
    let mut deepest = descend(&mut session, dir, far).unwrap();
    session.records.clear();

    for level in far..left {
        deepest = enter(&mut session, deepest).unwrap_or_else(|refused| panic!("{level}: {refused:?}"));
        assert_eq!(session.questions().len(), 1);
    }
    let refused = enter(&mut session, deepest).unwrap_err();

    assert!(
        matches!(&refused, Refused::Failure(failure) if failure.message.as_str().contains("name too long")),
        "{refused:?}"
    );
    assert!(!refused.is_denial());
    assert_eq!(session.questions(), [] as [&str; 0]);
}

// What has to be done until the limit is met is the same for any tree that is too deep.
#[test]
fn a_tree_that_is_too_deep_costs_as_much_as_the_limit_and_not_as_the_tree() {
    let questions = |depth: usize| {
        let mut session = Session::with_limits(ALLOW_ALL, |limits| limits.max_depth = 5);
        make_deep(&session.path("d"), depth);
        let top = session.text("d");
        let dir = session.open_dir(&top).unwrap();
        session.records.clear();

        let end = session.send(DeleteDir { dir, force: false, recursive: true }).unwrap_err().end();

        assert!(matches!(&end, RunEnd::Limit(limit) if limit.name == "max-depth"), "{depth}: {end:?}");
        assert!(session.path("d").exists());
        session.questions().len()
    };

    let (little, much) = (questions(20), questions(2000));

    assert_eq!(little, much);
    assert!(little <= 12, "{little} questions for a limit of five");
}
