//! The grammar of `policy`.

use std::path::PathBuf;

use clap::builder::{StringValueParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};

use crate::front::cli::Unit;
use crate::policy::Mode;

/// What is to be done with policies.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct PolicyArguments {
    /// Which of them.
    #[command(subcommand)]
    pub task: PolicyTask,
}

/// The things that can be done with policies.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum PolicyTask {
    /// Find mistakes in policies before they are used
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArguments),
    /// Tell why one act is permitted or denied, and what would permit it
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArguments),
    /// Compare what policies decide with what is expected of them
    #[command(after_help = TEST_EXAMPLES)]
    Test(TestArguments),
    /// Show what another policy decides otherwise
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(DiffArguments),
    /// Fill the slots of a template, for a while; root's to do
    #[command(after_help = GRANT_EXAMPLES)]
    Grant(GrantArguments),
    /// Take a grant away, from runs that go on as well; root's to do
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke {
        /// What `policy grant` has printed
        #[arg(value_name = "GRANT")]
        grant: String,
    },
    /// Print the grants that hold, a line of JSON for each
    #[command(after_help = GRANTS_EXAMPLES)]
    Grants,
    /// Print what policies can be about: actions, resource types, attributes
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema {
        /// As JSON instead of Cedar's own form
        #[arg(long)]
        json: bool,
    },
}

/// What `policy check` looks at.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct CheckArguments {
    /// Policy files, and directories of files *.cedar
    #[arg(value_name = "FILE_OR_DIR", required = true)]
    pub paths: Vec<PathBuf>,
    /// How to treat policies that look like mistakes
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Mode::Standard)]
    pub policy_mode: Mode,
    /// Fail when there is anything to warn about
    #[arg(long)]
    pub deny_warnings: bool,
    /// Print the findings as a JSON array; a file that cannot be read is one of them
    #[arg(long)]
    pub json: bool,
    /// How to print the findings
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = ReportFormat::Text, conflicts_with = "json")]
    pub format: ReportFormat,
}

/// How findings and outcomes are printed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// For people
    Text,
    /// As with --json
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// JUnit's XML
    Junit,
}

/// What `policy explain` is to explain.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ExplainArguments {
    /// Policy files, and directories of files *.cedar
    #[arg(short, long, value_name = "FILE_OR_DIR", required = true, num_args = 1..)]
    pub policy: Vec<PathBuf>,
    /// The action: read, file_system::read, or file_system::Action::"read"
    #[arg(short, long)]
    pub action: String,
    /// The resource: an absolute path, another name, or file_system::File::"/etc/hosts"; not needed where there is one only
    #[arg(short, long)]
    pub resource: Option<String>,
    /// What a path or name stands for, such as Dir; what ends in / is one [default: File, and Dir in short]
    #[arg(long, value_name = "TYPE")]
    pub resource_type: Option<String>,
    /// The user on whose behalf [default: the user who asks]
    #[arg(long, value_name = "USER")]
    pub principal: Option<String>,
    /// What else the policy sees of the act, as JSON: of move, set_x_attr, execute, connect and GET
    #[arg(long, value_name = "JSON")]
    pub context: Option<String>,
    /// Name, owner and command line of a process, as JSON with name, username and command, perhaps uid, start_time and exe
    #[arg(long, value_name = "JSON")]
    pub process: Option<String>,
    /// How to treat policies that look like mistakes
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Mode::Standard)]
    pub policy_mode: Mode,
    /// Print the explanation as JSON; where there is none, an object with `error` and `findings`
    #[arg(long)]
    pub json: bool,
}

/// What `policy test` asks, and of which policies.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct TestArguments {
    /// Files of requests with expected decisions, and directories of files *.toml
    #[arg(value_name = "FILE_OR_DIR", required = true)]
    pub paths: Vec<PathBuf>,
    /// Policy files and directories, instead of those that the files name or that lie beside them
    #[arg(short, long, value_name = "FILE_OR_DIR", num_args = 1)]
    pub policy: Vec<PathBuf>,
    /// How to treat policies that look like mistakes
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Mode::Standard)]
    pub policy_mode: Mode,
    /// Show what came out as expected, too
    #[arg(short, long)]
    pub verbose: bool,
    /// Print what came of each request as a JSON array
    #[arg(long, conflicts_with = "verbose")]
    pub json: bool,
    /// How to print what came out
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = ReportFormat::Text, conflicts_with = "json")]
    pub format: ReportFormat,
    /// Write what came of each request to this file as well, as JUnit's XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// Which policies `policy diff` compares, and by what.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct DiffArguments {
    /// The policy as it is: a file, or a directory of files *.cedar
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The policy as it is to be
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// Compare by the decisions of a record; - is standard input
    #[arg(long, value_name = "LOG", conflicts_with = "principal")]
    pub over: Option<PathBuf>,
    /// The user on whose behalf [default: every user that a policy names, and one more]
    #[arg(long, value_name = "USER")]
    pub principal: Option<String>,
    /// How to treat policies that look like mistakes
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Mode::Standard)]
    pub policy_mode: Mode,
    /// Print what changes as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `policy grant` puts into which template.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct GrantArguments {
    /// The id of the template
    #[arg(value_name = "TEMPLATE")]
    pub template: String,
    /// Policy files, and directories of files *.cedar, with the template among them
    #[arg(short, long, value_name = "FILE_OR_DIR", required = true, num_args = 1..)]
    pub policy: Vec<PathBuf>,
    /// What stands for ?principal, such as User::"alice@corp.example"
    #[arg(long, value_name = "ENTITY")]
    pub principal: Option<String>,
    /// What stands for ?resource, such as file_system::Dir::"/srv/a"
    #[arg(long, value_name = "ENTITY")]
    pub resource: Option<String>,
    /// For how long, such as 30m or 8h
    #[arg(long = "for", value_name = "TIME", value_parser = duration())]
    pub duration_seconds: u64,
}

