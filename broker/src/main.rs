//! The command `rex-broker`: what was asked for, and the exit status.

use std::process::ExitCode;

use rex_broker::cli::{self, CliExit, Environment, Exit, Invocation};
use rex_broker::{doctor, image, policy_command, protocol, run, sdk};

fn main() -> ExitCode {
    let invocation = match cli::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(exit) => return say(&exit),
    };
    ExitCode::from(match invocation {
        Invocation::Run(options) => {
            cli::log::init(options.compat);
            match run::requirement(options.require.as_deref()) {
                Ok(requirement) => run::run(&options, Environment::current(), &requirement, image::JAIL),
                Err(error) => wrong(&error, options.compat),
            }
        }
        Invocation::Doctor(arguments) => {
            cli::log::init(false);
            match run::requirement(arguments.require.as_deref()) {
                Ok(requirement) => doctor::run(&arguments, &requirement),
                Err(error) => wrong(&error, false),
            }
        }
        Invocation::Policy(arguments) => {
            cli::log::init(false);
            policy_command::run(&arguments)
        }
        Invocation::Protocol => protocol::print(),
        Invocation::Sdk(arguments) => sdk::run(&arguments),
    })
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
