//! The texts that an attribute can have: which ones there are, and whether a pattern can match one of them.

use cedar_policy_core::ast::PatternElem;
use rex_ipc::name;

use crate::policy::name::{EntryName, PathName};

/// How the values of an attribute are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// `/`, or components that each follow a slash: none empty, none `.` or `..`.
    Path,
    /// One component.
    Name,
    /// A process number.
    Number,
}

/// How far a text of the language has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing yet.
    Begin,
    /// The first slash, which may be all.
    Root,
    /// A component begins.
    Component,
    /// The component is `.` so far.
    Dot,
    /// The component is `..` so far.
    Dots,
    /// The component is one that can be.
    Named,
    /// A number without more digits.
    Zero,
    /// A number.
    Digits,
}

impl Language {
    /// Whether a value can be this text.
    pub(super) fn has(self, text: &str) -> bool {
        match self {
            Self::Path => PathName::parse(text).is_ok_and(|path| path.as_str() == text),
            Self::Name => name::is_canonical(text) && EntryName::parse(text).is_some(),
            Self::Number => text.parse::<u32>().is_ok_and(|number| number.to_string() == text),
        }
    }

    /// Whether a value can match this pattern.
    ///
    /// The pattern is followed through all states that a text which begins like it can be in. Only the spelling of
    /// bytes that are no UTF-8 is taken for looser than it is.
    pub(super) fn can_match(self, pattern: &[PatternElem]) -> bool {
        let mut states = vec![self.begin()];
        for element in pattern {
            states = match element {
                PatternElem::Char(character) => self.after(&states, *character),
                PatternElem::Wildcard => self.closure(states),
            };
        }
        states.iter().any(|state| matches!(state, State::Root | State::Named | State::Zero | State::Digits))
    }

