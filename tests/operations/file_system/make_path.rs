//! Making directories with all that lead to them, as `mkdir -p` does.

use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::MakePath;
use rex_tests::session::{ALLOW_ALL, Refused, Session, path_text};

use super::without_name;

fn make(session: &mut Session, name: &str) -> Result<(), Refused> {
    let path = session.text("") + "/" + name;
    session.send(MakePath { path: path_text(&path) })
}

// spec, 7, mkdir: "`open Dir ancestor`, `open Dir resolved`, then `create Dir` for each missing level".
#[test]
fn permitted() {
    let mut session =
        Session::with_policy(r#"permit(principal, action, resource in file_system::Dir::"{root}");"#);

    make(&mut session, "a/b").unwrap();

    let questions = session.questions();
    assert_eq!(
        questions[questions.len() - 3..],
        ["permit open Dir ~", "permit create Dir ~/a", "permit create Dir ~/a/b"]
    );
    assert!(session.path("a/b").is_dir());
    make(&mut session, "a/b").unwrap();
    assert_eq!(session.questions(), ["permit open Dir ~/a/b"]);
}

#[test]
fn denied() {
    let mut session = Session::with_policy("");
    session.tree.dir("dir");
    session.tree.file("plain", "");
    session.tree.link("dir", "link");
    session.tree.link("nowhere", "dangling");

    let mut failures = Vec::new();
    for name in ["dir", "plain", "link", "dangling", "absent"] {
        for below in ["", "/x", "/x/y"] {
            let failure = make(&mut session, &format!("{name}{below}")).unwrap_err().failure();
            assert_eq!(failure.kind, ErrorKind::PermissionDenied);
            if below.is_empty() {
                failures.push(without_name(&failure, name));
            }
        }
    }

    failures.dedup();
    assert_eq!(failures.len(), 1, "{failures:?}");
}

#[test]
fn nothing_is_made_before_all_is_permitted() {
    let policy = format!(
        r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"create", resource == file_system::Dir::"{{root}}/a/b/c");"#
    );
    let mut session = Session::with_policy(&policy);

    let failure = make(&mut session, "a/b/c").unwrap_err().failure();

    assert!(failure.message.as_str().ends_with("/a/b/c"), "{failure:?}");
    assert!(session.tree.picture().is_empty());
}

// What is closed to a script below a directory that it may see is not told apart either.
#[test]
fn a_closed_level_looks_missing() {
    let policy = r#"permit(principal, action, resource == file_system::Dir::"{root}");"#;
    let mut failures = Vec::new();
    for exists in [false, true] {
        let mut session = Session::with_policy(policy);
        if exists {
            session.tree.dir("closed/sub");
        }
        let failure = make(&mut session, "closed/sub/new").unwrap_err().failure();
        let text = failure.message.as_str().replace(&session.text(""), "~");
        failures.push((failure.kind, text));
    }

    assert_eq!(failures[0], failures[1]);
    assert_eq!(failures[0].0, ErrorKind::PermissionDenied);
}

// spec, 7, mkdir: Rex "returns success with **no checks**" when the whole path exists, "even as a file!"
#[test]
fn what_exists_is_fine_when_it_is_a_directory() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("d");
    session.tree.file("file", "");
    session.tree.link("d", "link");
    session.tree.link("nowhere", "dangling");

    make(&mut session, "d").unwrap();
    make(&mut session, "link").unwrap();
    for (name, errno) in [
        ("file", nix::libc::EEXIST),
        ("dangling", nix::libc::EEXIST),
        ("file/x", nix::libc::ENOTDIR),
        ("dangling/x", nix::libc::ENOTDIR),
    ] {
        let refused = make(&mut session, name).unwrap_err();
        assert_eq!(
            (refused.kind(), refused.errno()),
            (Some(ErrorKind::IoError), Some(errno as u16)),
            "{name}"
        );
    }
    assert!(!session.path("nowhere").exists());
}

#[test]
fn links_on_the_way_are_followed_and_asked_for() {
    let policy = r#"permit(principal, action, resource in file_system::Dir::"{root}");
        forbid(principal, action, resource in file_system::Dir::"{root}/closed");"#;
    let mut session = Session::with_policy(policy);
    session.tree.dir("real");
    session.tree.dir("closed");
    session.tree.link("real", "way");
    session.tree.link("closed", "trap");

    make(&mut session, "way/a/b").unwrap();
    assert!(session.questions().contains(&"permit create Dir ~/real/a/b".to_owned()));
    assert!(make(&mut session, "trap/a").unwrap_err().is_denial());

    assert!(session.path("real/a/b").is_dir());
    assert!(!session.path("closed/a").exists());
}

// Two runs may make the same directories at one time.
#[test]
fn a_level_that_may_be_made_and_not_opened_is_not_passed_through() {
    let policy = format!(
        r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"open", resource == file_system::Dir::"{{root}}/a");"#
    );
    let mut session = Session::with_policy(&policy);
    session.tree.dir("a");

    assert!(make(&mut session, "a/b").unwrap_err().is_denial());

    assert!(!session.path("a/b").exists());
}

#[test]
fn a_path_longer_than_any_is_refused_by_the_system() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let long = "x/".repeat(4000);

    let refused = make(&mut session, &long).unwrap_err();

    assert_eq!(refused.errno(), Some(nix::libc::ENAMETOOLONG as u16));
    assert!(session.tree.picture().is_empty());
}
