//! The examples and tables below the options.

/// Below the options of the program itself.
pub(super) const EXAMPLES: &str = "\
Examples:
  Run a script under a policy, and show the result to a person:
    rex-broker run check.rhai --policy check.cedar

  The same as a program would, with Rex's flags and Rex's document:
    rex-broker --jail -s check.rhai -p check.cedar -a args.json -o json

  Find out what this host can protect against:
    rex-broker doctor --prove

Exit status:
   0 done                       64 command line wrong            71 no jail could be made
   1 the script failed          65 script, policy or arguments   73 output cannot be written
  77 denied and not handled        invalid                       74 record cannot be written
  75 a limit was reached        66 input file missing            78 configuration refused
 124 deadline passed            70 fault of this program      128+n ended by signal n";

/// What the program says when it is called without a word.
pub(super) const OVERVIEW: &str = "\
rex-broker runs scripts that nobody reviewed, and does for them what a policy permits.

  rex-broker run SCRIPT --policy FILE   run a script under a policy
  rex-broker policy check FILE          find mistakes in a policy
  rex-broker policy explain ...         why one act is permitted or denied
  rex-broker policy diff OLD NEW        what another policy decides otherwise
  rex-broker audit why RECORD           who did what, what for and under which rule
  rex-broker ceiling show ...           what the kernel allows at most under a policy
  rex-broker ps                         which runs there are
  rex-broker stop --run RUN             stop a run, or those of a user or a delegation
  rex-broker sdk search WORDS           find what scripts can call
  rex-broker doctor                     which protections this host can give
  rex-broker config show                what is configured here
  rex-broker protocol                   what can cross between script and broker
  rex-broker completions SHELL          completions for bash, zsh, fish and others
  rex-broker manual [COMMAND]           a manual page

Programs that drive Rex: rex-broker --jail -s SCRIPT -p POLICY gives Rex's document.
Each command has --help; -h is shorter.
";

/// Below the options of the program itself, in short.
pub(super) const SHORT_EXAMPLES: &str = "\
Examples:
  rex-broker run check.rhai --policy check.cedar

--help has all limits and options, and every exit status.";

/// Below the options of `run`, in short.
pub(super) const SHORT_RUN_EXAMPLES: &str = "\
Examples:
  rex-broker run check.rhai --policy base.cedar /etc/app/policies --arg path=/srv --arg n:int=3
  generate | rex-broker run - --policy check.cedar --ndjson

--help has all limits and options.";

/// Below the options of `run`.
pub(super) const RUN_EXAMPLES: &str = "\
Arguments on the command line:
  --arg name=value              the text `value`
  --arg count:int=3             an integer; also :float, :bool
  --arg hosts:json='[\"a\",\"b\"]'  a list or map of such values

Examples:
  Two policies, a directory of policies, and an argument:
    rex-broker run check.rhai --policy base.cedar --policy /etc/app/policies --arg path=/srv/app

  A script from standard input, its events as they happen:
    generate | rex-broker run - --policy check.cedar --ndjson

  See whether script, policy and arguments are valid, and run nothing:
    rex-broker run check.rhai --policy check.cedar --dry-run";

/// Below the options of `config show`.
pub(super) const CONFIG_EXAMPLES: &str = "\
Read in this order, of which a later one may tighten anything:
  /etc/rex-broker/config.toml
  /etc/rex-broker/conf.d/*.toml
  $XDG_CONFIG_HOME/rex-broker/config.toml   not by root; else ~/.config/rex-broker/config.toml
  REX_BROKER_*                              such as REX_BROKER_TIMEOUT=60
  flags
Only a file of root's may loosen, or a flag where no such file has a value.

Examples:
  rex-broker config show
  rex-broker config show --origin --json";

/// Below the options of `doctor`.
pub(super) const DOCTOR_EXAMPLES: &str = "\
Examples:
  See what the kernel offers and what a jail here would have:
    rex-broker doctor

  Let a jail try what it must not be able to do:
    rex-broker doctor --prove

  Fail, for a service that must not start without them:
    rex-broker doctor --require strict --json";

/// Below the commands of `policy`.
pub(super) const POLICY_EXAMPLES: &str = "\
Examples:
  rex-broker policy check site.cedar
  rex-broker policy explain --policy site.cedar --action read --resource /etc/hosts
  rex-broker policy schema";

/// Below the commands of `audit`.
pub(super) const AUDIT_EXAMPLES: &str = "\
Examples:
  rex-broker audit why /var/log/rex-broker/audit.jsonl --resource /etc/shadow
  rex-broker audit replay audit.jsonl --blobs /var/log/rex-broker/blobs";

/// Below the commands of `ceiling`.
pub(super) const CEILING_EXAMPLES: &str = "\
Examples:
  rex-broker ceiling show --policy site.cedar";

/// Below the options of `ps`.
pub(super) const PS_EXAMPLES: &str = "\
Examples:
  See which runs there are: one's own, and for root those of all users:
    rex-broker ps

  For programs, a line of JSON for each:
    rex-broker ps --json";

/// Below the options of `stop`.
pub(super) const STOP_EXAMPLES: &str = "\
Examples:
  Stop one run, and have its record say why:
    rex-broker stop --run 8f14e45fceea167a5a36dedd4bea2543 --reason 'INC-4711'

  Stop everything that an agent does under one delegation:
    rex-broker stop --delegation 01JD4N2V9Q

  Stop all runs:
    rex-broker stop --all";

/// Below the options of `protocol`.
pub(super) const PROTOCOL_EXAMPLES: &str = "\
Examples:
  See what a script can ask for, and what each asks the policy:
    rex-broker protocol

  Keep what can cross, and see later what a new version adds:
    rex-broker protocol --json > protocol.json";

/// Below the commands of `config`.
pub(super) const CONFIG_TASK_EXAMPLES: &str = "\
Examples:
  rex-broker config show --origin";

/// Below the options of `manual`.
pub(super) const MANUAL_EXAMPLES: &str = "\
Examples:
  Read a page:
    rex-broker manual policy check | man -l -

  Put one where man looks for it:
    rex-broker manual run > ~/.local/share/man/man1/rex-broker-run.1";

/// Below the options of `completions`.
pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  rex-broker completions bash > /etc/bash_completion.d/rex-broker
  rex-broker completions fish > ~/.config/fish/completions/rex-broker.fish
  rex-broker completions zsh > \"${fpath[1]}/_rex-broker\"";
