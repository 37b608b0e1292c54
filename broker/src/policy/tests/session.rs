//! Groups, tags and `context.session`: what each says with a delegation and without, and that nobody else pays for it.

use super::super::session::Reads;
use super::super::{BY_ISSUER, Session};
use super::*;

fn session() -> Session {
    Session {
        groups: vec!["billing".to_owned(), "all".to_owned()],
        tags: vec![("dept".to_owned(), "claims".to_owned())],
        agent: Some("spiffe://a/billing".to_owned()),
        model: Some("m-5".to_owned()),
        purpose: Some("payment/refund/late".to_owned()),
        ticket: Some("INC-1".to_owned()),
        assurance: BY_ISSUER,
        depth: 2,
    }
}

fn permits(condition: &str, session: &Session) -> bool {
    let text = format!("permit(principal, action, resource) when {{ {condition} }};");
    engine(&text).with_session(session).decide(&question()).permitted
}

fn question() -> Question<'static> {
    Question::new(ActionId::FileSystemRead, ResourceRef::File("/a"))
}

/// A condition, whether it holds with the delegation, and whether it holds without one.
const CONDITIONS: &[(&str, bool, bool)] = &[
    ("principal in Group::\"billing\"", true, false),
    ("principal in [Group::\"nobody\", Group::\"all\"]", true, false),
    ("principal in Group::\"bill\"", false, false),
    ("principal == User::\"root\"", true, true),
    ("principal.hasTag(\"dept\") && principal.getTag(\"dept\") == \"claims\"", true, false),
    ("principal.hasTag(\"role\")", false, false),
    ("context.session.agent == Agent::\"spiffe://a/billing\"", true, false),
    ("context.session.agent == Agent::\"\"", false, true),
    ("context.session.agent has model && context.session.agent.model == \"m-5\"", true, false),
    ("context.session.purpose == Purpose::\"payment/refund/late\"", true, false),
    ("context.session.purpose in Purpose::\"payment/refund\"", true, false),
    ("context.session.purpose in Purpose::\"payment\"", true, false),
    ("context.session.purpose in Purpose::\"pay\"", false, false),
    ("context.session.purpose in Purpose::\"payment/refund/later\"", false, false),
    ("context.session.purpose in Purpose::\"\"", false, true),
    ("context.session has ticket && context.session.ticket == \"INC-1\"", true, false),
    ("context has session", true, true),
    ("context.session.assurance >= 2", true, false),
    ("context.session.assurance == 1", false, true),
    ("context.session.depth > 1", true, false),
    ("context.session.depth == 0", false, true),
];

#[test]
fn what_a_delegation_says_is_what_policies_see() {
    for (condition, with, without) in CONDITIONS {
        assert_eq!(permits(condition, &session()), *with, "{condition}");
        assert_eq!(permits(condition, &Session::default()), *without, "without: {condition}");
        let text = format!("permit(principal, action, resource) when {{ {condition} }};");
        assert_eq!(accepted(&text, Mode::Strict), [], "{condition}");
    }
}

#[test]
fn what_heads_say_of_groups_holds_as_well() {
    let head = "permit(principal in Group::\"billing\", action, resource);";
    assert!(engine(head).with_session(&session()).decide(&question()).permitted);
    assert!(!engine(head).decide(&question()).permitted);
    let is_in = "permit(principal is User in Group::\"billing\", action, resource);";
    assert!(engine(is_in).with_session(&session()).decide(&question()).permitted);
}

#[test]
fn a_ticket_that_is_not_there_makes_a_forbid_deny() {
    let text = "permit(principal, action, resource);
        forbid(principal, action, resource) when { context.session.ticket == \"INC-2\" };";

    let verdict = engine(text).decide(&question());

    assert!(!verdict.permitted && verdict.failed, "{verdict:?}");
    assert!(engine(text).with_session(&session()).decide(&question()).permitted);
}

#[test]
fn only_what_is_looked_at_is_supplied() {
    let reads = |text: &str| load(text, Mode::Rex).unwrap().policies.reads;
    let nothing = Reads::default();

    for text in [
        "permit(principal == User::\"root\", action, resource) when { resource has path };",
        "forbid(principal is User, action, resource) when { context has destination };",
        "permit(principal, action, resource) unless { context == {} };",
    ] {
        assert_eq!(reads(text), nothing, "{text}");
    }
    for text in [
        "permit(principal, action, resource) when { context.session.depth == 0 };",
        "permit(principal, action, resource) when { context has session };",
        "permit(principal, action, resource) when { context has session.ticket };",
        "permit(principal, action, resource) when { (if true then context else context).session.depth == 0 };",
        "permit(principal, action, resource) when { context == {\"session\": 1} };",
    ] {
        assert!(reads(text).session, "{text}");
    }
    // As before: a context that is compared as a whole.
    assert!(
        ask(
            "permit(principal, action, resource) when { context == {} };",
            ActionId::FileSystemRead,
            ResourceRef::File("/a")
        )
        .permitted
    );
}

#[test]
fn the_memory_for_answers_gives_those_that_would_be_given_without_it() {
    let text = "permit(principal in Group::\"billing\", action, resource in file_system::Dir::\"/srv\")
        when { context.session.purpose in Purpose::\"payment\" && resource.path like \"*a\" };";
    for session in [session(), Session { purpose: None, ..session() }, Session::default()] {
        let mut with = engine(text).with_session(&session);
        let mut without = engine(text).with_session(&session).with_cache(false);
        for path in ["/srv/a", "/srv/b", "/srv/a", "/srv/x/a", "/a", "/srv/b"] {
            let question = Question::new(ActionId::FileSystemRead, ResourceRef::File(path));
            assert_eq!(with.decide(&question), without.decide(&question), "{path}");
        }
    }
}
