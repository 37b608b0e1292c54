//! Options with values, and what stands between them.

use std::ffi::OsString;
use std::path::PathBuf;

use super::Failure;

/// A command line that has been taken apart: options with their values, and the rest in order.
pub(super) struct Arguments {
    options: Vec<(&'static str, OsString)>,
    rest: std::vec::IntoIter<OsString>,
}

impl Arguments {
    /// Takes a command line apart. Each option has a value, as the next argument or behind `=`.
    pub(super) fn parse(
        arguments: impl Iterator<Item = OsString>,
        known: &[&'static str],
    ) -> Result<Arguments, Failure> {
        let (mut options, mut rest) = (Vec::new(), Vec::new());
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let Some(text) = argument.to_str().filter(|text| text.starts_with("--") && text.len() > 2) else {
                rest.push(argument);
                continue;
            };
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(OsString::from(value))),
                None => (text, None),
            };
            let Some(name) = known.iter().find(|known| **known == name) else {
                return Err(Failure::Usage(format!("there is no option {name} here")));
            };
            let missing = || Failure::Usage(format!("{name} needs a value"));
            let value = value.or_else(|| arguments.next()).ok_or_else(missing)?;
            options.push((*name, value));
        }
        Ok(Arguments { options, rest: rest.into_iter() })
    }

    /// The value of an option that may be given once.
    pub(super) fn once(&mut self, name: &'static str) -> Result<Option<OsString>, Failure> {
        let mut values = self.all(name);
        let value = values.pop();
        if values.is_empty() {
            Ok(value)
        } else {
            Err(Failure::Usage(format!("{name} is given more than once")))
        }
    }

    /// The value of an option that has to be given.
    pub(super) fn required(&mut self, name: &'static str) -> Result<OsString, Failure> {
        self.once(name)?.ok_or_else(|| Failure::Usage(format!("{name} has to be given")))
    }

    /// All values of an option.
    pub(super) fn all(&mut self, name: &'static str) -> Vec<OsString> {
        let (of_it, others) =
            std::mem::take(&mut self.options).into_iter().partition(|(given, _)| *given == name);
        self.options = others;
        of_it.into_iter().map(|(_, value): (_, OsString)| value).collect()
    }

    /// The next argument that is no option.
    pub(super) fn next(&mut self, what: &str) -> Result<PathBuf, Failure> {
        self.rest.next().map(PathBuf::from).ok_or_else(|| Failure::Usage(format!("{what} is missing")))
    }

    /// The next argument that is no option, if there is one.
    pub(super) fn next_if_any(&mut self) -> Option<OsString> {
        self.rest.next()
    }

    /// Makes sure that nothing is left.
    pub(super) fn end(mut self) -> Result<(), Failure> {
        match self.rest.next() {
            Some(more) => Err(Failure::Usage(format!("{} is one argument too many", more.display()))),
            None => Ok(()),
        }
    }
}

/// A text that has to be UTF-8.
pub(super) fn text(value: OsString) -> Result<String, Failure> {
    value.into_string().map_err(|value| Failure::Usage(format!("{} is not UTF-8", value.display())))
}

/// A number without sign.
pub(super) fn number(value: OsString) -> Result<u64, Failure> {
    let value = text(value)?;
    crate::checkpoint::decimal(&value).ok_or_else(|| Failure::Usage(format!("{value} is no number")))
}
