//! The command `rex-broker`: what was asked for, and the exit status.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use nix::sys::signal::SigSet;
use rex_broker::front::cli::{self, Asked, CliExit, DoctorArguments, Invocation};
use rex_broker::front::config::{self, ConfigError, Layers, Places};
use rex_broker::front::{
    audit_command, ceiling_command, completions, doctor, manual, policy_command, protocol, reference,
    runs_command,
};
use rex_broker::result::{Exit, Format};
use rex_broker::run::image;
use rex_broker::watch::inherited;
use rex_broker::{audit, run, terminal};
use rex_outside::{Requirement, streams};

fn main() -> ExitCode {
    let before = inherited::hold_timers();
    inherited::raise();
    // Before anything is opened: only what the caller has opened may be named as `fd:N`.
    audit::note_descriptors();
    if !inherited::lacks_stack() {
        return start(&before);
    }
    // A run is going to be refused for that, and that has to be told.
    let stack_bytes = usize::try_from(inherited::STACK_BYTES).unwrap_or_default();
    match thread::Builder::new()
        .stack_size(stack_bytes)
        .spawn(move || start(&before))
        .map(thread::JoinHandle::join)
    {
        Ok(Ok(code)) => code,
        _ => {
            rex_broker::complain!(
                "error: the caller has left too little stack (RLIMIT_STACK), and there is no other to be had"
            );
            ExitCode::from(Exit::JailNotEstablished.code(false))
        }
    }
}

fn start(before: &SigSet) -> ExitCode {
    let parsed = cli::parse(std::env::args_os());
    // Rex ends by them, and so does what is no run.
    let heeds_timers = matches!(&parsed, Ok(Invocation::Run(asked)) if !asked.unsettled().compat);
    if !heeds_timers {
        inherited::release_timers(before);
    }
    let invocation = match parsed {
        Ok(invocation) => invocation,
        Err(exit) => return say(&exit),
    };
    if let Some(code) = unheard(&invocation) {
        return code;
    }
    ExitCode::from(match invocation {
        Invocation::Run(asked) => run(*asked),
        Invocation::Doctor(arguments) => doctor(&arguments),
        Invocation::Policy(arguments) => {
            cli::log::init(false);
            policy_command::run(&arguments)
        }
        Invocation::Audit(arguments) => {
            cli::log::init(false);
            audit_command::run(&arguments)
        }
        Invocation::Ceiling(task) => {
            cli::log::init(false);
            ceiling_command::run(&task)
        }
        Invocation::Ps { json } => {
            cli::log::init(false);
            runs_command::ps(json)
        }
        Invocation::Stop(arguments) => {
            cli::log::init(false);
            runs_command::stop(&arguments)
        }
        Invocation::Protocol { json } => protocol::print(json),
        Invocation::Sdk(arguments) => reference::run(&arguments),
        Invocation::ShowConfig(arguments) => config::show(arguments),
        Invocation::Completions(shell) => completions::print(shell),
        Invocation::Manual(words) => manual::print(&words),
    })
}

fn run(asked: Asked) -> u8 {
    let unsettled = asked.unsettled().clone();
    cli::log::init(unsettled.compat);
    // What reads the configuration opens files, and what is left may be too little for that already.
    if let Err(reason) = inherited::examine_start() {
        return run::unfit(&unsettled, cli::environment(), image::JAIL, &reason);
    }
    let settled =
        Layers::read(&Places::usual(), std::env::vars_os()).and_then(|layers| asked.settle(&layers));
    let options = match settled {
        Ok(options) => options,
        Err(error) => return run::refuse(&unsettled, cli::environment(), image::JAIL, &error.to_string()),
    };
    match run::requirement(options.require.as_deref()) {
        Ok(requirement) => run::run(&options, cli::environment(), &requirement, image::JAIL),
        Err(error) if options.for_person => {
            let code = wrong(&error, false);
            match options.format {
                Format::Human => code,
                _ => run::misunderstood(&options, cli::environment(), image::JAIL, &error.to_string()),
            }
        }
        Err(error) => wrong(&error, options.compat),
    }
}

fn doctor(arguments: &DoctorArguments) -> u8 {
    cli::log::init(false);
    let refused = |error: ConfigError| {
        rex_broker::complain!("error: {}", terminal::printable(&error.to_string()));
        Exit::Refused.code(false)
    };
    let (requirement, forbids) = match (&arguments.require, configured()) {
        // What is asked for is answered, even where no run would start.
        (Some(given), configured) => {
            (run::requirement(Some(given)), configured.map_or_else(|_| Vec::new(), |(_, forbids)| forbids))
        }
        (None, Ok((requirement, forbids))) => (Ok(requirement), forbids),
        (None, Err(error)) => return refused(error),
    };
    match requirement {
        Ok(requirement) => doctor::run(arguments, &requirement, &forbids),
        Err(error) => wrong(&error, false),
    }
}

/// What a run on this host would require when its caller says nothing, and the policies that are added to it.
fn configured() -> Result<(Requirement, Vec<PathBuf>), ConfigError> {
    let effective = Layers::read(&Places::usual(), std::env::vars_os())?.with_flags(&[], &[])?;
    let forbids = effective.forbids().map(PathBuf::from).collect();
    // Every value was looked at when it was read.
    Ok((run::requirement(effective.text("require")).unwrap_or_default(), forbids))
}

/// Where nobody can be told the result, nothing is done. Rex goes on.
fn unheard(invocation: &Invocation) -> Option<ExitCode> {
    let compat = matches!(invocation, Invocation::Run(asked) if asked.unsettled().compat);
    if compat || !streams::was_closed(STANDARD_OUTPUT) {
        return None;
    }
    Some(not_told("it is closed"))
}

fn say(exit: &CliExit) -> ExitCode {
    if exit.is_error {
        rex_broker::complain!("{}", exit.text.trim_end());
        return match &exit.asked {
            Some(asked) if !streams::was_closed(STANDARD_OUTPUT) => {
                ExitCode::from(run::misunderstood(asked, cli::environment(), image::JAIL, &exit.text))
            }
            _ => ExitCode::from(exit.code),
        };
    }
    if streams::was_closed(STANDARD_OUTPUT) {
        return not_told("it is closed");
    }
    let mut stdout = io::stdout().lock();
    match stdout.write_all(exit.text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::from(exit.code),
        Err(error) => {
            terminal::unwritten("to standard output", &error);
            ExitCode::from(Exit::OutputNotWritten.code(false))
        }
    }
}

fn not_told(reason: &str) -> ExitCode {
    // Standard error may be closed, too.
    drop(writeln!(io::stderr(), "error: cannot write to standard output: {reason}"));
    ExitCode::from(Exit::OutputNotWritten.code(false))
}

const STANDARD_OUTPUT: u8 = 1;

fn wrong(error: &rex_outside::RequirementError, compat: bool) -> u8 {
    rex_broker::complain!("error: {error}");
    Exit::Usage.code(compat)
}
