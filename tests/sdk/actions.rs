//! What the column of actions says: what may be asked, and what is asked in any case.

use std::collections::BTreeSet;

use rex_broker::front::reference::entry::{Entry, Reference};

/// An action and the type of its resource, as in `read File`.
pub(crate) type Asked = (String, &'static str);

const ACTIONS: [&str; 12] = [
    "chmod",
    "chown",
    "create",
    "delete",
    "execute",
    "move",
    "open",
    "read",
    "redacted_read",
    "set_x_attr",
    "stat",
    "write",
];
const TYPES: [&str; 2] = ["Dir", "File"];

/// Everything that the entry may ask for.
///
/// An action without a type, as in `open + stat per entry`, is asked for either.
pub(crate) fn possible(reference: &Reference, entry: &Entry) -> BTreeSet<Asked> {
    let mut possible = of_text(&without_conditions(&entry.actions));
    for (reference_word, module, name) in
        [("as open_file", "DirHandle", "open_file"), ("as disk_usage", "DirHandle", "disk_usage")]
    {
        if entry.actions.contains(reference_word) {
            let mut entries = reference.entries().map(|(_, other)| other);
            let other = entries.find(|other| other.module == module && other.name == name);
            possible.extend(of_text(&other.expect("the column refers to an entry").actions));
        }
    }
    possible
}

/// What is asked in any case: for each of the cases that the column has, each item as the alternatives that do.
pub(crate) fn certain(entry: &Entry) -> Vec<Vec<BTreeSet<Asked>>> {
    let text = without_brackets(&entry.actions);
    text.split(';')
        .map(|case| {
            // A case may begin with its name, as in `directory: open Dir`.
            let case = case.trim();
            let items = match case.split_once(": ") {
                Some((name, items)) if name.chars().all(|c| c.is_ascii_alphabetic() || c == '_') => items,
                _ => case,
            };
            // What is asked `per` entry depends on what is there, and so does everything behind it.
            let items = items.split(", ").take_while(|item| !item.starts_with("per "));
            let is_certain = |item: &&str| !UNCERTAIN.iter().any(|word| item.contains(word));
            items.filter(is_certain).map(of_text).filter(|asked| !asked.is_empty()).collect()
        })
        .collect()
}

/// Words that make an item depend on what is there.
const UNCERTAIN: [&str; 8] =
    ["best effort", "tolerated", "ignored", "when", " per ", "as ", "across", "none"];

fn of_text(text: &str) -> BTreeSet<Asked> {
    let words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let mut asked = BTreeSet::new();
    for (index, word) in words.iter().enumerate().filter(|(_, word)| ACTIONS.contains(word)) {
        let named = words.get(index + 1).and_then(|next| TYPES.into_iter().find(|name| name == next));
        let types: Vec<&str> = named.map_or(TYPES.to_vec(), |name| vec![name]);
        for name in types {
            asked.insert(((*word).to_owned(), name));
        }
    }
    asked
}

/// Without what follows `when` up to the next separator: options are named like actions.
fn without_conditions(text: &str) -> String {
    let mut parts = text.split(" when ");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find([']', ',', ';']).unwrap_or(part.len());
        kept.push_str(&part[end..]);
    }
    kept
}

fn without_brackets(text: &str) -> String {
    let mut depth = 0_usize;
    let mut kept = String::new();
    for character in text.chars() {
        match character {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ if depth == 0 => kept.push(character),
            _ => {}
        }
    }
    kept
}

/// The actions that the column names with their namespace, and whether it names places of the host.
///
/// What is asked about the host lies outside of the example's directory, so that only actions can be held to the column.
pub(crate) fn of_host(entry: &Entry) -> (BTreeSet<String>, bool) {
    let parts: Vec<&str> = entry.actions.split("::Action::\"").collect();
    let actions = parts.windows(2).filter_map(|pair| {
        let namespace = pair[0].rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
        let name = pair[1].split('"').next()?;
        Some(format!("{namespace}::Action::\"{name}\""))
    });
    let actions: BTreeSet<String> = actions.collect();
    let is_of_host = !actions.is_empty()
            || entry.actions.contains("/proc")
            || entry.actions.contains("all file_system")
            || entry.actions.contains("/usr/bin/gdb")
            // Programs are where the host has them.
            || entry.actions.starts_with("execute ");
    (actions, is_of_host)
}

/// A policy that permits these actions everywhere, and of these on files each.
pub(crate) fn policy_of_host(actions: &BTreeSet<String>, asked: &BTreeSet<Asked>) -> String {
    let of_files = asked.iter().map(|(action, _)| format!("file_system::Action::\"{action}\""));
    let all: BTreeSet<String> = actions.iter().cloned().chain(of_files).collect();
    all.iter().map(|action| format!("permit(principal, action == {action}, resource);\n")).collect()
}

/// A policy that permits exactly this, below one directory.
pub(crate) fn policy<'a>(asked: impl IntoIterator<Item = &'a Asked>, below: &str) -> String {
    // A policy has one statement at least; this one permits nothing that exists.
    let mut text = format!(
        "permit(principal, action == file_system::Action::\"open\", resource == file_system::File::\"{below}/absent/absent\");\n"
    );
    for (action, resource_type) in asked {
        text.push_str(&format!(
            "permit(principal, action == file_system::Action::\"{action}\", resource is file_system::{resource_type} in \
             file_system::Dir::\"{below}\");\n"
        ));
    }
    text
}

#[test]
fn a_column_is_taken_apart() {
    let entry = |actions: &str| Entry {
        module: "m".into(),
        name: "n".into(),
        signature: "()".into(),
        returns: "()".into(),
        actions: actions.into(),
        doc: "Does.".into(),
    };
    let pair = |action: &str, resource_type| (action.to_owned(), resource_type);
    let list =
        entry("directory: open Dir, [open Dir(resolved)], read Dir; symlink: open Dir(parent), open File");

    assert_eq!(
        certain(&list),
        [
            vec![BTreeSet::from([pair("open", "Dir")]), BTreeSet::from([pair("read", "Dir")])],
            vec![BTreeSet::from([pair("open", "Dir")]), BTreeSet::from([pair("open", "File")])],
        ]
    );
    let either = entry("open File, [create File when create], read File | redacted_read File");
    assert_eq!(
        certain(&either),
        [vec![
            BTreeSet::from([pair("open", "File")]),
            BTreeSet::from([pair("read", "File"), pair("redacted_read", "File")]),
        ]]
    );
    assert_eq!(
        of_text(&without_conditions(
            "[create File(dst) when source handle was opened with create], stat Dir"
        )),
        BTreeSet::from([pair("create", "File"), pair("stat", "Dir")])
    );
}