fn duration() -> impl TypedValueParser<Value = u64> {
    StringValueParser::new().try_map(|text| match Unit::Seconds.parse(&text) {
        Ok(0) => Err("a grant that ends at once is none".to_owned()),
        Ok(seconds @ ..=MAX_GRANT_SECONDS) => Ok(seconds),
        Ok(_) => Err("a grant ends within a year".to_owned()),
        Err(reason) => Err(reason),
    })
}

const MAX_GRANT_SECONDS: u64 = 366 * 24 * 60 * 60;

const GRANT_EXAMPLES: &str = "\
Examples:
  rex-broker policy grant on-call -p site.cedar --principal 'User::\"alice@corp.example\"' --for 8h

Exit status:
   0 granted; standard output says how it is called
  64 the command line makes no sense
  65 there is no such template, or with these names it is no policy
  66 a policy cannot be read
  73 standard output cannot be written
  78 it cannot be kept, or this is not root";

const REVOKE_EXAMPLES: &str = "\
Examples:
  rex-broker policy revoke 5f0c1d9a6be2

Exit status:
   0 taken away
  64 the command line makes no sense
  78 there is no such grant, or this is not root";

const GRANTS_EXAMPLES: &str = "\
Examples:
  rex-broker policy grants | jq -r .id

Exit status:
   0 printed
  73 standard output cannot be written
  78 they cannot be read";

const CHECK_EXAMPLES: &str = "\
Examples:
  rex-broker policy check site.cedar
  rex-broker policy check /etc/rex-broker/policies.d --deny-warnings --json
  rex-broker policy check site.cedar --format sarif > policies.sarif

Exit status:
   0 nothing found, or warnings only
  65 refused, or with --deny-warnings anything found
  64 the command line makes no sense
  66 a file is missing or cannot be read
  73 standard output cannot be written";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  rex-broker policy schema > rex.cedarschema
  rex-broker policy schema --json";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  rex-broker policy explain -p site.cedar -a read -r /etc/hosts
  rex-broker policy explain -p site.cedar -a open -r /etc --resource-type Dir --principal monitor
  rex-broker policy explain -p site.cedar -a systemd::restart -r nginx.service
  rex-broker policy explain -p site.cedar -a move -r /a --context '{\"destination\":{\"path\":\"/b\"}}'

Only the policy is asked: what the broker closes to every script stays closed, and nothing on this host is looked at.

Exit status:
   0 permitted; without --resource-type, of a file or of a directory of that name
  77 denied
  64 the question makes no sense
  65 the policy is refused
  66 a policy cannot be read
  73 standard output cannot be written";

const TEST_EXAMPLES: &str = "\
Examples:
  rex-broker policy test site.test.toml
  rex-broker policy test /etc/rex-broker/policies.d -v
  rex-broker policy test tests/ -p site.cedar --junit policies.xml

A file of requests:
  principal = \"monitor\"

  [[request]]
  action = \"read\"
  resource = \"/var/log/app.log\"
  expect = \"permitted\"

  [[request]]
  name = \"nobody reads the passwords\"
  action = \"read\"
  resource = \"/etc/shadow\"
  expect = \"denied\"

Only policies are asked, as with `policy explain`.

Exit status:
   0 everything came out as expected
   1 something did not
  64 the command line makes no sense
  65 a policy is refused, or a file says nothing that can be asked
  66 a file is missing or cannot be read
  73 standard output or the file of --junit cannot be written";

const DIFF_EXAMPLES: &str = "\
Examples:
  rex-broker policy diff site.cedar site.new.cedar
  rex-broker policy diff site.cedar site.new.cedar --over /var/log/rex-broker/audit.jsonl

Without --over both are asked about everything that either of them names, and about what lies above and below; two policies
that answer all of that alike may still differ elsewhere. What a delegation adds is not looked at.

Exit status:
   0 every question has one answer
   1 some do not
  64 the command line makes no sense
  65 a policy is refused, or the two name too much
  66 a policy or the record cannot be read
  73 standard output cannot be written";
