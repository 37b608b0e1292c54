//! Is the digest for language models what the table makes of it, short enough, and true? `REX_GOLDEN=write` writes it anew.

use std::collections::BTreeSet;
use std::fs;

use rex_broker::front::reference::entry::{Entry, Form};
use rex_broker::front::reference::reference;
use rex_tests::program::checkout;
use rex_tests::runs::Run;

use crate::tree;

/// What the digest may have at most. With the vocabularies `o200k_base`, `cl100k_base` and `p50k_base` a token of it has more than 2.8 bytes, so that
/// this is less than 11,000 tokens; 12,000 would be reached at 2.5 bytes.
const MOST_BYTES: usize = 30_000;

/// Where it lies, and what is written by hand of it.
const DIGEST: &str = "broker/mcp/digest.md";
const HEAD: &str = "broker/mcp/digest.head.md";

#[test]
fn the_digest_is_that_of_the_table_and_short() {
    let expected = digest();
    let path = checkout().join(DIGEST);
    if std::env::var_os("REX_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, &expected).expect("the digest can be written");
    }

    let found = fs::read_to_string(path).expect("there is a digest");

    assert!(found == expected, "{DIGEST} is not what REX_GOLDEN=write would write");
    assert!(found.len() < MOST_BYTES, "{DIGEST} has {} bytes", found.len());
}

#[test]
fn every_name_that_scripts_can_call_is_in_the_digest() {
    let digest = digest();
    let words: BTreeSet<&str> = digest.split(|c: char| !c.is_alphanumeric() && c != '_').collect();

    let operators = [Form::Operator];
    for (_, entry) in reference().entries().filter(|(_, entry)| !operators.contains(&entry.form())) {
        assert!(words.contains(entry.plain_name()), "{} is not in {DIGEST}", entry.call());
    }
}

#[test]
fn every_example_of_the_digest_gives_its_output() {
    let head = head();
    let mut examples = head.split("```rhai\n").skip(1).peekable();
    assert!(examples.peek().is_some(), "{HEAD} has no example");

    for example in examples {
        let (script, rest) = example.split_once("```").expect("a block ends");
        let output = rest.split_once("Output: `").and_then(|(_, rest)| rest.split_once('`'));
        let expected = output.expect("an example says what it gives").0;
        let run = Run::of("");
        let place = run.scratch.path().join("example");
        fs::create_dir(&place).expect("a directory can be made");
        tree::make(&reference().preface, &place);
        let place = place.to_str().expect("it is text").to_owned();
        run.scratch.file("script.rhai", script.replace(tree::PLACE, &place));

        let ended = run.finish();

        assert_eq!(ended.document()["output"], expected, "{script}\n{}", ended.stderr);
    }
}

fn head() -> String {
    fs::read_to_string(checkout().join(HEAD)).expect("there is a head")
}

/// The head, and below it every chapter with a line for each function and few lines for each type.
fn digest() -> String {
    let mut text = head();
    for chapter in reference().chapters {
        let entries: Vec<Entry> = chapter.sections.into_iter().flat_map(|section| section.entries).collect();
        if entries.is_empty() {
            continue;
        }
        text.push_str(&format!("\n## {}\n\n", chapter.title));
        let mut modules: Vec<&str> = Vec::new();
        for entry in &entries {
            if !modules.contains(&entry.module.as_str()) {
                modules.push(&entry.module);
            }
        }
        for module in modules {
            let own: Vec<&Entry> = entries.iter().filter(|entry| entry.module == module).collect();
            for line in if FUNCTIONS.contains(&module) { functions(&own) } else { members(module, &own) } {
                text.push_str(&line);
                text.push('\n');
            }
        }
    }
    text
}

/// One line for each function, with its sentence. What differs in `flags` alone is one.
fn functions(entries: &[&Entry]) -> Vec<String> {
    let with_flags = |name: &str, rest: &[&str]| {
        entries.iter().any(|entry| {
            let parameters = entry.parameters();
            entry.name == name && parameters.first() == Some(&FLAGS) && parameters.get(1..) == Some(rest)
        })
    };
    let without = |name: &str, rest: &[&str]| {
        entries.iter().any(|entry| entry.name == name && entry.parameters() == rest)
    };
    let mut lines = Vec::new();
    for entry in entries {
        let parameters = entry.parameters();
        let is_second = parameters.first() == Some(&FLAGS)
            && without(&entry.name, parameters.get(1..).unwrap_or_default());
        if is_second {
            continue;
        }
        let flags = if with_flags(&entry.name, &parameters) { "[flags,] " } else { "" };
        let rest = parameters.join(", ");
        lines.push(format!(
            "- `{}({}){}` {}",
            entry.name,
            (flags.to_owned() + &rest).trim_end(),
            gives(entry),
            entry.doc
        ));
    }
    lines
}

/// The constants, the properties and the methods of a type or of a module of flags, each in one line.
fn members(module: &str, entries: &[&Entry]) -> Vec<String> {
    let of = |form: Form| entries.iter().filter(move |entry| entry.form() == form);
    let mut lines = Vec::new();
    let mut constants: Vec<String> = of(Form::Constant).map(|entry| entry.name.clone()).collect();
    constants.extend(
        of(Form::ModuleFunction).map(|entry| format!("{}({})", entry.name, entry.parameters().join(", "))),
    );
    if !constants.is_empty() {
        lines.push(format!("- `{module}::` {}", constants.join(", ")));
    }
    let properties: Vec<String> =
        of(Form::Property).map(|entry| format!("{}: {}", entry.plain_name(), entry.returns)).collect();
    if !properties.is_empty() {
        lines.push(format!("- `{module}:` {}", properties.join(", ")));
    }
    let mut calls: Vec<String> = Vec::new();
    for entry in entries {
        let parameters = entry.parameters();
        let call = match entry.form() {
            Form::Constructor => format!("{}({})", entry.name, parameters.join(", ")),
            Form::Function => format!("{}({}){}", entry.name, parameters.join(", "), gives(entry)),
            Form::Method if entry.name != "to_string" || parameters.len() > 1 => {
                let rest = parameters.get(1..).unwrap_or_default().join(", ");
                // What a builder gives is the builder, until it is built.
                let ends = entry.name == "build" || entry.returns.ends_with("Builder");
                format!(".{}({rest}){}", entry.name, if ends { String::new() } else { gives(entry) })
            }
            _ => continue,
        };
        if !calls.contains(&call) {
            calls.push(call);
        }
    }
    if !calls.is_empty() {
        let is_made = entries.iter().any(|entry| entry.form() == Form::Constructor);
        let name = if is_made { String::new() } else { format!("`{module}` ") };
        lines.push(format!("- {name}{}", calls.join(" ")));
    }
    lines
}

fn gives(entry: &Entry) -> String {
    if entry.returns == "()" { String::new() } else { format!(" -> {}", entry.returns) }
}

/// The modules of what is called without a value before it.
const FUNCTIONS: [&str; 2] = ["command", "global"];

const FLAGS: &str = "flags: Array";
