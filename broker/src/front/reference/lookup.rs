//! Which entries somebody means by a name or a few words.

use super::entry::{Entry, Form, Reference, Section};
use super::uses;

/// The sections that a name means: the overloads of a function, or everything of a type or module.
///
/// A name may be written as in a script (`grep::n`, `FileHandle.read`), alone (`read`), or as it was registered
/// (`get$name`).
pub(super) fn named<'r>(reference: &'r Reference, name: &str) -> Vec<&'r Section> {
    let name = name.strip_suffix("()").unwrap_or(name);
    let by_name = sections_with(reference, |entry| spellings(entry).iter().any(|spelled| spelled == name));
    let of_module = sections_with(reference, |entry| is_module(entry, name));
    // What is called `cat` comes first, then its flags, which belong to the module of that name.
    let rest: Vec<_> = of_module
        .into_iter()
        .filter(|section| !by_name.iter().any(|found| std::ptr::eq(*found, *section)))
        .collect();
    [by_name, rest].concat()
}

/// The names that are nearest to one that does not exist, best first, at most five.
pub(super) fn nearest(reference: &Reference, name: &str) -> Vec<String> {
    let written = name.to_lowercase();
    let limit = (written.chars().count() / 3).max(1);
    let mut found: Vec<(usize, String)> = Vec::new();
    for (_, entry) in reference.entries() {
        let distances = spellings(entry).into_iter().chain([entry.module.clone()]).map(|spelled| {
            let candidate = spelled.to_lowercase();
            let contains = candidate.len() > 2 && written.len() > 2 && candidate.contains(&written);
            let distance = if contains { limit } else { strsim::damerau_levenshtein(&written, &candidate) };
            (distance, spelled)
        });
        let Some((distance, spelled)) = distances.min() else { continue };
        let suggested = if spelled == entry.module { spelled } else { entry.qualified_name() };
        if distance <= limit && !found.iter().any(|(_, known)| *known == suggested) {
            found.push((distance, suggested));
        }
    }
    found.sort();
    found.into_iter().map(|(_, suggested)| suggested).take(5).collect()
}

/// The calls whose names are nearest to one that does not exist, best first, each name once.
pub(super) fn nearest_calls(reference: &Reference, name: &str) -> Vec<String> {
    let mut found: Vec<(usize, &str, String)> = Vec::new();
    for (_, entry) in reference.entries() {
        let is_call = !matches!(entry.form(), Form::Constant | Form::Operator | Form::Property);
        if is_call && is_near(name, &entry.name) && !found.iter().any(|(_, known, _)| *known == entry.name) {
            found.push((distance(name, &entry.name), &entry.name, entry.call()));
        }
    }
    found.sort();
    found.into_iter().map(|(_, _, call)| call).collect()
}

/// Whether somebody who wrote one name may have meant the other.
pub(super) fn is_near(written: &str, name: &str) -> bool {
    distance(written, name) <= (written.chars().count() / 3).max(1)
}

fn distance(written: &str, name: &str) -> usize {
    strsim::damerau_levenshtein(&written.to_lowercase(), &name.to_lowercase())
}

/// The entries that have every one of these words in their name, use, documentation or actions: first what is called so,
/// then what is for it, then what has the words in its name, and then the rest.
pub(super) fn containing<'r>(reference: &'r Reference, words: &[String]) -> Vec<(&'r Section, &'r Entry)> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let by_use: Vec<Vec<&Entry>> = words.iter().map(|word| uses::entries(reference, word)).collect();
    let is_for =
        |of_word: &Vec<&Entry>, entry: &Entry| of_word.iter().position(|found| std::ptr::eq(*found, entry));
    let has_all = |(section, entry): &(&Section, &Entry)| {
        let mut text =
            [entry.call(), entry.doc.clone(), entry.actions.clone(), section.text.clone()].join("\n");
        for remark in section.arguments.iter().chain(&section.errors) {
            text.push('\n');
            text.push_str(&remark.name);
            text.push('\n');
            text.push_str(&remark.text);
        }
        let text = text.to_lowercase();
        let mut with_uses = words.iter().zip(&by_use);
        with_uses.all(|(word, of_word)| text.contains(word.as_str()) || is_for(of_word, entry).is_some())
    };
    let mut found: Vec<_> = reference.entries().filter(has_all).collect();
    found.sort_by_key(|(_, entry)| {
        let name = entry.qualified_name().to_lowercase();
        let is_exact = |word: &String| *word == name || *word == entry.plain_name().to_lowercase();
        let first_use = by_use.iter().filter_map(|of_word| is_for(of_word, entry)).min();
        match (words.iter().any(is_exact), first_use) {
            (true, _) => (0, 0),
            (false, Some(place)) => (1, place),
            (false, None) if words.iter().all(|word| name.contains(word.as_str())) => (2, 0),
            (false, None) => (3, 0),
        }
    });
    found
}

fn sections_with(reference: &Reference, wanted: impl Fn(&Entry) -> bool) -> Vec<&Section> {
    reference
        .sections()
        .map(|(_, section)| section)
        .filter(|section| section.entries.iter().any(&wanted))
        .collect()
}

fn is_module(entry: &Entry, name: &str) -> bool {
    let builder = name.strip_suffix("Builder").unwrap_or(name);
    !matches!(name, "command" | "global") && (entry.module == name || entry.module == builder)
}

/// Every way to write the name of an entry.
fn spellings(entry: &Entry) -> Vec<String> {
    let plain = entry.plain_name();
    vec![
        entry.name.clone(),
        plain.to_owned(),
        format!("{}.{plain}", entry.module),
        format!("{}::{plain}", entry.module),
    ]
}
