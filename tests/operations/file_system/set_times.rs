//! Times of open files.

use std::os::unix::fs::MetadataExt;

use rex_broker::run::session::RunEnd;
use rex_ipc::file_system::{Instant, NewTime, SetTimes};
use rex_tests::session::{ALLOW_ALL, Session};

const OLD: Instant = Instant { seconds: 1_000_000_000, nanoseconds: 123_456_789 };

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "content");
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();
    let before = session.path("a").metadata().unwrap();
    session.records.clear();

    session.send(SetTimes { file, accessed: None, modified: Some(NewTime::At(OLD)) }).unwrap();

    let after = session.path("a").metadata().unwrap();
    assert_eq!((after.mtime(), after.mtime_nsec()), (OLD.seconds, i64::from(OLD.nanoseconds)));
    assert_eq!((after.atime(), after.atime_nsec()), (before.atime(), before.atime_nsec()));
    assert_eq!(session.questions(), ["permit write File ~/a"]);
}

#[test]
fn denied() {
    let mut session = Session::with_policy(
        r#"permit(principal, action, resource) unless { action == file_system::Action::"write" };"#,
    );
    session.tree.file("a", "");
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();
    let before = session.path("a").metadata().unwrap();

    let refused = session.send(SetTimes { file, accessed: None, modified: Some(NewTime::At(OLD)) });

    assert!(refused.unwrap_err().is_denial());
    assert_eq!(session.path("a").metadata().unwrap().mtime(), before.mtime());
}

#[test]
fn now_is_the_time_of_the_call_and_the_other_time_stays() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();
    session
        .send(SetTimes { file, accessed: Some(NewTime::At(OLD)), modified: Some(NewTime::At(OLD)) })
        .unwrap();

    session.send(SetTimes { file, accessed: None, modified: Some(NewTime::Now) }).unwrap();

    let after = session.path("a").metadata().unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    assert!((now - after.mtime()).abs() < 60);
    assert_eq!(after.atime(), OLD.seconds);
}

// utimensat(2): UTIME_NOW and UTIME_OMIT are numbers of nanoseconds, which a jail could send.
#[test]
fn nanoseconds_are_less_than_a_second() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();
    let before = session.path("a").metadata().unwrap();

    for nanoseconds in [1_000_000_000, nix::libc::UTIME_NOW as u32, nix::libc::UTIME_OMIT as u32, u32::MAX] {
        let wrong = NewTime::At(Instant { seconds: 0, nanoseconds });
        let refused = session.send(SetTimes { file, accessed: None, modified: Some(wrong) }).unwrap_err();
        assert!(matches!(refused.end(), RunEnd::Violation(_)), "{nanoseconds}");
    }

    assert_eq!(session.path("a").metadata().unwrap().mtime(), before.mtime());
}
