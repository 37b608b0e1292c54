//! What a program is started with, as the policy sees it: sets, tags, and the exact list.

use std::collections::BTreeMap;

use super::question::{Argument, ExecuteContext, Program};

/// A list of arguments, sorted into what policies look at.
#[derive(Debug, Default)]
pub(super) struct Sorted<'a> {
    /// The keys of pairs.
    pub(super) keys: Vec<&'a str>,
    /// The words that stand alone and begin with a hyphen.
    pub(super) flags: Vec<&'a str>,
    /// The other words that stand alone.
    pub(super) positional: Vec<&'a str>,
    /// Every tag with every value it is given, in the order of the list.
    pub(super) tags: Vec<(String, &'a str)>,
}

impl<'a> Sorted<'a> {
    pub(super) fn of(arguments: &[Argument<'a>]) -> Self {
        let mut sorted = Self::default();
        for argument in arguments {
            match *argument {
                Argument::Pair(key, value) => {
                    sorted.keys.push(key);
                    sorted.tags.push((key.to_owned(), value.unwrap_or_default()));
                }
                Argument::Bare(word) => {
                    let number = sorted.flags.len() + sorted.positional.len();
                    sorted.tags.push((format!("$ARG{number}"), word));
                    sorted.tags.push((word.to_owned(), "true"));
                    if word.starts_with('-') { &mut sorted.flags } else { &mut sorted.positional }.push(word);
                }
            }
        }
        sorted
    }
}

impl ExecuteContext<'_> {
    /// The exact list of arguments, the name of the program first.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let words = self.arguments.iter().flat_map(|argument| match *argument {
            Argument::Bare(word) => [Some(word), None],
            Argument::Pair(key, value) => [Some(key), value],
        });
        std::iter::once(self.program).chain(words.flatten())
    }

    /// How many words follow the name of the program.
    pub fn argument_count(&self) -> usize {
        self.words().count() - 1
    }

    /// The list as one text, of which a shell would make the list again. No two lists have one text.
    pub fn command_line(&self) -> String {
        let mut line = String::new();
        for word in self.words() {
            if !line.is_empty() {
                line.push(' ');
            }
            if !word.is_empty() && word.bytes().all(is_plain) {
                line.push_str(word);
            } else {
                line.push('\'');
                line.push_str(&word.replace('\'', "'\\''"));
                line.push('\'');
            }
        }
        line
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte)
}

impl Program {
    /// The context as one question has it, in which a tag that has several values has the one that is chosen.
    pub fn with<T>(&self, ask: impl FnOnce(&ExecuteContext<'_>) -> T) -> T {
        let arguments: Vec<Argument<'_>> = self
            .arguments
            .iter()
            .map(|(word, value)| match value {
                None => Argument::Bare(word),
                Some(value) => Argument::Pair(word, Some(value)),
            })
            .collect();
        let pairs = |pairs: &[(String, String)]| -> Vec<(String, String)> { pairs.to_vec() };
        let (environment, chosen) = (pairs(&self.environment), pairs(&self.chosen));
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let chosen: Vec<(&str, &str)> =
            chosen.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let capabilities: Vec<&str> = self.capabilities.iter().map(String::as_str).collect();
        ask(&ExecuteContext {
            program: &self.name,
            arguments: &arguments,
            chosen: &chosen,
            environment: &environment,
            username: &self.username,
            uid: self.uid,
            groupname: &self.groupname,
            gid: self.gid,
            target_process_id: None,
            capabilities: &capabilities,
        })
    }

    /// This once for each choice among the values of tags that have several, so that each value is asked about together with
    /// each other; nothing when these are more than `most`.
    pub fn choices(&self, most: usize) -> Option<Vec<Self>> {
        let several = self.with(|context| {
            let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (name, value) in Sorted::of(context.arguments).tags {
                let known = values.entry(name).or_default();
                // What comes last is Rex's, whether or not it came before.
                known.retain(|known| known != value);
                known.push(value.to_owned());
            }
            values.retain(|_, values| values.len() > 1);
            values
        });
        let mut choices = vec![Vec::new()];
        for (name, values) in several {
            if choices.len().saturating_mul(values.len()) > most {
                return None;
            }
            choices = choices
                .iter()
                .flat_map(|choice: &Vec<(String, String)>| {
                    values.iter().map(|value| [choice.as_slice(), &[(name.clone(), value.clone())]].concat())
                })
                .collect();
        }
        Some(choices.into_iter().map(|chosen| Self { chosen, ..self.clone() }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(arguments: &[(&str, Option<&str>)]) -> Program {
        Program {
            name: "p".to_owned(),
            arguments: arguments
                .iter()
                .map(|(word, value)| ((*word).to_owned(), value.map(str::to_owned)))
                .collect(),
            ..Program::default()
        }
    }

    fn line(arguments: &[(&str, Option<&str>)]) -> String {
        program(arguments).with(|context| context.command_line())
    }

    /// What a shell makes of a text of plain and of quoted words.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut characters = line.chars();
        let mut is_quoted = false;
        while let Some(character) = characters.next() {
            let word = words.last_mut().unwrap();
            match character {
                '\'' => is_quoted = !is_quoted,
                '\\' if !is_quoted => word.push(characters.next().unwrap()),
                ' ' if !is_quoted => words.push(String::new()),
                other => word.push(other),
            }
        }
        words
    }

    #[test]
    fn a_list_is_one_text_and_no_other_list_is() {
        assert_eq!(line(&[("-a", None), ("--key", Some("value"))]), "p -a --key value");
        assert_eq!(line(&[("", None)]), "p ''");
        assert_eq!(line(&[("it's here", None)]), "p 'it'\\''s here'");
        // That a word is a pair's or stands alone is no difference to the program.
        assert_eq!(line(&[("a", Some("b"))]), line(&[("a", None), ("b", None)]));
        assert_ne!(line(&[("a b", None)]), line(&[("a", None), ("b", None)]));
    }

    #[test]
    fn the_text_determines_the_list_for_whatever_words() {
        const PARTS: [&str; 12] = ["a", "-", "'", "\\", " ", "\"", "\n", "$", "é", "*", "''", "="];
        // A linear congruence is enough to come around in all of them.
        let mut state = 1_u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..10_000 {
            let list: Vec<String> = (0..next(5))
                .map(|_| (0..next(5)).map(|_| PARTS[next(PARTS.len() as u64) as usize]).collect())
                .collect();
            let arguments: Vec<(&str, Option<&str>)> =
                list.iter().map(|word| (word.as_str(), None)).collect();

            let text = line(&arguments);

            assert_eq!(words(&text)[1..], list, "{text}");
            assert_eq!(program(&arguments).with(|context| context.argument_count()), list.len());
        }
    }

    #[test]
    fn each_value_of_a_key_is_asked_about_with_each_of_another() {
        let pairs = [("-e", Some("a")), ("-e", Some("b")), ("-f", Some("c")), ("-f", Some("d"))];
        let choices = program(&pairs).choices(64).unwrap();
        let chosen: Vec<Vec<&str>> = choices
            .iter()
            .map(|choice| choice.chosen.iter().map(|(_, value)| value.as_str()).collect())
            .collect();

        assert_eq!(chosen, [["a", "c"], ["a", "d"], ["b", "c"], ["b", "d"]]);
        assert_eq!(program(&[("-e", Some("a")), ("-e", Some("a"))]).choices(64).unwrap().len(), 1);
        assert!(program(&pairs).choices(3).is_none());
    }
}
