//! Answers that are shared by questions which no statement tells apart: those that each question would get by itself.

use std::rc::Rc;

use rex_ipc::action::ActionId;

use super::reference::{Dice, policy, rounds};
use super::*;

/// Conditions that tell entries of one directory apart, or seem to.
const CLAUSES: &[&str] = &[
    "resource.path like \"/srv/data/*\"",
    "resource.path like \"/srv/data/a*\"",
    "resource.path like \"*.log\"",
    "resource.path like \"*/a*b\"",
    "resource.path like \"/srv/\\*\"",
    "resource.path like \"*\"",
    "resource.path == \"/srv/data/ab\"",
    "\"/srv/data/b.log\" == resource.path",
    "file_system::File::\"/srv/data/a\" == resource",
    "resource == file_system::Dir::\"/srv/data/a\"",
    "resource in file_system::Dir::\"/srv/data\"",
    "resource in file_system::Dir::\"/srv/data/ab\"",
    "resource in [file_system::File::\"/srv/data/ab\", file_system::Dir::\"/srv/other\"]",
    "[file_system::File::\"/srv/data/a\", file_system::File::\"/srv/data/b\"].contains(resource)",
    "resource is file_system::File in file_system::Dir::\"/srv\"",
    "resource has path",
    "resource has owner && resource.owner == \"root\"",
    "resource.owner == \"root\"",
    "resource.path == principal.home",
    "resource.path != \"/srv/data/ab\"",
    "resource in principal",
    "context has destination",
    "context.x == 1",
    "principal == User::\"root\"",
    "(if resource.path like \"*a*\" then resource.path else \"/srv/data/b\") == \"/srv/data/b\"",
    "{\"p\": resource.path}.p like \"*b*\"",
    "[resource.path, \"x\"].contains(\"/srv/data/b\")",
    "file_system::Dir::\"/srv/data\".path == \"/srv/data\"",
];

const DIRECTORIES: &[&str] = &["/srv/data", "/srv/data/ab", "/srv", "/", "/srv/other/deep", "/srv/*", "/etc"];

const NAMES: &[&str] = &[
    "a",
    "b",
    "ab",
    "aab",
    "b.log",
    "ab.log",
    ".log",
    "data",
    "*",
    "a*b",
    "ä\u{10ff80}",
    "\"",
    "srv",
    "passwd",
];

const ACTIONS: &[ActionId] = &[
    ActionId::FileSystemOpen,
    ActionId::FileSystemRead,
    ActionId::FileSystemRedactedRead,
    ActionId::FileSystemStat,
    // These are asked about each by itself.
    ActionId::FileSystemWrite,
    ActionId::FileSystemDelete,
    ActionId::FileSystemCreate,
];

fn clause(dice: &mut Dice) -> String {
    let one = |dice: &mut Dice| CLAUSES[dice.roll(CLAUSES.len())];
    let (word, left, right) = (["when", "unless"][dice.roll(2)], one(dice), one(dice));
    match dice.roll(4) {
        0 => format!(" {word} {{ {left} && {right} }}"),
        1 => format!(" {word} {{ {left} || !({right}) }}"),
        _ => format!(" {word} {{ {left} }}"),
    }
}

/// Statements about files and directories, with now and then one that may be about anything.
fn policies(dice: &mut Dice) -> String {
    let mut text = String::new();
    for _ in 0..1 + dice.roll(6) {
        if dice.roll(6) == 0 {
            text += &policy(dice);
            continue;
        }
        let effect = ["permit", "permit", "forbid"][dice.roll(3)];
        let action = ["action", "action in [file_system::Action::\"open\", file_system::Action::\"stat\"]"];
        let resource = [
            "resource",
            "resource is file_system::File",
            "resource in file_system::Dir::\"/srv/data\"",
            "resource in file_system::Dir::\"/\"",
            "resource == file_system::File::\"/srv/data/ab\"",
        ];
        text += &format!("{effect}(principal, {}, {})", action[dice.roll(2)], resource[dice.roll(5)]);
        (0..dice.roll(3)).for_each(|_| text += &clause(dice));
        text += ";\n";
    }
    text
}

