//! From the words of the command line to what is to be done.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory, FromArgMatches};
use clap_complete::Shell;

use super::arguments::{CommandLine, ConfigTask, DoctorArguments, RunArguments, Task};
use super::asked::misunderstood;
use super::given::given;
use super::help::OVERVIEW;
use super::request::Asked;
use crate::front::audit_command::AuditArguments;
use crate::front::ceiling_command::CeilingTask;
use crate::front::config::ShowArguments;
use crate::front::policy_command::PolicyArguments;
use crate::front::reference::SdkArguments;
use crate::front::runs_command::StopArguments;
use crate::result::{Exit, Format};
use crate::run::request::RunRequest;
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
    /// Tell what stands in a record, and decide it anew.
    Audit(Box<AuditArguments>),
    /// Tell what the kernel is to allow the broker.
    Ceiling(CeilingTask),
    /// Tell which runs there are.
    Ps {
        /// As JSON, and not for people.
        json: bool,
    },
    /// Stop runs.
    Stop(StopArguments),
    /// Print the boundary's table.
    Protocol {
        /// As JSON, and not for people.
        json: bool,
    },
    /// Tell what scripts can call.
    Sdk(SdkArguments),
    /// Tell what is configured.
    ShowConfig(ShowArguments),
    /// Print completions for a shell.
    Completions(Shell),
    /// Print the manual page of the command with these words.
    Manual(Vec<String>),
}

/// The program ends here, with a text for the caller: help, version, or what is wrong with the command line.
#[derive(Clone, Debug, PartialEq)]
pub struct CliExit {
    /// What to say, with the final newline.
    pub text: String,
    /// Whether it goes to standard error and not to standard output.
    pub is_error: bool,
    /// The exit status.
    pub code: u8,
    /// The run that was asked for in words that make no sense, when a program waits for its document.
    pub asked: Option<Box<RunRequest>>,
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
    if words.len() <= 1 && !compat {
        return Err(CliExit::overview());
    }
    let parsed = if compat { parse_compat(&words, named_rex_runner) } else { parse_standard(&words) };
    parsed.map_err(|error| CliExit::new(&error, compat, document_of_run(&words)))
}

/// The grammar of the command line, for completions and manual pages.
pub fn command() -> Command {
    // Nobody who asks for a reminder wants to see every limit.
    let only = |arg: Arg, usual: &[&str]| {
        let is_usual = usual.contains(&arg.get_id().as_str());
        arg.hide_short_help(!is_usual)
    };
    CommandLine::command()
        .mut_args(|arg| only(arg, &USUAL))
        .mut_subcommand("run", |run| run.mut_args(|arg| only(arg, &USUAL_OF_RUN)))
}

/// The form of the document that `run` was asked for, looked for without the grammar, because the words do not fit it.
fn document_of_run(words: &[OsString]) -> Option<Format> {
    if words.get(1).is_none_or(|word| word != "run") {
        return None;
    }
    words.iter().skip(2).take_while(|word| *word != "--").find_map(|word| match word.to_str()? {
        "--json" => Some(Format::Json),
        "--pretty-json" => Some(Format::PrettyJson),
        "--ndjson" => Some(Format::Ndjson),
        _ => None,
    })
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
        Some(Task::Audit(audit)) => Invocation::Audit(Box::new(audit)),
        Some(Task::Ceiling(task)) => Invocation::Ceiling(task),
        Some(Task::Ps { json }) => Invocation::Ps { json },
        Some(Task::Stop(stop)) => Invocation::Stop(stop),
        Some(Task::Protocol { json }) => Invocation::Protocol { json },
        Some(Task::Sdk(sdk)) => Invocation::Sdk(sdk),
        Some(Task::Config(ConfigTask::Show(show))) => Invocation::ShowConfig(show),
        Some(Task::Completions { shell }) => Invocation::Completions(shell),
        Some(Task::Manual { words }) => Invocation::Manual(words),
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
    /// Not what was asked for, because nothing was: whoever calls this with no words by mistake must not take it for success.
    fn overview() -> Self {
        Self { text: OVERVIEW.to_owned(), is_error: true, code: Exit::Usage.code(false), asked: None }
    }

    fn new(error: &clap::Error, compat: bool, form: Option<Format>) -> Self {
        let is_error = error.use_stderr();
        let mut text = printable(&error.to_string()).into_owned();
        if error.kind() == ErrorKind::MissingRequiredArgument && text.contains("\n  --jail\n") {
            text.push_str("\nThere is no unjailed mode.\n");
        }
        text.push_str(advice(error));
        Self {
            text,
            is_error,
            code: if is_error { Exit::Usage.code(compat) } else { Exit::Done.code(compat) },
            asked: form.filter(|_| is_error).map(|form| Box::new(misunderstood(form))),
        }
    }
}

/// What somebody probably wanted who wrote that.
fn advice(error: &clap::Error) -> &'static str {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(" "),
        _ => String::new(),
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand if context(ContextKind::InvalidSubcommand).contains(['.', '/']) => {
            "\nA script is run by: rex-broker run SCRIPT --policy FILE\n"
        }
        ErrorKind::MissingRequiredArgument if context(ContextKind::InvalidArg).contains("--policy <") => {
            "\nA policy says what the script may do; an empty file permits nothing, which is enough to compute.\n"
        }
        ErrorKind::MissingRequiredArgument if context(ContextKind::InvalidArg).contains("<SCRIPT>") => {
            "\nThe script comes first: --policy takes all files that follow it, or one as in --policy=FILE.\n"
        }
        _ => "",
    }
}

const REX_RUNNER: &str = "rex-runner";
/// The options that a reminder has, by their names in the grammar.
const USUAL: [&str; 7] =
    ["jail", "script_file", "policy_file", "script_arguments_file", "output_format", "verbose", "rex_compat"];
const USUAL_OF_RUN: [&str; 11] = [
    "script",
    "policies",
    "given",
    "arguments",
    "dry_run",
    "json",
    "ndjson",
    "verbose",
    "audit_log",
    "require",
    "timeout_seconds",
];
