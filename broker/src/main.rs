//! The command `rex-broker`: what was asked for, and the exit status.

use std::process::ExitCode;

use rex_broker::cli::{self, Asked, CliExit, DoctorArguments, Environment, Exit, Invocation};
use rex_broker::config::{self, ConfigError, Layers, Places};
use rex_broker::{completions, doctor, image, policy_command, protocol, run, sdk};
use rex_hardening::Requirement;

fn main() -> ExitCode {
    let invocation = match cli::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(exit) => return say(&exit),
    };
    ExitCode::from(match invocation {
        Invocation::Run(asked) => run(*asked),
        Invocation::Doctor(arguments) => doctor(&arguments),
        Invocation::Policy(arguments) => {
            cli::log::init(false);
            policy_command::run(&arguments)
        }
        Invocation::Protocol => protocol::print(),
        Invocation::Sdk(arguments) => sdk::run(&arguments),
        Invocation::ShowConfig(arguments) => config::show(arguments),
        Invocation::Completions(shell) => completions::print(shell),
    })
}

fn run(asked: Asked) -> u8 {
    let unsettled = asked.unsettled().clone();
    cli::log::init(unsettled.compat);
    let settled =
        Layers::read(&Places::usual(), std::env::vars_os()).and_then(|layers| asked.settle(&layers));
    let options = match settled {
        Ok(options) => options,
        Err(error) => return run::refuse(&unsettled, Environment::current(), image::JAIL, &error),
    };
    match run::requirement(options.require.as_deref()) {
        Ok(requirement) => run::run(&options, Environment::current(), &requirement, image::JAIL),
        Err(error) => wrong(&error, options.compat),
    }
}

fn doctor(arguments: &DoctorArguments) -> u8 {
    cli::log::init(false);
    let requirement = match &arguments.require {
        Some(given) => run::requirement(Some(given)).map_err(|error| wrong(&error, false)),
        None => configured_requirement().map_err(|error| {
            eprintln!("error: {}", cli::terminal::printable(&error.to_string()));
            Exit::Refused.code(false)
        }),
    };
    match requirement {
        Ok(requirement) => doctor::run(arguments, &requirement),
        Err(code) => code,
    }
}

/// What a run on this host would require when its caller says nothing.
fn configured_requirement() -> Result<Requirement, ConfigError> {
    let effective = Layers::read(&Places::usual(), std::env::vars_os())?.with_flags(&[], &[])?;
    // Every value was looked at when it was read.
    Ok(run::requirement(effective.text("require")).unwrap_or_default())
}

fn say(exit: &CliExit) -> ExitCode {
    if exit.is_error {
        eprint!("{}", exit.text);
    } else {
        print!("{}", exit.text);
    }
    ExitCode::from(exit.code)
}

fn wrong(error: &rex_hardening::RequirementError, compat: bool) -> u8 {
    eprintln!("error: {error}");
    Exit::Usage.code(compat)
}
