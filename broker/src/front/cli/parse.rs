//! From the words of the command line to what is to be done.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::ErrorKind;
use clap::{Command, CommandFactory, FromArgMatches};
use clap_complete::Shell;

use super::arguments::{CommandLine, ConfigTask, DoctorArguments, RunArguments, Task};
use super::given::given;
use super::request::Asked;
use crate::front::config::ShowArguments;
use crate::front::policy_command::PolicyArguments;
use crate::front::reference::SdkArguments;
use crate::result::Exit;
use crate::terminal::printable;

/// What the program is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Invocation {
    /// Run a script.
    Run(Box<Asked>),
    /// Tell which protections this host can give.
    Doctor(DoctorArguments),
    /// Check, explain and describe policies.
    Policy(Box<PolicyArguments>),
    /// Print the boundary's table as JSON.
    Protocol,
    /// Tell what scripts can call.
    Sdk(SdkArguments),
    /// Tell what is configured.
    ShowConfig(ShowArguments),
    /// Print completions for a shell.
    Completions(Shell),
}

/// The program ends here, with a text for the caller: help, version, or what is wrong with the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CliExit {
    /// What to say, with the final newline.
    pub text: String,
    /// Whether it goes to standard error and not to standard output.
    pub is_error: bool,
    /// The exit status.
    pub code: u8,
}

/// Reads the command line; the first word is the program's own name.
///
/// # Errors
/// When there is nothing to do: the caller asked for help or the version, or the words make no sense.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Invocation, CliExit> {
    let words: Vec<OsString> = words.into_iter().collect();
    let named_rex_runner =
        words.first().is_some_and(|word| Path::new(word).file_name() == Some(OsStr::new(REX_RUNNER)));
    let compat = named_rex_runner || asks_for_compat(&words);
    let parsed = if compat { parse_compat(&words, named_rex_runner) } else { parse_standard(&words) };
    parsed.map_err(|error| CliExit::new(&error, compat))
}

/// The grammar of the command line, for completions and manual pages.
pub fn command() -> Command {
    CommandLine::command()
}

/// Looked for ahead of the grammar, because it decides how a wrong command line is answered. A command, such as `run`,
/// has nothing to do with Rex.
fn asks_for_compat(words: &[OsString]) -> bool {
    let is_command = words.get(1).is_some_and(|word| !word.as_encoded_bytes().starts_with(b"-"));
    !is_command && words.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--rex-compat")
}

fn parse_standard(words: &[OsString]) -> Result<Invocation, clap::Error> {
    let command = command();
    let matches = command.clone().try_get_matches_from(words)?;
    let line = CommandLine::from_arg_matches(&matches)?;
    Ok(match line.task {
        None => Invocation::Run(Box::new(line.run.into_asked(given(&command, &matches), false))),
        Some(Task::Run(run)) => {
            let (name, matches) = matches.subcommand().unwrap_or(("", &matches));
            let given = command.find_subcommand(name).map(|command| given(command, matches));
            Invocation::Run(Box::new(run.into_asked(given.unwrap_or_default())))
        }
        Some(Task::Doctor(doctor)) => Invocation::Doctor(doctor),
        Some(Task::Policy(policy)) => Invocation::Policy(Box::new(policy)),
        Some(Task::Protocol { json: _ }) => Invocation::Protocol,
        Some(Task::Sdk(sdk)) => Invocation::Sdk(sdk),
        Some(Task::Config(ConfigTask::Show(show))) => Invocation::ShowConfig(show),
        Some(Task::Completions { shell }) => Invocation::Completions(shell),
    })
}

fn parse_compat(words: &[OsString], named_rex_runner: bool) -> Result<Invocation, clap::Error> {
    let command = RunArguments::command().disable_version_flag(true);
    let command = if named_rex_runner {
        command.bin_name(REX_RUNNER).mut_arg("jail", |jail| jail.required(false))
    } else {
        command.bin_name("rex-broker")
    };
    let matches = command.clone().try_get_matches_from(words)?;
    let run = RunArguments::from_arg_matches(&matches)?;
    Ok(Invocation::Run(Box::new(run.into_asked(given(&command, &matches), true))))
}

impl CliExit {
    fn new(error: &clap::Error, compat: bool) -> Self {
        let is_error = error.use_stderr();
        let mut text = printable(&error.to_string()).into_owned();
        if error.kind() == ErrorKind::MissingRequiredArgument && text.contains("\n  --jail\n") {
            text.push_str("\nThere is no unjailed mode.\n");
        }
        Self {
            text,
            is_error,
            code: if is_error { Exit::Usage.code(compat) } else { Exit::Done.code(compat) },
        }
    }
}

const REX_RUNNER: &str = "rex-runner";
