//! One manual page: the options as clap_mangen writes them, and around them what it does not know.

use clap_mangen::Man;
use rex_broker::front::cli;
use rex_broker::result::Exit;

use super::surroundings::{ENVIRONMENT, FILES, Named};

/// The page of a command, as groff reads it. `name` is that of the page, such as `rex-broker-sdk-show`.
pub(super) fn page(command: &cli::Command, name: &str) -> String {
    // The words on the command line, which `build` has put together.
    let words = command.get_bin_name().unwrap_or(name).to_owned();
    let mut named = command.clone().name(&*name.to_owned().leak()).bin_name(words.clone());
    if named.get_long_version().is_some() {
        // Without the digest of the jail's program, which differs with every build of it.
        named = named.long_version(env!("CARGO_PKG_VERSION"));
    }
    let has_options = named.get_arguments().any(|option| !option.is_hide_set());
    let has_version = named.get_version().is_some();
    let inner: Vec<cli::Command> = inner(command).cloned().collect();
    let synopsis = named.render_usage().to_string();
    let after =
        named.get_after_long_help().or(named.get_after_help()).map(ToString::to_string).unwrap_or_default();
    // Without a date: the page changes when the grammar does, and at no other time.
    let man = Man::new(named).date("").source("rex-broker").manual("rex-broker");
    let mut page = Page::default();
    page.of_clap(|out| man.render_title(out));
    page.of_clap(|out| man.render_name_section(out));
    page.section("SYNOPSIS");
    page.as_it_stands(synopsis.trim_start_matches("Usage:").lines());
    page.of_clap(|out| man.render_description_section(out));
    if has_options {
        page.of_clap(|out| man.render_options_section(out));
    }
    if !inner.is_empty() {
        page.section("COMMANDS");
        for command in &inner {
            page.item(&format!("{name}-{}(1)", command.get_name()), &about(command));
        }
    }
    let place = Place::of(&words);
    let own = page.after_help(&after);
    if !own {
        page.exit_statuses(place);
    }
    page.named("ENVIRONMENT", ENVIRONMENT, place);
    page.named("FILES", FILES, place);
    if has_version {
        page.of_clap(|out| man.render_version_section(out));
    }
    page.section("SEE ALSO");
    page.text(&see_also(name, &inner));
    page.finish()
}

/// Which commands something on a page is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Those that run scripts.
    Runs,
    /// The one that looks at this host.
    Looks,
    /// Those that tell what is configured.
    Configures,
    /// Those that read policies.
    Policies,
    /// The others, which print what the program knows.
    Prints,
}

impl Place {
    fn of(words: &str) -> Self {
        match words.split(' ').nth(1) {
            None | Some("run") => Self::Runs,
            Some("doctor") => Self::Looks,
            Some("config") => Self::Configures,
            Some("policy" | "ceiling") => Self::Policies,
            Some(_) => Self::Prints,
        }
    }

    /// The statuses that such a command ends with.
    fn can_end_with(self, exit: Exit) -> bool {
        match exit {
            Exit::Done | Exit::Usage | Exit::OutputNotWritten => true,
            Exit::JailNotEstablished => matches!(self, Self::Runs | Self::Looks),
            Exit::Refused => matches!(self, Self::Runs | Self::Looks | Self::Configures),
            Exit::InputInvalid | Exit::InputMissing => matches!(self, Self::Runs | Self::Policies),
            _ => self == Self::Runs,
        }
    }
}

fn inner(command: &cli::Command) -> impl Iterator<Item = &cli::Command> {
    command.get_subcommands().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set())
}

