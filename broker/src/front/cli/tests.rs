//! Command lines and what they ask for.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::*;
use crate::audit::{AuditSync, AuditTarget};
use crate::front::config::Layers;
use crate::gate::limits::Limits;
use crate::host::HardLinks;
use crate::policy::Mode;
use crate::result::Format;
use crate::run::input::Script;
use crate::run::request::RunRequest;
use crate::terminal::Color;

fn parse_words(words: &[&str]) -> Result<Invocation, CliExit> {
    parse(words.iter().map(OsString::from))
}

fn run(words: &[&str]) -> RunRequest {
    match parse_words(words) {
        Ok(Invocation::Run(asked)) => asked.settle(&Layers::none()).expect("nobody forbids it"),
        other => panic!("{words:?} gave {other:?}"),
    }
}

fn refused(words: &[&str]) -> CliExit {
    parse_words(words).expect_err("refused")
}

#[test]
fn rexs_flags_mean_what_they_mean_there() {
    let long = run(&[
        "rex-broker",
        "--jail",
        "--script-file",
        "s",
        "--policy-file=p",
        "--script-arguments-file",
        "a",
        "--output-format",
        "pretty-json",
        "--verbose",
    ]);
    let short = run(&["rex-broker", "--jail", "-s", "s", "-pp", "-a", "a", "-opretty-json", "-v"]);

    assert_eq!(long, short);
    assert_eq!(long.script, Script::File("s".into()));
    assert_eq!(long.policies, [Path::new("p")]);
    assert_eq!(long.arguments.as_deref(), Some(Path::new("a")));
    assert_eq!(long.format, Format::PrettyJson);
    assert!(long.verbose && !long.compat);
}

#[test]
fn what_is_not_said_is_the_default() {
    let run = run(&["rex-broker", "--jail", "-s", "s", "-p", "p"]);

    assert_eq!(run.format, Format::Json);
    assert_eq!(run.policy_mode, Mode::Standard);
    assert_eq!(run.hard_links, HardLinks::Refuse);
    assert_eq!(run.audit_log, AuditTarget::Usual);
    assert_eq!(run.audit_sync, AuditSync::Run);
    assert_eq!(run.limits, Limits::default());
    assert_eq!((run.arguments, run.require.as_deref(), run.jail_forensics), (None, Some("core"), false));
}

#[test]
fn the_operator_sets_limits_and_record() {
    let run = run(&[
        "rex-broker",
        "--jail",
        "-s",
        "s",
        "-p",
        "p",
        "--timeout",
        "5",
        "--memory",
        "64",
        "--max-operations",
        "9",
        "--max-output",
        "10",
        "--max-open-handles",
        "11",
        "--max-read-bytes",
        "12",
        "--max-audit-records",
        "13",
        "--max-calls",
        "14",
        "--max-log-lines",
        "15",
        "--audit-log",
        "fd:3",
        "--audit-sync",
        "record",
        "--hard-links",
        "allow",
        "--require",
        "-cgroup",
        "--jail-forensics",
        "--policy-mode",
        "strict",
    ]);

    assert_eq!(run.limits.timeout_seconds, 5);
    assert_eq!(run.limits.memory_bytes(), 64 * 1024 * 1024);
    assert_eq!(
        (run.limits.max_operations, run.limits.max_output_bytes, run.limits.max_open_handles),
        (9, 10, 11)
    );
    assert_eq!((run.limits.max_read_bytes, run.limits.max_audit_records), (12, 13));
    assert_eq!((run.limits.max_calls, run.limits.max_log_lines), (14, 15));
    assert_eq!((run.audit_log, run.audit_sync), (AuditTarget::Descriptor(3), AuditSync::Record));
    assert_eq!((run.hard_links, run.policy_mode), (HardLinks::Allow, Mode::Strict));
    assert_eq!(run.require.as_deref(), Some("-cgroup"));
    assert!(run.jail_forensics);
}

