//! Beginning a new file: what is asked, and that nothing is made by it.

use rex_broker::run::session::RunEnd;
use rex_ipc::failure::ErrorKind;
use rex_tests::session::{ALLOW_ALL, Session};

use super::writing::{begin_file, finish, names, push};

// spec, 11: "Regular file `p`: checks `create File(dst/p)`, `write File(dst/p)`; `create Dir` for each level of its
// parent".
#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("there");
    let before = session.tree.picture();
    let root = session.root();
    session.records.clear();

    begin_file(&mut session, root, "there/a/b").unwrap();

    let expected = [
        "permit create File ~/there/a/b",
        "permit write File ~/there/a/b",
        "permit create Dir ~/there",
        "permit create Dir ~/there/a",
    ];
    assert_eq!(session.questions(), expected);
    assert_eq!(session.tree.picture(), before);
}

#[test]
fn denied() {
    for (forbidden, asked) in [("there/a", 4), ("there", 3), ("there/a/b", 1)] {
        let kind = if asked == 1 { "File" } else { "Dir" };
        let mut session = Session::with_policy(&format!(
            r#"permit(principal, action, resource);
            forbid(principal, action == file_system::Action::"create",
                resource == file_system::{kind}::"{{root}}/{forbidden}");"#
        ));
        let before = session.tree.picture();
        let root = session.root();
        session.records.clear();

        let refused = begin_file(&mut session, root, "there/a/b").unwrap_err();

        assert!(refused.is_denial());
        let questions = session.questions();
        assert_eq!(questions.len(), asked);
        assert_eq!(questions.last().unwrap(), &format!("deny create {kind} ~/{forbidden}"));
        assert_eq!(session.tree.picture(), before);
    }
}

// spec, 11: "an absolute name is checked as that absolute path and then refused by confinement".
#[test]
fn a_place_outside_is_asked_for_and_refused() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("dst");
    let text = session.text("dst");
    let dst = session.open_dir(&text).unwrap();
    let outside = session.text("outside");

    for path in [outside.as_str(), "", ".", "//"] {
        let refused = begin_file(&mut session, dst, path).unwrap_err();
        assert_eq!(refused.kind(), Some(ErrorKind::InvalidPath), "{path}");
    }
    session.records.clear();
    begin_file(&mut session, dst, &outside).unwrap_err();
    assert_eq!(session.questions(), ["permit create File ~/outside", "permit write File ~/outside"]);

    for path in ["../outside", "a/../../outside", "a/.."] {
        let refused = begin_file(&mut session, dst, path).unwrap_err();
        assert_eq!(refused.kind(), Some(ErrorKind::Other), "{path}");
    }
    assert_eq!(names(&session, ""), ["dst"]);
}

/// A directory to extract to, with links of every kind in it.
fn linked(policy: &str) -> (Session, rex_ipc::handle::DirId) {
    let mut session = Session::with_policy(policy);
    session.tree.dir("dst/dir/below");
    session.tree.dir("elsewhere");
    for (target, link) in [
        ("../elsewhere", "out"),
        ("dir/../../elsewhere", "winding"),
        ("dir/..", "told-by-no-text"),
        ("dir", "in"),
        ("./in//below/", "twice"),
        ("../in", "dir/up"),
        ("loop", "loop"),
        ("missing", "dangling"),
        ("file", "to-file"),
        (".", "here"),
        ("..", "above"),
    ] {
        session.tree.link(target, format!("dst/{link}"));
    }
    let absolute = session.text("dst/dir");
    session.tree.link(&absolute, "dst/absolute");
    session.tree.file("dst/file", "");
    let text = session.text("dst");
    let dst = session.open_dir(&text).unwrap();
    (session, dst)
}

#[test]
fn no_link_is_followed_out_of_the_directory() {
    let (mut session, dst) = linked(ALLOW_ALL);
    let before = session.tree.picture();

    for (path, errno) in [
        ("out/f", nix::libc::ELOOP),
        ("winding/f", nix::libc::ELOOP),
        ("told-by-no-text/f", nix::libc::ELOOP),
        ("absolute/f", nix::libc::ELOOP),
        ("above/dst/f", nix::libc::ELOOP),
        ("loop/f", nix::libc::ELOOP),
        ("to-file/f", nix::libc::ENOTDIR),
        ("file/f", nix::libc::ENOTDIR),
    ] {
        let refused = begin_file(&mut session, dst, path).unwrap_err();
        assert_eq!(refused.errno(), Some(errno as u16), "{path}");
    }
    assert_eq!(session.tree.picture(), before);
}

