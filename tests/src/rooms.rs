//! Which rooms a package has, who uses whom, where they go in a circle, and how much code the boundary is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The sources that have rooms: what lies directly in one of these folders, a file or a folder, is one.
pub const HOUSES: &[&str] = &[
    "ipc/src",
    "hardening/agreed/src",
    "hardening/inside/src",
    "hardening/outside/src",
    "jail/dns/src",
    "jail/src",
    "jail/worker/src",
    "broker/src",
    "broker/evidence/src",
    "broker/mcp/src",
];

/// The code that stands between a datagram of the jail and a system call, by what it does.
///
/// The frame loop, the dispatch with what an operation is given, the gate with what it asks and what it gives, the handles,
/// and the walk along a path. The wire itself is the whole of `ipc` but what only the jail does.
pub const BOUNDARY: &[(&str, &[&str])] = &[
    ("wire", &["ipc/src/"]),
    ("frame loop", &["broker/src/run/session.rs"]),
    ("dispatch", &["broker/src/ops/mod.rs", "broker/src/ops/call.rs"]),
    (
        "gate and permit",
        &[
            "broker/src/gate/forbidden.rs",
            "broker/src/gate/ask.rs",
            "broker/src/gate/object.rs",
            "broker/src/gate/permit.rs",
            "broker/src/host/file_system/resources.rs",
            "broker/src/policy/question.rs",
        ],
    ),
    ("handles", &["broker/src/host/handles.rs"]),
    ("walk", &["broker/src/host/file_system/walk.rs"]),
];

/// What only the jail does with the wire: a jail that was taken over does it as it likes.
const OF_THE_JAIL: &[&str] = &["ipc/src/batch/jail.rs"];

/// What that code is written in: names of files, open objects, errors. Whoever reads the boundary reads it, too.
pub const RESTS_ON: &[(&str, &[&str])] = &[(
    "names, objects, errors",
    &[
        "broker/src/gate/error.rs",
        "broker/src/host/file_system/object.rs",
        "broker/src/host/file_system/places.rs",
        "broker/src/policy/name.rs",
    ],
)];

/// The rooms of one house, and the rooms that each of them uses.
pub type Uses = BTreeMap<String, BTreeSet<String>>;

/// Who uses whom in the house `folder`; tests and the list of modules count as nobody.
pub fn uses(root: &Path, folder: &str) -> Uses {
    let files = rust_files(root, folder);
    let inside = |path: &str| path.strip_prefix(folder).unwrap_or(path).trim_start_matches('/').to_owned();
    let mut found: Uses =
        files.iter().filter_map(|(path, _)| Some((room(&inside(path))?, BTreeSet::new()))).collect();
    let rooms: BTreeSet<String> = found.keys().cloned().collect();
    for (path, source) in &files {
        let path = inside(path);
        let Some(from) = room(&path) else { continue };
        if is_test(&path) {
            continue;
        }
        let code: String = code_lines(source).map(|line| line + "\n").collect();
        let used = named(&code, depth(&path)).into_iter().filter(|to| *to != from && rooms.contains(to));
        found.entry(from.clone()).or_default().extend(used);
    }
    found
}

/// The groups of rooms in which each uses each other, directly or through others.
pub fn circles(uses: &Uses) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        uses.keys().map(|room| (room, reachable(uses, room))).collect();
    let mut circles = Vec::new();
    for (room, from_here) in &reached {
        let circle: BTreeSet<String> = from_here
            .iter()
            .filter(|other| reached.get(*other).is_some_and(|back| back.contains(*room)))
            .map(|other| (*other).clone())
            .collect();
        if circle.len() > 1 && !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}

/// How much code the boundary is, in lines without comments, empty lines and tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BoundaryLines {
    /// What acts: everything in [`BOUNDARY`] but its vocabulary.
    pub narrow: usize,
    /// With what it rests on.
    pub honest: usize,
    /// The vocabulary of both: what says what there is, and does nothing.
    pub vocabulary: usize,
}

/// Counts the boundary.
pub fn boundary(root: &Path) -> BoundaryLines {
    let mut lines = BoundaryLines::default();
    for (path, source) in rust_files(root, "ipc/src").into_iter().chain(rust_files(root, "broker/src")) {
        let belongs = |kinds: &[(&str, &[&str])]| {
            let is_of_the_jail = OF_THE_JAIL.contains(&path.as_str());
            !is_of_the_jail
                && kinds.iter().any(|(_, prefixes)| prefixes.iter().any(|prefix| path.starts_with(prefix)))
        };
        if !belongs(BOUNDARY) && !belongs(RESTS_ON) {
            continue;
        }
        let vocabulary = vocabulary_lines(&source);
        let acting = code_lines(&source).count() - vocabulary;
        lines.vocabulary += vocabulary;
        lines.honest += acting;
        if belongs(BOUNDARY) {
            lines.narrow += acting;
        }
    }
    lines
}

/// Every Rust file below `folder`, by its path from the root, in order.
fn rust_files(root: &Path, folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the checkout can be read") {
            let path = entry.expect("an entry of the checkout can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let from_root = path.strip_prefix(root).expect("it is beneath the root").to_string_lossy();
                found.push((from_root.into_owned(), fs::read_to_string(&path).expect("sources are UTF-8")));
            }
        }
    }
    found.sort();
    found
}

/// The room that a file is in; the roots of library and program are in none.
fn room(path: &str) -> Option<String> {
    let first = path.split('/').next().unwrap_or(path);
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(name, "lib" | "main")).then(|| name.to_owned())
}

