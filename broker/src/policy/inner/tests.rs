//! Is whatever a program is granted permitted by Cedar, and is what can be granted granted?

use rex_ipc::action::ActionId;
use rex_ipc::action::ResourceKind::{Dir, File};

use super::*;
use crate::policy::question::{ContextRef, Program, Question, ResourceRef};
use crate::policy::{Engine, Loaded, Mode, PolicyText};

fn policies(text: &str) -> Option<Policies> {
    let loaded = Policies::load(&[PolicyText { name: "test.cedar", text }], Mode::Rex);
    loaded.ok().map(|Loaded { policies, .. }| policies)
}

fn path(text: &str) -> PathName {
    PathName::parse(text).unwrap()
}

fn inner(text: &str) -> Inner {
    policies(text).unwrap().inner("root", &[])
}

/// What may be done at a path, whatever places say it.
fn rights_at(inner: &Inner, at: &str) -> Vec<InnerRight> {
    let at = path(at);
    let mut rights: Vec<InnerRight> = inner
        .places
        .iter()
        .filter(|place| match place.is_tree {
            true => at.is_within(&place.path) && !place.except.iter().any(|except| at.is_within(except)),
            false => at == place.path,
        })
        .flat_map(|place| place.rights.clone())
        .collect();
    rights.sort();
    rights.dedup();
    rights
}

const READER: &str = r#"permit(principal, action in [file_system::Action::"open", file_system::Action::"read"], resource in file_system::Dir::"/srv/app");"#;

#[test]
fn what_a_permit_says_of_a_directory_a_program_may_below_it() {
    let inner = inner(READER);

    assert_eq!(rights_at(&inner, "/srv/app/a/b"), [InnerRight::Read, InnerRight::List]);
    assert_eq!(rights_at(&inner, "/srv/app"), [InnerRight::Read, InnerRight::List]);
    assert_eq!(rights_at(&inner, "/srv"), []);
    assert_eq!(rights_at(&inner, "/srv/apple"), []);
}

#[test]
fn a_condition_gives_nothing() {
    for condition in ["when { true }", "when { resource.path like \"*\" }", "unless { context has x }"] {
        let text = READER.replace(';', &format!(" {condition};"));
        assert_eq!(inner(&text).places, [], "{condition}");
    }
}

