//! What the operator says: which broker, which policies, how much at a time. A client has no say in any of it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
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
        self.given(FORBID).map(PathBuf::from).collect()
    }

    /// How the policies are looked at, if the further options say so: as the option that every command on policies has.
    pub(crate) fn policy_mode(&self) -> Option<OsString> {
        let mut option = OsString::from(POLICY_MODE);
        option.push("=");
        option.push(self.given(POLICY_MODE).last()?);
        Some(option)
    }

    /// Why this cannot be served, if the further options say what they must not.
    pub(crate) fn refusal(&self) -> Option<String> {
        for word in self.options() {
            if let Some(own) = OWN.iter().find(|own| is_option(word, own)) {
                return Some(format!("{own} cannot stand behind --: {OWN_HINT}"));
            }
        }
        let taken = |number: i32| (0..=2).contains(&number);
        let number = self.descriptors().find(|number| taken(*number))?;
        Some(format!(
            "fd:{number} is a stream of the broker's own: what a run says to this program goes there"
        ))
    }

    /// Why this cannot be served from here, if it names a descriptor that nobody has opened for it. To be asked before anything is opened.
    pub(crate) fn lacking(&self) -> Option<String> {
        let is_closed = |number: &i32| std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_err();
        let number = self.descriptors().find(is_closed)?;
        Some(format!("fd:{number} was not open when this program was started"))
    }

    /// The further options, with whole paths for those that are relative.
    fn further_from_anywhere(&self) -> impl Iterator<Item = OsString> {
        let before = std::iter::once(None).chain(self.further.iter().map(Some));
        before.zip(&self.further).map(|(before, word)| {
            for (option, others) in PATHS {
                if before.is_some_and(|before| before == option) {
                    return whole(word, others);
                }
                let joined =
                    word.as_bytes().strip_prefix(option.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
                if let Some(value) = joined {
                    let mut word = OsString::from(option);
                    word.push("=");
                    word.push(whole(OsStr::from_bytes(value), others));
                    return word;
                }
            }
            word.clone()
        })
    }

    /// The descriptors that runs are to take over, and that each of them would look for among its own.
    fn descriptors(&self) -> impl Iterator<Item = i32> {
        let configured = std::env::var_os(AUDIT_LOG_VARIABLE);
        let named: Vec<OsString> = [AUDIT_LOG, DELEGATION]
            .iter()
            .flat_map(|name| self.given(name).map(OsStr::to_owned).collect::<Vec<_>>())
            .chain(configured)
            .collect();
        named.into_iter().filter_map(|value| value.to_str()?.strip_prefix("fd:")?.parse().ok())
    }

    /// The values that an option is given among the further ones, in either spelling.
    fn given<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a OsStr> {
        self.further.iter().enumerate().filter_map(move |(at, word)| {
            if word == name {
                return self.further.get(at.saturating_add(1)).map(OsString::as_os_str);
            }
            let value = word.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            Some(OsStr::from_bytes(value))
        })
    }

    /// The further words but those that `--require` takes, which may begin with a hyphen.
    fn options(&self) -> impl Iterator<Item = &OsStr> {
        let before = std::iter::once(None).chain(self.further.iter().map(Some));
        let pairs = before.zip(&self.further);
        pairs
            .filter(|(before, _)| before.is_none_or(|word| word != REQUIRE))
            .map(|(_, word)| word.as_os_str())
    }

    /// The words that serve the same from anywhere.
    pub(crate) fn words(&self) -> Vec<String> {
        let absolute = |path: &Path| absolute(path.as_os_str()).to_string_lossy().into_owned();
        let mut words = Vec::new();
        for policy in &self.policies {
            words.extend(["--policy".to_owned(), absolute(policy)]);
        }
        if let Some(broker) = &self.broker {
            words.extend(["--broker".to_owned(), found(broker).to_string_lossy().into_owned()]);
        }
        words.extend(["--timeout".to_owned(), self.timeout.to_string()]);
        words.extend(["--max-runs".to_owned(), self.max_runs.to_string()]);
        if !self.further.is_empty() {
            words.push("--".to_owned());
            words.extend(self.further_from_anywhere().map(|word| word.to_string_lossy().into_owned()));
        }
        words
    }
}

const BROKER: &str = "rex-broker";
const FORBID: &str = "--forbid";
const POLICY_MODE: &str = "--policy-mode";
const AUDIT_LOG: &str = "--audit-log";
const DELEGATION: &str = "--delegation";
const REQUIRE: &str = "--require";
/// Where the broker looks for the place of the record when no option says it.
const AUDIT_LOG_VARIABLE: &str = "REX_BROKER_AUDIT_LOG";

/// The options of `rex-broker run` that name a file, and what else each may name: a word, or what begins so.
const PATHS: [(&str, &[&str]); 4] =
    [(FORBID, &[]), (AUDIT_LOG, &["none", "fd:"]), (DELEGATION, &["fd:"]), ("--ca-file", &[])];

