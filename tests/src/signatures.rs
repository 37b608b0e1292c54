//! What the functions of the host layer take: a permit or a proof made of one, and nothing else that could be acted on.

use std::fs;
use std::path::Path;

/// What proves that something may be acted on, and holds it: a permit, or what a function that took one has given.
pub const PROOFS: &[&str] = &[
    "Permit",
    "Reached",
    "Missing",
    "Walked",
    "Way",
    "Staged",
    "Hidden",
    "Tree",
    "Left",
    "Standing",
    "Replacement",
];

/// What could be acted on, or says where it is. Inodes and attributes are only compared with.
const OBJECTS: &[&str] = &[
    "AsFd",
    "AtPath",
    "Below",
    "BorrowedFd",
    "Content",
    "DirAt",
    "DirBelow",
    "DirPath",
    "Directory",
    "Entry",
    "EntryName",
    "File",
    "FileAt",
    "FileBelow",
    "FilePath",
    "FileWriter",
    "Labelled",
    "Moving",
    "NamedDir",
    "NamedFile",
    "NewWriter",
    "Object",
    "Origin",
    "OwnedFd",
    "Path",
    "PathBuf",
    "PathName",
    "RawFd",
    "Writer",
];

/// Files of the host layer that do not act on what a script names, each with what they do instead.
const DO_NOT_ACT: &[(&str, &str)] = &[
    ("fresh.rs", "takes back what this run has made"),
    ("object.rs", "says what objects and their names are"),
    ("places.rs", "says where resources are"),
    ("resources.rs", "says what the policy is asked about"),
    ("temporaries.rs", "keeps the broker's own names"),
    ("tools.rs", "holds where walks begin"),
    ("unguarded.rs", "needs no permit, each with the reason"),
];

/// One function that others may call.
#[derive(Debug)]
pub struct Signature {
    /// File and line.
    pub place: String,
    /// The name.
    pub name: String,
    /// Whether it is a method.
    pub is_method: bool,
    /// Name and type of each parameter but `self`, with the bounds of type parameters put in their place.
    pub parameters: Vec<(String, String)>,
}

impl Signature {
    /// What is wrong with it; nothing when it acts on what was judged.
    pub fn fault(&self) -> Option<String> {
        let is_proof = |text: &str| words(text).any(|word| PROOFS.contains(&word));
        let proofs = self.parameters.iter().filter(|(_, text)| is_proof(text));
        let unread = proofs.clone().find(|(name, _)| name.starts_with('_'));
        if let Some((name, _)) = unread {
            return Some(format!("does not read {name}"));
        }
        let object = self
            .parameters
            .iter()
            .find(|(_, text)| !is_proof(text) && words(text).any(|word| OBJECTS.contains(&word)));
        if let Some((name, text)) = object {
            return Some(format!("takes {name}: {text}, which nobody has judged"));
        }
        let takes_attributes_only =
            !self.parameters.is_empty() && self.parameters.iter().all(|(_, text)| text == "&FileStat");
        let needs_none = self.is_method || takes_attributes_only;
        (!needs_none && proofs.count() == 0).then(|| "takes no permit".to_owned())
    }
}

/// The functions of the host layer that act on what a script names, in all namespaces.
pub fn of_acts(root: &Path) -> Vec<Signature> {
    let host = root.join("broker/src/host");
    let mut found = Vec::new();
    for namespace in folders(&host) {
        for (file, source) in files(&namespace) {
            if !DO_NOT_ACT.iter().any(|(name, _)| *name == file) {
                found.extend(signatures(&file, &source));
            }
        }
    }
    found
}

/// Where a permit or a proof is thrown away unread, in the sources of the host layer.
pub fn discarded(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for namespace in folders(&root.join("broker/src/host")) {
        for (file, source) in files(&namespace) {
            // It is told where it is, and does something about it in tests only.
            let lines = source.lines().enumerate().filter(|_| file != "moment.rs");
            let thrown = lines.filter(|(_, line)| {
                let rest = line.trim_start().strip_prefix("let _ = ").and_then(|rest| rest.strip_suffix(';'));
                rest.is_some_and(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
            });
            found.extend(thrown.map(|(number, _)| format!("{file}:{}", number + 1)));
        }
    }
    found
}

fn folders(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).expect("the host layer is a folder of the checkout");
    let mut folders: Vec<_> = entries
        .map(|entry| entry.expect("its entries can be read").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).expect("a namespace is a folder");
    let mut files: Vec<(String, String)> = entries
        .map(|entry| entry.expect("its entries can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("sources are UTF-8"))
        })
        .collect();
    files.sort();
    files
}

