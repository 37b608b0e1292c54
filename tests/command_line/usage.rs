//! What the command line takes, and what it says of what it does not take.

use std::process::{Command, Output, Stdio};

use rex_tests::program;
use rex_tests::runs::Run;

fn call(words: &[&str]) -> Output {
    Command::new(program::path())
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("the program can be started")
}

#[test]
fn a_wrong_command_line_is_answered_on_standard_error() {
    let table: [(&[&str], &str); 6] = [
        (&[], "rex-broker run SCRIPT --policy FILE"),
        (&["--jail"], "--script-file"),
        (&["-s", "x", "-p", "y"], "There is no unjailed mode."),
        (
            &["--jail", "-s", "x", "-p", "y", "-o", "bad"],
            "invalid value 'bad' for '--output-format <OUTPUT_FORMAT>'",
        ),
        (&["--jail", "-s", "a", "-s", "b", "-p", "c"], "cannot be used multiple times"),
        (&["--jail", "-s", "a", "-p", "b", "--require", "nonsense"], "nonsense"),
    ];

    for (words, piece) in table {
        let output = call(words);

        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{words:?}: {stderr}");
        assert!(stderr.contains(piece), "{words:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

// Rex: "--version" is no option, and a usage error has status 2.
#[test]
fn rex_answers_a_wrong_command_line_with_2() {
    for words in
        [&["--rex-compat"] as &[&str], &["--rex-compat", "--version"], &["--rex-compat", "--jail", "-s", "x"]]
    {
        let output = call(words);

        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    for words in [&["--help"], &["-h"], &["--version"]] {
        let output = call(words);

        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("rex-broker"), "{words:?}");
        assert!(output.stderr.is_empty(), "{words:?}");
    }
}

// Issue: the program alone shows what it can do. It is no success: nothing was done.
#[test]
fn without_a_word_every_command_is_named() {
    let output = call(&[]);

    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.lines().count() <= 20, "{text}");
    for command in rex_broker::front::cli::command().get_subcommands() {
        let name = command.get_name();
        assert!(name == "help" || text.contains(&format!("rex-broker {name} ")), "{name}: {text}");
    }
}

#[test]
fn the_short_help_fits_a_screen_and_the_long_one_has_every_option() {
    for words in [&[] as &[&str], &["run"]] {
        let short = call(&[words, &["-h"]].concat());
        let long = call(&[words, &["--help"]].concat());

        let (short, long) = (String::from_utf8_lossy(&short.stdout), String::from_utf8_lossy(&long.stdout));
        assert!(short.lines().count() <= 44, "{}: {short}", short.lines().count());
        assert!(short.contains("--help"), "it says where the rest is: {short}");
        for usual in ["--policy", "--verbose", "--help", "Examples:"] {
            assert!(short.contains(usual), "{usual}: {short}");
        }
        let command = rex_broker::front::cli::command();
        let command = words
            .iter()
            .fold(&command, |command, word| command.find_subcommand(word).expect("the command is there"));
        for option in command.get_arguments().filter_map(|option| option.get_long()) {
            assert!(long.contains(&format!("--{option}")), "{option}: {long}");
        }
    }
}

#[test]
fn the_help_lists_every_exit_status() {
    let help = call(&["--help"]);

    let help = String::from_utf8_lossy(&help.stdout);
    for status in ["64", "65", "66", "70", "71", "73", "74", "75", "77", "78", "124", "128+n"] {
        assert!(help.contains(status), "{status}: {help}");
    }
}

#[test]
fn glued_and_long_forms_mean_the_same() {
    for option in
        [&["-ohuman"] as &[&str], &["-o", "human"], &["--output-format=human"], &["--output-format", "human"]]
    {
        let ended = Run::of("40 + 2").options(option).finish();

        assert_eq!(ended.text(), "42\n", "{option:?}");
    }
}

// Issue: the name `rex-runner` implies `--rex-compat`, and Rex has no `--jail`.
#[test]
fn the_name_rex_runner_is_rex() {
    let run = Run::of("throw 1");
    let name = run.scratch.path().join("rex-runner");
    std::os::unix::fs::symlink(program::path(), &name).expect("a link can be made");

    let ended = run.program(name).finish();

    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert_eq!(ended.document()["status"], "ERROR");
    assert_eq!(ended.document()["jail"]["policy_mode"], "rex");
}

#[test]
fn doctor_says_what_is_in_force() {
    let plain = call(&["doctor"]);
    let json = call(&["doctor", "--json"]);

    let report: serde_json::Value = serde_json::from_slice(&json.stdout).expect("the report is JSON");
    assert_eq!(plain.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&plain.stdout).contains("everything that is required is in force"));
    assert_eq!(json.status.code(), Some(0));
    let measures = report["measures"].as_array().expect("it lists measures");
    let seccomp = measures.iter().find(|measure| measure["id"] == "seccomp3").expect("one is the filter");
    assert_eq!(seccomp["state"], "enforced");
    let worker = &report["worker"];
    assert_eq!(worker["missing"], serde_json::json!([]));
    assert_ne!(worker["image_sha256"], report["image_sha256"]);
    let state = |measures: &serde_json::Value, id: &str| {
        let measures = measures.as_array().expect("it lists measures").clone();
        measures.into_iter().find(|measure| measure["id"] == id).expect("there is one")["state"].clone()
    };
    assert_eq!(state(&worker["measures"], "seccomp3"), "enforced");
    let plain = String::from_utf8_lossy(&plain.stdout).into_owned();
    let (_, told) =
        plain.split_once("\na worker for TLS and answers of name servers:\n").expect("it is told of");
    assert!(told.starts_with("  is confined as the jail is"), "{told}");
    assert!(told.contains(worker["image_sha256"].as_str().unwrap()), "{told}");
}

#[test]
fn protocol_prints_the_table() {
    let output = call(&["protocol", "--json"]);

    let table: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the table is JSON");
    assert_eq!(output.status.code(), Some(0));
    assert!(table.to_string().contains("open_file"));
}

/// Every command below this one, as its words.
fn commands_below(command: &rex_broker::front::cli::Command, words: &[String], found: &mut Vec<Vec<String>>) {
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        let words: Vec<String> = words.iter().cloned().chain([inner.get_name().to_owned()]).collect();
        commands_below(inner, &words, found);
        found.push(words);
    }
}

