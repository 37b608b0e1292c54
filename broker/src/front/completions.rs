//! Completions for shells, made from the grammar of the command line and from what its words can be.

use std::collections::BTreeSet;
use std::io::Write;

use clap::Command;
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;
use rex_ipc::action::ActionId;

use crate::front::cli::command;
use crate::front::{manual, reference};
use crate::policy::KINDS;
use crate::result::Exit;

/// Prints the completions for a shell; gives the exit status.
pub fn print(shell: Shell) -> u8 {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(script(shell).as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Done.code(false),
        Err(error) => {
            crate::terminal::unwritten("the completions", &error);
            Exit::OutputNotWritten.code(false)
        }
    }
}

/// The completions for a shell, as it reads them.
fn script(shell: Shell) -> String {
    let mut grammar = with_values(command());
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut grammar, PROGRAM, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        // clap_complete 4.6.11 finds a command under one name and looks for its words under another, as soon as the
        // program's name has a hyphen (clap-rs/clap#6421): below the first word nothing would be completed.
        Shell::Bash => with_scripts(&script.replace("rex__subcmd__broker__", "rex__broker__")),
        // For fish it leaves out what stands without an option before it.
        Shell::Fish => script + &positional_values(&grammar) + FISH_SCRIPTS,
        _ => script,
    }
}

/// The lines for bash with scripts as the first word of `run`, where clap_complete has options and nothing else.
fn with_scripts(script: &str) -> String {
    let Some((before, run)) = script.split_once("\n        rex__broker__subcmd__run)\n") else {
        return script.to_owned();
    };
    format!("{before}\n        rex__broker__subcmd__run)\n{BASH_SCRIPTS}{run}")
}

/// bash(1), Programmable Completion: names of scripts and directories, one a line, so that a space in one ends no name. Where
/// there are none, bash offers every file.
const BASH_SCRIPTS: &str = r#"            if [[ ${cur} != -* && ${COMP_CWORD} -eq 2 ]] ; then
                local IFS=$'\n'
                compopt -o filenames 2>/dev/null
                COMPREPLY=( $(compgen -f -X '!*.rhai' -- "${cur}") $(compgen -d -- "${cur}") )
                return 0
            fi
"#;

/// fish, complete(1): names that end so come first.
const FISH_SCRIPTS: &str = "complete -c rex-broker -n \"__fish_rex_broker_using_subcommand run\" -k -a \"(__fish_complete_suffix .rhai)\"\n";

/// Lines for fish, complete(1): the values of words that belong to no option, such as the NAME of `sdk show`.
fn positional_values(grammar: &Command) -> String {
    let mut lines = String::new();
    for task in grammar.get_subcommands() {
        let using = format!("__fish_rex_broker_using_subcommand {}", task.get_name());
        lines.push_str(&values_line(task, &using));
        for inner in task.get_subcommands() {
            let seen = format!("{using}; and __fish_seen_subcommand_from {}", inner.get_name());
            lines.push_str(&values_line(inner, &seen));
        }
    }
    lines
}

fn values_line(command: &Command, condition: &str) -> String {
    let values: Vec<String> = command
        .get_positionals()
        .flat_map(|positional| positional.get_possible_values())
        .map(|value| value.get_name().to_owned())
        .collect();
    if values.is_empty() {
        return String::new();
    }
    format!("complete -c {PROGRAM} -n \"{condition}\" -f -a \"{}\"\n", values.join(" "))
}

/// The grammar with the values that an option is usually given, which the parser itself does not insist on.
fn with_values(command: Command) -> Command {
    // Without namespaces: a colon ends a word in bash.
    let actions: BTreeSet<&str> = ActionId::ALL.iter().map(|action| action.name()).collect();
    let types = KINDS.map(|kind| last_word(kind.type_name()));
    let names = reference::reference().names();
    let require = |grammar: Command| {
        grammar.mut_arg("require", |require| require.value_parser(PossibleValuesParser::new(LEVELS)))
    };
    require(command)
        .mut_subcommand("run", require)
        .mut_subcommand("doctor", require)
        .mut_subcommand("manual", |manual| {
            manual.mut_arg("words", |words| words.value_parser(PossibleValuesParser::new(manual::words())))
        })
        .mut_subcommand("policy", |policy| {
            policy.mut_subcommand("explain", |explain| {
                explain
                    .mut_arg("action", |action| action.value_parser(PossibleValuesParser::new(actions)))
                    .mut_arg("resource_type", |kind| kind.value_parser(PossibleValuesParser::new(types)))
            })
        })
        .mut_subcommand("sdk", |sdk| {
            sdk.mut_subcommand("show", |show| {
                show.mut_arg("name", |name| name.value_parser(PossibleValuesParser::new(names)))
            })
        })
}

/// `Dir` of `file_system::Dir`.
fn last_word(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

const PROGRAM: &str = "rex-broker";

/// The levels of `--require`; what can be added to one or taken away from it, nobody types by heart.
const LEVELS: [&str; 3] = ["core", "strict", "max"];

#[cfg(test)]
mod tests {
    use super::*;

    // Within double quotes fish expands variables and commands.
    #[test]
    fn what_fish_is_given_to_complete_is_plain_words() {
        let lines = positional_values(&with_values(command()));

        assert!(lines.lines().count() >= 3, "{lines}");
        for line in lines.lines() {
            let (_, words) = line.split_once(" -a \"").unwrap();
            let is_plain =
                |character: char| character.is_ascii_alphanumeric() || "_:.-+* ".contains(character);
            assert!(words.trim_end_matches('"').chars().all(is_plain), "{line}");
        }
    }

    #[test]
    fn every_command_that_bash_finds_has_its_words() {
        let script = script(Shell::Bash);

        let found: BTreeSet<&str> =
            script.lines().filter_map(|line| line.trim().strip_prefix("cmd=\"")?.strip_suffix('"')).collect();
        let known: BTreeSet<&str> = script
            .lines()
            .filter_map(|line| line.trim().strip_suffix(')'))
            .filter(|word| word.starts_with("rex__broker") && !word.contains(','))
            .collect();
        assert!(found.len() > 20, "{found:?}");
        for command in found.iter().filter(|command| !command.is_empty()) {
            assert!(known.contains(command), "{command} is found and has no words");
        }
    }
}
