//! Configuration as a run meets it: files of root's and of the user's, variables, flags, and what is refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use nix::unistd::geteuid;
use rex_tests::program;
use rex_tests::runs::Run;
use rex_tests::scratch::Scratch;
use serde_json::Value;

use crate::people::{USUAL, place, run, text};

const SOMEBODY: u32 = 12345;

/// Runs with variables of the environment.
fn with_variables(scratch: &Scratch, words: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = run(scratch, &[&USUAL, words].concat());
    command.envs(variables.iter().copied()).output().expect("the program can be started")
}

#[test]
fn a_variable_may_tighten() {
    let scratch = place("loop {}");

    let output = with_variables(&scratch, &[], &[("REX_BROKER_TIMEOUT", "1")]);

    assert_eq!(output.status.code(), Some(124), "{}", text(&output.stderr));
}

#[test]
fn a_variable_may_not_loosen_and_nothing_is_run() {
    let scratch = place("info(\"ran\")");
    for (name, value) in [
        ("REX_BROKER_TIMEOUT", "999999"),
        ("REX_BROKER_REQUIRE", "core,-landlock"),
        ("REX_BROKER_AUDIT_LOG", "none"),
        ("REX_BROKER_POLICY_MODE", "rex"),
        ("REX_BROKER_HARD_LINKS", "allow"),
        ("REX_BROKER_TYPO", "1"),
        ("REX_BROKER_MEMORY", "many"),
    ] {
        let output = with_variables(&scratch, &[], &[(name, value)]);

        assert_eq!(output.status.code(), Some(78), "{name}: {}", text(&output.stderr));
        assert!(text(&output.stderr).starts_with(&format!("error: configuration refused: {name}: ")));
        assert!(!text(&output.stderr).contains("ran"));
    }
}

// Rex: what is wrong before a script is started has status 1 and a document.
#[test]
fn rex_is_told_in_a_document() {
    let refused = || Run::of("1").variable("REX_BROKER_TIMEOUT", "999999");

    let own = refused().finish();
    let as_rex = refused().options(["--rex-compat"]).finish();

    assert_eq!((own.code(), as_rex.code()), (Some(78), Some(1)));
    assert_eq!(as_rex.document()["error"]["error_type"], "INTERNAL_EXCEPTION");
    assert!(own.message().starts_with("configuration refused: REX_BROKER_TIMEOUT: "), "{}", own.message());
}

#[test]
fn policies_are_not_looked_for_where_the_program_is_started() {
    let scratch = place("cat(\"/etc/hostname\")");
    scratch.file("never.cedar", "forbid(principal, action, resource);");
    scratch.file("config.toml", "nonsense");

    assert_eq!(with_variables(&scratch, &[], &[]).status.code(), Some(0));
    let relative = with_variables(&scratch, &[], &[("REX_BROKER_FORBID", "never.cedar")]);
    assert_eq!(relative.status.code(), Some(78));
    let absolute = scratch.path().join("never.cedar").display().to_string();
    let absolute = with_variables(&scratch, &[], &[("REX_BROKER_FORBID", &absolute)]);
    assert_eq!(absolute.status.code(), Some(77), "{}", text(&absolute.stderr));
}

/// A run by an ordinary user who has a configuration of their own.
fn with_user_configuration(text: &str, mode: u32) -> Command {
    let scratch = place("1");
    let file = scratch.path().join("home/rex-broker/config.toml");
    fs::create_dir_all(file.parent().expect("it has one")).expect("a directory can be made");
    fs::write(&file, text).expect("a file can be written");
    fs::set_permissions(&file, Permissions::from_mode(mode)).expect("it is ours");
    let copy = scratch.path().join("rex-broker");
    fs::copy(program::path(), &copy).expect("the program can be copied");
    let mut command = Command::new(copy);
    command
        .args(["run", "--audit-log", "none"])
        .args(USUAL)
        .current_dir(scratch.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("XDG_CONFIG_HOME", scratch.path().join("home"))
        .stdin(Stdio::null());
    if geteuid().is_root() {
        chown(&file, Some(SOMEBODY), Some(SOMEBODY)).expect("root can give things away");
        command.uid(SOMEBODY).gid(SOMEBODY);
    }
    // The directory is removed when the test is over, with the others of this process.
    std::mem::forget(scratch);
    command
}

#[test]
fn a_user_may_tighten_in_a_file_and_not_loosen() {
    let status = |text: &str| {
        let output = with_user_configuration(text, 0o600).output().expect("the program can be started");
        (output.status.code(), String::from_utf8(output.stderr).expect("it is text"))
    };

    assert_eq!(status("[limits]\nmemory = 64\n").0, Some(0));
    let (code, stderr) = status("# mine\n[limits]\nmemory = 1024\n");
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains("home/rex-broker/config.toml:3: `limits.memory` may be tightened"), "{stderr}");
    assert_eq!(status("nonsense").0, Some(78));
}

#[test]
fn a_users_file_that_others_may_write_is_refused() {
    let output = with_user_configuration("", 0o602).output().expect("the program can be started");

    assert_eq!(output.status.code(), Some(78), "{}", text(&output.stderr));
}

