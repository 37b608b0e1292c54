//! What an operator learns about a verdict.

use std::str::FromStr;

use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};
use rex_ipc::action::ActionId;

use super::super::anatomy::failed_parts;
use super::super::engine::{Outcome, outcome};
use super::super::explain::{Part, explain};
use super::super::{Argument, ContextRef, ExecuteContext, ProcessRef, explain};
use super::reference::{Dice, policy, questions, rounds};
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
        program: "x",
        chosen: &[],
        capabilities: &[],
        arguments: &[],
        environment: &[],
        username: "nobody",
        uid: 65534,
        groupname: "nogroup",
        gid: 65534,
        target_process_id: None,
    };
    let denied = Verdict::default();
    let schema = Schema::from_cedarschema_str(super::super::schema::READABLE).unwrap().0;
    let validator = Validator::new(schema);
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
            let result = validator.validate(&PolicySet::from_str(&text).unwrap(), ValidationMode::Strict);
            assert!(result.validation_passed(), "{text}\n{result:?}");
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

static LIST: ExecuteContext<'_> = ExecuteContext {
    program: "x",
    chosen: &[],
    capabilities: &[],
    arguments: &[Argument::Bare("-l"), Argument::Bare("/srv"), Argument::Pair("--sort", Some("size"))],
    environment: &[("LANG", "C"), ("PATH", "/bin")],
    username: "nobody",
    uid: 65534,
    groupname: "nogroup",
    gid: 65534,
    target_process_id: None,
};

/// Questions that differ in nothing but one thing.
fn neighbours() -> Vec<Question<'static>> {
    static BARE: ExecuteContext<'_> = ExecuteContext { arguments: &[], environment: &[], ..LIST };
    static TWICE: ExecuteContext<'_> = ExecuteContext {
        arguments: &[
            Argument::Bare("-l"),
            Argument::Bare("/srv"),
            Argument::Bare("/srv"),
            Argument::Pair("--sort", Some("size")),
        ],
        ..LIST
    };
    static OTHER_ORDER: ExecuteContext<'_> = ExecuteContext {
        arguments: &[Argument::Bare("/srv"), Argument::Bare("-l"), Argument::Pair("--sort", Some("size"))],
        ..LIST
    };
    static OTHER_VALUE: ExecuteContext<'_> = ExecuteContext {
        arguments: &[Argument::Bare("-l"), Argument::Bare("/srv"), Argument::Pair("--sort", Some("name"))],
        ..LIST
    };
    static NO_VALUE: ExecuteContext<'_> = ExecuteContext {
        arguments: &[Argument::Bare("-l"), Argument::Bare("/srv"), Argument::Pair("--sort", None)],
        ..LIST
    };
    static OTHER_VARIABLE: ExecuteContext<'_> =
        ExecuteContext { environment: &[("LANG", "C"), ("PATH", "/tmp")], ..LIST };
    static MORE_VARIABLES: ExecuteContext<'_> =
        ExecuteContext { environment: &[("LANG", "C"), ("LD_PRELOAD", "/tmp/x"), ("PATH", "/bin")], ..LIST };
    static OTHER_USER: ExecuteContext<'_> = ExecuteContext { username: "root", uid: 0, ..LIST };
    static OTHER_GROUP: ExecuteContext<'_> = ExecuteContext { groupname: "root", gid: 0, ..LIST };
    static ELSEWHERE: ExecuteContext<'_> = ExecuteContext { target_process_id: Some(7), ..LIST };
    let program = |context| Question {
        context: ContextRef::Execute(context),
        ..Question::new(ActionId::FileSystemExecute, ResourceRef::File("/bin/ls"))
    };
    let about = |action, resource, context| Question { action, resource, context };
    let process = |pid, name, username, command| {
        let process = ProcessRef { pid, name, username, command, uid: 0, start_time: 1, exe: None };
        Question::new(ActionId::ProcessKill, ResourceRef::Process(process))
    };
    let mut neighbours: Vec<Question<'_>> = [
        &LIST,
        &BARE,
        &TWICE,
        &OTHER_ORDER,
        &OTHER_VALUE,
        &NO_VALUE,
        &OTHER_VARIABLE,
        &MORE_VARIABLES,
        &OTHER_USER,
        &OTHER_GROUP,
        &ELSEWHERE,
    ]
    .map(program)
    .to_vec();
    let (file, dir) = (ResourceRef::File("/srv/a"), ResourceRef::Dir("/srv/a"));
    let to = |path, name, parent_path| ContextRef::Move { path, name, parent_path };
    neighbours.extend([
        about(ActionId::FileSystemMove, file, to("/srv/b", "b", "/srv")),
        about(ActionId::FileSystemMove, dir, to("/srv/b", "b", "/srv")),
        about(ActionId::FileSystemMove, file, to("/srv/c", "c", "/srv")),
        about(ActionId::FileSystemSetXAttr, file, ContextRef::XAttr { name: "user.a" }),
        about(ActionId::FileSystemSetXAttr, file, ContextRef::XAttr { name: "user.b" }),
        process(1, "sshd", "root", "sshd -D"),
        process(1, "sshd", "nobody", "sshd -D"),
        process(1, "sshd", "root", "sshd"),
        process(1, "crond", "root", "sshd -D"),
    ]);
    neighbours
}

