//! Completions, asked for in the shells that they are for. A shell that is missing is a failure: nothing is proved without it.

use std::process::{Command, Stdio};

use rex_tests::program;
use rex_tests::scratch::Scratch;

/// Lines, what is offered at their end, and what is not.
const LINES: [(&str, &[&str], &[&str]); 15] = [
    ("", &["run", "doctor", "policy", "sdk", "config", "protocol", "completions"], &["check", "show"]),
    ("pol", &["policy"], &["protocol"]),
    ("policy ", &["check", "explain", "schema"], &["run", "list"]),
    ("policy explain --act", &["--action"], &["--resource"]),
    ("policy explain --action re", &["read", "redacted_read"], &["write"]),
    ("policy explain -a op", &["open"], &["read"]),
    ("policy explain --resource-type Di", &["Dir"], &["File"]),
    ("sdk show ca", &["cat"], &["ls"]),
    ("run x.rhai --policy-mode s", &["standard", "strict"], &["rex"]),
    ("run x.rhai --color ", &["auto", "always", "never"], &[]),
    ("run x.rhai --require ", &["core", "strict", "max"], &["auto"]),
    ("doctor --require st", &["strict"], &["core"]),
    ("manual ", &["run", "policy", "doctor", "sdk"], &[]),
    ("manual pol", &["policy"], &["protocol"]),
    ("completions ", &["bash", "fish", "zsh"], &[]),
];

/// The completions for a shell, in a file of a directory of their own.
fn installed(shell: &str, file: &str) -> Scratch {
    let scratch = Scratch::new();
    let output = Command::new(program::path()).args(["completions", shell]).output();
    let output = output.expect("the program can be started");
    assert!(output.status.success(), "{shell}");
    scratch.file(file, output.stdout);
    // Names that a shell offers where nothing else is known.
    scratch.file("cat.txt", "");
    scratch.file("bash.txt", "");
    scratch
}

/// What a command prints, one word a line.
fn words(command: &mut Command, scratch: &Scratch) -> Vec<String> {
    let output = command
        .current_dir(scratch.path())
        .env("HOME", scratch.path())
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?} is needed here: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    assert_eq!(stderr, "", "{command:?}");
    String::from_utf8(output.stdout).expect("words are text").lines().map(str::to_owned).collect()
}

fn assert_offers(shell: &str, offered: impl Fn(&str) -> Vec<String>) {
    for (line, expected, others) in LINES {
        let offered = offered(&format!("rex-broker {line}"));

        for word in expected {
            assert!(offered.iter().any(|offer| offer == word), "{shell}, {line}: no {word} in {offered:?}");
        }
        for word in others.iter().chain(&["cat.txt", "bash.txt"]) {
            assert!(offered.iter().all(|offer| offer != word), "{shell}, {line}: {word} in {offered:?}");
        }
    }
}

// bash(1), Programmable Completion: the function gets command, word and the word before it, and fills COMPREPLY.
const ASK_BASH: &str = r#"
source ./completions
spec=$(complete -p rex-broker)
function=${spec#*-F }
function=${function%% *}
read -ra COMP_WORDS <<<"$LINE"
[[ $LINE == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMP_LINE=$LINE COMP_POINT=${#LINE}
"$function" rex-broker "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

#[test]
fn bash_completes_commands_options_and_values() {
    let scratch = installed("bash", "completions");

    assert_offers("bash", |line| {
        words(Command::new("bash").args(["--norc", "-c", ASK_BASH]).env("LINE", line), &scratch)
    });
}

#[test]
fn fish_completes_commands_options_and_values() {
    let scratch = installed("fish", "completions.fish");

    assert_offers("fish", |line| {
        let ask = "source completions.fish; complete -C $LINE";
        let offered =
            words(Command::new("fish").args(["--no-config", "-c", ask]).env("LINE", line), &scratch);
        // Behind a tab stands what a word means.
        offered.iter().filter_map(|offer| offer.split('\t').next().map(str::to_owned)).collect()
    });
}

/// Scripts, also such as have a space in their name, and the directories that may hold some.
#[test]
fn bash_offers_scripts_where_one_is_run() {
    let scratch = installed("bash", "completions");
    scratch.file("check.rhai", "");
    scratch.file("two words.rhai", "");
    std::fs::create_dir(scratch.path().join("scripts")).expect("a directory can be made");
    let offered =
        |line: &str| words(Command::new("bash").args(["--norc", "-c", ASK_BASH]).env("LINE", line), &scratch);

    assert_eq!(offered("rex-broker run "), ["check.rhai", "two words.rhai", "scripts"]);
    assert_eq!(offered("rex-broker run ch"), ["check.rhai"]);
    assert!(offered("rex-broker run --dry").contains(&"--dry-run".to_owned()));
    assert!(offered("rex-broker run check.rhai --dry").contains(&"--dry-run".to_owned()));
}

#[test]
fn fish_offers_scripts_where_one_is_run() {
    let scratch = installed("fish", "completions.fish");
    scratch.file("check.rhai", "");

    let ask = "source completions.fish; complete -C 'rex-broker run '";
    let offered = words(Command::new("fish").args(["--no-config", "-c", ask]), &scratch);
    assert!(offered.iter().any(|offer| offer.split('\t').next() == Some("check.rhai")), "{offered:?}");
}

// zshzle(1), zshcompsys(1): completion works within the line editor alone, which wants a terminal. The line is in the editor
// before the first key could be typed, so nothing depends on when.
const ZSH_STARTS: &str = r#"
fpath=($ZDOTDIR $fpath)
autoload -Uz compinit
compinit -u -D
compadd() {
  local -a found
  if [[ ${@[(I)-[OAD]*]} -eq 0 ]]; then
    builtin compadd -O found "$@"
    print -rl -- $found >> $ZDOTDIR/offered
  fi
  builtin compadd "$@"
}
zle -C offer complete-word _main_complete
at_once() { BUFFER=$LINE CURSOR=$#BUFFER; zle offer; exit }
zle -N zle-line-init at_once
"#;
const ASK_ZSH: &str = "\
zmodload zsh/zpty || exit 1
zpty terminal zsh -i
while zpty -r terminal; do :; done
zpty -d terminal
cat $ZDOTDIR/offered
";

#[test]
fn zsh_completes_commands_options_and_values() {
    let scratch = installed("zsh", "_rex-broker");
    scratch.file(".zshrc", ZSH_STARTS);

    assert_offers("zsh", |line| {
        scratch.file("offered", "");
        let mut zsh = Command::new("zsh");
        zsh.args(["-f", "-c", ASK_ZSH]).env("LINE", line).env("ZDOTDIR", scratch.path());
        words(&mut zsh, &scratch)
    });
}
