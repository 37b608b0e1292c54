//! Which settings the caller gave a value for, whatever form of the command line was used.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use crate::front::config::{Given, settings};

/// The flags among the settings that stand on the command line, with their values as written.
pub(super) fn given(command: &Command, matches: &ArgMatches) -> Vec<Given> {
    let settings = settings();
    let mut given = Vec::new();
    for argument in command.get_arguments() {
        let Some(flag) = argument.get_long().filter(|long| settings.iter().any(|own| own.name == *long))
        else {
            continue;
        };
        let id = argument.get_id().as_str();
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        for value in matches.get_raw(id).into_iter().flatten() {
            given.push(Given { flag: flag.to_owned(), value: value.to_owned() });
        }
    }
    given
}
