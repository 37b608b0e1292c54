//! Which entries somebody means by a name or a few words.

use super::entry::{Entry, Form, Reference, Section};
use super::uses;

/// The sections that a name means: the overloads of a function, or everything of a type or module.
///
/// A name may be written as in a script (`grep::n`, `FileHandle.read`), as in a list (`FindOptionsBuilder.name(String)`),
/// alone (`read`), or as it was registered (`get$name`).
pub(super) fn named<'r>(reference: &'r Reference, name: &str) -> Vec<&'r Section> {
    // As `sdk list` and `sdk search` print it, with what stands between the parentheses.
    let name = name.split_once('(').map_or(name, |(name, _)| name).trim_end();
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

/// Whether somebody who wrote one name may have meant the other: a few letters differ, or one is the beginning of the other
/// and at least half of it.
pub(super) fn is_near(written: &str, name: &str) -> bool {
    distance(written, name) <= (written.chars().count() / 3).max(1) || is_abbreviation(written, name)
}

/// `exec` for `execute`, and `length` for `len`.
fn is_abbreviation(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    short.len() >= 3 && short.len().saturating_mul(2) >= long.len() && long.starts_with(&short)
}

/// How many letters differ, in any letter case.
pub(super) fn distance(written: &str, name: &str) -> usize {
    strsim::damerau_levenshtein(&written.to_lowercase(), &name.to_lowercase())
}

/// Entries with the sections that they stand in.
pub(super) type Found<'r> = Vec<(&'r Section, &'r Entry)>;

/// The entries that have every one of these words in their name, use, documentation or actions: first what is called so,
/// then what is for it, then what has the words in its name, and then the rest. Kinds of errors come last, and what has a
/// word only within another one is there if nothing has the word itself.
pub(super) fn containing<'r>(reference: &'r Reference, words: &[String]) -> Found<'r> {
    ranked(reference, words, |ranks| ranks.iter().copied().collect())
}

/// The entries that have any of these words, those that have most of them first.
pub(super) fn containing_any<'r>(reference: &'r Reference, words: &[String]) -> Found<'r> {
    ranked(reference, words, |ranks| {
        let found: Vec<Rank> = ranks.iter().flatten().copied().collect();
        (!found.is_empty()).then_some(found)
    })
}

/// Whether a search for this word finds what is called so, is for it, or has the word in its name.
pub(super) fn names_or_means(reference: &Reference, word: &str) -> bool {
    let words = [word.to_lowercase()];
    let found = ranked(reference, &words, |ranks| {
        ranks
            .iter()
            .copied()
            .collect::<Option<Vec<_>>>()
            .filter(|ranks| ranks.iter().all(|rank| *rank <= Rank::InName))
    });
    !found.is_empty()
}

/// How well an entry answers to a word; the first is the best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It is called so.
    Name,
    /// It is the one for it, at this place of those that are.
    Use(usize),
    /// It has the word in its name.
    InName,
    /// The word stands within one of its name.
    WithinName,
    /// Its documentation has the word.
    InText,
    /// The word stands within one of its documentation.
    WithinText,
}

fn ranked<'r>(
    reference: &'r Reference,
    words: &[String],
    wanted: impl Fn(&[Option<Rank>]) -> Option<Vec<Rank>>,
) -> Found<'r> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let by_use: Vec<Vec<&Entry>> = words.iter().map(|word| uses::entries(reference, word)).collect();
    let mut found: Vec<_> = reference
        .entries()
        .filter_map(|(section, entry)| {
            let name = entry.qualified_name().to_lowercase();
            let text = text_of(section, entry);
            let ranks: Vec<Option<Rank>> = words
                .iter()
                .zip(&by_use)
                .map(|(word, uses)| rank(entry, (&name, &text), word, uses))
                .collect();
            let ranks = wanted(&ranks)?;
            let missing = words.len().saturating_sub(ranks.len());
            let is_called_so = ranks.contains(&Rank::Name);
            let is_kind = entry.module.ends_with("ErrorKind") && !is_called_so;
            // One word that is the name says more than all of them in a text.
            let worst = ranks.iter().max().copied().filter(|_| !is_called_so);
            let first_use = ranks.iter().filter(|rank| matches!(rank, Rank::Use(_))).min().copied();
            Some(((missing, is_kind, first_use.or(worst)), section, entry))
        })
        .collect();
    found.sort_by_key(|(key, _, _)| *key);
    let is_loose = |key: &(usize, bool, Option<Rank>)| key.2 == Some(Rank::WithinText);
    if found.iter().any(|(key, _, _)| !is_loose(key)) {
        found.retain(|(key, _, _)| !is_loose(key));
    }
    found.into_iter().map(|(_, section, entry)| (section, entry)).collect()
}

fn rank(entry: &Entry, (name, text): (&str, &str), word: &str, uses: &[&Entry]) -> Option<Rank> {
    if word == name || word == entry.plain_name().to_lowercase() {
        return Some(Rank::Name);
    }
    if let Some(place) = uses.iter().position(|found| std::ptr::eq(*found, entry)) {
        return Some(Rank::Use(place));
    }
    match () {
        () if has_word(&name.replace('_', " "), word) => Some(Rank::InName),
        () if name.contains(word) => Some(Rank::WithinName),
        () if has_word(text, word) => Some(Rank::InText),
        () if text.contains(word) => Some(Rank::WithinText),
        () => None,
    }
}

/// Everything that is said of an entry, in small letters.
fn text_of(section: &Section, entry: &Entry) -> String {
    let mut text = [entry.call(), entry.doc.clone(), entry.actions.clone(), section.text.clone()].join("\n");
    for remark in section.arguments.iter().chain(&section.errors) {
        text.push('\n');
        text.push_str(&remark.name);
        text.push('\n');
        text.push_str(&remark.text);
    }
    text.to_lowercase()
}

/// Whether a text has this word, or its plural; what is searched for may be several words itself.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default().chars().next_back();
        let behind = text.get(at.saturating_add(word.len())..).unwrap_or_default();
        let behind = behind
            .strip_prefix("es")
            .or_else(|| behind.strip_prefix('s'))
            .filter(|rest| !rest.starts_with(is_part))
            .unwrap_or(behind);
        !before.is_some_and(is_part) && !behind.starts_with(is_part)
    })
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

/// Every way to write the name of an entry; of what is called on a builder, with that of the builder, too.
fn spellings(entry: &Entry) -> Vec<String> {
    let plain = entry.plain_name();
    let mut spellings = vec![
        entry.name.clone(),
        plain.to_owned(),
        format!("{}.{plain}", entry.module),
        format!("{}::{plain}", entry.module),
    ];
    if let Some(receiver) = entry.receiver().filter(|receiver| *receiver != entry.module) {
        spellings.push(format!("{receiver}.{plain}"));
        spellings.push(format!("{receiver}::{plain}"));
    }
    spellings
}
