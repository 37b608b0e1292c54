//! The commands `ps` and `stop`: which runs there are, and how they are ended.

use std::fmt::Write;

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::policy_command::{complain, print};
use crate::result::Exit;
use crate::run::register::{self, About, Ended, Listed, Order, Which};
use crate::terminal::printable;

/// Which runs are to be stopped, and why.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(group(ArgGroup::new("which").required(true).args(["run", "user", "delegation", "all"])))]
pub struct StopArguments {
    /// The run of this identifier, as ps and the record have it
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// The runs for this user, and those with this user's rights
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// The runs of this delegation, by its jti
    #[arg(long, value_name = "JTI")]
    pub delegation: Option<String>,
    /// All runs: of all users for root, else the caller's own
    #[arg(long)]
    pub all: bool,
    /// Why, for record and result
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
    /// Report as JSON, a line for each run
    #[arg(long)]
    pub json: bool,
}

impl StopArguments {
    fn which(&self) -> Which {
        match (&self.run, &self.user, &self.delegation) {
            (Some(run), ..) => Which::Run(run.clone()),
            (_, Some(user), _) => Which::User(user.clone()),
            (.., Some(id)) => Which::Delegation(id.clone()),
            _ => Which::All,
        }
    }
}

/// Prints the runs that the caller may see; gives the exit status.
pub fn ps(json: bool) -> u8 {
    let exit = match register::list() {
        Ok(runs) if json => print(&runs.iter().map(|run| line(&told(run))).collect::<String>()),
        Ok(runs) => print(&table(&runs)),
        Err(error) => refused(&error),
    };
    exit.code(false)
}

/// Stops runs, and prints what became of each; gives the exit status.
pub fn stop(arguments: &StopArguments) -> u8 {
    let which = arguments.which();
    let ended = match register::stop(&which, &Order::new(&arguments.reason)) {
        Ok(ended) => ended,
        Err(error) => return refused(&error).code(false),
    };
    let mut text = String::new();
    for (about, how) in &ended {
        match arguments.json {
            true => text.push_str(&line(&json!({ "run": about.run, "became": how.name() }))),
            // Writing to a string does not fail.
            false => {
                let _ = writeln!(text, "{} {}", about.run, how.name());
            }
        }
    }
    let printed = print(&text);
    let goes_on = ended.iter().any(|(_, how)| *how == Ended::GoesOn);
    let exit = match which {
        _ if goes_on => {
            complain("not every run could be told to stop");
            Exit::ScriptFailed
        }
        Which::Run(run) if ended.is_empty() => {
            complain(&format!("there is no run {run} that you may stop"));
            Exit::Refused
        }
        _ => printed,
    };
    exit.code(false)
}

fn told(run: &Listed) -> Value {
    let about = &run.about;
    json!({
        "run": about.run,
        "pid": about.pid,
        "uid": about.uid,
        "user": register::login(about.uid),
        "principal": about.principal,
        "delegation": about.delegation,
        "script_sha256": about.script_sha256,
        "since": about.since_seconds,
        "age_seconds": register::now_seconds().saturating_sub(about.since_seconds),
        "stopped": run.is_stopped,
    })
}

fn table(runs: &[Listed]) -> String {
    let mut text =
        format!("{:<32}  {:>7}  {:>8}  {:<12}  {:<16}  FOR\n", "RUN", "PID", "SECONDS", "SCRIPT", "USER");
    for run in runs {
        let About { run: id, pid, script_sha256, uid, principal, delegation, since_seconds, .. } = &run.about;
        let age = register::now_seconds().saturating_sub(*since_seconds);
        let script: String = script_sha256.chars().take(12).collect();
        let by = delegation.iter().map(|id| format!(" ({id})")).collect::<String>();
        let stopped = if run.is_stopped { ", stopped" } else { "" };
        let told = format!("{:<16}  {principal}{by}{stopped}", register::login(*uid));
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "{id:<32}  {pid:>7}  {age:>8}  {:<12}  {}", printable(&script), printable(&told));
    }
    text
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

fn refused(error: &std::io::Error) -> Exit {
    complain(&format!("the register of runs: {error}"));
    Exit::Refused
}
