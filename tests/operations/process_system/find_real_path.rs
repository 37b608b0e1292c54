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
    assert_eq!(session.questions(), ["permit stat File ~/l/f"]);
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
