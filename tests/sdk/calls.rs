//! Which entries an example calls.

use rex_broker::front::reference::entry::{Entry, Form, Reference};

/// The entries whose name and number of arguments occur in the script, which is the example for `own`.
///
/// Of several types that have a method of the same form, the section's own is meant.
pub(crate) fn called<'r>(reference: &'r Reference, own: &'r [Entry], script: &str) -> Vec<&'r Entry> {
    let form = |entry: &Entry| (entry.name.clone(), entry.parameters().len());
    let own_forms: Vec<_> = own.iter().map(form).collect();
    let calls = calls(script);
    let is_called = |entry: &&Entry| {
        let count = entry.parameters().len();
        let namespaced = matches!(entry.form(), Form::ModuleFunction);
        calls.iter().any(|call| {
            call.name == entry.name
                && call.after_colons == namespaced
                && call.arguments + usize::from(call.after_dot) == count
                && (!call.after_dot || matches!(entry.form(), Form::Method | Form::Function))
        })
    };
    let others = reference.entries().map(|(_, entry)| entry).filter(is_called);
    own.iter().chain(others.filter(|entry| !own_forms.contains(&form(entry)))).collect()
}

/// Whether the script uses the entry in the form in which the reference spells it.
pub(crate) fn uses(script: &str, entry: &Entry) -> bool {
    let count = entry.parameters().len();
    let name = entry.plain_name();
    match entry.form() {
        Form::Constant => script.contains(&format!("{}::{}", entry.module, entry.name)),
        Form::Property => script.contains(&format!(".{name}")),
        Form::Operator => script.contains(&format!(" {} ", entry.name)),
        Form::ModuleFunction => script.contains(&format!("{}::{}(", entry.module, entry.name)),
        Form::Method => calls(script)
            .iter()
            .any(|call| call.name == name && call.after_dot && call.arguments + 1 == count),
        Form::Constructor | Form::Function => calls(script)
            .iter()
            .any(|call| call.name == name && call.arguments + usize::from(call.after_dot) == count),
    }
}

struct Call {
    name: String,
    after_dot: bool,
    after_colons: bool,
    arguments: usize,
}

/// Every `name(...)` in the script. Texts must not contain parentheses that look like one.
fn calls(script: &str) -> Vec<Call> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut calls = Vec::new();
    for (at, _) in script.match_indices('(') {
        let before = &script[..at];
        let start = before.rfind(|c| !is_part(c)).map_or(0, |index| index + 1);
        let name = &before[start..];
        if name.is_empty() {
            continue;
        }
        calls.push(Call {
            name: name.into(),
            after_dot: before[..start].ends_with('.') && !before[..start].ends_with(".."),
            after_colons: before[..start].ends_with("::"),
            arguments: arguments(&script[at + 1..]),
        });
    }
    calls
}

/// The number of arguments up to the closing parenthesis.
fn arguments(text: &str) -> usize {
    let (mut depth, mut commas, mut quoted) = (0_usize, 0, None);
    let mut escaped = false;
    let mut is_empty = true;
    for character in text.chars() {
        match (quoted, character) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(quote), _) if quote == character => quoted = None,
            (Some(_), _) => {}
            (None, '"' | '`') => {
                quoted = Some(character);
                is_empty = false;
            }
            (None, ')') if depth == 0 => return if is_empty { 0 } else { commas + 1 },
            (None, '(' | '[' | '{') => {
                depth += 1;
                is_empty = false;
            }
            (None, ')' | ']' | '}') => depth -= 1,
            // The bars of a closure separate nothing; none of the examples has a closure with two parameters.
            (None, ',') if depth == 0 => commas += 1,
            (None, character) if !character.is_whitespace() => is_empty = false,
            _ => {}
        }
    }
    panic!("a parenthesis is not closed: {text}");
}

#[test]
fn calls_are_found_with_their_arguments() {
    let script = r#"let d = open([a(1, 2), 3], ")"); d.read().x(|e| e.name(1)); m::f(1)"#;

    let found: Vec<(String, usize, bool, bool)> = calls(script)
        .into_iter()
        .map(|call| (call.name, call.arguments, call.after_dot, call.after_colons))
        .collect();

    let expected = [
        ("open", 2, false, false),
        ("a", 2, false, false),
        ("read", 0, true, false),
        ("x", 1, true, false),
        ("name", 1, true, false),
        ("f", 1, false, true),
    ];
    assert_eq!(found, expected.map(|(name, count, dot, colons)| (name.to_owned(), count, dot, colons)));
}