/// The functions of one file that are `pub`, up to its tests. What only the host layer can call is its own affair.
fn signatures(file: &str, source: &str) -> Vec<Signature> {
    let end = source.find("\n#[cfg(test)]\nmod ").unwrap_or(source.len());
    let lines: Vec<&str> = source[..end].lines().collect();
    let mut found = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some(rest) = line.trim_start().strip_prefix("pub fn ") else { continue };
        let mut text = rest.to_owned();
        for more in lines.iter().skip(number + 1).take_while(|_| !line.ends_with('{') && !line.ends_with('}'))
        {
            text.push(' ');
            text.push_str(more.trim());
            if more.ends_with('{') {
                break;
            }
        }
        found.push(signature(format!("{file}:{}", number + 1), &text));
    }
    found
}

fn signature(place: String, text: &str) -> Signature {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let rest = &text[name.len()..];
    let generics = if rest.starts_with('<') { enclosed(rest) } else { "" };
    let after = &rest[if generics.is_empty() { 0 } else { generics.len() + 2 }..];
    let list = parts(enclosed(after));
    let is_self = |part: &str| words(part).next() == Some("self") || part.ends_with("self");
    let bounds: Vec<(&str, &str)> =
        parts(generics).into_iter().filter_map(|part| part.split_once(": ")).collect();
    let parameters = list.iter().filter(|part| !is_self(part)).filter_map(|part| {
        let (name, kind) = part.split_once(": ")?;
        // A type parameter stands for whatever its bound lets it be.
        let spelled = bounds.iter().find(|(parameter, _)| kind.trim_start_matches('&') == *parameter);
        Some((name.to_owned(), spelled.map_or(kind, |(_, bound)| bound).to_owned()))
    });
    let parameters = parameters.collect();
    Signature { place, name, is_method: list.iter().any(|part| is_self(part)), parameters }
}

/// What is between the bracket that a text begins with and the one that closes it.
fn enclosed(text: &str) -> &str {
    let mut level = 0_usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' | '[' => level += 1,
            '>' if before == '-' => {}
            '>' | ')' | ']' => {
                level = level.saturating_sub(1);
                if level == 0 {
                    return text.get(1..at).unwrap_or_default();
                }
            }
            _ => {}
        }
        before = c;
    }
    ""
}

/// The parts of a list that commas divide, but for those within brackets.
fn parts(list: &str) -> Vec<&str> {
    let (mut found, mut begin, mut level, mut before) = (Vec::new(), 0, 0_usize, ' ');
    for (at, c) in list.char_indices() {
        match c {
            '<' | '(' | '[' => level += 1,
            '>' if before == '-' => {}
            '>' | ')' | ']' => level = level.saturating_sub(1),
            ',' if level == 0 => {
                found.push(list[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
        before = c;
    }
    found.push(list[begin..].trim());
    found.retain(|part| !part.is_empty());
    found
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<String> {
        let found = signatures("f.rs", text);
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].fault()
    }

    #[test]
    fn a_second_way_to_an_object_is_found() {
        for (text, what) in [
            ("pub fn f(permit: &Permit<'_, Read, Rc<File>>, other: &File) {", "takes other"),
            ("pub fn f(\n    permit: &Permit<'_, Read, Rc<File>>,\n    fd: impl AsFd,\n) {", "takes fd"),
            ("pub fn f<R: AtPath>(permit: &Permit<'_, Read, R>, at: &R) {", "takes at"),
            ("pub fn f(permit: &Permit<'_, Read, R>, of: impl Fn(&R) -> &PathName) {", "takes of"),
            ("    pub fn f(&self, place: (&Rc<Directory>, &EntryName)) {", "takes place"),
            ("pub fn f(_permit: &Permit<'_, Read, Rc<File>>) {", "does not read _permit"),
            ("pub fn f(inode: Inode) {", "takes no permit"),
            ("pub fn f() {", "takes no permit"),
        ] {
            assert!(fault(text).is_some_and(|fault| fault.starts_with(what)), "{text}: {:?}", fault(text));
        }
    }

    #[test]
    fn what_acts_on_what_was_judged_is_not() {
        for text in [
            "pub fn f(permit: &Permit<'_, Read, Rc<File>>, bits: u16, tools: &Tools) -> io::Result<File> {",
            "pub fn f<'req, R: Entry>(permit: &Permit<'req, Open, R>) -> io::Result<Reached<'req>> {",
            "pub fn f(reached: Reached<'_>, ask: AskLink<'_, 'req, R>) {",
            "    pub fn f(&mut self, original: &Left<'req, Read>) {",
            "    pub fn f(&self) -> &PathName {",
            "pub fn f(stat: &FileStat) -> Inode {",
            "pub fn f(new: &impl Replacement, may: &dyn Fn(&FileStat) -> bool) {",
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
    }
}