// spec, 11: "directory links are followed only if they stay beneath dst".
#[test]
fn a_link_that_stays_below_is_followed_and_the_place_it_leads_to_asked_for() {
    for (path, place) in [
        ("in/f", "dir/f"),
        ("in/new/f", "dir/new/f"),
        ("twice/f", "dir/below/f"),
        ("dir/up/up/f", "dir/f"),
        ("here/here/f", "f"),
        ("dangling/f", "missing/f"),
    ] {
        let (mut session, dst) = linked(ALLOW_ALL);
        session.records.clear();

        let writer = begin_file(&mut session, dst, path).unwrap();
        let questions = session.questions();
        for question in [
            format!("permit create File ~/dst/{path}"),
            format!("permit create File ~/dst/{place}"),
            format!("permit write File ~/dst/{place}"),
        ] {
            assert!(questions.contains(&question), "{path}: {question} in {questions:?}");
        }
        push(&mut session, writer, b"x").unwrap();
        finish(&mut session, writer).unwrap();
        assert!(session.path(&format!("dst/{place}")).is_file(), "{path}");

        for action in ["create", "write"] {
            let (mut session, dst) = linked(&format!(
                r#"{ALLOW_ALL} forbid(principal, action == file_system::Action::"{action}",
                    resource == file_system::File::"{{root}}/dst/{place}");"#
            ));
            let before = session.tree.picture();
            assert!(begin_file(&mut session, dst, path).unwrap_err().is_denial(), "{path}: {action}");
            assert_eq!(session.tree.picture(), before);
        }
    }
}

#[test]
fn a_directory_that_a_link_leads_to_is_asked_for_before_it_is_looked_into() {
    let (mut session, dst) = linked(
        r#"permit(principal, action, resource);
        forbid(principal, action == file_system::Action::"create",
            resource == file_system::Dir::"{root}/dst/dir");"#,
    );
    session.records.clear();

    assert!(begin_file(&mut session, dst, "in/f").unwrap_err().is_denial());

    assert_eq!(session.questions().last().unwrap(), "deny create Dir ~/dst/dir");
}

#[test]
fn any_name_can_be_made() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let root = session.root();
    let long = "n".repeat(255);
    let odd = rex_ipc::name::to_text(b"a\xff\n*?<>|\"\\ \x01");

    for name in [long.as_str(), odd.as_str(), "…", " "] {
        let path = format!("{name}/{name}");
        let writer = begin_file(&mut session, root, &path).unwrap();
        push(&mut session, writer, b"x").unwrap();
        finish(&mut session, writer).unwrap();
        let entry = std::ffi::OsString::from(name);
        let bytes = rex_ipc::name::to_bytes(name);
        let os = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&bytes);
        assert!(session.tree.path(os).join(os).is_file(), "{entry:?}");
    }
    let too_long = format!("{}/x", "n".repeat(256));
    let refused = begin_file(&mut session, root, &too_long).unwrap_err();
    assert_eq!(refused.errno(), Some(nix::libc::ENAMETOOLONG as u16));
}

#[test]
fn a_directory_handle_is_needed() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("a", "");
    let root = session.root();
    let file = session.open_file(root, "a").unwrap();

    let end = begin_file(&mut session, rex_ipc::handle::DirId(file.0), "b").unwrap_err().end();

    assert!(matches!(end, RunEnd::Violation(_)));
}

#[test]
fn what_was_said_of_a_new_file_is_asked_for() {
    use rex_ipc::file_system::{Attributes, FinishWrite, NameOrNumber};

    let number = || Some(NameOrNumber::Number(1234));
    for (action, attributes) in [
        ("chown", Attributes { user: number(), ..Attributes::default() }),
        ("chown", Attributes { group: number(), ..Attributes::default() }),
    ] {
        let mut session = Session::with_policy(&format!(
            r#"permit(principal, action, resource) unless {{ action == file_system::Action::"{action}" }};"#
        ));
        let root = session.root();
        let writer = begin_file(&mut session, root, "d/f").unwrap();
        session.records.clear();

        let refused =
            session.send(FinishWrite { attributes, ..super::writing::finishing(writer) }).unwrap_err();

        assert!(refused.is_denial(), "{action}");
        assert_eq!(session.questions().last().unwrap(), &format!("deny {action} File ~/d/f"));
        assert_eq!(names(&session, ""), [""; 0]);
    }
}
