//! Which entries somebody means by a name or a few words.

use super::entry::{Entry, Reference, Section};

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

/// The entries that have every one of these words somewhere in their name, documentation or actions; those that have
/// them in the name come first.
pub(super) fn containing<'r>(reference: &'r Reference, words: &[String]) -> Vec<(&'r Section, &'r Entry)> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
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
        words.iter().all(|word| text.contains(word.as_str()))
    };
    let mut found: Vec<_> = reference.entries().filter(has_all).collect();
    found.sort_by_key(|(_, entry)| {
        let name = entry.qualified_name().to_lowercase();
        !words.iter().all(|word| name.contains(word.as_str()))
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