#[test]
fn root_reads_no_file_of_a_users() {
    if !geteuid().is_root() {
        rex_tests::skip::skipped("this needs root");
        return;
    }
    let scratch = place("1");
    fs::create_dir(scratch.path().join("rex-broker")).expect("a directory can be made");
    scratch.file("rex-broker/config.toml", "nonsense");
    let home = scratch.path().display().to_string();

    let output = with_variables(&scratch, &[], &[("XDG_CONFIG_HOME", &home), ("HOME", &home)]);

    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

/// Starts the program with another /etc, in which root has this configuration; nothing where that cannot be had.
fn with_roots(scratch: &Scratch, files: &[(&str, &str)], words: &[&str]) -> Option<Output> {
    if !geteuid().is_root() {
        rex_tests::skip::skipped("this needs root");
        return None;
    }
    let etc = scratch.path().join("etc");
    fs::create_dir_all(etc.join("rex-broker/conf.d")).expect("a directory can be made");
    fs::copy("/etc/passwd", etc.join("passwd")).expect("there is one");
    for (name, text) in files {
        fs::write(etc.join("rex-broker").join(name), text).expect("a file can be written");
    }
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc || exit 99; exec \"$@\""])
        .arg(&etc)
        .arg(program::path())
        .args(words)
        .current_dir(scratch.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .stdin(Stdio::null());
    let output = command.output().expect("there is unshare");
    if matches!(output.status.code(), Some(99)) || text(&output.stderr).starts_with("unshare:") {
        rex_tests::skip::skipped("this host does not let a test have an /etc of its own");
        return None;
    }
    Some(output)
}

#[test]
fn what_root_has_a_value_for_is_pinned() {
    let scratch = place("1");
    let root = [("config.toml", "policy-mode = \"standard\"\n\n[limits]\ntimeout = 100\n")];
    let words = |more: &[&str]| -> Vec<String> {
        let words = ["run", "--audit-log", "none"].iter().chain(&USUAL).chain(more);
        words.map(|word| (*word).to_owned()).collect()
    };
    let run = |more: &[&str]| {
        let words = words(more);
        with_roots(&scratch, &root, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };

    let Some(tighter) = run(&["--timeout", "50"]) else { return };
    assert_eq!(tighter.status.code(), Some(0), "{}", text(&tighter.stderr));
    let looser = run(&["--timeout", "101"]).expect("it went before");
    assert_eq!(looser.status.code(), Some(78));
    assert!(
        text(&looser.stderr).contains("--timeout: `limits.timeout` may be tightened and not loosened: it is `100` (/etc/rex-broker/config.toml:4)"),
        "{}",
        text(&looser.stderr)
    );
    assert_eq!(run(&["--policy-mode", "rex"]).expect("it went before").status.code(), Some(78));
}

#[test]
fn what_is_configured_is_shown_with_its_origin() {
    let scratch = place("1");
    let files = [
        ("config.toml", "[limits]\ntimeout = 100\n"),
        ("conf.d/10-more.toml", "audit-sync = \"record\"\n\n[limits]\ntimeout = 200\n"),
    ];

    let Some(shown) = with_roots(&scratch, &files, &["config", "show", "--origin"]) else { return };

    let shown = text(&shown.stdout);
    assert!(
        shown.starts_with(
            "# read: /etc/rex-broker/config.toml\n# read: /etc/rex-broker/conf.d/10-more.toml\n"
        )
    );
    assert!(shown.contains("\ntimeout = 200  # /etc/rex-broker/conf.d/10-more.toml:4\n"), "{shown}");
    assert!(
        shown.contains("\naudit-sync = \"record\"  # /etc/rex-broker/conf.d/10-more.toml:1\n"),
        "{shown}"
    );
    let json = with_roots(&scratch, &files, &["config", "show", "--json"]).expect("it went before");
    let json: Value = serde_json::from_slice(&json.stdout).expect("it is JSON");
    assert_eq!(json["settings"]["limits.timeout"]["value"], "200");
}

#[test]
fn the_configuration_is_closed_to_the_script() {
    let scratch = place("cat(\"/etc/rex-broker/config.toml\")");
    let words: Vec<&str> = ["run", "--audit-log", "none"].into_iter().chain(USUAL).collect();

    let Some(output) = with_roots(&scratch, &[("config.toml", "")], &words) else { return };

    assert_eq!(output.status.code(), Some(77), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("the configuration of this run"), "{}", text(&output.stderr));
}

// Issue: `config show` prints the place of the record that is in force.
#[test]
fn the_place_of_the_record_that_is_shown_is_where_it_goes() {
    let run = Run::of("1").usual_audit_log();
    let state = run.scratch.path().join("state");
    let shown = |form: &[&str]| {
        let output = Command::new(program::path())
            .args(["config", "show"])
            .args(form)
            .env_clear()
            .env("XDG_STATE_HOME", &state)
            .output()
            .expect("the program can be started");
        String::from_utf8(output.stdout).expect("it is text")
    };
    let (text, json) = (shown(&[]), shown(&["--json"]));
    let json: Value = serde_json::from_str(&json).expect("it is JSON");

    let ended = run.variable("XDG_STATE_HOME", &state).finish();

    let document = ended.document();
    let place = document["jail"]["audit_log"].as_str().expect("it is told");
    assert_eq!(json["record"], place);
    assert!(text.lines().any(|line| line == format!("# audit-log = \"{place}\"")), "{place}: {text}");
}