    /// What a value is called.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Name => "file name",
            Self::Number => "process number",
        }
    }

    /// That there is no such value.
    pub(super) fn never(self, text: &str) -> String {
        match self {
            Self::Path => format!("no path is ever named `{}`", text.escape_debug()),
            Self::Name | Self::Number => format!("no {} is ever `{}`", self.word(), text.escape_debug()),
        }
    }

    fn begin(self) -> State {
        match self {
            Self::Path | Self::Number => State::Begin,
            Self::Name => State::Component,
        }
    }

    fn after(self, states: &[State], character: char) -> Vec<State> {
        let mut after = Vec::new();
        for state in states.iter().filter_map(|state| self.step(*state, character)) {
            if !after.contains(&state) {
                after.push(state);
            }
        }
        after
    }

    /// Every state that any text leads to from these.
    fn closure(self, mut states: Vec<State>) -> Vec<State> {
        let mut position = 0;
        while let Some(state) = states.get(position).copied() {
            // One character of each kind that `step` tells apart.
            for character in ['/', '.', 'a', '0', '1'] {
                if let Some(next) = self.step(state, character)
                    && !states.contains(&next)
                {
                    states.push(next);
                }
            }
            position += 1;
        }
        states
    }

    /// The state behind one more character; nothing where no value goes on like this.
    fn step(self, state: State, character: char) -> Option<State> {
        if self == Self::Number {
            return match (state, character) {
                (State::Begin, '0') => Some(State::Zero),
                (State::Begin | State::Digits, '0'..='9') => Some(State::Digits),
                _ => None,
            };
        }
        match (state, character) {
            // A byte of ASCII is never spelled as one that is no UTF-8.
            (_, '\0' | '\u{10ff00}'..='\u{10ff7f}') => None,
            (State::Begin, '/') => Some(State::Root),
            (State::Begin, _) => None,
            (State::Named, '/') if self == Self::Path => Some(State::Component),
            (_, '/') => None,
            (State::Root | State::Component, '.') => Some(State::Dot),
            (State::Dot, '.') => Some(State::Dots),
            _ => Some(State::Named),
        }
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy_core::ast::Pattern;

    use super::*;

    /// Reproducible throws.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % sides as u64).unwrap()
        }
    }

    fn elements(pattern: &str) -> Vec<PatternElem> {
        pattern.chars().map(|c| if c == '*' { PatternElem::Wildcard } else { PatternElem::Char(c) }).collect()
    }

    #[test]
    fn patterns_that_no_path_matches_are_known() {
        for (pattern, can) in [
            ("", false),
            ("*", true),
            ("/", true),
            ("*/", true),
            ("/x/", false),
            ("/x/*/", false),
            ("*x/", false),
            ("//*", false),
            ("/x//*", false),
            ("*//*", false),
            ("/x/./*", false),
            ("/x/.*", true),
            ("/x/../*", false),
            ("/x/..*", true),
            ("*/..", false),
            ("*/...", true),
            ("/..", false),
            ("/.", false),
            ("*.", true),
            ("*..", true),
            ("~/*", false),
            ("*~/*", true),
            ("x*", false),
            ("*x*", true),
            ("./*", false),
            ("/a\0*", false),
            ("/a\u{10ff41}*", false),
            ("/a\u{10fff6}*", true),
            ("**", true),
            ("/*/x", true),
            ("/x*", true),
        ] {
            assert_eq!(Language::Path.can_match(&elements(pattern)), can, "{pattern:?}");
        }
        for (pattern, can) in [
            ("", false),
            ("*", true),
            ("*/*", false),
            (".", false),
            ("..", false),
            (".*", true),
            ("a.b", true),
        ] {
            assert_eq!(Language::Name.can_match(&elements(pattern)), can, "{pattern:?}");
        }
        for (pattern, can) in [
            ("", false),
            ("0*", true),
            ("0*1", false),
            ("*7", true),
            ("7*", true),
            ("a*", false),
            ("-1", false),
        ] {
            assert_eq!(Language::Number.can_match(&elements(pattern)), can, "{pattern:?}");
        }
    }

    // The promise: what is called impossible never equals a name that can be asked about.
    #[test]
    fn nothing_that_the_normalizer_produces_is_called_impossible() {
        let mut dice = Dice(0x9e37_79b9);
        let pieces =
            ["/", "/", ".", "..", "a", "é", "*", "~", " ", "\\", "'", "\u{10fff6}", "\u{10ffc3}\u{10ffa9}"];
        let mut seen = 0;

        for _ in 0..30_000 {
            let text: String = (0..dice.roll(9)).map(|_| pieces[dice.roll(pieces.len())]).collect();
            let bytes = name::to_bytes(&text);
            let from_os = PathName::from_os(std::path::Path::new(std::ffi::OsStr::new(&text)));
            let parsed = PathName::parse(&text).ok();
            let entry = EntryName::from_bytes(bytes).map(|entry| PathName::root().join(entry.as_bytes()));
            for path in [Some(from_os), parsed, entry].into_iter().flatten() {
                seen += 1;
                assert!(Language::Path.has(path.as_str()), "{path}");
                assert!(Language::Path.has(path.parent().as_str()), "{path}");
                if let Some(name) = path.file_name() {
                    assert!(Language::Name.has(name), "{path}");
                }
                for language in [Language::Path, Language::Name] {
                    let value =
                        if language == Language::Path { Some(path.as_str()) } else { path.file_name() };
                    let Some(value) = value else { continue };
                    // A pattern made of the value, with wildcards in place of parts of it.
                    let pattern: Vec<PatternElem> = value
                        .chars()
                        .map(|c| match dice.roll(4) {
                            0 => PatternElem::Wildcard,
                            _ => PatternElem::Char(c),
                        })
                        .collect();
                    assert!(Pattern::from(pattern.clone()).wildcard_match(value));
                    assert!(language.can_match(&pattern), "{pattern:?} {value}");
                }
            }
        }
        assert!(seen > 30_000);
    }

    // The other direction: a text that can be is one that the normalizer leaves as it is.
    #[test]
    fn short_texts_are_judged_alike_as_texts_and_as_patterns() {
        let alphabet = ['/', '.', 'a', '0', '7', '~'];
        let mut texts = vec![String::new()];
        for length in 0..5 {
            let longer: Vec<String> = texts
                .iter()
                .filter(|text| text.chars().count() == length)
                .flat_map(|text| alphabet.iter().map(move |c| format!("{text}{c}")))
                .collect();
            texts.extend(longer);
        }

        for text in &texts {
            let characters: Vec<PatternElem> = text.chars().map(PatternElem::Char).collect();
            for language in [Language::Path, Language::Name, Language::Number] {
                assert_eq!(language.can_match(&characters), language.has(text), "{language:?} {text:?}");
            }
        }
    }
}
