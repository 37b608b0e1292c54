//! Opening what `ls` lists.

use rex_broker::run::session::RunEnd;
use rex_ipc::failure::ErrorKind;
use rex_ipc::file_system::{EntryType, Listing, OpenListing};
use rex_ipc::handle::{AnyId, DirId};
use rex_tests::session::{ALLOW_ALL, Refused, Session, path_text};

use super::without_name;

fn open(session: &mut Session, path: &str) -> Result<(DirId, Listing), Refused> {
    let id = DirId(session.number());
    session.send(OpenListing { id, path: path_text(path) }).map(|listing| (id, listing))
}

// spec, 7, ls: "opened as directory (following): `open Dir path`, `open Dir resolved`".
#[test]
fn permitted() {
    let mut session =
        Session::with_policy(r#"permit(principal, action, resource == file_system::Dir::"{root}/dir");"#);
    session.tree.file("dir/a", "");
    let path = session.text("dir");

    let (id, listing) = open(&mut session, &path).unwrap();

    assert!(matches!(listing, Listing::Directory(_)), "{listing:?}");
    assert_eq!(session.outcomes(), ["open_listing done"]);
    assert_eq!(session.questions(), ["permit open Dir ~/dir"]);
    assert_eq!(session.list(id).unwrap().len(), 1);
}

#[test]
fn denied() {
    let mut session = Session::with_policy("");
    session.tree.dir("dir");
    session.tree.file("plain", "");
    session.tree.link("dir", "link");

    let mut failures = Vec::new();
    for name in ["dir", "plain", "link", "absent"] {
        let path = session.text(name);
        let failure = open(&mut session, &path).unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::PermissionDenied);
        failures.push(without_name(&failure, name));
    }

    failures.dedup();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(session.outcomes().iter().all(|outcome| outcome == "open_listing PermissionDenied"));
    assert_eq!(session.questions()[0], "deny open Dir ~/dir");
    assert!(session.services.host.handles.is_empty());
}

// spec, 7, ls: "says symlink (no trailing slash): checks `open Dir P`, `open Dir P'`, `open File F`".
#[test]
fn a_link_stands_for_itself() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.dir("dir");
    session.tree.link("dir", "link");
    session.tree.link("nowhere", "dangling");

    for name in ["link", "dangling"] {
        let path = session.text(name);
        let (id, listing) = open(&mut session, &path).unwrap();
        let Listing::Link(_, entry) = listing else { panic!("{listing:?}") };
        assert_eq!((entry.name.as_str(), entry.entry_type), (name, EntryType::Symlink));
        assert_eq!(
            session.questions(),
            ["permit open Dir ~".to_owned(), format!("permit open File ~/{name}")]
        );
        session.close(AnyId::Dir(id));
    }
}

#[test]
fn a_link_with_a_slash_is_the_directory_that_it_leads_to() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("dir/a", "");
    session.tree.link("dir", "link");

    for ending in ["/", "//", "/.", "/./"] {
        let path = session.text("link") + ending;
        let (id, listing) = open(&mut session, &path).unwrap();
        assert!(matches!(listing, Listing::Directory(_)), "{ending}");
        assert_eq!(session.questions(), ["permit open Dir ~/link", "permit open Dir ~/dir"], "{ending}");
        assert_eq!(session.list(id).unwrap().len(), 1);
        session.records.clear();
    }
}

#[test]
fn a_link_below_a_link_is_named_after_where_it_is() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.link("nowhere", "real/link");
    session.tree.link("real", "way");
    let path = session.text("way/link");

    let (_, listing) = open(&mut session, &path).unwrap();

    assert!(matches!(listing, Listing::Link(..)));
    assert_eq!(
        session.questions(),
        ["permit open Dir ~/way", "permit open Dir ~/real", "permit open File ~/real/link"]
    );
}

