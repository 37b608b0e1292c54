//! What an operator learns about a verdict.

use rex_ipc::action::ActionId;

use super::super::{ContextRef, ExecuteContext, explain};
use super::*;

#[test]
fn every_ground_of_a_verdict_is_told_with_its_place() {
    let text = "@id(\"all\")\npermit(principal, action, resource);\n\n@id(\"keys\") forbid(principal, action, resource in file_system::Dir::\"/keys\");\nforbid(principal, action, resource == file_system::File::\"/odd\") when { resource.nonsense };";
    let mut engine = Engine::new(load(text, Mode::Rex).unwrap().policies, "root");
    let mut reasons = |path: &str| {
        let verdict = engine.decide(&Question::new(ActionId::FileSystemRead, ResourceRef::File(path)));
        explain::reasons(&verdict, engine.policies())
    };

    assert_eq!(reasons("/a"), ["permitted by `all` (test.cedar:1)"]);
    assert_eq!(reasons("/keys/a"), ["forbidden by `keys` (test.cedar:4)"]);
    let odd = reasons("/odd");
    assert_eq!(odd[0], "denied because it could not be evaluated: `policy2` (test.cedar:5)");
    assert_eq!(odd.len(), 2);
    assert_eq!(explain::reasons(&Verdict::default(), engine.policies()), ["no permit matches"]);
}

#[test]
fn a_grant_is_a_clean_policy_that_permits_the_question_and_no_other_name() {
    let execute = ExecuteContext {
        arguments: &[],
        environment: &[],
        username: "nobody",
        uid: 65534,
        groupname: "nogroup",
        gid: 65534,
        target_process_id: None,
    };
    let denied = Verdict::default();
    for action in ActionId::ALL {
        let context = match action {
            ActionId::FileSystemMove => ContextRef::Move { path: "/b\"c", name: "b\"c", parent_path: "/" },
            ActionId::FileSystemSetXAttr => ContextRef::XAttr { name: "user.\u{10ff80}" },
            ActionId::FileSystemExecute => ContextRef::Execute(&execute),
            _ => ContextRef::None,
        };
        let mut resources = deciding::resources(*action);
        if resources.iter().any(|resource| matches!(resource, ResourceRef::File(_))) {
            resources.push(ResourceRef::File("/a \"b\"\\\n\u{10ff80}é'*"));
        }
        for resource in resources {
            let question = Question { action: *action, resource, context };
            let text = explain::grant(&question, &denied, "o'neil \"x\"").unwrap();
            let warnings = accepted(&text, Mode::Standard);
            assert!(warnings.iter().all(|warning| warning.message.contains('*')), "{text}\n{warnings:?}");
            let mut engine = Engine::new(load(&text, Mode::Standard).unwrap().policies, "o'neil \"x\"");

            assert!(engine.decide(&question).permitted, "{text}");
            let other = Question { resource: ResourceRef::File("/other"), ..question };
            assert!(!engine.decide(&other).permitted, "{text}");
        }
    }
}

#[test]
fn nothing_is_offered_against_a_forbid() {
    let question = Question::new(ActionId::FileSystemRead, ResourceRef::File("/a"));
    let forbidden = Verdict { determining: vec!["x".to_owned()], ..Verdict::default() };
    let failed = Verdict { failed: true, ..Verdict::default() };

    assert_eq!(explain::grant(&question, &forbidden, "root"), None);
    assert_eq!(explain::grant(&question, &failed, "root"), None);
    assert!(explain::grant(&question, &Verdict::default(), "root").is_some());
}