#[test]
fn a_shared_answer_is_what_each_question_would_get() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let (mut cases, mut shared, mut permitted, mut erred) = (0_u64, 0_u64, 0_u64, 0_u64);

    for round in 0..4 * rounds() {
        let text = policies(&mut dice);
        let mut engine = Engine::new(load(&text, Mode::Rex).unwrap().policies, "root");
        let mut alone = Engine::new(load(&text, Mode::Rex).unwrap().policies, "root").with_cache(false);
        let directory = DIRECTORIES[dice.roll(DIRECTORIES.len())];
        let mut given: Vec<(Rc<Verdict>, String)> = Vec::new();
        for _ in 0..40 {
            let name = NAMES[dice.roll(NAMES.len())];
            let path = format!("{}/{name}", directory.trim_end_matches('/'));
            let action = ACTIONS[dice.roll(ACTIONS.len())];
            let resource = [ResourceRef::File(&path), ResourceRef::Dir(&path)][dice.roll(2)];
            if !action.resources().contains(&resource.kind()) {
                continue;
            }
            let question = Question::new(action, resource);

            let (answer, own) = (engine.decide(&question), alone.decide(&question));

            assert_eq!(*answer, *own, "round {round}: {question:?}\n{text}");
            cases += 1;
            permitted += u64::from(own.permitted);
            erred += u64::from(!own.errors.is_empty());
            // One answer to questions about different names.
            let is_shared = given.iter().any(|(known, of)| Rc::ptr_eq(known, &answer) && *of != path);
            shared += u64::from(is_shared);
            given.push((answer, path));
        }
    }

    // Without these there would have been nothing to compare.
    assert!(cases >= 10_000, "{cases}");
    let enough = shared > cases / 8 && permitted > cases / 8 && erred > cases / 50;
    assert!(enough, "{cases}: {shared} {permitted} {erred}");
}

/// Whether two files get one answer, and not only the same.
fn share(text: &str, action: ActionId, one: &str, other: &str) -> bool {
    let mut engine = Engine::new(load(text, Mode::Rex).unwrap().policies, "root");
    let mut ask = |path| engine.decide(&Question::new(action, ResourceRef::File(path)));
    Rc::ptr_eq(&ask(one), &ask(other))
}

#[test]
fn what_a_statement_tells_apart_is_asked_about_each() {
    let permit = |clause: &str| {
        format!("permit(principal, action, resource in file_system::Dir::\"/srv\") when {{ {clause} }};")
    };
    let stat = ActionId::FileSystemStat;
    for (clause, expected) in [
        ("true", true),
        ("resource.path like \"/srv/*\"", true),
        ("resource.path like \"*.log\"", true),
        ("resource.path like \"*b\"", false),
        ("resource.path != \"/srv/b\"", false),
        ("resource == file_system::File::\"/srv/b\"", false),
        ("resource in file_system::File::\"/srv/b\"", false),
        ("[file_system::File::\"/srv/b\"].contains(resource)", false),
        ("principal == User::\"root\" && context has nothing", true),
        // What is not understood is not shared.
        ("[resource].contains(file_system::File::\"/srv/x\")", false),
        ("file_system::Dir::\"/srv\".path == \"/srv\"", false),
        ("resource.owner == \"root\"", false),
    ] {
        assert_eq!(share(&permit(clause), stat, "/srv/a", "/srv/b"), expected, "{clause}");
    }
    assert!(share(&permit("true"), stat, "/srv/a", "/srv/deep/er/b"));
    assert!(!share(&permit("true"), stat, "/srv/a", "/etc/b"));
    for action in [ActionId::FileSystemWrite, ActionId::FileSystemDelete, ActionId::FileSystemCreate] {
        assert!(!share(&permit("true"), action, "/srv/a", "/srv/b"), "{action:?}");
    }
}
