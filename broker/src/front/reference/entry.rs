//! One thing that scripts can call or name, as it was registered with the engine and described in the manual.

use std::collections::BTreeSet;

use serde::Deserialize;

/// The reference, in the order of the manual.
#[derive(Clone, Debug, Deserialize)]
pub struct Reference {
    /// How to read it.
    pub preface: String,
    /// Its chapters.
    pub chapters: Vec<Chapter>,
}

/// What belongs together: a family of functions and types.
#[derive(Clone, Debug, Deserialize)]
pub struct Chapter {
    /// The name of its file.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// What holds for all of it.
    pub introduction: String,
    /// Its sections.
    pub sections: Vec<Section>,
}

/// One overload, or several that differ in nothing but their name.
#[derive(Clone, Debug, Deserialize)]
pub struct Section {
    /// What a section is about that is about no entry; else empty.
    #[serde(default)]
    pub title: String,
    /// What was registered.
    pub entries: Vec<Entry>,
    /// What there is to know beyond the entry's own sentence, as Markdown; it may be empty.
    pub text: String,
    /// What the named parameters mean.
    pub arguments: Vec<Remark>,
    /// Which errors are raised, and when.
    pub errors: Vec<Remark>,
    /// A script.
    pub example: String,
    /// The output of that script.
    pub output: String,
}

/// A name and what there is to say about it.
#[derive(Clone, Debug, Deserialize)]
pub struct Remark {
    /// The parameter or the kind of error.
    pub name: String,
    /// A sentence, as Markdown.
    pub text: String,
}

/// A line of the jail's own table.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Entry {
    /// Where the name belongs: `command`, `global`, a type or a module of constants.
    pub module: String,
    /// The name; that of a property begins with `get$`.
    pub name: String,
    /// The parameters, or `constant`.
    pub signature: String,
    /// The type of the result.
    pub returns: String,
    /// Which actions are asked for, in which order; `-` when none.
    pub actions: String,
    /// One sentence.
    pub doc: String,
}

/// How a script spells an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `module::NAME`
    Constant,
    /// `value.name`
    Property,
    /// `a + b`
    Operator,
    /// `Name()`, which makes a value of that type
    Constructor,
    /// `module::name(...)`
    ModuleFunction,
    /// `value.name(...)`, and `name(value, ...)` means the same
    Method,
    /// `name(...)`
    Function,
}

impl Reference {
    /// Every section with its chapter.
    pub fn sections(&self) -> impl Iterator<Item = (&Chapter, &Section)> {
        self.chapters
            .iter()
            .flat_map(|chapter| chapter.sections.iter().map(move |section| (chapter, section)))
    }

    /// Every entry with its section.
    pub fn entries(&self) -> impl Iterator<Item = (&Section, &Entry)> {
        self.sections().flat_map(|(_, section)| section.entries.iter().map(move |entry| (section, entry)))
    }

    /// Every name by which somebody may ask for an entry, a type or a module, sorted, as one word of letters, digits,
    /// underlines and full stops: `cat`, `FileHandle.read`, `OpenFileOptions`.
    pub fn names(&self) -> BTreeSet<String> {
        let is_word = |name: &String| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
        };
        self.entries()
            .flat_map(|(_, entry)| [entry.qualified_name(), entry.module.clone()])
            .filter(is_word)
            .collect()
    }
}

impl Section {
    /// The actions of its entries; none when it asks for none.
    pub fn actions(&self) -> Option<&str> {
        self.entries.first().map(|entry| entry.actions.as_str()).filter(|actions| *actions != NOTHING)
    }
}

impl Entry {
    /// How a script spells it.
    pub fn form(&self) -> Form {
        let is_operator = |name: &str| !name.starts_with(|first: char| first.is_alphabetic() || first == '_');
        match self.name.as_str() {
            _ if self.signature == CONSTANT => Form::Constant,
            name if name.starts_with(GETTER) => Form::Property,
            name if is_operator(name) => Form::Operator,
            name if name == self.module => Form::Constructor,
            _ if self.is_in_a_namespace() => Form::ModuleFunction,
            _ if self.receiver().is_some() => Form::Method,
            _ => Form::Function,
        }
    }

    /// The name as a script writes it: that of a property without its prefix.
    pub fn plain_name(&self) -> &str {
        self.name.strip_prefix(GETTER).unwrap_or(&self.name)
    }

    /// The name together with where it belongs, as in `FileHandle.read`, `grep::count` and `cat`.
    pub fn qualified_name(&self) -> String {
        match self.form() {
            Form::Constant | Form::ModuleFunction => format!("{}::{}", self.module, self.name),
            Form::Property | Form::Method => format!("{}.{}", self.module, self.plain_name()),
            Form::Operator => self.call(),
            Form::Constructor | Form::Function => self.name.clone(),
        }
    }