#[test]
fn a_limit_is_at_least_one() {
    let exit = refused(&["rex-broker", "--jail", "-s", "s", "-p", "p", "--timeout", "0"]);

    assert_eq!(exit.code, 64);
    assert!(exit.text.starts_with("error: invalid value '0' for '--timeout <TIME>'"), "{}", exit.text);
}

#[test]
fn there_is_no_unjailed_mode() {
    let exit = refused(&["rex-broker", "-s", "s", "-p", "p"]);

    assert_eq!(exit.code, 64);
    assert!(exit.is_error);
    assert!(
        exit.text.contains("--jail") && exit.text.contains("There is no unjailed mode."),
        "{}",
        exit.text
    );
}

#[test]
fn the_name_rex_runner_implies_compat_and_jail() {
    let run = run(&["/usr/bin/rex-runner", "-s", "s", "-p", "p"]);

    assert!(run.compat);
    assert_eq!(run.policy_mode, Mode::Rex);
}

#[test]
fn compat_keeps_an_explicit_policy_mode() {
    let run = run(&["rex-broker", "--jail", "--rex-compat", "-s", "s", "-p", "p", "--policy-mode", "strict"]);

    assert!(run.compat);
    assert_eq!(run.policy_mode, Mode::Strict);
}

// Section 16.20 of the compatibility target.
#[test]
fn wrong_command_lines_are_answered_as_rex_does() {
    let table: [(&[&str], &str); 5] = [
        (&[], "error: the following required arguments were not provided:"),
        (
            &["-s", "x", "-p", "y", "-o", "bad"],
            "error: invalid value 'bad' for '--output-format <OUTPUT_FORMAT>'",
        ),
        (&["--version"], "error: unexpected argument '--version' found"),
        (
            &["-s", "a", "-s", "b", "-p", "c"],
            "error: the argument '--script-file <SCRIPT_FILE>' cannot be used multiple times",
        ),
        (&["-s", "a", "-p", "c", "doctor"], "error: unexpected argument 'doctor' found"),
    ];

    for (words, beginning) in table {
        for name in [vec!["rex-runner"], vec!["rex-broker", "--jail", "--rex-compat"]] {
            let exit = refused(&[&name, words].concat());

            assert!(exit.text.starts_with(beginning), "{words:?}: {}", exit.text);
            assert_eq!((exit.code, exit.is_error), (2, true), "{words:?}");
        }
    }
}

#[test]
fn the_usage_names_the_program_as_it_was_called() {
    assert!(refused(&["rex-runner"]).text.contains("Usage: rex-runner "));
    assert!(refused(&["rex-broker", "--jail"]).text.contains("Usage: rex-broker "));
}

