//! What `ceiling` tells: how much the kernel is to allow the broker and its programs under a policy.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::policy_command::{complain, print, read, show, texts};
use crate::gate::forbidden::Forbidden;
use crate::host::principal;
use crate::policy::{Inner, InnerRight, Mode, Policies};
use crate::result::Exit;
use crate::run::ceiling::Ceiling;
use crate::run::closed_to_programs;

/// What is to be done with ceilings.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum CeilingTask {
    /// Tell what the kernel will allow at most, statement by statement
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowCeiling),
}

/// What `ceiling show` looks at.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ShowCeiling {
    /// Policy files, and directories of files *.cedar
    #[arg(short, long, value_name = "FILE_OR_DIR", required = true, num_args = 1..)]
    pub policy: Vec<PathBuf>,
    /// How to treat policies that look like mistakes
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Mode::Standard)]
    pub policy_mode: Mode,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// Does what was asked for; gives the exit status.
pub fn run(task: &CeilingTask) -> u8 {
    let CeilingTask::Show(arguments) = task;
    show_ceiling(arguments).code(false)
}

fn show_ceiling(arguments: &ShowCeiling) -> Exit {
    let sources = match read(&arguments.policy) {
        Ok(sources) => sources,
        Err(unread) => return unread.exit,
    };
    let texts = texts(&sources);
    let policies = match Policies::load(&texts, arguments.policy_mode) {
        Ok(loaded) => loaded.policies,
        Err(errors) => {
            show(errors.findings(), &texts);
            return Exit::InputInvalid;
        }
    };
    let ceiling = match Ceiling::of(&policies, false) {
        Ok(ceiling) => ceiling,
        Err(error) => {
            complain(&format!("cannot look at the places that the policy names: {error}"));
            return Exit::Internal;
        }
    };
    let principal = principal::of(nix::unistd::geteuid().as_raw());
    let programs = policies.inner(&principal, &closed_to_programs(&Forbidden::new()));
    if arguments.json {
        // Texts, numbers and lists always have a JSON form.
        let mut told = serde_json::to_value(&ceiling).unwrap_or_default();
        if let Some(told) = told.as_object_mut() {
            told.insert("programs".to_owned(), of_programs(&programs));
        }
        print(&format!("{}\n", serde_json::to_string_pretty(&told).unwrap_or_default()))
    } else {
        print(&(ceiling.in_words() + &programs_in_words(&programs)))
    }
}

fn of_programs(programs: &Inner) -> Value {
    let places = programs.places.iter().map(|place| {
        let except: Vec<&str> = place.except.iter().map(|path| path.as_str()).collect();
        let rights: Vec<&str> = place.rights.iter().map(|right| word(*right)).collect();
        json!({ "path": place.path.as_str(), "below": place.is_tree, "rights": rights, "except": except })
    });
    places.collect()
}

fn programs_in_words(programs: &Inner) -> String {
    let mut text =
        "\nFor programs that a script starts, beside what every program has (docs/children.md):\n".to_owned();
    if programs.places.is_empty() {
        text.push_str("  nothing\n");
    }
    for place in &programs.places {
        let below = if place.is_tree { " and below" } else { "" };
        let rights: Vec<&str> = place.rights.iter().map(|right| word(*right)).collect();
        // Writing to a string does not fail.
        let _ = write!(text, "  {}{below}: {}", place.path, rights.join(", "));
        if !place.except.is_empty() {
            let except: Vec<&str> = place.except.iter().map(|path| path.as_str()).collect();
            let _ = write!(text, "; without {}", except.join(", "));
        }
        text.push('\n');
    }
    text
}

const fn word(right: InnerRight) -> &'static str {
    match right {
        InnerRight::Read => "read",
        InnerRight::List => "list",
        InnerRight::Write => "write",
        InnerRight::MakeFiles => "make files",
        InnerRight::MakeDirectories => "make directories",
        InnerRight::RemoveFiles => "remove files",
        InnerRight::RemoveDirectories => "remove directories",
        InnerRight::Execute => "execute",
        InnerRight::Rename => "rename",
    }
}

/// Below the options of `ceiling show`.
const SHOW_EXAMPLES: &str = "\
exact: the kernel allows what the statement could permit. widened: more, and it says what.
unbounded: no place can be named, or what is held to places cannot do it; a run with
--require +ceiling does not start then. The answer is about the files that are there now.

Examples:
  See what a policy comes to before a run is held to it:
    rex-broker ceiling show --policy site.cedar
    rex-broker run check.rhai --policy site.cedar --require +ceiling

  List the statements without a bound:
    rex-broker ceiling show --policy site.cedar --json |
      jq -r '.statements[] | select(.bounded == \"unbounded\") | .id'";