    /// The call with its parameters, as in `FileHandle.search(pattern: String)`.
    pub fn call(&self) -> String {
        let parameters = self.parameters();
        match self.form() {
            Form::Constant => format!("{}::{}", self.module, self.name),
            Form::Property => format!("{}.{}", self.module, self.plain_name()),
            Form::Operator => parameters.join(&format!(" {} ", self.name)),
            Form::Constructor | Form::Function => format!("{}({})", self.name, parameters.join(", ")),
            Form::ModuleFunction => format!("{}::{}({})", self.module, self.name, parameters.join(", ")),
            Form::Method => {
                let rest = parameters.get(1..).unwrap_or_default().join(", ");
                format!("{}.{}({rest})", self.receiver().unwrap_or(&self.module), self.name)
            }
        }
    }

    /// The parameters, each as its type or as `name: Type`.
    pub fn parameters(&self) -> Vec<&str> {
        let list = self.signature.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or("");
        let mut parts = Vec::new();
        let (mut depth, mut start) = (0_usize, 0);
        for (at, character) in list.char_indices() {
            match character {
                '<' => depth = depth.saturating_add(1),
                '>' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => {
                    parts.push(list.get(start..at).unwrap_or_default().trim());
                    start = at.saturating_add(1);
                }
                _ => {}
            }
        }
        parts.extend(list.get(start..).map(str::trim).filter(|last| !last.is_empty()));
        parts
    }

    /// The type of the value before the dot, for what is called on a value of the entry's own module.
    ///
    /// A parameter such as `FileHandle src` says its part behind the type.
    pub(super) fn receiver(&self) -> Option<&str> {
        let first = self.parameters().first().and_then(|first| first.split(' ').next())?;
        let builder = first.strip_suffix("Builder").unwrap_or(first);
        (first == self.module || builder == self.module || self.is_of_kinds(first)).then_some(first)
    }

    /// The modules of error kinds are not named like the type of their constants.
    fn is_of_kinds(&self, receiver: &str) -> bool {
        self.module.ends_with("ErrorKind") && receiver.ends_with("ErrorKind")
    }

    /// Modules of flags have lower-case names; of the others only this one has functions.
    fn is_in_a_namespace(&self) -> bool {
        let is_flag_module = self.module.chars().all(|character| character.is_ascii_lowercase());
        (is_flag_module && !matches!(self.module.as_str(), "command" | "global"))
            || self.module == "SizeRange"
    }
}

const CONSTANT: &str = "constant";
const GETTER: &str = "get$";

/// The actions of what asks for none.
const NOTHING: &str = "-";

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(module: &str, name: &str, signature: &str) -> Entry {
        let [module, name, signature] = [module, name, signature].map(str::to_owned);
        Entry { module, name, signature, returns: "()".into(), actions: "-".into(), doc: "Does.".into() }
    }

    #[test]
    fn entries_are_spelled_as_scripts_spell_them() {
        for (module, name, signature, call) in [
            ("command", "cat", "(flags: Array, path: String)", "cat(flags: Array, path: String)"),
            ("global", "sleep", "(seconds: i64)", "sleep(seconds: i64)"),
            ("grep", "n", "constant", "grep::n"),
            ("grep", "max_count", "(n: i64)", "grep::max_count(n: i64)"),
            ("SizeRange", "min_only", "(min: i64, SizeUnit)", "SizeRange::min_only(min: i64, SizeUnit)"),
            ("FileHandle", "search", "(FileHandle, pattern: String)", "FileHandle.search(pattern: String)"),
            (
                "FileHandle",
                "copy",
                "(FileHandle src, FileHandle dst, CopyFileOptions)",
                "FileHandle.copy(FileHandle dst, CopyFileOptions)",
            ),
            (
                "FileHandle",
                "verify_cert_chain",
                "(FileHandle, FileHandle root, Array<FileHandle>)",
                "FileHandle.verify_cert_chain(FileHandle root, Array<FileHandle>)",
            ),
            ("DirConfig", "DirConfig", "()", "DirConfig()"),
            ("DirConfig", "path", "(DirConfigBuilder, String)", "DirConfigBuilder.path(String)"),
            ("DateTime", "now", "()", "now()"),
            ("DateTime", "-", "(DateTime, seconds: i64)", "DateTime - seconds: i64"),
            ("DirEntry", "get$name", "(DirEntry)", "DirEntry.name"),
            ("IoErrorKind", "to_string", "(RhaiSafeIoErrorKind)", "RhaiSafeIoErrorKind.to_string()"),
        ] {
            assert_eq!(entry(module, name, signature).call(), call);
        }
    }

    #[test]
    fn commas_within_a_type_separate_nothing() {
        let entry = entry("x", "f", "(a: Map<String,i64>, Array<Map<String,i64>>)");

        assert_eq!(entry.parameters(), ["a: Map<String,i64>", "Array<Map<String,i64>>"]);
    }
}
