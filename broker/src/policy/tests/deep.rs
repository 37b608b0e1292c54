//! Deep paths: what a decision costs grows with the path, and not with its square.

use rex_ipc::action::ActionId;

use super::*;
use crate::policy::by_directory::work;

/// A policy that names directories at several depths, with a condition that may look into one of them.
fn policy(condition: &str) -> String {
    let deep = [0, 1, 2, 10, 100, 500].map(|depth| format!("/{}", vec!["a"; depth].join("/")));
    let permits = deep.iter().map(|directory| {
        format!("permit(principal, action, resource in file_system::Dir::\"{directory}\") when {{ {condition} }};\n")
    });
    permits.collect()
}

/// The bytes of names that were read to decide on a path of so many components.
fn work_for(engine: &mut Engine, depth: usize) -> u64 {
    let path = "/a".repeat(depth);
    let question = Question::new(ActionId::FileSystemRead, ResourceRef::File(&path));
    work::take();

    let verdict = engine.decide(&question);

    assert!(verdict.permitted, "{:?}", verdict.errors);
    work::take()
}

#[test]
fn the_work_for_a_decision_grows_with_the_length_of_the_path() {
    for condition in [
        "true",
        "file_system::Dir::\"/a\".path == \"/a\"",
        "file_system::Dir::\"/a\" in file_system::Dir::\"/\"",
    ] {
        let mut engine = engine(&policy(condition)).with_cache(false);
        let constant = work_for(&mut engine, 501);

        for depth in [1000, 2000, 4000, 8000] {
            let work = work_for(&mut engine, depth);

            // Twice the path, and the names in the policy.
            assert!(
                work <= 4 * depth as u64 + constant,
                "{condition}: {work} for {depth}, {constant} at first"
            );
        }
    }
}

// A directory that some policy looks into is there with what is above it, however deep the resource lies.
#[test]
fn what_a_policy_looks_into_is_there() {
    let deep = format!("{}/x", "/a".repeat(300));
    let above = "/a".repeat(200);
    for (condition, expected) in [
        (format!("file_system::Dir::\"{above}\".path == \"{above}\""), true),
        (format!("file_system::Dir::\"{above}\" in file_system::Dir::\"/a\""), true),
        (format!("file_system::Dir::\"/a\" in file_system::Dir::\"{above}\""), false),
        ("file_system::Dir::\"/b\" in file_system::Dir::\"/\"".to_owned(), false),
    ] {
        let text = format!("permit(principal, action, resource) when {{ {condition} }};");

        assert_eq!(may_read(&text, &deep), expected, "{condition}");
    }
}