fn same(one: &Question<'_>, other: &Question<'_>) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

fn random_text(dice: &mut Dice) -> String {
    (0..1 + dice.roll(9)).map(|_| policy(dice)).collect()
}

/// A policy applies just when each of its parts is true, and the explanation's verdict is that of a run.
#[test]
fn explanations_agree_with_decisions() {
    let questions: Vec<Question<'_>> = questions().into_iter().chain(neighbours()).collect();
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let (mut applying, mut partly) = (0, 0);

    for round in 0..rounds() {
        let text = random_text(&mut dice);
        let mut engine = Engine::new(load(&text, Mode::Rex).unwrap().policies, "root");
        let mut of_a_run = Engine::new(load(&text, Mode::Rex).unwrap().policies, "root");
        for _ in 0..20 {
            let question = &questions[dice.roll(questions.len())];
            let explanation = explain(&mut engine, question);

            let verdict = of_a_run.decide(question);
            assert_eq!(explanation.verdict, *verdict, "round {round}: {question:?}\n{text}");
            let nothing_matches = !verdict.permitted && !verdict.failed && verdict.determining.is_empty();
            assert_eq!(explanation.grant.is_some(), nothing_matches, "{question:?}\n{text}");
            assert!(explanation.nearest.is_none() || nothing_matches, "{question:?}\n{text}");
            assert_eq!(explanation.grounds.len(), verdict.determining.len());
            assert!(explanation.nearest.is_none_or(|nearest| !nearest.failed.is_empty()));
            engine.with_evaluator(question, |evaluator| {
                for rule in &engine.policies().rules {
                    let applies =
                        matches!(outcome(&rule.condition, &rule.slots, evaluator), Outcome::Applies);
                    let failed = failed_parts(rule, evaluator);
                    assert_eq!(failed.is_empty(), applies, "round {round}: {question:?}\n{text}\n{failed:?}");
                    applying += usize::from(applies);
                    partly += usize::from(failed.len() == 1);
                }
            });
        }
    }

    assert!(applying > rounds() && partly > rounds(), "{applying} {partly}");
}

/// What a grant adds is the question it was made for, and no other.
#[test]
fn a_grant_permits_its_question_and_changes_no_other_answer() {
    let questions: Vec<Question<'_>> = questions().into_iter().chain(neighbours()).collect();
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let (mut granted, mut refused) = (0, 0);

    for _ in 0..rounds() {
        let text = random_text(&mut dice);
        let mut engine = Engine::new(load(&text, Mode::Rex).unwrap().policies, "root");
        let question = &questions[dice.roll(questions.len())];
        let Some(grant) = explain(&mut engine, question).grant else {
            refused += 1;
            continue;
        };
        let mut after = Engine::new(load(&format!("{text}{grant}"), Mode::Rex).unwrap().policies, "root");

        assert!(after.decide(question).permitted, "{question:?}\n{text}{grant}");
        for other in questions.iter().filter(|other| !same(other, question)) {
            // A program without a context is never asked about; its grant has no clause.
            if matches!(question.context, ContextRef::None) && question.action == ActionId::FileSystemExecute
            {
                continue;
            }
            // What is granted of a URL is the URL, wherever its host is and whatever has led there.
            if question.action == ActionId::NetworkGet
                && (other.action, other.resource) == (question.action, question.resource)
            {
                continue;
            }
            let (before, after) = (engine.decide(other), after.decide(other));
            assert_eq!(after.permitted, before.permitted, "{question:?}\n{other:?}\n{text}{grant}");
        }
        let mut of_another = Engine::new(load(&grant, Mode::Standard).unwrap().policies, "eve");
        assert!(!of_another.decide(question).permitted, "{grant}");
        granted += 1;
    }

    assert!(granted > rounds() / 5 && refused > rounds() / 10, "{granted} {refused}");
}