#[test]
fn help_and_version_go_to_standard_output() {
    for words in [
        &["rex-broker", "--help"][..],
        &["rex-broker", "-h"],
        &["rex-broker", "--version"],
        &["rex-runner", "-h"],
    ] {
        let exit = refused(words);

        assert_eq!((exit.code, exit.is_error), (0, false), "{words:?}");
    }
    assert!(refused(&["rex-broker", "--help"]).text.contains("Examples:"));
    assert_eq!(refused(&["rex-broker", "-V"]).text, concat!("rex-broker ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(
        refused(&["rex-broker", "--version"]).text,
        format!(
            "rex-broker {}\njail image sha256:{}\n",
            env!("CARGO_PKG_VERSION"),
            crate::run::image::JAIL.sha256
        )
    );
}

#[test]
fn other_tasks_need_no_script() {
    assert_eq!(parse_words(&["rex-broker", "protocol", "--json"]), Ok(Invocation::Protocol { json: true }));
    assert_eq!(parse_words(&["rex-broker", "protocol"]), Ok(Invocation::Protocol { json: false }));
    assert_eq!(
        parse_words(&["rex-broker", "doctor", "--prove", "--json", "--require", "strict"]),
        Ok(Invocation::Doctor(DoctorArguments {
            prove: true,
            json: true,
            require: Some("strict".to_owned())
        }))
    );
    assert_eq!(refused(&["rex-broker", "--jail", "-s", "s", "doctor"]).code, 64);
}

#[test]
fn audit_targets_that_mean_nothing_are_refused() {
    for target in ["fd:", "fd:-1", "fd:x", ""] {
        assert_eq!(
            refused(&["rex-broker", "--jail", "-s", "s", "-p", "p", "--audit-log", target]).code,
            64,
            "{target}"
        );
    }
    let run = run(&["rex-broker", "--jail", "-s", "s", "-p", "p", "--audit-log", "none"]);
    assert_eq!(run.audit_log, AuditTarget::Nowhere);
}

#[test]
fn hostile_words_do_not_reach_the_terminal() {
    let exit = refused(&["rex-broker", "--jail", "--\u{1b}[2J"]);

    assert!(!exit.text.contains('\u{1b}'), "{:?}", exit.text);
}

#[test]
fn file_names_need_not_be_text() {
    let words = ["rex-broker", "--jail", "-s"].map(OsString::from).into_iter();
    let words = words.chain([OsString::from_vec(b"\xff".to_vec()), "-p".into(), "p".into()]);

    let Ok(Invocation::Run(asked)) = parse(words) else { panic!("a file name is any bytes") };
    assert_eq!(asked.unsettled().script, Script::File(std::ffi::OsStr::from_bytes(b"\xff").into()));
}

#[test]
fn people_name_script_policies_and_arguments() {
    let run = run(&[
        "rex-broker",
        "run",
        "s",
        "--policy",
        "p",
        "q",
        "--policy",
        "r",
        "--arg",
        "n:int=3",
        "--args",
        "a.json",
        "--timeout",
        "9",
        "--ndjson",
    ]);

    assert_eq!(run.script, Script::File("s".into()));
    assert_eq!(run.policies, ["p", "q", "r"].map(std::path::PathBuf::from));
    assert_eq!((run.given.len(), run.arguments), (1, Some("a.json".into())));
    assert_eq!((run.limits.timeout_seconds, run.format), (9, Format::Ndjson));
    assert!(run.for_person && run.explain_denials && run.progress && !run.compat && !run.dry_run);
}

#[test]
fn what_a_person_does_not_say_is_the_default() {
    let asked = run(&["rex-broker", "run", "-", "-p", "p"]);

    assert_eq!((asked.script, asked.format), (Script::StandardInput, Format::Human));
    assert_eq!((asked.policy_mode, asked.color), (Mode::Standard, Color::Auto));
    assert!(!run(&["rex-broker", "run", "s", "-p", "p", "--explain-denials=false"]).explain_denials);
    assert!(run(&["rex-broker", "run", "s", "-p", "p", "--explain-denials"]).explain_denials);
}

#[test]
fn a_dry_run_has_nothing_to_record() {
    let run = run(&["rex-broker", "run", "s", "-p", "p", "--dry-run", "--audit-log", "/x"]);

    assert_eq!((run.dry_run, run.audit_log), (true, AuditTarget::Nowhere));
}

#[test]
fn run_is_not_rexs() {
    assert_eq!(refused(&["rex-broker", "run", "s", "-p", "p", "--rex-compat"]).code, 64);
    assert_eq!(refused(&["rex-broker", "run", "s"]).code, 64);
    assert_eq!(refused(&["rex-broker", "run", "s", "-p", "p", "--json", "--ndjson"]).code, 64);
    assert_eq!(refused(&["rex-broker", "run", "s", "-p", "p", "--arg", "a:int=x"]).code, 64);
    assert_eq!(refused(&["rex-broker", "--jail", "-s", "s", "-p", "p", "-o", "ndjson"]).code, 64);
    assert_eq!(refused(&["rex-runner", "run", "s", "-p", "p"]).code, 2);
}
