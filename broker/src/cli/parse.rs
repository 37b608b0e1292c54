//! From the words of the command line to what is to be done.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};

use super::arguments::{CommandLine, DoctorArguments, RunArguments, Task};
use super::exit::Exit;
use super::limits::Limits;
use super::terminal::printable;
use super::values::{AuditSync, AuditTarget, Format, HardLinks, PolicyMode};
use crate::sdk::SdkArguments;
use crate::policy_command::PolicyArguments;

/// What the program is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Run a script.
    Run(Box<Run>),
    /// Tell which protections this host can give.
    Doctor(DoctorArguments),
    /// Check, explain and describe policies.
    Policy(Box<PolicyArguments>),
    /// Print the boundary's table as JSON.
    Protocol,
    /// Tell what scripts can call.
    Sdk(SdkArguments),
}

/// How a script is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The script.
    pub script: PathBuf,
    /// The policy.
    pub policy: PathBuf,
    /// The arguments, if any.
    pub arguments: Option<PathBuf>,
    /// The form of the result.
    pub format: Format,
    /// Whether the human form has logs and metrics.
    pub verbose: bool,
    /// Whether exit status, policy loading and termination are Rex's.
    pub compat: bool,
    /// Whether the result lacks what Rex's does not have.
    pub bare: bool,
    /// How policies that look like mistakes are treated.
    pub policy_mode: PolicyMode,
    /// What to do with files that may have a second name.
    pub hard_links: HardLinks,
    /// Where decisions are recorded.
    pub audit_log: AuditTarget,
    /// When records are forced to disk.
    pub audit_sync: AuditSync,
    /// Which protections must be in force; the hardening package reads it.
    pub require: Option<String>,
    /// Whether the kernel reports the system call that ended a jail.
    pub jail_forensics: bool,
    /// How much the run may use.
    pub limits: Limits,
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

/// Looked for ahead of the grammar, because it decides how a wrong command line is answered.
fn asks_for_compat(words: &[OsString]) -> bool {
    words.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--rex-compat")
}

fn parse_standard(words: &[OsString]) -> Result<Invocation, clap::Error> {
    let matches = CommandLine::command().try_get_matches_from(words)?;
    let line = CommandLine::from_arg_matches(&matches)?;
    Ok(match line.task {
        None => Invocation::Run(Box::new(line.run.into_run(false))),
        Some(Task::Doctor(doctor)) => Invocation::Doctor(doctor),
        Some(Task::Policy(policy)) => Invocation::Policy(Box::new(policy)),
        Some(Task::Protocol { json: _ }) => Invocation::Protocol,
        Some(Task::Sdk(sdk)) => Invocation::Sdk(sdk),
    })
}

fn parse_compat(words: &[OsString], named_rex_runner: bool) -> Result<Invocation, clap::Error> {
    let command = RunArguments::command().disable_version_flag(true);
    let command = if named_rex_runner {
        command.bin_name(REX_RUNNER).mut_arg("jail", |jail| jail.required(false))
    } else {
        command.bin_name("rex-broker")
    };
    let matches = command.try_get_matches_from(words)?;
    let run = RunArguments::from_arg_matches(&matches)?;
    Ok(Invocation::Run(Box::new(run.into_run(true))))
}

impl RunArguments {
    fn into_run(self, compat: bool) -> Run {
        let default_mode = if compat { PolicyMode::Rex } else { PolicyMode::Standard };
        Run {
            // Present, as the grammar demands them.
            script: self.script_file.unwrap_or_default(),
            policy: self.policy_file.unwrap_or_default(),
            arguments: self.script_arguments_file,
            format: self.output_format,
            verbose: self.verbose,
            compat,
            bare: self.deciding.bare,
            policy_mode: self.deciding.policy_mode.unwrap_or(default_mode),
            hard_links: self.deciding.hard_links,
            audit_log: self.deciding.audit_log.unwrap_or_default(),
            audit_sync: self.deciding.audit_sync,
            require: self.deciding.require,
            jail_forensics: self.deciding.jail_forensics,
            limits: self.limits,
        }
    }
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