// Whoever may start programs can give one any name and command line.
#[test]
fn a_grant_about_a_process_names_its_program_where_the_kernel_tells_it() {
    let process = |exe| ProcessRef {
        pid: 7,
        name: "sleep",
        username: "u",
        command: "sleep 300",
        uid: 9,
        start_time: 11,
        exe,
    };
    let of = |exe| Question::new(ActionId::ProcessKill, ResourceRef::Process(process(exe)));
    let grant = explain::grant(&of(Some("/bin/sleep")), &Verdict::default(), "root").unwrap();
    let mut engine = engine(&grant);

    assert!(engine.decide(&of(Some("/bin/sleep"))).permitted);
    for other in [Some("/tmp/sleep"), None] {
        assert!(!engine.decide(&of(other)).permitted, "{other:?}: {grant}");
    }
}

#[test]
fn neighbours_are_told_apart_by_grants() {
    let neighbours = neighbours();

    for (position, question) in neighbours.iter().enumerate() {
        let grant = explain::grant(question, &Verdict::default(), "root").unwrap();
        let mut engine = engine(&grant);
        for (other_position, other) in neighbours.iter().enumerate() {
            assert_eq!(engine.decide(other).permitted, position == other_position, "{grant}\n{other:?}");
        }
    }
}

#[test]
fn the_nearest_permit_and_its_failed_parts_are_told_with_their_places() {
    let text = "permit(principal, action == systemd::Action::\"restart\", resource);
@id(\"far\") permit(principal == User::\"eve\", action, resource in file_system::Dir::\"/etc\");
// A comment, é.
@id(\"logs\")
permit (
    principal,
    action in [file_system::Action::\"open\", file_system::Action::\"read\"],
    resource in file_system::Dir::\"/var/log\"
) when {
    resource.path like \"*.log\" && principal == User::\"root\"
}
unless { resource.path like \"*secret*\"  ||
         resource.path like \"*key*\" }; permit(principal, action, resource == file_system::File::\"/z\");
";
    let mut engine = engine(text);
    let mut parts = |path: &str| -> Vec<(Part, usize, usize, String)> {
        let question = Question::new(ActionId::FileSystemRead, ResourceRef::File(path));
        let nearest = explain(&mut engine, &question).nearest.unwrap();
        let part = |part: explain::FailedPart| (part.part, part.place.line, part.place.column, part.text);
        nearest.failed.into_iter().map(part).collect()
    };

    assert_eq!(parts("/var/log/a.txt"), [(Part::Clause, 10, 5, "resource.path like \"*.log\"".to_owned())]);
    assert_eq!(
        parts("/var/log/a.key.log"),
        [(Part::Clause, 13, 10, "!(resource.path like \"*key*\")".to_owned())]
    );
    assert_eq!(
        parts("/var/lib/a.log"),
        [(Part::Resource, 8, 17, "resource in file_system::Dir::\"/var/log\"".to_owned())]
    );
    // The last one stands behind another on its line.
    assert_eq!(parts("/zz"), [(Part::Resource, 13, 78, "resource == file_system::File::\"/z\"".to_owned())]);
}

#[test]
fn a_clause_that_its_neighbour_guards_is_no_ground() {
    let text =
        "permit(principal, action, resource) when { resource has path && resource.path like \"/a*\" };";
    let question = Question::new(ActionId::SystemdStop, ResourceRef::Service("x"));

    let nearest = explain(&mut engine(text), &question).nearest.unwrap();

    let texts: Vec<&str> = nearest.failed.iter().map(|part| part.text.as_str()).collect();
    assert_eq!(texts, ["resource has path"]);
}

#[test]
fn a_question_that_cannot_be_put_is_not_explained_away() {
    let context = ExecuteContext {
        arguments: &[Argument::Pair("--config", Some("/evil")), Argument::Pair("--config", Some("/safe"))],
        ..LIST
    };
    let question = Question {
        context: ContextRef::Execute(&context),
        ..Question::new(ActionId::FileSystemExecute, ResourceRef::File("/bin/ls"))
    };

    for text in ["", "permit(principal, action, resource);"] {
        let explanation = explain(&mut engine(text), &question);

        assert!(!explanation.verdict.permitted);
        assert_eq!((explanation.grant, explanation.nearest), (None, None));
    }
}
