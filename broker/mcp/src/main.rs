//! `rex-mcp` serves a language model over the Model Context Protocol: it reads messages from standard input, and starts a
//! `rex-broker` for each script that it is sent, under the policy that its operator has named.
//!
//! It has no rights of its own but those of whoever started it, and uses none of them: what a script may do, the policy says.

#![forbid(unsafe_code)]

mod arguments;
mod child;
mod in_flight;
mod install;
mod json;
mod lines;
mod message;
mod options;
mod output;
mod protocol;
mod serve;
mod tools;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use in_flight::InFlight;
use options::{CommandLine, Served, Task};
use output::Output;
use tools::Operator;

fn main() -> ExitCode {
    // Before anything is parsed: these are the words of a child on its way to become a broker.
    if let Some(failed) = child::become_broker(std::env::args_os().skip(1)) {
        return failed;
    }
    let asked = match CommandLine::try_parse() {
        Ok(asked) => asked,
        Err(told) => {
            let is_wrong = told.use_stderr();
            // Where it cannot be said, the status says it.
            let _ = told.print();
            return if is_wrong { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let served = match &asked.task {
        Some(Task::Install(asked)) => &asked.served,
        None => &asked.served,
    };
    let refused = served.refusal().or_else(|| served.lacking().filter(|_| asked.task.is_none()));
    if let Some(told) = refused {
        eprintln!("rex-mcp: {told}");
        return ExitCode::from(USAGE);
    }
    match asked.task {
        Some(Task::Install(asked)) => install::print(&asked),
        None => start(asked.served),
    }
}

/// Serves, if the policies are any and runs would not be refused for the sake of the options. A mistake there is the operator's to learn,
/// and not each client's.
fn start(served: Served) -> ExitCode {
    let broker = served.broker();
    let policy_mode = served.policy_mode();
    match child::check(&broker, policy_mode.as_deref(), &served.policies) {
        Ok((0, _)) => {}
        Ok((refused, found)) => {
            // Standard output is the client's.
            eprint!("{found}");
            return ExitCode::from(refused);
        }
        Err(error) => {
            eprintln!("rex-mcp: {} cannot be started: {error}", broker.display());
            return ExitCode::from(child::NO_BROKER);
        }
    }
    let operator = Arc::new(Operator {
        broker,
        in_flight: InFlight::new(served.max_runs.into()),
        forbids: served.forbids(),
        policy_mode,
        policies: served.policies,
        timeout: served.timeout,
        further: served.further,
    });
    if let Err((refused, why)) = tools::rehearse(&operator) {
        eprintln!("rex-mcp: runs would be refused: {why}");
        return ExitCode::from(refused);
    }
    let served = Arc::clone(&operator);
    let gone = move || {
        // Nobody listens any more, whether or not there is still somebody who sends.
        served.in_flight.end(serve::END_WITHIN);
        std::process::exit(0);
    };
    match Output::start(io::stdout(), gone) {
        Ok(output) => serve::serve(&operator, io::stdin().lock(), &output),
        Err(error) => {
            eprintln!("rex-mcp: cannot begin: {error}");
            return ExitCode::from(child::NO_BROKER);
        }
    }
    ExitCode::SUCCESS
}

/// `EX_USAGE` of sysexits.h, as the broker has it.
const USAGE: u8 = 64;
