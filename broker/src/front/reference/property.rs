//! What somebody may have meant with a property that a value does not have.

use super::entry::{Entry, Form};
use super::language::LANGUAGE;
use super::unknown::{MAX_NAME, NOTHING, kind};
use super::{lookup, reference};

/// What to do about a property of a value whose type the engine names so.
pub(super) fn advice(name: &str, of: &str) -> String {
    // Both are the jail's words, which may be anything.
    if name.len() > MAX_NAME || of.len() > MAX_TYPE_NAME {
        return NOTHING.to_owned();
    }
    if of == "()" {
        return format!("what stands before `.{name}` gave no value");
    }
    let module = short(of);
    let reference = reference();
    let of_type: Vec<&Entry> = reference
        .entries()
        .map(|(_, entry)| entry)
        .filter(|entry| entry.module == module || entry.receiver() == Some(module))
        .collect();
    if of_type.iter().any(|entry| entry.form() == Form::Method && entry.name == name) {
        return format!("`{name}()` is a function: write the parentheses");
    }
    let near = of_type.iter().filter(|entry| lookup::is_near(name, entry.plain_name()));
    let near = near.filter_map(|entry| match entry.form() {
        Form::Property => Some((lookup::distance(name, entry.plain_name()), entry.plain_name().to_owned())),
        Form::Method => Some((lookup::distance(name, &entry.name), format!("{}()", entry.name))),
        _ => None,
    });
    if let Some((_, near)) = near.min() {
        return format!("did you mean `{near}`?");
    }
    if !of_type.is_empty() {
        return format!("`rex-broker sdk show {module}` has all that there is");
    }
    let of_language = LANGUAGE.iter().filter(|known| lookup::is_near(name, known));
    match of_language.min_by_key(|known| lookup::distance(name, known)) {
        // The length alone may be had either way.
        Some(&"len") => "did you mean `len`?".to_owned(),
        Some(near) => format!("did you mean `{near}(…)`?"),
        None => format!("{} has no property of that name", kind(of)),
    }
}

/// The name in the table of a type: for Rex the engine tells the one that Rust has for it.
fn short(of: &str) -> &str {
    let last = of.rsplit("::").next().unwrap_or(of);
    last.strip_prefix("Rc").unwrap_or(last)
}

const MAX_TYPE_NAME: usize = 128;