#[test]
fn what_a_forbid_could_match_is_left_out() {
    let forbid = |rest: &str| format!("{READER} forbid(principal, action, resource {rest});");

    let kept = inner(&forbid(r#"in file_system::Dir::"/srv/app/keys")"#).replace("));", ");"));
    assert_eq!(rights_at(&kept, "/srv/app/keys/a"), []);
    assert_eq!(rights_at(&kept, "/srv/app/other"), [InnerRight::Read, InnerRight::List]);
    // It might be true of anything.
    let doubtful =
        format!("{READER} forbid(principal, action, resource) when {{ principal == User::\"x\" }};");
    assert_eq!(inner(&doubtful).places, []);
    // Another act of the same place is another thing.
    let write = format!(
        "{READER} forbid(principal, action == file_system::Action::\"write\", resource in file_system::Dir::\"/srv\");"
    );
    assert_eq!(rights_at(&inner(&write), "/srv/app/a"), [InnerRight::Read, InnerRight::List]);
}

#[test]
fn what_no_policy_opens_is_left_out_too() {
    let policies = policies(READER).unwrap();

    let inner_of = |closed: &str| policies.inner("root", &[path(closed)]);

    assert_eq!(rights_at(&inner_of("/srv/app/log"), "/srv/app/log/a"), []);
    assert_eq!(rights_at(&inner_of("/srv/app/log"), "/srv/app/a"), [InnerRight::Read, InnerRight::List]);
    assert_eq!(inner_of("/srv").places, []);
}

#[test]
fn another_principal_s_permits_are_its_own() {
    let text = READER.replace("permit(principal", "permit(principal == User::\"other\"");

    assert_eq!(inner(&text).places, []);
    assert_ne!(policies(&text).unwrap().inner("other", &[]).places, []);
}

#[test]
fn one_file_is_granted_with_its_directory_and_one_directory_is_not() {
    let both = r#"permit(principal, action == file_system::Action::"open", resource == file_system::Dir::"/etc");
        permit(principal, action in [file_system::Action::"open", file_system::Action::"read"], resource == file_system::File::"/etc/motd");"#;
    let alone = r#"permit(principal, action in [file_system::Action::"open", file_system::Action::"read"], resource == file_system::File::"/etc/motd");"#;
    let directory = r#"permit(principal, action in [file_system::Action::"open", file_system::Action::"read"], resource == file_system::Dir::"/etc");"#;

    assert_eq!(rights_at(&inner(both), "/etc/motd"), [InnerRight::Read]);
    assert_eq!(inner(alone).places, []);
    assert_eq!(inner(directory).places, []);
}

#[test]
fn an_action_could_be_permitted_only_where_a_permit_names_it() {
    let could = |text: &str| policies(text).unwrap().could_permit(ActionId::FileSystemExecute);

    assert!(!could(READER));
    assert!(could(r#"permit(principal, action, resource) when { false || principal == User::"x" };"#));
    assert!(could(r#"permit(principal, action == file_system::Action::"execute", resource);"#));
    assert!(!could(r#"forbid(principal, action == file_system::Action::"execute", resource);"#));
    assert!(could(r#"permit(principal, action in file_system::Action::"SafeIO", resource);"#));
}

// Each start of a run pays for it.
#[test]
fn each_rule_is_looked_at_as_often_for_a_thousand_permits_as_for_ten() {
    let looks_for_each = |count: u64| {
        let text: String = (0..count).map(|at| READER.replace("/srv/app", &format!("/srv/{at}"))).collect();
        let policies = policies(&text).unwrap();
        let mut reader = Reader::new(&policies, "root", &[]);
        for right in InnerRight::ALL {
            reader.read(right);
        }
        assert_eq!(reader.places.len() as u64, count);
        reader.looks / count
    };

    let (few, many) = (looks_for_each(10), looks_for_each(300));

    assert_eq!(few, many);
    assert!((1..=60).contains(&many), "{many}");
}

#[test]
fn what_begins_alike_is_not_taken_for_what_lies_within() {
    let text = format!(
        "{READER} forbid(principal, action, resource in file_system::Dir::\"/srv/app-x\");\
         forbid(principal, action, resource == file_system::File::\"/srv/app!\");\
         forbid(principal, action, resource == file_system::File::\"/srv/app/a\");"
    );

    let places = inner(&text).places;

    let except: Vec<_> = places.into_iter().flat_map(|place| place.except).collect();
    assert_eq!(except, [path("/srv/app/a")]);
}

/// Numbers that come around in everything that is tried.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const PATHS: [&str; 10] = ["/", "/a", "/a/b", "/a/b/c", "/a/b/c/d", "/a/bc", "/a/x", "/z", "/z/a", "/a/b/x"];
const ACTIONS: [&str; 8] = ["open", "read", "write", "create", "delete", "execute", "move", "stat"];
const CONDITIONS: [&str; 9] = [
    "",
    "",
    "",
    "when { true }",
    "when { resource.path like \"/a/*\" }",
    "unless { principal == User::\"other\" }",
    "when { resource in file_system::Dir::\"/a/b\" }",
    "when { resource.path == \"/a/b/c\" || resource in file_system::Dir::\"/z\" }",
    "when { context has user && 9223372036854775807 + context.user.uid > 0 }",
];

fn random_policy(numbers: &mut Numbers) -> String {
    let mut text = String::new();
    for _ in 0..1 + numbers.below(5) {
        let effect = numbers.one(&["permit", "permit", "permit", "forbid"]);
        let principal = numbers.one(&[
            "principal",
            "principal",
            "principal == User::\"root\"",
            "principal == User::\"other\"",
            "principal is User",
        ]);
        let action = match numbers.below(4) {
            0 => "action".to_owned(),
            1 => "action in file_system::Action::\"SafeIO\"".to_owned(),
            _ => {
                let names: Vec<String> = (0..1 + numbers.below(5))
                    .map(|_| format!("file_system::Action::\"{}\"", numbers.one(&ACTIONS)))
                    .collect();
                format!("action in [{}]", names.join(", "))
            }
        };
        let path = numbers.one(&PATHS);
        let resource = match numbers.below(7) {
            0 => "resource".to_owned(),
            1 => "resource is file_system::File".to_owned(),
            2 => format!("resource == file_system::File::\"{path}\""),
            3 => format!("resource == file_system::Dir::\"{path}\""),
            4 => format!("resource is file_system::File in file_system::Dir::\"{path}\""),
            _ => format!("resource in file_system::Dir::\"{path}\""),
        };
        let condition = numbers.one(&CONDITIONS);
        text.push_str(&format!("{effect}({principal}, {action}, {resource}) {condition};\n"));
    }
    text
}

/// What Cedar says of one thing that a right is worth.
fn permits(engine: &mut Engine, action: ActionId, resource: ResourceRef<'_>) -> bool {
    let program = Program { name: "p".to_owned(), uid: 7, ..Program::default() };
    let context = match action {
        ActionId::FileSystemExecute => ContextRef::Program(&program),
        ActionId::FileSystemMove => ContextRef::Move { path: "/a/b/n", name: "n", parent_path: "/a/b" },
        _ => ContextRef::None,
    };
    engine.decide(&Question { context, ..Question::new(action, resource) }).permitted
}

/// Loading a policy takes long in a build without optimization.
const ROUNDS: usize = if cfg!(debug_assertions) { 300 } else { 10_000 };

// Behind a program nothing decides any more, so that whatever it is granted has to be right.
#[test]
fn whatever_a_program_is_granted_cedar_permits() {
    let mut numbers = Numbers(17);
    let (mut policies_tried, mut rights_tried) = (0, 0);
    while policies_tried < ROUNDS {
        let text = random_policy(&mut numbers);
        let Some(loaded) = policies(&text) else { continue };
        policies_tried += 1;
        let inner = loaded.inner("root", &[]);
        if inner.places.is_empty() {
            continue;
        }
        let mut engine = Engine::new(loaded, "root");
        for at in PATHS {
            for right in rights_at(&inner, at) {
                for (action, kind) in right.needs() {
                    let is_file_alone =
                        inner.places.iter().any(|place| !place.is_tree && place.path == path(at));
                    // Of one file the directory is meant that it is in.
                    let parent = path(at).parent();
                    let what = match (*kind, is_file_alone) {
                        (Dir, true) => ResourceRef::Dir(parent.as_str()),
                        (Dir, false) => ResourceRef::Dir(at),
                        // The place itself is a directory.
                        (File, _)
                            if inner.places.iter().any(|place| place.is_tree && place.path == path(at)) =>
                        {
                            continue;
                        }
                        _ => ResourceRef::File(at),
                    };
                    rights_tried += 1;
                    assert!(
                        permits(&mut engine, *action, what),
                        "{right:?} at {at}: {action:?} {what:?}\n{text}"
                    );
                }
            }
        }
    }
    // Else it would have shown nothing.
    assert!(rights_tried > ROUNDS, "{rights_tried}");
}