/// A value that is a path as a whole path, and what is none as it is.
fn whole(value: &OsStr, others: &[&str]) -> OsString {
    let is_other = |other: &&str| {
        value == *other || other.ends_with(':') && value.as_bytes().starts_with(other.as_bytes())
    };
    if others.iter().any(is_other) { value.to_owned() } else { absolute(value) }
}

fn absolute(path: &OsStr) -> OsString {
    std::path::absolute(path).map_or_else(|_| path.to_owned(), PathBuf::into_os_string)
}

/// The whole path of a program: where it has no directory, that of the one which `PATH` has here; its mere name if there is none.
fn found(program: &Path) -> PathBuf {
    if program.as_os_str().as_bytes().contains(&b'/') {
        return absolute(program.as_os_str()).into();
    }
    let is_program =
        |path: &PathBuf| nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok() && path.is_file();
    let listed = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&listed).map(|directory| directory.join(program)).find(is_program);
    found.map_or_else(|| program.to_owned(), |path| absolute(path.as_os_str()).into())
}

/// What is decided before `--`, so that everything that asks for it has it from there.
const OWN: &[&str] = &["--policy", "-p", "--args", "-a"];
const OWN_HINT: &str = "policies belong before it, so that they are checked and explained, too, and arguments come with each script";

/// Whether a word is this option, alone, with a value, or in a cluster of short ones.
fn is_option(word: &OsStr, option: &str) -> bool {
    let word = word.as_bytes();
    if let Some(rest) = word.strip_prefix(option.as_bytes()) {
        return !option.starts_with("--") || rest.is_empty() || rest.starts_with(b"=");
    }
    let Some(letter) = option.strip_prefix('-').filter(|name| name.len() == 1) else { return false };
    // -v is the one that takes no value, and so may stand before another.
    let Some(cluster) = word.strip_prefix(b"-v") else { return false };
    let next = cluster.iter().find(|other| **other != b'v');
    next.is_some_and(|next| letter.as_bytes() == [*next])
}

const EXAMPLES: &str = "\
Examples:
  rex-mcp --policy /etc/app/agents.cedar
  rex-mcp --policy agents.cedar --timeout 30 -- --require strict --max-output 1M
  rex-mcp install --client claude-code --policy /etc/app/agents.cedar

Exit status:
   0 the client has gone
  64 the command line makes no sense, or what stands on it behind --
  65 a policy is refused
  66 a policy cannot be read
  71 there is no broker, or not what --require asks for

Other statuses are those with which the broker would refuse each run.";

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

    fn further(words: &[&str]) -> Served {
        let words = ["rex-mcp", "-p", "/p", "--"].iter().chain(words);
        CommandLine::try_parse_from(words).unwrap().served
    }

    #[test]
    fn what_belongs_before_the_hyphens_is_refused_behind_them() {
        for words in [
            &["--policy", "/q"] as &[&str],
            &["--policy=/q"],
            &["-p", "/q"],
            &["-p/q"],
            &["-p=/q"],
            &["-vp", "/q"],
            &["-vvp/q"],
            &["--require", "strict", "--policy", "/q"],
            &["--args", "/a"],
            &["-a/a"],
        ] {
            assert!(further(words).refusal().is_some_and(|told| told.contains("behind --")), "{words:?}");
        }
        for words in [
            &["--policy-mode", "strict"] as &[&str],
            &["--require", "-pidns"],
            &["--require=-pidns"],
            &["--arg", "a=1"],
            &["-v"],
        ] {
            assert_eq!(further(words).refusal(), None, "{words:?}");
        }
    }

    #[test]
    fn a_descriptor_that_a_run_has_of_its_own_is_refused() {
        for number in ["0", "1", "2", "+1", "002"] {
            for words in [
                &["--audit-log", &format!("fd:{number}")] as &[&str],
                &[&format!("--delegation=fd:{number}")],
            ] {
                assert!(further(words).refusal().is_some_and(|told| told.contains("own")), "{words:?}");
            }
        }
        let open = std::fs::File::open("/dev/null").unwrap();
        let open = format!("--audit-log=fd:{}", std::os::fd::AsRawFd::as_raw_fd(&open));

        assert_eq!((further(&[&open]).refusal(), further(&[&open]).lacking()), (None, None));
        assert_eq!(further(&["--audit-log", "fd:999999"]).refusal(), None);
        assert!(further(&["--audit-log", "fd:999999"]).lacking().is_some());
    }

    #[test]
    fn nothing_is_served_without_a_policy() {
        assert!(CommandLine::try_parse_from(["rex-mcp"]).is_err());
        assert!(CommandLine::try_parse_from(["rex-mcp", "install", "--client", "cursor"]).is_err());
    }
}
