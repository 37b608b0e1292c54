//! How a chapter of the manual is written, and read.

/// A file of the manual.
///
/// ```text
/// # Title
///
/// Introduction.
///
/// ## module name (signature)
///
/// Text.
///
/// Arguments:
/// - `name`: what it means
///
/// Errors:
/// - `Kind`: when
///
/// ~~~rhai, a script, and ~~~output with its output, both fenced by three backticks
/// ```
///
/// Headings that follow each other without a blank line between share a section. A heading that names no entry is the
/// title of a section about something else.
pub(crate) struct Chapter {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) introduction: String,
    pub(crate) sections: Vec<Section>,
}

/// What is said about one entry, or about several that differ only in their name.
#[derive(Default)]
pub(crate) struct Section {
    pub(crate) headings: Vec<Heading>,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) arguments: Vec<(String, String)>,
    pub(crate) errors: Vec<(String, String)>,
    pub(crate) example: String,
    pub(crate) output: String,
}

/// What names an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Heading {
    pub(crate) module: String,
    pub(crate) name: String,
    pub(crate) signature: String,
}

/// Where in a section a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Headings,
    Text,
    Arguments,
    Errors,
    Example,
    Output,
    End,
}

impl Chapter {
    /// Reads a chapter.
    ///
    /// # Panics
    /// When it is not written as described above.
    pub(crate) fn parse(name: &str, source: &str) -> Self {
        let mut parts = source.split("\n\n## ");
        let head = parts.next().expect("splitting gives one part at least");
        let (title, introduction) = head.split_once('\n').unwrap_or((head, ""));
        let title = title.strip_prefix("# ").unwrap_or_else(|| panic!("{name}.md has no title"));
        Self {
            name: name.into(),
            title: title.into(),
            introduction: introduction.trim().into(),
            sections: parts.map(|part| Section::parse(name, part)).collect(),
        }
    }
}

impl Section {
    fn parse(chapter: &str, source: &str) -> Self {
        let mut section = Self::default();
        let mut place = Place::Headings;
        for line in format!("## {source}").lines() {
            let wrong = || -> ! { panic!("{chapter}.md: {:?}: {line}", section.headings.last()) };
            place = match (place, line) {
                (Place::Headings, _) if line.starts_with("## ") => {
                    match Heading::parse(line) {
                        Some(heading) => section.headings.push(heading),
                        None if section.title.is_empty() => section.title = line[3..].into(),
                        None => wrong(),
                    }
                    Place::Headings
                }
                (Place::Headings | Place::Text | Place::Arguments | Place::Errors, "```rhai") => {
                    Place::Example
                }
                (Place::Headings | Place::Text, "Arguments:") => Place::Arguments,
                (Place::Headings | Place::Text | Place::Arguments, "Errors:") => Place::Errors,
                (Place::Example | Place::Output, "```") => Place::End,
                (Place::End, "```output") => Place::Output,
                (Place::Arguments, _) if line.starts_with("- ") => {
                    section.arguments.push(remark(line).unwrap_or_else(|| wrong()));
                    place
                }
                (Place::Errors, _) if line.starts_with("- ") => {
                    section.errors.push(remark(line).unwrap_or_else(|| wrong()));
                    place
                }
                (Place::Example, _) => append(&mut section.example, line, place),
                (Place::Output, _) => append(&mut section.output, line, place),
                (_, "") if place == Place::Text => append(&mut section.text, line, place),
                (_, "") => place,
                (Place::Headings | Place::Text, _) => append(&mut section.text, line, Place::Text),
                _ => wrong(),
            };
        }
        section.text = section.text.trim().into();
        section.example = section.example.trim_end().into();
        section.output = section.output.strip_suffix('\n').unwrap_or(&section.output).into();
        assert!(!section.example.is_empty(), "{chapter}.md: {:?} has no example", section.headings);
        assert_ne!(section.title.is_empty(), section.headings.is_empty(), "{chapter}.md: {}", section.title);
        section
    }
}

impl Heading {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("## ")?.splitn(3, ' ');
        let (module, name, signature) = (words.next()?, words.next()?, words.next()?);
        let is_entry = signature.starts_with('(') || signature == "constant";
        is_entry.then(|| Self { module: module.into(), name: name.into(), signature: signature.into() })
    }

    /// The heading as it stands in a file.
    pub(crate) fn line(&self) -> String {
        format!("## {} {} {}", self.module, self.name, self.signature)
    }
}

fn remark(line: &str) -> Option<(String, String)> {
    let (name, text) = line.strip_prefix("- `")?.split_once("`: ")?;
    Some((name.into(), text.into()))
}

fn append(text: &mut String, line: &str, place: Place) -> Place {
    text.push_str(line);
    text.push('\n');
    place
}
