//! Every command line that a document shows in a block is one that the grammar takes.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::Command;

use rex_broker::front::cli;
use rex_tests::program::checkout;

/// The README and the pages of docs, but for the manual of the functions, which has scripts.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(checkout().join("docs")).expect("there are documents");
    let mut pages: Vec<PathBuf> = docs
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .chain([checkout().join("README.md")])
        .collect();
    pages.sort();
    pages
}

/// The commands in the blocks of a page, without what is before and behind them on a line.
fn command_lines(page: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut in_block = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
            continue;
        }
        let command = line.trim_start().trim_start_matches("$ ").trim_start_matches("sudo ");
        let command = command
            .rsplit_once("| ")
            .map_or(command, |(_, last)| if command.starts_with(PROGRAM) { command } else { last });
        if in_block && command.starts_with(PROGRAM) {
            let end = [" | ", " > ", " 2>", " &", " #", ";"].iter().filter_map(|end| command.find(end)).min();
            lines.push(command[..end.unwrap_or(command.len())].to_owned());
        }
    }
    lines
}

/// The words of a command, as a shell splits them.
fn words(command: &str) -> Vec<OsString> {
    let script = format!("printf '%s\\0' {command}");
    let output = Command::new("sh").args(["-f", "-c", &script]).output().expect("there is a shell");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    let words = output.stdout.strip_suffix(b"\0").unwrap_or(&output.stdout);
    words.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect()
}

#[test]
fn every_command_line_is_one_that_the_grammar_takes() {
    let mut tried = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).expect("a page can be read");
        for command in command_lines(&page) {
            let parsed = cli::parse(words(&command));

            assert!(parsed.is_ok(), "{}: {command}: {parsed:?}", path.display());
            tried += 1;
        }
    }
    assert!(tried >= 5, "{tried}");
}

#[test]
fn what_is_no_command_line_is_found() {
    let page = "```\nls | rex-broker run - --policy p.cedar --ndjson\nrex-broker plicy check x > y # no\n```\nrex-broker none\n";

    let found = command_lines(page);

    assert_eq!(found, ["rex-broker run - --policy p.cedar --ndjson", "rex-broker plicy check x"]);
    assert!(cli::parse(words(&found[0])).is_ok());
    assert!(cli::parse(words(&found[1])).is_err());
}

const PROGRAM: &str = "rex-broker ";