fn about(command: &cli::Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// The pages next to this one.
fn see_also(name: &str, inner: &[cli::Command]) -> String {
    let above = name.rsplit_once('-').map(|(above, _)| above).filter(|above| above.starts_with("rex-broker"));
    let below = inner.iter().map(|command| format!("{name}-{}(1)", command.get_name()));
    let pages: Vec<String> = above.map(|above| format!("{above}(1)")).into_iter().chain(below).collect();
    pages.join(", ")
}

/// Text for groff; see groff_man(7).
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn of_clap(&mut self, render: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) {
        let mut bytes = Vec::new();
        render(&mut bytes).expect("a page is written to memory");
        let text = String::from_utf8(bytes).expect("a page is text");
        // Every part begins with a definition of its own, of which one is enough.
        let body = text.strip_prefix(APOSTROPHE).unwrap_or(&text);
        if self.text.is_empty() {
            self.text.push_str(APOSTROPHE);
        }
        self.text.push_str(body);
    }

    fn section(&mut self, title: &str) {
        self.line(&format!(".SH \"{}\"", escaped(title)));
    }

    fn text(&mut self, text: &str) {
        self.line(&escaped(text));
    }

    /// A word, and behind it what is said of it.
    fn item(&mut self, word: &str, text: &str) {
        self.line(".TP");
        self.line(&format!("\\fB{}\\fR", escaped(word)));
        self.text(text);
    }

    /// Lines that are neither filled nor joined.
    fn as_it_stands<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        self.line(".nf");
        let lines: Vec<&str> = lines.collect();
        let indent = |line: &&&str| line.len() - line.trim_start().len();
        let common = lines.iter().filter(|line| !line.trim().is_empty()).map(|line| indent(&line)).min();
        for line in lines {
            self.text(line.get(common.unwrap_or_default()..).unwrap_or_default());
        }
        self.line(".fi");
    }

    /// What stands below the options: a title and a block, or a sentence. Says whether exit statuses were among it.
    fn after_help(&mut self, text: &str) -> bool {
        let mut has_statuses = false;
        for part in parts(text) {
            let mut lines = part.lines().peekable();
            let Some(first) = lines.next() else { continue };
            let title = first.strip_suffix(':').filter(|title| !title.contains(','));
            // Those of a run stand side by side there, and one below the other on its page.
            if title == Some("Exit status") && part.contains(SIDE_BY_SIDE) {
                continue;
            }
            has_statuses |= title == Some("Exit status");
            match title {
                Some(title) => self.section(&title.to_uppercase()),
                None => {
                    self.line(".PP");
                    self.text(first);
                }
            }
            while lines.peek().is_some_and(|line| !line.is_empty() && !line.starts_with(' ')) {
                self.text(lines.next().unwrap_or_default());
            }
            if lines.peek().is_some() {
                self.as_it_stands(lines);
            }
        }
        has_statuses
    }

    fn exit_statuses(&mut self, place: Place) {
        self.section("EXIT STATUS");
        let mut last = None;
        for exit in Exit::each().filter(|exit| place.can_end_with(*exit)) {
            let status = exit.status_text();
            if last.as_ref() != Some(&status) {
                self.item(&status, exit.meaning());
            }
            last = Some(status);
        }
    }

    fn named(&mut self, title: &str, table: &[Named], place: Place) {
        let mut rows = table.iter().filter(|row| row.places.contains(&place)).peekable();
        if rows.peek().is_some() {
            self.section(title);
        }
        for row in rows {
            self.line(".TP");
            // No name is broken where it has a hyphen: groff(7), `\\%`.
            let words: Vec<String> =
                row.name.split(' ').map(|word| format!("\\%{}", escaped(word))).collect();
            self.line(&format!("\\fB{}\\fR", words.join(" ")));
            self.text(row.meaning);
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// What ends a line is not to be seen.
    fn finish(self) -> String {
        let lines: Vec<&str> = self.text.lines().map(str::trim_end).collect();
        lines.join("\n") + "\n"
    }
}

/// The parts of a text: each begins with a line that is not indented behind one that is empty.
fn parts(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut after_empty = true;
    for line in text.lines() {
        if after_empty && !line.is_empty() && !line.starts_with(' ') {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
        after_empty = line.is_empty();
    }
    parts.iter().map(|part| part.trim_end().to_owned()).collect()
}

// groff_char(7), groff(7): a hyphen is a minus where it can be typed again; a line may not begin with a dot or an apostrophe.
fn escaped(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\*(Aq").replace('"', "\\(dq");
    if escaped.starts_with(['.', '\'']) { format!("\\&{escaped}") } else { escaped }
}

/// Two of the statuses of a run, as the help has them on one line.
const SIDE_BY_SIDE: &str = "128+n ended by signal n";
/// How clap_mangen has apostrophes that can be typed again.
const APOSTROPHE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";