// spec, 7, ls: "for a regular file the final error is `InvalidArguments` `ls: <path>: Not a directory or symlink`".
#[test]
fn a_file_is_nothing_to_list() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("file", "");
    session.tree.fifo("fifo");

    for name in ["file", "fifo"] {
        let path = session.text(name);
        let failure = open(&mut session, &path).unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::InvalidArguments);
        assert_eq!(
            failure.message.as_str(),
            format!("Invalid arguments: ls: {path}: Not a directory or symlink")
        );
    }
}

// spec, 7, ls: "If it is not a directory: tries as in 1", with the questions of a link.
#[test]
fn what_is_no_directory_is_looked_at_as_itself() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("plain", "");
    session.tree.link("plain", "link");
    let (plain, link) = (session.text("plain") + "/", session.text("link") + "/");

    let failure = open(&mut session, &plain).unwrap_err().failure();
    let (_, listing) = open(&mut session, &link).unwrap();

    assert_eq!(
        failure.message.as_str(),
        format!("Invalid arguments: ls: {plain}: Not a directory or symlink")
    );
    let Listing::Link(_, entry) = listing else { panic!("{listing:?}") };
    assert_eq!(entry.name.as_str(), "link");
    assert_eq!(
        session.questions()[..3],
        ["permit open Dir ~/plain", "permit open Dir ~", "permit open File ~/plain"]
    );
}

#[test]
fn a_file_whose_own_permission_is_missing_is_denied() {
    let mut session = Session::with_policy(
        r#"permit(principal, action == file_system::Action::"open", resource is file_system::Dir);"#,
    );
    session.tree.file("plain", "");
    let path = session.text("plain");

    let failure = open(&mut session, &path).unwrap_err().failure();

    assert_eq!(failure.kind, ErrorKind::PermissionDenied);
    assert_eq!(session.questions().last().unwrap(), "deny open File ~/plain");
}

#[test]
fn what_is_absent_is_told_to_whom_it_may_concern() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let path = session.text("absent");

    assert_eq!(open(&mut session, &path).unwrap_err().errno(), Some(2));
}

// Q23: "Unauthorized `stat`/`lstat` in `ls` reveal existence and type".
#[test]
fn what_may_be_listed_only_as_a_directory_shows_no_more() {
    let mut session = Session::with_policy(
        r#"permit(principal, action, resource is file_system::Dir) when { resource.path like "{root}/*" };"#,
    );
    session.tree.dir("secret/dir");
    session.tree.link("secret/dir", "link");
    let path = session.text("link");

    let (_, listing) = open(&mut session, &path).unwrap();

    assert!(matches!(listing, Listing::Directory(_)), "{listing:?}");
    assert_eq!(session.questions(), ["permit open Dir ~/link", "permit open Dir ~/secret/dir"]);
}

#[test]
fn a_link_into_the_forbidden_is_not_followed() {
    let policy =
        format!(r#"{ALLOW_ALL} forbid(principal, action, resource in file_system::Dir::"{{root}}/secret");"#);
    let mut session = Session::with_policy(&policy);
    session.tree.dir("secret/there");
    session.tree.link("secret/there", "link");
    session.tree.link("secret/none", "dangling");

    let mut failures = Vec::new();
    for (name, target) in [("link/", "there"), ("dangling/", "none")] {
        let path = session.text(name.trim_end_matches('/')) + "/";
        let failure = open(&mut session, &path).unwrap_err().failure();
        assert_eq!(failure.kind, ErrorKind::PermissionDenied, "{name}");
        failures.push(without_name(&failure, target));
    }

    assert_eq!(failures[0], failures[1]);
}

#[test]
fn the_root_can_be_listed() {
    let mut session = Session::with_policy(ALLOW_ALL);

    let (_, listing) = open(&mut session, "/").unwrap();

    assert!(matches!(listing, Listing::Directory(_)), "{listing:?}");
    assert_eq!(session.questions(), ["permit open Dir /"]);
}

#[test]
fn handle_numbers_only_grow() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let root = session.root();
    let path = session.text("");

    let end = session.send(OpenListing { id: root, path: path_text(&path) }).unwrap_err().end();

    assert!(matches!(end, RunEnd::Violation(_)), "{end:?}");
}
