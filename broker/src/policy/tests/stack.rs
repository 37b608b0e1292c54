//! Hostile texts: none may overflow the stack, whatever it nests.

use rex_ipc::action::ActionId;

use super::*;

/// A text of one kind, nested so often.
type Shape = fn(usize) -> String;

const SHAPES: &[Shape] = &[
    |n| when(&format!("{}true{}", "(".repeat(n), ")".repeat(n))),
    |n| when(&format!("{}1{} == 1", "[".repeat(n), "]".repeat(n))),
    |n| when(&format!("{}1{} == 1", "{a: ".repeat(n), "}".repeat(n))),
    |n| when(&format!("{}true{}", "[(".repeat(n), ")]".repeat(n))),
    |n| when(&format!("{}true{}", "!(".repeat(n), ")".repeat(n))),
    |n| when(&format!("{}1{} == 1", "ip(".repeat(n), ")".repeat(n))),
    |n| when(&format!("{}1{}", "resource.contains(".repeat(n), ")".repeat(n))),
    |n| when(&format!("{}true{}", "principal == principal || (".repeat(n), ")".repeat(n))),
    |n| when(&format!("{}true", "principal == principal || ".repeat(n))),
    |n| when(&format!("{}true", "principal == principal && ".repeat(n))),
    |n| when(&format!("{}1 == 1", "1 + ".repeat(n))),
    |n| when(&format!("{}1 == 1", "1 * ".repeat(n))),
    |n| when(&format!("{}true", "!".repeat(n))),
    |n| when(&format!("{}1 == 1", "-".repeat(n))),
    |n| when(&format!("{}true", "true == ".repeat(n))),
    |n| when(&format!("resource{} == 1", ".a".repeat(n))),
    |n| when(&format!("resource{} == 1", "[\"a\"]".repeat(n))),
    |n| when(&format!("resource{}", ".isEmpty()".repeat(n))),
    |n| when(&format!("resource has a{}", ".a".repeat(n))),
    |n| when(&format!("resource is {}a", "a::".repeat(n))),
    |n| when(&format!("{}true{}", "if true then ".repeat(n), " else false".repeat(n))),
    |n| when(&format!("{}true", "if true then true else ".repeat(n))),
    |n| when(&format!("{}true{}", "if ".repeat(n), " then true else false".repeat(n))),
    |n| when(&format!("[{}1] == 1", "1, ".repeat(n))),
    |n| format!("permit(principal, action, resource){};", " when { resource == resource }".repeat(n)),
    |n| {
        format!(
            "{}permit(principal, action, resource);",
            (0..n).map(|n| format!("@a{n}(\"\") ")).collect::<String>()
        )
    },
    |n| "(".repeat(n),
    |n| "permit(principal, action, resource) when {[".repeat(n),
    |n| ")".repeat(n),
    |n| "\"".repeat(n),
    |n| "/".repeat(n),
    |n| "@".repeat(n),
];

fn when(condition: &str) -> String {
    format!("permit(principal, action, resource) when {{ {condition} }};")
}

/// Loads and asks with the stack of a main thread. An overflow would end the whole test program.
fn survives(shape: Shape, count: usize) -> bool {
    let run = move || {
        let text = shape(count);
        for mode in [Mode::Standard, Mode::Rex] {
            if let Ok(loaded) = load(&text, mode) {
                Engine::new(loaded.policies, "root")
                    .decide(&Question::new(ActionId::FileSystemRead, ResourceRef::File("/a")));
            }
        }
    };
    std::thread::Builder::new().stack_size(8 << 20).spawn(run).is_ok_and(|thread| thread.join().is_ok())
}

#[test]
fn no_nesting_overflows_the_stack() {
    for (position, shape) in SHAPES.iter().enumerate() {
        // Around what the guard lets through, and far beyond it.
        for count in [33, 64, 67, 250, 490, 740, 1_490, 10_000] {
            assert!(survives(*shape, count), "shape {position} at {count}");
        }
    }
}

#[test]
fn twenty_thousand_parentheses_are_refused_with_their_place() {
    let errors = refused(&when(&format!("{}true{}", "(".repeat(20_000), ")".repeat(20_000))), Mode::Rex);

    let [only] = errors.findings() else { panic!("{errors}") };
    assert_eq!((only.line, only.message.as_str()), (1, "the expression is nested too deeply"));
    assert!(only.column > 40);
}

#[test]
fn long_lists_and_many_alternatives_are_no_nesting() {
    let files: Vec<String> = (0..5_000).map(|number| format!("file_system::File::\"/f/{number}\"")).collect();
    let list =
        format!("permit(principal, action, resource) when {{ [{}].contains(resource) }};", files.join(", "));
    let alternatives: Vec<String> =
        files.iter().take(700).map(|file| format!("resource == {file}")).collect();
    let chain = when(&alternatives.join(" || "));

    let run = move || {
        assert!(may_read(&list, "/f/4999"));
        assert!(may_read(&chain, "/f/699"));
        assert!(!may_read(&chain, "/f/700"));
    };
    // Without optimization, evaluation needs several times the stack.
    std::thread::Builder::new().stack_size(64 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn texts_beyond_all_measure_are_refused() {
    let errors = refused(&" ".repeat((16 << 20) + 1), Mode::Rex);

    assert!(errors.findings()[0].message.contains("longer"));
}
