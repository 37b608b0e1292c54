//! What `rex-broker sdk` prints, and how it ends.

use std::process::{Command, Output, Stdio};

use rex_tests::program;
use serde_json::Value;

fn sdk(words: &[&str]) -> Output {
    Command::new(program::path())
        .arg("sdk")
        .args(words)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("the program can be started")
}

#[test]
fn what_is_found_goes_to_standard_output_and_nothing_else_does() {
    for words in [
        &["list"] as &[&str],
        &["list", "--json"],
        &["list", "--markdown"],
        &["list", "--completion"],
        &["show", "cat"],
        &["show", "read", "--json"],
        &["show", "=="],
        &["show", "-"],
        &["search", "redacted"],
        &["search", "lines", "file", "--json"],
    ] {
        let output = sdk(words);

        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(output.stderr.is_empty(), "{words:?}");
        let text = String::from_utf8(output.stdout).expect("it is text");
        assert!(text.ends_with('\n') && !text.contains(|c: char| c.is_control() && c != '\n'), "{words:?}");
        if words.iter().any(|word| matches!(*word, "--json" | "--completion")) {
            let value: Value = serde_json::from_str(&text).expect("it is JSON");
            assert!(value.as_array().is_some_and(|array| !array.is_empty()), "{words:?}");
        }
    }
}

#[test]
fn what_is_not_found_is_told_with_near_names_and_ends_with_1() {
    for (words, piece) in [
        (&["show", "catt"] as &[&str], "did you mean `cat`?"),
        (&["show", "x\u{1b}[2J\n"], "nothing is called `x\\u{1b}[2J\\n`"),
        (&["search", "nonesuch", "--json"], "nothing mentions `nonesuch`"),
    ] {
        let output = sdk(words);

        let stderr = String::from_utf8(output.stderr).expect("it is text");
        assert_eq!(output.status.code(), Some(1), "{words:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{words:?}");
        assert!(stderr.contains(piece), "{words:?}: {stderr}");
    }
}

#[test]
fn wrong_words_end_with_64() {
    for words in [&[] as &[&str], &["show"], &["search"], &["list", "--json", "--markdown"], &["list", "cat"]]
    {
        let output = sdk(words);

        assert_eq!(output.status.code(), Some(64), "{words:?}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn a_reader_that_has_gone_away_is_told() {
    let (reader, writer) = std::io::pipe().expect("there can be one more pipe");
    drop(reader);

    let status = Command::new(program::path())
        .args(["sdk", "list", "--markdown"])
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::null())
        .status()
        .expect("the program can be started");

    assert_eq!(status.code(), Some(73));
}
