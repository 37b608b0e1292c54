//! Are the manual pages in docs/man those of the grammar?

use std::collections::BTreeSet;
use std::fs;

use clap_mangen::Man;
use rex_broker::front::cli;
use rex_tests::program::checkout;

use crate::golden;

/// The program's page and one for each command, by file name.
fn pages() -> Vec<(String, String)> {
    let mut command = cli::command();
    command.build();
    let mut pages = Vec::new();
    collect(&command, "rex-broker", &mut pages);
    pages
}

fn collect(command: &cli::Command, name: &str, pages: &mut Vec<(String, String)>) {
    // The words on the command line, which `build` has put together.
    let words = command.get_bin_name().unwrap_or(name).to_owned();
    let mut named = command.clone().name(&*name.to_owned().leak()).bin_name(words);
    if named.get_long_version().is_some() {
        // Without the digest of the jail's program, which differs with every build of it.
        named = named.long_version(env!("CARGO_PKG_VERSION"));
    }
    let mut page = Vec::new();
    // Without a date: the page changes when the grammar does, and at no other time.
    let man = Man::new(named).date("").source("rex-broker").manual("rex-broker");
    man.render(&mut page).expect("a page is written to memory");
    // What ends a line is not to be seen.
    let page = String::from_utf8(page).expect("a page is text");
    let lines: Vec<&str> = page.lines().map(str::trim_end).collect();
    pages.push((format!("{name}.1"), lines.join("\n") + "\n"));
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        collect(inner, &format!("{name}-{}", inner.get_name()), pages);
    }
}

#[test]
fn the_manual_pages_are_those_of_the_grammar() {
    let pages = pages();

    for (name, page) in &pages {
        golden::check(&format!("docs/man/{name}"), page);
    }
    let expected: BTreeSet<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    for entry in fs::read_dir(checkout().join("docs/man")).expect("there is a directory") {
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
