//! Giving handles back.

use rex_broker::run::session::RunEnd;
use rex_ipc::file_system::Close;
use rex_ipc::handle::{AnyId, DirId, FileId};
use rex_tests::session::{ALLOW_ALL, Session};

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "text");
    let dir = session.root();
    let file = session.open_file(dir, "a").unwrap();
    session.records.clear();

    session.send(Close { handle: AnyId::File(file) }).unwrap();
    session.send(Close { handle: AnyId::Dir(dir) }).unwrap();

    assert!(session.services.host.handles.is_empty());
    assert!(session.questions().is_empty());
}

// An honest jail never names what it does not hold.
#[test]
fn refused() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "text");
    let dir = session.root();
    let file = session.open_file(dir, "a").unwrap();
    session.close(AnyId::File(file));

    for handle in
        [AnyId::File(file), AnyId::Dir(DirId(99)), AnyId::File(FileId(dir.0)), AnyId::Dir(DirId(file.0))]
    {
        let end = session.send(Close { handle }).unwrap_err().end();
        assert!(matches!(end, RunEnd::Violation(_)), "{handle:?}: {end:?}");
    }
    assert_eq!(session.services.host.handles.len(), 1);
}

#[test]
fn closing_makes_room() {
    let mut session = Session::with_limits(ALLOW_ALL, |limits| limits.max_open_handles = 1);

    for _ in 0..3 {
        let dir = session.root();
        session.close(AnyId::Dir(dir));
    }
    session.root();

    let root = session.text("");
    let end = session.open_dir(&root).unwrap_err().end();
    assert!(matches!(&end, RunEnd::Limit(limit) if limit.name == "max-open-handles"), "{end:?}");
}

#[test]
fn a_closed_handle_is_closed_in_the_broker() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let held = session.tree.dir("held");
    let path = session.text("held");
    let dir = session.open_dir(&path).unwrap();
    let open = || {
        let fds = std::fs::read_dir("/proc/self/fd").unwrap();
        fds.flatten().filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|target| target == held)).count()
    };
    assert_eq!(open(), 1);

    session.close(AnyId::Dir(dir));

    assert_eq!(open(), 0);
}
