//! What the operator says: which broker, which policies, how much at a time. A client has no say in any of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Serve a language model over standard input and output, and run its scripts under the operator's policy.
#[derive(Parser, Debug)]
#[command(name = "rex-mcp", version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = EXAMPLES)]
pub(crate) struct CommandLine {
    /// What is served.
    #[command(flatten)]
    pub(crate) served: Served,
    /// Something else than to serve.
    #[command(subcommand)]
    pub(crate) task: Option<Task>,
}

/// Something else than to serve.
#[derive(Subcommand, Debug)]
pub(crate) enum Task {
    /// Print what a client has to be configured with
    Install(Install),
}

/// For which client, and what it is to be served with.
#[derive(Args, Debug)]
pub(crate) struct Install {
    /// The client
    #[arg(long, value_name = "NAME", value_enum)]
    pub(crate) client: Client,
    /// What is served.
    #[command(flatten)]
    pub(crate) served: Served,
}

/// The clients whose form of configuration is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Client {
    /// Claude Code, in .mcp.json
    ClaudeCode,
    /// Claude Desktop, in claude_desktop_config.json
    ClaudeDesktop,
    /// Cursor, in .cursor/mcp.json
    Cursor,
    /// Visual Studio Code, in .vscode/mcp.json
    Vscode,
}

/// What is served, with what, and within which bounds.
#[derive(Args, Clone, Debug)]
pub(crate) struct Served {
    /// A Cedar policy, or a directory whose *.cedar files are policies, under which every script runs; may be given several
    /// times
    #[arg(short, long = "policy", value_name = "FILE_OR_DIR", required = true)]
    pub(crate) policies: Vec<PathBuf>,
    /// The broker [default: rex-broker beside this program, else the one in PATH]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) broker: Option<PathBuf>,
    /// How long a run may take, in seconds; a client may ask for less
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
    /// How many calls are served at a time; one more is told to come later
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) max_runs: u16,
    /// Further options of `rex-broker run` for every run, such as --require strict
    #[arg(last = true, value_name = "OPTIONS")]
    pub(crate) further: Vec<OsString>,
}

impl Served {
    /// The broker to start.
    pub(crate) fn broker(&self) -> PathBuf {
        let beside = || {
            let this = std::env::current_exe().ok()?;
            Some(this.with_file_name(BROKER)).filter(|path| path.is_file())
        };
        self.broker.clone().or_else(beside).unwrap_or_else(|| PathBuf::from(BROKER))
    }

    /// What decides besides the policies: the files of each `--forbid` among the further options.
    pub(crate) fn forbids(&self) -> Vec<PathBuf> {
        let mut forbids = Vec::new();
        let mut words = self.further.iter();
        while let Some(word) = words.next() {
            if word == FORBID {
                forbids.extend(words.next().map(PathBuf::from));
            } else if let Some(file) =
                word.to_str().and_then(|word| word.strip_prefix(FORBID)?.strip_prefix('='))
            {
                forbids.push(file.into());
            }
        }
        forbids
    }

    /// The words that serve the same from anywhere.
    pub(crate) fn words(&self) -> Vec<String> {
        let absolute = |path: &Path| -> String {
            std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
        };
        let mut words = Vec::new();
        for policy in &self.policies {
            words.extend(["--policy".to_owned(), absolute(policy)]);
        }
        if let Some(broker) = &self.broker {
            words.extend(["--broker".to_owned(), absolute(broker)]);
        }
        words.extend(["--timeout".to_owned(), self.timeout.to_string()]);
        words.extend(["--max-runs".to_owned(), self.max_runs.to_string()]);
        if !self.further.is_empty() {
            words.push("--".to_owned());
            words.extend(self.further.iter().map(|word| word.to_string_lossy().into_owned()));
        }
        words
    }
}

const BROKER: &str = "rex-broker";
const FORBID: &str = "--forbid";

const EXAMPLES: &str = "\
Examples:
  rex-mcp --policy /etc/app/agents.cedar
  rex-mcp --policy agents.cedar --timeout 30 -- --require strict --max-output 1M
  rex-mcp install --client claude-code --policy /etc/app/agents.cedar

Exit status:
   0 the client has gone
  64 the command line makes no sense
  65 a policy is refused
  66 a policy cannot be read
  71 there is no broker";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_holds_together() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn what_is_installed_serves_the_same() {
        let words = ["rex-mcp", "--policy", "/p", "--timeout", "7", "--", "--require", "strict"];
        let served = CommandLine::try_parse_from(words).unwrap().served;

        let again = CommandLine::try_parse_from(["rex-mcp".to_owned()].into_iter().chain(served.words()));

        assert_eq!(again.unwrap().served.words(), served.words());
        assert!(served.words().ends_with(&["--".into(), "--require".into(), "strict".into()]));
    }

    #[test]
    fn what_forbids_besides_is_found_in_either_spelling() {
        let words =
            ["rex-mcp", "-p", "/p", "--", "--forbid", "/a", "--require", "strict", "--forbid=/b", "--forbid"];
        let served = CommandLine::try_parse_from(words).unwrap().served;

        assert_eq!(served.forbids(), [PathBuf::from("/a"), PathBuf::from("/b")]);
    }

    #[test]
    fn nothing_is_served_without_a_policy() {
        assert!(CommandLine::try_parse_from(["rex-mcp"]).is_err());
        assert!(CommandLine::try_parse_from(["rex-mcp", "install", "--client", "cursor"]).is_err());
    }
}