#[test]
fn the_help_of_every_command_has_examples() {
    let mut commands = vec![Vec::new()];
    commands_below(&rex_broker::front::cli::command(), &[], &mut commands);
    assert!(commands.len() > 10, "{commands:?}");

    for words in commands {
        let line: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help = call(&line);

        let help = String::from_utf8_lossy(&help.stdout);
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{line:?}: {help}"));
        assert!(examples.contains("rex-broker"), "{line:?}: {examples}");
    }
}

// The examples have to be command lines that the grammar takes.
#[test]
fn the_examples_are_command_lines() {
    let mut commands = vec![Vec::new()];
    commands_below(&rex_broker::front::cli::command(), &[], &mut commands);

    let mut tried = 0;
    for words in commands {
        let line: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help = call(&line);
        let help = String::from_utf8_lossy(&help.stdout);
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_default();
        for example in examples.lines() {
            // Behind a pipe or before a redirection there is nothing of ours.
            let example = example.rsplit('|').next().unwrap_or_default();
            let example = example.split(" > ").next().unwrap_or_default();
            let Some(arguments) = example.trim().strip_prefix("rex-broker ") else { continue };
            // As a shell splits words, of which the examples quote none but JSON.
            let words = arguments.split_whitespace().map(|word| word.trim_matches('\'').into());
            let parsed = rex_broker::front::cli::parse(["rex-broker".into()].into_iter().chain(words));
            assert!(parsed.is_ok(), "{arguments}: {parsed:?}");
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn who_forgets_a_word_is_told_which() {
    for (words, advice) in [
        (&["check.rhai"] as &[&str], "rex-broker run SCRIPT --policy FILE"),
        (&["./check"], "rex-broker run SCRIPT --policy FILE"),
        (&["run", "check.rhai"], "an empty file permits nothing"),
    ] {
        let output = call(words);

        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{words:?}: {stderr}");
        assert!(stderr.contains(advice), "{words:?}: {stderr}");
    }
    // Nothing is advised where something else is wrong.
    let output = call(&["dcotor"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("SCRIPT --policy"));
}

#[test]
fn a_misspelt_word_is_answered_with_the_near_one() {
    for (words, near) in [
        (&["dcotor"] as &[&str], "'doctor'"),
        (&["policy", "exlpain"], "'explain'"),
        (&["run", "x", "--polcy", "y"], "'--policy'"),
        (&["run", "x", "--policy", "y", "--color", "nevr"], "'never'"),
        (&["--jail", "--scrip-file", "x"], "'--script-file'"),
        (&["completions", "bsh"], "'bash'"),
    ] {
        let output = call(words);

        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{words:?}: {stderr}");
        assert!(stderr.contains("tip: ") && stderr.contains(near), "{words:?}: {stderr}");
    }
}