fn is_test(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "testing.rs"))
}

/// How many modules deep a file is: 1 for `room.rs` and `room/mod.rs`, 2 for `room/part.rs`.
fn depth(path: &str) -> usize {
    path.split('/').filter(|part| *part != "mod.rs").count()
}

/// The first names behind `crate::`, and behind as many `super::` as lead to the root.
fn named(code: &str, depth: usize) -> Vec<String> {
    let to_root = "super::".repeat(depth);
    let mut found = Vec::new();
    for root in ["crate::", &to_root] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '$')) {
                continue;
            }
            let rest = &code[at + root.len()..];
            match rest.strip_prefix('{') {
                Some(list) => found.extend(list_heads(list)),
                None => found.push(word(rest)),
            }
        }
    }
    found
}

/// The first names of the parts of `a::b, c::{d, e}, f}`.
fn list_heads(list: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let (mut level, mut begin) = (0_usize, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => level += 1,
            '}' if level == 0 => {
                heads.push(word(list[begin..at].trim_start()));
                break;
            }
            '}' => level -= 1,
            ',' if level == 0 => {
                heads.push(word(list[begin..at].trim_start()));
                begin = at + 1;
            }
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn reachable<'a>(uses: &'a Uses, start: &str) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&String> = uses.get(start).into_iter().flatten().collect();
    while let Some(room) = waiting.pop() {
        if reached.insert(room) {
            waiting.extend(uses.get(room).into_iter().flatten());
        }
    }
    reached
}

/// The lines of a file up to its tests, without comments and empty ones.
fn code_lines(source: &str) -> impl Iterator<Item = String> + '_ {
    let end = source.find("\n#[cfg(test)]\nmod ").unwrap_or(source.len());
    let lines = source[..end].lines().filter(|line| {
        let line = line.trim_start();
        !line.is_empty() && !line.starts_with("//")
    });
    lines.map(|line| line.split(" // ").next().unwrap_or_default().to_owned())
}

/// The lines that say what there is and do nothing: structures, enumerations, names for types, constants, what is imported,
/// and the rows of tables, which are given to a macro.
fn vocabulary_lines(source: &str) -> usize {
    const ITEMS: [&str; 7] = ["struct ", "enum ", "type ", "const ", "static ", "use ", "mod "];

    let lines: Vec<String> = code_lines(source).collect();
    let (mut count, mut attributes, mut level) = (0, 0, 0_isize);
    for (number, line) in lines.iter().enumerate() {
        let opened = line.chars().map(|c| match c {
            '{' | '(' | '[' => 1,
            '}' | ')' | ']' => -1,
            _ => 0,
        });
        let opened: isize = opened.sum();
        if level > 0 {
            count += 1;
            level += opened;
            continue;
        }
        if line.starts_with("#[") {
            attributes += 1;
            continue;
        }
        let visibilities = ["pub(crate) ", "pub(super) ", "pub "];
        let item = visibilities.iter().find_map(|word| line.strip_prefix(word)).unwrap_or(line);
        let is_item = ITEMS.iter().any(|word| item.starts_with(word)) && !item.starts_with("const fn ");
        // A macro with one form, which gives its rows away; and rows that are given to one.
        let gives_rows = lines.get(number + 1).is_some_and(|next| next.trim() == "($emit:ident) => {");
        let is_table = item.strip_suffix("! {").is_some_and(|name| !name.contains(' '));
        if is_item || is_table || (item.starts_with("macro_rules! ") && gives_rows) {
            count += attributes + 1;
            level = opened.max(0);
        }
        attributes = 0;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(edges: &[(&str, &[&str])]) -> Uses {
        edges
            .iter()
            .map(|(from, to)| ((*from).to_owned(), to.iter().map(|to| (*to).to_owned()).collect()))
            .collect()
    }

    #[test]
    fn a_circle_is_found_however_long_its_way_is() {
        let straight = house(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])]);
        let round = house(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &["a"])]);

        assert!(circles(&straight).is_empty());
        assert_eq!(circles(&round), [["a", "b", "c"].map(str::to_owned).into()]);
    }

    #[test]
    fn every_spelling_of_a_path_from_the_root_is_read() {
        let code = "use crate::one::A;\nuse crate::{two, three::{B, C}, four::D};\nlet x = crate::five::f();\n\
                    use super::super::six;\nuse super::seven;\nuse rex_crate::eight;";

        assert_eq!(named(code, 2), ["one", "two", "three", "four", "five", "six"]);
    }

    #[test]
    fn vocabulary_is_told_from_what_acts() {
        let source = "//! Doc.\n\nuse a::b;\n\n#[derive(Debug)]\npub struct A {\n    b: u8,\n}\n\nimpl A {\n    fn b(&self) -> \
                      u8 {\n        self.b\n    }\n}\n\nconst fn f() {}\npub const LIMIT: u8 = 3;\n";
        let tables = "macro_rules! rows {\n    ($emit:ident) => {\n        $emit! { a; }\n    };\n}\nnumber! {\n    B(u8)\n}\n\
                      macro_rules! emit {\n    ($($name:ident;)+) => {\n        $(fn $name() {})+\n    };\n}\n";

        assert_eq!(code_lines(source).count(), 12);
        assert_eq!(vocabulary_lines(source), 6);
        assert_eq!(code_lines(tables).count(), 13);
        assert_eq!(vocabulary_lines(tables), 8);
    }
}
