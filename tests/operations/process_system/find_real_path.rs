//! Where paths lead.

use rex_ipc::bounded::Text;
use rex_ipc::file_system::EntryType;
use rex_ipc::process_system::{FindRealPath, RealPath};
use rex_tests::session::{ALLOW_ALL, Session};

fn find(path: &str) -> FindRealPath {
    FindRealPath { path: Text::cut(path) }
}

#[test]
fn permitted() {
    let mut session = Session::with_policy(ALLOW_ALL);
    session.tree.file("d/f", "x");
    session.tree.link("d", "l");
    let (link, file) = (session.text("l/f"), session.text("d/f"));

    let real = session.send(find(&link)).unwrap();

    assert_eq!(real, RealPath { path: Text::cut(&file), entry_type: EntryType::File });
    assert_eq!(session.questions(), ["permit stat File ~/l/f", "permit stat File ~/d/f"]);
}

/// A script that may make links in its own directory could else ask the host about every path.
#[test]
fn what_links_lead_to_is_told_to_nobody_who_may_not_look_at_it() {
    let policy = r#"permit(principal, action, resource in file_system::Dir::"{root}/own");"#;
    let mut session = Session::with_policy(policy);
    session.tree.file("closed/there", "x");
    session.tree.file("own/f", "x");
    let links = [
        ("a", "{root}/closed/there"),
        ("b", "{root}/closed/absent"),
        ("c", "{root}/closed/there/x"),
        ("d", "../closed"),
    ];
    for (name, target) in links {
        session.tree.link(target, format!("own/{name}"));
    }
    session.tree.link("f", "own/fine");
    session.tree.link("round", "own/round");

    for (name, _) in links {
        let link = session.text(&format!("own/{name}"));
        assert!(session.send(find(&link)).unwrap_err().is_denial(), "{name}");
    }
    // The control: what may be looked at is told, and why nothing is found.
    let (fine, file, round) = (session.text("own/fine"), session.text("own/f"), session.text("own/round"));
    assert_eq!(session.send(find(&fine)).unwrap().path.as_str(), file);
    assert_eq!(session.send(find(&round)).unwrap_err().errno(), Some(40));
}

#[test]
fn denied() {
    let policy = r#"permit(principal, action == file_system::Action::"open", resource);"#;
    let forbid = format!("{policy} forbid(principal, action == file_system::Action::\"stat\", resource);");
    let mut session = Session::with_policy(policy);
    session.tree.file("f", "x");
    let path = session.text("f");

    assert!(session.send(find(&path)).unwrap_err().is_denial());
    assert_eq!(session.questions(), ["deny stat File ~/f"]);
    // Rex follows every path without a question; a forbid counts there, too.
    let mut session = Session::with_policy_as_in_rex(policy);
    session.tree.file("f", "x");
    let path = session.text("f");
    assert_eq!(session.send(find(&path)).unwrap().path.as_str(), path);
    let mut session = Session::with_policy_as_in_rex(&forbid);
    assert!(session.send(find("/etc/passwd")).unwrap_err().is_denial());
}

#[test]
fn what_is_not_there_leads_nowhere() {
    let mut session = Session::with_policy(ALLOW_ALL);
    let missing = session.text("missing");

    assert_eq!(session.send(find(&missing)).unwrap_err().errno(), Some(2));
    for wrong in ["relative", "/a/../b", "/a\0b"] {
        assert!(session.send(find(wrong)).is_err(), "{wrong:?}");
    }
}
