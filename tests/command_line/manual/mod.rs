//! Are the manual pages in docs/man those of the grammar, and can they be read?

mod page;
mod surroundings;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use rex_broker::front::cli;
use rex_tests::program::{self, checkout};

use crate::golden;

/// The program's page and one for each command, by file name.
fn pages() -> Vec<(String, String)> {
    let mut command = all_shown(cli::command());
    command.build();
    let mut pages = Vec::new();
    collect(&command, "rex-broker", &mut pages);
    pages
}

/// The grammar with the help of every option: clap_mangen leaves out what a reminder leaves out.
fn all_shown(command: cli::Command) -> cli::Command {
    let names: Vec<String> = command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
    let command = command.mut_args(|option| option.hide_short_help(false));
    names.into_iter().fold(command, |command, name| command.mut_subcommand(name, all_shown))
}

fn collect(command: &cli::Command, name: &str, pages: &mut Vec<(String, String)>) {
    pages.push((format!("{name}.1"), page::page(command, name)));
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        collect(inner, &format!("{name}-{}", inner.get_name()), pages);
    }
}

#[test]
fn the_manual_pages_are_those_of_the_grammar() {
    let pages = pages();

    for (name, page) in &pages {
        golden::check(&format!("{FOLDER}/{name}"), page);
    }
    let expected: BTreeSet<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    for entry in fs::read_dir(checkout().join(FOLDER)).expect("there is a directory") {
        let name = entry.expect("it can be read").file_name();
        assert!(expected.contains(name.to_str().expect("names are text")), "{name:?} belongs to no command");
    }
}

#[test]
fn every_command_and_option_is_described() {
    fn look(command: &cli::Command) {
        assert!(command.get_about().is_some(), "{} is not described", command.get_name());
        for option in command.get_arguments().filter(|option| !option.is_hide_set()) {
            assert!(
                option.get_help().is_some(),
                "{} {} is not described",
                command.get_name(),
                option.get_id()
            );
        }
        command.get_subcommands().for_each(look);
    }
    let mut command = cli::command();
    command.build();

    look(&command);
}

// man(1): a page is looked for in the folder of its section, below a directory of MANPATH.
#[test]
fn man_finds_and_shows_every_page() {
    for (name, _) in pages() {
        let title = name.strip_suffix(".1").expect("they belong to the first section");

        let shown = Command::new("man")
            .arg(title)
            .env("MANPATH", checkout().join("docs/man"))
            .env("MANWIDTH", "80")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("man can be run; the pages are looked at with it");

        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.status.success(), "{title}: {}", String::from_utf8_lossy(&shown.stderr));
        for section in ["NAME", "SYNOPSIS", "EXAMPLES", "EXIT STATUS", "SEE ALSO"] {
            assert!(text.lines().any(|line| line == section), "{title}: no {section}\n{text}");
        }
    }
}

#[test]
fn groff_has_nothing_to_warn_of() {
    for (name, page) in pages() {
        let warnings = warnings(&page);

        assert_eq!(warnings, "", "{name}");
    }
    // So that silence means something.
    assert_ne!(warnings(".TH x 1\n.SH NAME\nx \\- y\n.no_such_macro\n"), "");
}

/// What groff says of a page with all of its warnings on.
fn warnings(page: &str) -> String {
    let mut groff = Command::new("groff")
        .args(["-man", "-Tascii", "-ww", "-z"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("groff can be run; it judges the pages");
    groff.stdin.take().expect("it is piped").write_all(page.as_bytes()).expect("it reads");
    let output = groff.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_option_is_told_on_its_page() {
    let mut command = cli::command();
    command.build();
    let pages = pages();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, page) in [
        ("rex-broker.1", &command),
        ("rex-broker-run.1", command.find_subcommand("run").expect("there is one")),
    ] {
        let (_, roff) = pages.iter().find(|(known, _)| known == name).expect("there is a page");
        let roff = words(&roff.replace("\\-", "-").replace("\\*(Aq", "'"));
        for option in page.get_arguments().filter(|option| option.get_id() != "help") {
            let help = option.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(roff.contains(&words(&help)), "{name}: {help}");
        }
    }
}

// A line of a table or of an example is a line on the page.
#[test]
fn what_stands_in_lines_stays_in_lines() {
    let mut lines = 0;
    for (name, page) in pages() {
        let shown = shown(&page);
        for block in page.split(".nf\n").skip(1) {
            let block = block.split(".fi\n").next().unwrap_or_default();
            for line in block.lines() {
                let line = line
                    .replace("\\-", "-")
                    .replace("\\*(Aq", "'")
                    .replace("\\(dq", "\"")
                    .replace("\\e", "\\");
                let line = line.strip_prefix("\\&").unwrap_or(&line).trim_end();
                assert!(
                    shown.lines().any(|found| found.trim_end().ends_with(line)),
                    "{name}: {line}\n{shown}"
                );
                lines += 1;
            }
        }
    }
    assert!(lines > 50, "{lines}");
}

#[test]
fn the_program_has_every_page_with_it() {
    for (name, page) in pages() {
        let words = name.trim_end_matches(".1").split('-').skip(2);

        let printed = Command::new(program::path()).arg("manual").args(words).output();

        let printed = printed.expect("the program can be started");
        assert_eq!(printed.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&printed.stderr));
        assert_eq!(String::from_utf8_lossy(&printed.stdout), page, "{name}");
    }
    let unknown = Command::new(program::path()).args(["manual", "no", "such"]).output();
    let unknown = unknown.expect("the program can be started");
    assert_eq!(unknown.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("rex-broker-policy-check"));
}

/// A page as it is shown.
fn shown(page: &str) -> String {
    let mut groff = Command::new("groff")
        .args(["-man", "-Tascii", "-P-cbou", "-rLL=80n"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("groff can be run; it judges the pages");
    groff.stdin.take().expect("it is piped").write_all(page.as_bytes()).expect("it reads");
    let output = groff.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_variable_that_is_read_is_on_the_page() {
    let found = Command::new("grep")
        .args([
            "-rhoE",
            "--include=*.rs",
            "--exclude-dir=tests",
            "(absolute|is_set|text|var_os|var)\\(\"[A-Z][A-Z_]+\"\\)",
            "broker/src",
        ])
        .current_dir(checkout())
        .output()
        .expect("grep is there");
    let (_, page) = pages().into_iter().next().expect("the program has a page");

    let variables: BTreeSet<&str> = std::str::from_utf8(&found.stdout)
        .expect("names are text")
        .lines()
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    assert!(variables.len() > 5, "{variables:?}");
    for variable in variables {
        assert!(page.contains(variable), "{variable} is read and not on the page");
    }
}

const FOLDER: &str = "docs/man/man1";
